/* readme.c - the C example of README.md, which shows the body of main. A test keeps the two equal and runs this program. */
#include <gani.h>
#include <stdio.h>

int main(void) {
  gani_edit older = {"age", 2.0f};                                /* +2 standard deviations */
  gani_model *model = NULL;
  gani_image *photo = NULL;
  gani_face_session *face = NULL;
  if (gani_model_open(NULL, &model) != GANI_OK ||                 /* the default model, 1024 px */
      gani_image_load("portrait.jpg", &photo) != GANI_OK ||
      gani_model_invert(model, photo, NULL, &face) != GANI_OK ||  /* minutes; later read from the cache */
      gani_face_session_paste(face, &older, 1, photo, NULL) != GANI_OK ||
      gani_image_save(photo, "older.jpg") != GANI_OK)
    fprintf(stderr, "%s\n", gani_last_error());
  gani_face_session_free(face);
  gani_image_free(photo);
  gani_model_free(model);
}
