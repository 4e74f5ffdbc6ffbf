/* misuse.c - tests that libgani answers misuse with errors, and that two threads can share all handles.
 *
 *   misuse PHOTO FOLDER [INVERSION]      prints "ok"; PHOTO shows a face, FOLDER is empty and writable
 *
 * Saves the inversion to FOLDER/face.safetensors. If such a file of the same PHOTO is passed as INVERSION, the program
 * does not invert anything, which makes it fast enough for valgrind.
 */
#include "check.h"

#include <math.h>
#include <pthread.h>
#include <stddef.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Checks that the call fails with this status and that the message contains this word. */
#define FAILS(call, status, word)                     \
  do {                                                \
    CHECK((call) == (status));                        \
    CHECK(strstr(gani_last_error(), (word)) != NULL); \
  } while (0)

static const char *photo_path;
static char cache[512];
static int skip_inversions;

static gani_invert_options few_steps(void) {
  gani_invert_options options = {.struct_size = sizeof options};
  options.iterations = 3;
  options.refine_steps = 2;
  options.cache = GANI_CACHE_OFF;
  return options;
}

static gani_image_desc rgb(uint8_t *pixels, uint32_t width, uint32_t height) {
  gani_image_desc desc = {.struct_size = sizeof desc};
  desc.pixels = pixels;
  desc.stride = 3 * (size_t)width;
  desc.width = width;
  desc.height = height;
  desc.layout = GANI_LAYOUT_RGB;
  desc.sample = GANI_SAMPLE_U8;
  return desc;
}

static void null_pointers(gani_model *model, gani_image *photo, gani_face_session *face) {
  gani_image *image = photo;
  gani_face_session *session = face;
  FAILS(gani_model_open(NULL, NULL), GANI_ERROR_MISUSE, "NULL");
  FAILS(gani_model_describe(NULL, NULL), GANI_ERROR_MISUSE, "NULL");
  FAILS(gani_model_describe(model, NULL), GANI_ERROR_MISUSE, "NULL");
  FAILS(gani_model_list_directions(NULL, NULL, NULL), GANI_ERROR_MISUSE, "NULL");
  FAILS(gani_model_list_directions(model, NULL, NULL), GANI_ERROR_MISUSE, "NULL");
  FAILS(gani_bundle_list(NULL, NULL), GANI_ERROR_MISUSE, "NULL");
  FAILS(gani_model_generate(NULL, 0, 1, photo), GANI_ERROR_MISUSE, "NULL");
  FAILS(gani_model_generate(model, 0, 1, NULL), GANI_ERROR_MISUSE, "NULL");
  FAILS(gani_image_wrap(NULL, &image), GANI_ERROR_MISUSE, "NULL");
  CHECK(image == NULL); /* set to NULL by the failed call */
  FAILS(gani_image_wrap(NULL, NULL), GANI_ERROR_MISUSE, "NULL");
  FAILS(gani_image_load(NULL, &image), GANI_ERROR_MISUSE, "NULL");
  FAILS(gani_image_load(photo_path, NULL), GANI_ERROR_MISUSE, "NULL");
  FAILS(gani_image_save(NULL, "x.png"), GANI_ERROR_MISUSE, "NULL");
  FAILS(gani_image_save(photo, NULL), GANI_ERROR_MISUSE, "NULL");
  FAILS(gani_image_describe(NULL, NULL), GANI_ERROR_MISUSE, "NULL");
  FAILS(gani_image_describe(photo, NULL), GANI_ERROR_MISUSE, "NULL");
  FAILS(gani_model_invert(NULL, photo, NULL, &session), GANI_ERROR_MISUSE, "NULL");
  CHECK(session == NULL);
  FAILS(gani_model_invert(model, NULL, NULL, &session), GANI_ERROR_MISUSE, "NULL");
  FAILS(gani_model_invert(model, photo, NULL, NULL), GANI_ERROR_MISUSE, "NULL");
  FAILS(gani_face_session_open(NULL, "x", &session), GANI_ERROR_MISUSE, "NULL");
  FAILS(gani_face_session_open(model, NULL, &session), GANI_ERROR_MISUSE, "NULL");
  FAILS(gani_face_session_open(model, "x", NULL), GANI_ERROR_MISUSE, "NULL");
  FAILS(gani_face_session_save(NULL, "x"), GANI_ERROR_MISUSE, "NULL");
  FAILS(gani_face_session_save(face, NULL), GANI_ERROR_MISUSE, "NULL");
  FAILS(gani_face_session_describe(NULL, NULL), GANI_ERROR_MISUSE, "NULL");
  FAILS(gani_face_session_describe(face, NULL), GANI_ERROR_MISUSE, "NULL");
  FAILS(gani_face_session_render(NULL, NULL, 0, photo), GANI_ERROR_MISUSE, "NULL");
  FAILS(gani_face_session_render(face, NULL, 0, NULL), GANI_ERROR_MISUSE, "NULL");
  FAILS(gani_face_session_render(face, NULL, 1, photo), GANI_ERROR_MISUSE, "edits is NULL");
  FAILS(gani_face_session_paste(NULL, NULL, 0, photo, NULL), GANI_ERROR_MISUSE, "NULL");
  FAILS(gani_face_session_paste(face, NULL, 0, NULL, NULL), GANI_ERROR_MISUSE, "NULL");
  gani_paste_options paste = {.struct_size = sizeof paste, .keep = 3};
  FAILS(gani_face_session_paste_with(face, NULL, 0, &paste, photo, NULL), GANI_ERROR_MISUSE, "gani_keep");
  FAILS(gani_face_session_preview(face, NULL, 0, NULL, photo, NULL), GANI_ERROR_MISUSE, "NULL");
  paste.keep = GANI_KEEP_NONE;
  paste.feather = 0.7f;
  FAILS(gani_face_session_paste_with(face, NULL, 0, &paste, photo, NULL), GANI_ERROR_INPUT, "feather");
  gani_edit nameless = {NULL, 1.0f};
  FAILS(gani_face_session_render(face, &nameless, 1, photo), GANI_ERROR_MISUSE, "direction");
  CHECK(gani_model_free(NULL) == GANI_OK && gani_image_free(NULL) == GANI_OK);
  CHECK(gani_face_session_free(NULL) == GANI_OK);
}

static void freed_and_invalid_handles(gani_model *model, gani_image *photo, gani_face_session *face) {
  gani_model_options options = {.struct_size = sizeof options};
  gani_model_info info = {.struct_size = sizeof info};
  gani_model *second = NULL;
  int no_handle = 0;
  options.model = "ffhq-64";
  CHECK(gani_model_open(&options, &second) == GANI_OK && second != model);
  CHECK(gani_model_free(second) == GANI_OK);
  FAILS(gani_model_describe(second, &info), GANI_ERROR_MISUSE, "freed");
  FAILS(gani_model_free(second), GANI_ERROR_MISUSE, "freed");
  FAILS(gani_model_describe((gani_model *)&no_handle, &info), GANI_ERROR_MISUSE, "not a valid handle");
  FAILS(gani_model_free((gani_model *)&no_handle), GANI_ERROR_MISUSE, "not a valid handle");
  FAILS(gani_model_describe((gani_model *)(uintptr_t)1, &info), GANI_ERROR_MISUSE, "not a valid handle");
  FAILS(gani_model_describe((gani_model *)photo, &info), GANI_ERROR_MISUSE, "handle of a model, got that of an image");
  FAILS(gani_image_free((gani_image *)face), GANI_ERROR_MISUSE, "that of a face session");
  FAILS(gani_face_session_render((gani_face_session *)model, NULL, 0, photo), GANI_ERROR_MISUSE, "that of a model");
  CHECK(no_handle == 0);
}

static void every_status(gani_model *model, gani_image *photo, gani_face_session *face) {
  char path[600];
  gani_image *image = NULL;
  gani_face_session *session = NULL;
  gani_model *opened = NULL;
  gani_model_options open = {.struct_size = sizeof open};
  gani_invert_options options = few_steps();
  gani_edit edit = {"smlie", 1.0f};
  FILE *file;

  CHECK(gani_abi_check(GANI_ABI_VERSION) == GANI_OK && gani_abi_version() == GANI_ABI_VERSION);
  FAILS(gani_abi_check(GANI_ABI_VERSION + 1), GANI_ERROR_UNSUPPORTED, "recompile the program");
  FAILS(gani_face_session_render(face, &edit, 1, photo), GANI_ERROR_INPUT, "did you mean `smile`");
  edit.direction = "smile";
  edit.strength = NAN;
  FAILS(gani_face_session_render(face, &edit, 1, photo), GANI_ERROR_INPUT, "strength");
  edit.direction = "\xff\xfe";
  FAILS(gani_face_session_render(face, &edit, 1, photo), GANI_ERROR_INPUT, "UTF-8");
  FAILS(gani_model_generate(model, 0, INFINITY, photo), GANI_ERROR_INPUT, "psi");
  open.model = "no-such-model";
  FAILS(gani_model_open(&open, &opened), GANI_ERROR_INPUT, "no-such-model");
  open.model = "ffhq-64";
  open.device = "toaster";
  FAILS(gani_model_open(&open, &opened), GANI_ERROR_INPUT, "toaster");
  open.device = NULL;
  open.onnx_runtime = "/no/such/library.so";
  FAILS(gani_model_open(&open, &opened), GANI_ERROR_RUNTIME, "/no/such/library.so");
  snprintf(path, sizeof path, "%s/broken.safetensors", cache);
  file = fopen(path, "w");
  CHECK(file && fputs("not an inversion", file) >= 0 && fclose(file) == 0);
  FAILS(gani_face_session_open(model, path, &session), GANI_ERROR_MODEL, "damaged");
  FAILS(gani_image_load(path, &image), GANI_ERROR_INPUT, "image");
  FAILS(gani_face_session_open(model, "/no/such/file", &session), GANI_ERROR_IO, "/no/such/file");
  FAILS(gani_image_save(photo, "/no/such/folder/x.png"), GANI_ERROR_IO, "/no/such/folder");
  FAILS(gani_image_save(photo, "x.unknown"), GANI_ERROR_INPUT, ".png");

  uint8_t *huge = calloc(3, 20001);
  gani_image_desc desc = rgb(huge, 20001, 1);
  CHECK(gani_image_wrap(&desc, &image) == GANI_OK);
  FAILS(gani_model_invert(model, image, &options, &session), GANI_ERROR_LIMITS, "too large");
  CHECK(gani_image_free(image) == GANI_OK);
  free(huge);
}

/* A profile that is none is refused, and a program compiled before profiles existed has none. */
static void profiles(void) {
  uint8_t pixels[3 * 4 * 4] = {0};
  gani_image_desc desc = rgb(pixels, 4, 4);
  gani_image *image = NULL;
  desc.icc_profile = "not a profile";
  desc.icc_profile_size = 13;
  FAILS(gani_image_wrap(&desc, &image), GANI_ERROR_INPUT, "color profile");
  desc.icc_profile_size = (size_t)1 << 40;
  FAILS(gani_image_wrap(&desc, &image), GANI_ERROR_MISUSE, "icc_profile_size");
  desc.struct_size = offsetof(gani_image_desc, icc_profile);
  CHECK(gani_image_wrap(&desc, &image) == GANI_OK);
  CHECK(gani_image_free(image) == GANI_OK);
}

static void invalid_values(gani_model *model, gani_image *photo) {
  uint8_t pixels[3 * 4 * 4] = {0};
  struct {
    gani_invert_options known;
    uint64_t newer;
  } grown = {few_steps(), 0};
  gani_image *image = NULL;
  gani_face_session *session = NULL;
  gani_model_info info = {.struct_size = sizeof info};
  gani_invert_options options;
  gani_image_desc desc;

#define IMAGE_FAILS(field, value, word)                              \
  desc = rgb(pixels, 4, 4);                                          \
  desc.field = value;                                                \
  FAILS(gani_image_wrap(&desc, &image), GANI_ERROR_MISUSE, (word))
  IMAGE_FAILS(struct_size, 0, "struct_size");
  IMAGE_FAILS(struct_size, (size_t)-1, "struct_size");
  IMAGE_FAILS(pixels, NULL, "NULL");
  IMAGE_FAILS(stride, 11, "stride");
  IMAGE_FAILS(stride, (size_t)-1, "address space");
  IMAGE_FAILS(width, 0, "empty");
  IMAGE_FAILS(height, 0, "empty");
  IMAGE_FAILS(layout, 0, "gani_layout");
  IMAGE_FAILS(layout, 6, "gani_layout");
  IMAGE_FAILS(sample, 4, "gani_sample");
  IMAGE_FAILS(mask_stride, 3, "mask_stride");
  desc = rgb(pixels + 1, 1, 1);
  desc.sample = GANI_SAMPLE_F32;
  desc.stride = 12;
  FAILS(gani_image_wrap(&desc, &image), GANI_ERROR_MISUSE, "multiples of 4");

#define INVERT_FAILS(field, value, word) \
  options = few_steps();                     \
  options.field = value;                 \
  FAILS(gani_model_invert(model, photo, &options, &session), GANI_ERROR_MISUSE, (word))
  INVERT_FAILS(struct_size, 4, "struct_size");
  INVERT_FAILS(preset, 5, "gani_preset");
  INVERT_FAILS(aligned, 2, "aligned");
  INVERT_FAILS(cache, 2, "gani_cache_mode");

  /* A newer program: fields that the library does not have must be zero. */
  grown.known.struct_size = sizeof grown;
  grown.newer = 1;
  FAILS(gani_model_invert(model, photo, &grown.known, &session), GANI_ERROR_UNSUPPORTED, "newer libgani");
  /* An older program: nothing is written beyond the fields of its struct. */
  memset(&info, 0x55, sizeof info);
  info.struct_size = offsetof(gani_model_info, license);
  CHECK(gani_model_describe(model, &info) == GANI_OK);
  CHECK(strcmp(info.name, "ffhq-64") == 0 && info.width == 0x55555555u);
  FAILS(gani_log_set(9, NULL, NULL), GANI_ERROR_MISUSE, "gani_log_level");
}

static int stop_in_tuning(const gani_progress *progress, void *calls) {
  ++*(int *)calls;
  return !skip_inversions && (progress->stage < GANI_STAGE_TUNE || progress->step < 1);
}

static void cancel(gani_model *model, gani_image *photo) {
  gani_invert_options options = few_steps();
  gani_face_session *session = (gani_face_session *)photo;
  int calls = 0;
  options.progress = stop_in_tuning;
  options.user_data = &calls;
  FAILS(gani_model_invert(model, photo, &options, &session), GANI_CANCELLED, "cancelled");
  CHECK(session == NULL && (skip_inversions ? calls == 1 : calls >= 5));
}

struct handles {
  gani_model *model;
  gani_image *photo;
};

static int free_handles(const gani_progress *progress, void *user_data) {
  struct handles *used = user_data;
  (void)progress;
  CHECK(gani_model_free(used->model) == GANI_OK && gani_image_free(used->photo) == GANI_OK);
  used->model = NULL;
  used->photo = NULL;
  return 1;
}

/* Handles are freed while a call uses them. The call keeps the objects alive. */
static void freed_in_flight(void) {
  gani_model_options open = {.struct_size = sizeof open};
  gani_invert_options options = few_steps();
  struct handles used = {NULL, NULL};
  gani_face_session *session = NULL;
  open.model = "ffhq-64";
  CHECK(gani_model_open(&open, &used.model) == GANI_OK && gani_image_load(photo_path, &used.photo) == GANI_OK);
  options.progress = free_handles;
  options.user_data = &used;
  CHECK(gani_model_invert(used.model, used.photo, &options, &session) == GANI_OK && used.model == NULL);
  CHECK(gani_face_session_free(session) == GANI_OK);
}

static atomic_int messages;

static void count_message(uint32_t level, const char *message, void *user_data) {
  CHECK(level >= GANI_LOG_ERROR && level <= GANI_LOG_DEBUG && message && user_data == (void *)&messages);
  if (atomic_fetch_add(&messages, 1) == 0) {
    FAILS(gani_log_set(GANI_LOG_OFF, NULL, NULL), GANI_ERROR_MISUSE, "log function");
  }
}

static void log_messages(gani_model *model, gani_image *photo) {
  char no_folder[600];
  gani_invert_options options = few_steps();
  gani_face_session *session = NULL;
  snprintf(no_folder, sizeof no_folder, "%s/broken.safetensors/below", cache);
  options.cache = GANI_CACHE_ON;
  options.cache_folder = no_folder;
  CHECK(gani_log_set(GANI_LOG_WARNING, count_message, &messages) == GANI_OK);
  /* A cache that cannot be written is a warning, not an error. */
  CHECK(gani_model_invert(model, photo, &options, &session) == GANI_OK);
  CHECK(gani_log_set(GANI_LOG_OFF, NULL, NULL) == GANI_OK);
  CHECK(atomic_load(&messages) >= 1);
  CHECK(gani_face_session_free(session) == GANI_OK);
}

struct shared {
  gani_model *model;
  gani_image *photo;
  gani_face_session *face;
  const uint8_t *expected;
};

/* Inverts and edits with handles that both threads use. */
static void *work(void *argument) {
  const struct shared *shared = argument;
  gani_invert_options options = few_steps();
  gani_face_session *own = NULL;
  uint8_t pixels[3 * 64 * 64];
  gani_image_desc desc = rgb(pixels, 64, 64);
  gani_image *image = NULL;
  gani_edit edit = {"smile", 2.0f};
  CHECK(gani_image_wrap(&desc, &image) == GANI_OK);
  if (!skip_inversions) CHECK(gani_model_invert(shared->model, shared->photo, &options, &own) == GANI_OK);
  for (int i = 0; i < 5; ++i) {
    memset(pixels, 0, sizeof pixels);
    CHECK(gani_face_session_render(own && i % 2 ? own : shared->face, &edit, 1, image) == GANI_OK);
    CHECK(memcmp(pixels, shared->expected, sizeof pixels) == 0);
  }
  /* The last error is per thread. */
  FAILS(gani_face_session_render(shared->face, NULL, 1, image), GANI_ERROR_MISUSE, "edits is NULL");
  CHECK(gani_image_free(image) == GANI_OK && gani_face_session_free(own) == GANI_OK);
  return NULL;
}

static void two_threads(gani_model *model, gani_image *photo, gani_face_session *face) {
  uint8_t expected[3 * 64 * 64];
  gani_image_desc desc = rgb(expected, 64, 64);
  gani_image *image = NULL;
  gani_edit edit = {"smile", 2.0f};
  struct shared shared = {model, photo, face, expected};
  pthread_t threads[2];
  CHECK(gani_image_wrap(&desc, &image) == GANI_OK);
  CHECK(gani_face_session_render(face, &edit, 1, image) == GANI_OK);
  for (int i = 0; i < 2; ++i) CHECK(pthread_create(&threads[i], NULL, work, &shared) == 0);
  for (int i = 0; i < 2; ++i) CHECK(pthread_join(threads[i], NULL) == 0);
  CHECK(gani_image_free(image) == GANI_OK);
}

static int check_direction(const gani_direction *direction, void *found) {
  CHECK(direction->struct_size == sizeof *direction && direction->named == 1);
  CHECK(direction->name[0] && direction->label[0] && direction->help[0]);
  CHECK(direction->min_strength < 0 && direction->max_strength == -direction->min_strength && direction->group[0]);
  CHECK(strcmp(direction->unit, "sigma") == 0 || strcmp(direction->unit, "deg") == 0);
  if (*(int *)found == 0) CHECK(strcmp(direction->name, "smile") == 0 && strcmp(direction->label, "Smile") == 0);
  ++*(int *)found;
  return 1;
}

static void labels(void) {
  int found = 0;
  CHECK(gani_face_direction_list(check_direction, &found) == GANI_OK && found >= 7);
  FAILS(gani_face_direction_list(NULL, NULL), GANI_ERROR_MISUSE, "NULL");
  CHECK(strstr(gani_about(), "\nONNX Runtime: 1.") != NULL && strstr(gani_about(), "\nmodel ffhq-1024: ") != NULL);
  CHECK(strcmp(gani_stage_label(GANI_STAGE_FIND), "finding the face") == 0);
  CHECK(strcmp(gani_stage_label(GANI_STAGE_FINISH), "measuring the result") == 0);
  CHECK(gani_stage_label(0)[0] == 0 && gani_stage_label(6)[0] == 0);
}

static int find_look(const gani_look *look, void *found) {
  CHECK(look->struct_size == sizeof *look && look->name[0] && look->title && look->count > 0 && look->problem == NULL);
  if (strcmp(look->name, "mine") == 0) {
    CHECK(look->own == 1 && strcmp(look->edits[1].direction, "yaw") == 0 && look->edits[1].strength == 12.5f);
    ++*(int *)found;
  }
  return 1;
}

/* The user's data folder is a temporary one. */
static void looks(void) {
  const gani_edit edits[] = {{"smile", 1}, {"yaw", 12.5f}}, twice[] = {{"smile", 1}, {"smile", 2}}, nan[] = {{"smile", NAN}};
  int found = 0;
  CHECK(gani_look_save("mine", NULL, edits, 2, 0) == GANI_OK && gani_look_save("mine", "Mine", edits, 2, 1) == GANI_OK);
  CHECK(gani_look_list(find_look, &found) == GANI_OK && found == 1);
  FAILS(gani_look_save("mine", NULL, edits, 2, 0), GANI_ERROR_INPUT, "exists already");
  FAILS(gani_look_save("twice", NULL, twice, 2, 0), GANI_ERROR_INPUT, "smile");
  FAILS(gani_look_save("none", NULL, NULL, 0, 0), GANI_ERROR_INPUT, "1 to 100");
  FAILS(gani_look_save("nan", NULL, nan, 1, 0), GANI_ERROR_INPUT, "finite");
  FAILS(gani_look_save("../mine", NULL, edits, 2, 0), GANI_ERROR_INPUT, "cannot be the name");
  FAILS(gani_look_save(NULL, NULL, edits, 2, 0), GANI_ERROR_MISUSE, "NULL");
  FAILS(gani_look_list(NULL, NULL), GANI_ERROR_MISUSE, "NULL");
  FAILS(gani_look_remove("friendly"), GANI_ERROR_INPUT, "comes with gani");
  CHECK(gani_look_remove("mine") == GANI_OK);
  FAILS(gani_look_remove("mine"), GANI_ERROR_INPUT, "there is no look");
}

static int count_bundle(const gani_bundle_info *bundle, void *found) {
  CHECK(bundle->struct_size == sizeof *bundle && bundle->name && bundle->folder);
  if (strcmp(bundle->name, "ffhq-64") == 0) {
    CHECK(bundle->problem == NULL && bundle->width == 64 && bundle->height == 64);
    ++*(int *)found;
    return 0; /* stops the enumeration */
  }
  return 1;
}

int main(int argc, char **argv) {
  gani_model_options options = {.struct_size = sizeof options};
  gani_invert_options invert_options = few_steps();
  gani_model *model = NULL;
  gani_image *photo = NULL;
  gani_face_session *face = NULL;
  char path[600];
  int found = 0;
  if (argc < 3) return 2;
  skip_inversions = argc > 3;
  photo_path = argv[1];
  snprintf(cache, sizeof cache, "%s", argv[2]);

  CHECK(strcmp(gani_last_error(), "") == 0 && gani_handle_count() == 0);
  CHECK(gani_bundle_list(count_bundle, &found) == GANI_OK && found == 1);
  options.model = "ffhq-64";
  options.device = "cpu";
  CHECK(gani_model_open(&options, &model) == GANI_OK);
  CHECK(gani_image_load(photo_path, &photo) == GANI_OK);
  snprintf(path, sizeof path, "%s/face.safetensors", cache);
  if (skip_inversions) CHECK(gani_face_session_open(model, argv[3], &face) == GANI_OK);
  if (!skip_inversions) CHECK(gani_model_invert(model, photo, &invert_options, &face) == GANI_OK);
  CHECK(gani_face_session_save(face, path) == GANI_OK);

  labels();
  looks();
  null_pointers(model, photo, face);
  freed_and_invalid_handles(model, photo, face);
  every_status(model, photo, face);
  profiles();
  invalid_values(model, photo);
  cancel(model, photo);
  if (!skip_inversions) freed_in_flight();
  if (!skip_inversions) log_messages(model, photo);
  two_threads(model, photo, face);

  /* A face session outlives its model. */
  CHECK(gani_model_free(model) == GANI_OK);
  CHECK(gani_face_session_paste(face, NULL, 0, photo, NULL) == GANI_OK);
  CHECK(gani_face_session_free(face) == GANI_OK && gani_image_free(photo) == GANI_OK);
  CHECK(gani_handle_count() == 0);
  puts("ok");
  return 0;
}
