/* soak.c - many inversions, edits, cancels and wrong files in one process: memory, files and threads must not grow.
 *
 *   soak PHOTO FOLDER ROUNDS [INVERSION]      PHOTO shows a face, FOLDER is writable
 *
 * Prints a line for every tenth round, and the result. If INVERSION, a file of the same PHOTO, is given, it is opened instead of
 * inverting, which is fast enough for valgrind.
 */
#include "check.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *photo_path, *inversion_path;
static char wrong_file[600], no_folder[600], result_file[600], saved_file[600];

/* Entries of a folder of /proc. */
static long count(const char *path) {
  DIR *folder = opendir(path);
  long entries = 0;
  CHECK(folder != NULL);
  while (readdir(folder)) ++entries;
  CHECK(closedir(folder) == 0);
  return entries;
}

/* Memory in use, in KB. */
static long resident(void) {
  long size = 0, pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  CHECK(file && fscanf(file, "%ld %ld", &size, &pages) == 2 && fclose(file) == 0);
  return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static int stop_after(const gani_progress *progress, void *left) {
  (void)progress;
  return --*(int *)left > 0;
}

static gani_model *open_model(void) {
  gani_model_options options = {.struct_size = sizeof options};
  gani_model *model = NULL;
  options.model = "ffhq-64";
  options.device = "cpu";
  options.threads = 1;
  CHECK(gani_model_open(&options, &model) == GANI_OK);
  return model;
}

static void wrong_files(const gani_model *model, const gani_image *photo) {
  gani_image *image = NULL;
  gani_face_session *face = NULL;
  gani_model *other = NULL;
  gani_model_options options = {.struct_size = sizeof options};
  options.model = wrong_file;
  CHECK(gani_image_load(wrong_file, &image) == GANI_ERROR_INPUT && image == NULL);
  CHECK(gani_image_load("/no/such/photo.png", &image) == GANI_ERROR_IO && image == NULL);
  CHECK(gani_face_session_open(model, wrong_file, &face) == GANI_ERROR_MODEL && face == NULL);
  CHECK(gani_model_open(&options, &other) != GANI_OK && other == NULL);
  CHECK(gani_image_save(photo, no_folder) == GANI_ERROR_IO);
}

/* Inverts, or opens the inversion; every fifth time the inversion is cancelled before. */
static gani_face_session *invert(const gani_model *model, const gani_image *photo, int round) {
  gani_invert_options options = {.struct_size = sizeof options};
  gani_face_session *face = NULL;
  int left = 1 + round % 9;
  options.iterations = 2;
  options.refine_steps = 2;
  options.cache = GANI_CACHE_OFF;
  options.seed = (uint64_t)round;
  options.preview_interval = 1;
  if (round % 5 == 0) {
    options.progress = stop_after;
    options.user_data = &left;
    if (inversion_path) left = 1;
    CHECK(gani_model_invert(model, photo, &options, &face) == GANI_CANCELLED && face == NULL);
    options.progress = NULL;
  }
  if (inversion_path) {
    CHECK(gani_face_session_open(model, inversion_path, &face) == GANI_OK);
  } else {
    CHECK(gani_model_invert(model, photo, &options, &face) == GANI_OK);
  }
  return face;
}

static void edit(const gani_face_session *face, gani_image *photo, int round) {
  static uint8_t pixels[4 * 96 * 96];
  gani_image_desc desc = {.struct_size = sizeof desc};
  gani_edit edits[2] = {{"smile", 1.5f}, {"sefa.2", -1.0f}};
  gani_image *out = NULL;
  desc.pixels = pixels;
  desc.stride = 4 * 96;
  desc.width = desc.height = 96;
  desc.layout = GANI_LAYOUT_BGRA;
  desc.sample = GANI_SAMPLE_U8;
  edits[0].strength += (float)(round % 3);
  CHECK(gani_image_wrap(&desc, &out) == GANI_OK);
  CHECK(gani_face_session_render(face, edits, 2, out) == GANI_OK);
  CHECK(gani_face_session_preview(face, edits, 1, NULL, photo, out) == GANI_OK);
  CHECK(gani_face_session_paste(face, edits, 2, photo, NULL) == GANI_OK);
  edits[1].direction = "no-such-direction";
  CHECK(gani_face_session_render(face, edits, 2, out) == GANI_ERROR_INPUT);
  CHECK(gani_image_free(out) == GANI_OK);
}

static void one_round(gani_model **model, int round) {
  gani_image *photo = NULL;
  CHECK(gani_image_load(photo_path, &photo) == GANI_OK);
  if (round % 7 == 0) wrong_files(*model, photo);
  gani_face_session *face = invert(*model, photo, round);
  edit(face, photo, round);
  CHECK(gani_face_session_save(face, saved_file) == GANI_OK);
  CHECK(gani_image_save(photo, result_file) == GANI_OK);
  CHECK(gani_face_session_free(face) == GANI_OK);
  CHECK(gani_model_generate(*model, (uint64_t)round, 0.7f, photo) == GANI_OK);
  CHECK(gani_image_free(photo) == GANI_OK);
  CHECK(gani_handle_count() == 1);
  if (round % 20 == 19) {
    CHECK(gani_model_free(*model) == GANI_OK && gani_handle_count() == 0);
    *model = open_model();
  }
}

static int compare(const void *a, const void *b) {
  long x = *(const long *)a, y = *(const long *)b;
  return (x > y) - (x < y);
}

static long median(const long *values, int from, int to) {
  long sorted[10000];
  memcpy(sorted, values + from, (size_t)(to - from) * sizeof *values);
  qsort(sorted, (size_t)(to - from), sizeof *sorted, compare);
  return sorted[(to - from) / 2];
}

int main(int argc, char **argv) {
  static long memory[10000];
  if (argc < 4) return 2;
  int rounds = atoi(argv[3]);
  CHECK(rounds >= 4 && rounds <= 10000);
  photo_path = argv[1];
  inversion_path = argc > 4 ? argv[4] : NULL;
  snprintf(wrong_file, sizeof wrong_file, "%s/wrong.png", argv[2]);
  snprintf(no_folder, sizeof no_folder, "%s/none/a.png", argv[2]);
  snprintf(result_file, sizeof result_file, "%s/result.png", argv[2]);
  snprintf(saved_file, sizeof saved_file, "%s/face.safetensors", argv[2]);
  FILE *file = fopen(wrong_file, "w");
  CHECK(file && fputs("neither a photo nor an inversion", file) >= 0 && fclose(file) == 0);

  gani_model *model = open_model();
  long files = 0, threads = 0;
  for (int round = 0; round < rounds; ++round) {
    one_round(&model, round);
    memory[round] = resident();
    /* The first quarter loads what is needed. */
    if (round == rounds / 4) {
      files = count("/proc/self/fd");
      threads = count("/proc/self/task");
    }
    if (round % 10 == 9) printf("%4d rounds: %ld KB\n", round + 1, memory[round]), fflush(stdout);
  }
  CHECK(gani_model_free(model) == GANI_OK);
  CHECK(gani_handle_count() == 0);
  CHECK(count("/proc/self/fd") == files && count("/proc/self/task") == threads);
  long before = median(memory, rounds / 4, rounds / 2), after = median(memory, rounds - rounds / 4, rounds);
  printf("%d rounds: memory %ld to %ld KB, %ld threads, 0 handles\n", rounds, before, after, threads - 2);
  /* 2 % is what the allocator's fragmentation varies. */
  CHECK(inversion_path || after <= before + before / 50);
  return 0;
}
