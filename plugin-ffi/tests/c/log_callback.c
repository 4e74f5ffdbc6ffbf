// A log function that calls gani, while another thread logs and a third one replaces the function.
#include <gani.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static volatile int calls;

static void log_message(uint32_t level, const char *message, void *user_data) {
  (void)level, (void)message, (void)user_data;
  calls++;
  gani_model_options options = {.struct_size = sizeof options, .model = "ffhq-64", .threads = 1};
  gani_model *model = NULL;
  usleep(200);
  gani_model_open(&options, &model);
  gani_model_free(model);
}

static void *work(void *unused) {
  (void)unused;
  for (int k = 0; k < 40; k++) {
    gani_model_options options = {.struct_size = sizeof options, .model = "ffhq-64", .threads = 1};
    gani_model *model = NULL;
    gani_image *image = NULL;
    unsigned char pixels[64 * 64 * 3];
    gani_image_desc desc = {.struct_size = sizeof desc, .pixels = pixels, .stride = 192,
                            .width = 64, .height = 64, .layout = 3, .sample = 1};
    gani_model_open(&options, &model);
    gani_image_wrap(&desc, &image);
    gani_model_generate(model, (uint64_t)k, 0.5f, image);
    gani_image_free(image);
    gani_model_free(model);
  }
  return NULL;
}

int main(void) {
  alarm(60);
  gani_log_set(GANI_LOG_DEBUG, log_message, NULL);
  pthread_t thread;
  pthread_create(&thread, NULL, work, NULL);
  for (int k = 0; k < 200; k++) {
    gani_log_set(GANI_LOG_DEBUG, log_message, NULL);
    usleep(1000);
  }
  pthread_join(thread, NULL);
  gani_log_set(GANI_LOG_OFF, NULL, NULL);
  puts(calls > 0 ? "ok" : "no calls");
  return 0;
}
