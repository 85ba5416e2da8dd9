// Helpers of the runtime's tests: checks that name their line, a folder of their own, and synthetic data
// files.
#pragma once
#include "runtime/data/data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#define CHECK(condition)                                                                                     \
  do {                                                                                                       \
    if (!(condition)) {                                                                                      \
      printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                                         \
      exit(1);                                                                                               \
    }                                                                                                        \
  } while (0)

// The call succeeded; otherwise shows the message.
#define CHECK_GOOD(call, error)                                                                              \
  do {                                                                                                       \
    if (!(call)) {                                                                                           \
      printf("%s:%d: %s failed: %s\n", __FILE__, __LINE__, #call, (error).text);                             \
      exit(1);                                                                                               \
    }                                                                                                        \
  } while (0)

// The call failed with a message that holds every one of the words; words end with NULL.
static inline void expect_error(const char *what, bool result, const MlaError *error,
                                const char *const *words) {
  if (result) printf("%s: should have failed\n", what), exit(1);
  for (; *words; words++)
    if (!strstr(error->text, *words))
      printf("%s: message lacks `%s`: %s\n", what, *words, error->text), exit(1);
  printf("ok %s: %s\n", what, error->text);
}
#define EXPECT_ERROR(what, call, error, ...)                                                                 \
  expect_error(what, call, &(error), (const char *const[]){__VA_ARGS__, NULL})

static inline const char *test_folder(void) {
  static char folder[512];
  if (folder[0]) return folder;
  const char *given = getenv("TEST_TMP");
  snprintf(folder, sizeof folder, "%s", given ? given : "/tmp/mlaanc-test-XXXXXX");
  if (!given) CHECK(mkdtemp(folder));
  return folder;
}

// A fresh folder NAME below the test's; the result lives until the next 16 calls.
static inline const char *make_folder(const char *name) {
  static char paths[16][1024];
  static int next;
  char *path = paths[next++ % 16];
  snprintf(path, sizeof paths[0], "%s/%s", test_folder(), name);
  CHECK(mkdir(path, 0777) == 0);
  return path;
}

static inline void write_bytes(const char *folder, const char *name, const void *bytes, size_t n_bytes) {
  char path[1536];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = fopen(path, "wb");
  CHECK(file && fwrite(bytes, 1, n_bytes, file) == n_bytes && fclose(file) == 0);
}

static inline void write_gzip(const char *folder, const char *name, const void *bytes, size_t n_bytes) {
  char path[1536];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  gzFile file = gzopen(path, "wb");
  CHECK(file && gzwrite(file, bytes, (unsigned)n_bytes) == (int)n_bytes && gzclose(file) == Z_OK);
}

static inline void put_big_endian(unsigned char *to, unsigned value) {
  for (int i = 0; i < 4; i++) to[i] = (unsigned char)(value >> (24 - 8 * i));
}

// Pixel of image i in synthetic files: every image and place differs enough to be recognised.
static inline unsigned char pixel_of(int i, int y, int x, int c) {
  return (unsigned char)(i * 37 + y * 11 + x * 5 + c * 83 + 1);
}

typedef struct TestBytes {
  unsigned char bytes[1 << 18];
  size_t n;
} TestBytes;

static inline void idx_images(TestBytes *file, int n, int height, int width) {
  put_big_endian(file->bytes, 2051);
  put_big_endian(file->bytes + 4, (unsigned)n);
  put_big_endian(file->bytes + 8, (unsigned)height);
  put_big_endian(file->bytes + 12, (unsigned)width);
  file->n = 16;
  for (int i = 0; i < n; i++)
    for (int y = 0; y < height; y++)
      for (int x = 0; x < width; x++) file->bytes[file->n++] = pixel_of(i, y, x, 0);
}

static inline void idx_labels(TestBytes *file, int n, int classes) {
  put_big_endian(file->bytes, 2049);
  put_big_endian(file->bytes + 4, (unsigned)n);
  file->n = 8;
  for (int i = 0; i < n; i++) file->bytes[file->n++] = (unsigned char)(i % classes);
}

// `label_bytes` 1: CIFAR-10, 2: CIFAR-100 (the coarse label is 99). Images are numbered from `first`.
static inline void cifar_records(TestBytes *file, int first, int n, int label_bytes) {
  file->n = 0;
  for (int i = first; i < first + n; i++) {
    if (label_bytes == 2) file->bytes[file->n++] = 99;
    file->bytes[file->n++] = (unsigned char)(i % 10);
    for (int c = 0; c < 3; c++)
      for (int p = 0; p < 1024; p++) file->bytes[file->n++] = pixel_of(i, p / 32, p % 32, c);
  }
}

// A whole IDX data set of `n` training and `n_test` test images.
static inline void write_idx_set(const char *folder, int n, int n_test, int side, int classes) {
  static TestBytes file;
  idx_images(&file, n, side, side);
  write_bytes(folder, "train-images-idx3-ubyte", file.bytes, file.n);
  idx_labels(&file, n, classes);
  write_gzip(folder, "train-labels-idx1-ubyte.gz", file.bytes, file.n);
  idx_images(&file, n_test, side, side);
  write_gzip(folder, "t10k-images-idx3-ubyte.gz", file.bytes, file.n);
  idx_labels(&file, n_test, classes);
  write_bytes(folder, "t10k-labels-idx1-ubyte", file.bytes, file.n);
}

static inline MlaData idx_data(int side, int classes) {
  return (MlaData){
      .name = "toy", .format = "idx", .classes = classes, .height = side, .width = side, .channels = 1};
}
