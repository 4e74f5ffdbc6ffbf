/* portrait.c - C example with progress and error handling: invert the face in a photo, make it smile, save the photo.
 *
 *   portrait PHOTO OUT.png [MODEL] [STEPS]
 */
#include <gani.h>

#include <stdio.h>
#include <stdlib.h>

static int fail(const char *what) {
  fprintf(stderr, "%s: %s\n", what, gani_last_error());
  return EXIT_FAILURE;
}

static int show_progress(const gani_progress *progress, void *user_data) {
  (void)user_data;
  if (progress->preview) return 1; /* a program with a window would display it */
  fprintf(stderr, "\r%-22s %u/%u", gani_stage_label(progress->stage), progress->step, progress->steps);
  if (progress->seconds_left >= 0) fprintf(stderr, ", %.0f s left   ", progress->seconds_left);
  return 1; /* return 0 to cancel */
}

static int print_direction(const gani_direction *direction, void *user_data) {
  (void)user_data;
  if (direction->named) printf(" %s", direction->name);
  return 1;
}

int main(int argc, char **argv) {
  gani_model_options model_options = {.struct_size = sizeof model_options};
  gani_invert_options options = {.struct_size = sizeof options};
  gani_face_session_info info = {.struct_size = sizeof info};
  gani_edit edits[] = {{"smile", 2.0f}, {"age", -1.0f}};
  gani_model *model = NULL;
  gani_image *photo = NULL;
  gani_face_session *face = NULL;
  gani_rect changed;
  int result = EXIT_SUCCESS;

  if (argc < 3) {
    fprintf(stderr, "usage: %s PHOTO OUT.png [MODEL] [STEPS]\n", argv[0]);
    return 2;
  }
  if (argc > 3) model_options.model = argv[3];
  if (argc > 4) options.iterations = options.refine_steps = (uint32_t)atoi(argv[4]);
  options.progress = show_progress;

  if (gani_abi_check(GANI_ABI_VERSION) != GANI_OK) return fail("libgani");
  if (gani_model_open(&model_options, &model) != GANI_OK) return fail("model");
  printf("gani %s, directions:", gani_version());
  if (gani_model_list_directions(model, print_direction, NULL) != GANI_OK) result = fail("directions");
  printf("\n");

  if (result == EXIT_SUCCESS && gani_image_load(argv[1], &photo) != GANI_OK) result = fail(argv[1]);
  if (result == EXIT_SUCCESS && gani_model_invert(model, photo, &options, &face) != GANI_OK) result = fail("invert");
  if (result == EXIT_SUCCESS) {
    fprintf(stderr, "\n");
    if (gani_face_session_describe(face, &info) != GANI_OK) result = fail("describe");
    printf("%s, MSE %.4f\n", info.from_cache ? "read from the cache" : "inverted", info.mse);
  }
  if (result == EXIT_SUCCESS && gani_face_session_paste(face, edits, 2, photo, &changed) != GANI_OK) result = fail("paste");
  if (result == EXIT_SUCCESS && gani_image_save(photo, argv[2]) != GANI_OK) result = fail(argv[2]);
  if (result == EXIT_SUCCESS) {
    printf("wrote %s, changed %ux%u+%u+%u\n", argv[2], changed.width, changed.height, changed.x, changed.y);
  }

  gani_face_session_free(face);
  gani_image_free(photo);
  gani_model_free(model);
  return result;
}
