/* check.h - ends a test program at the first condition that is false, with the last error of libgani. */
#include <gani.h>

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                              \
  do {                                                                                                \
    if (!(condition)) {                                                                               \
      fprintf(stderr, "%s:%d: %s; last error: %s\n", __FILE__, __LINE__, #condition, gani_last_error()); \
      exit(1);                                                                                        \
    }                                                                                                 \
  } while (0)
