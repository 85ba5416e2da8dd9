// Writers of the larger formats: MATLAB 5 (SVHN), STL-10 and safetensors, byte by byte, so that what is read does not
// depend on the library that reads it.
#pragma once
#include "tests/runtime/data_files.h"

#include <stdint.h>

static inline void put_bytes(TestBytes *file, const void *bytes, size_t n) {
  CHECK(file->n + n <= sizeof file->bytes);
  memcpy(file->bytes + file->n, bytes, n);
  file->n += n;
}

static inline void put_little_endian(TestBytes *file, uint32_t value) {
  for (int i = 0; i < 4; i++) file->bytes[file->n++] = (unsigned char)(value >> 8 * i);
}

static inline void set_little_endian(TestBytes *file, size_t at, size_t value) {
  for (int i = 0; i < 4; i++) file->bytes[at + (size_t)i] = (unsigned char)(value >> 8 * i);
}

static inline void pad_to_8(TestBytes *file, size_t since) {
  while ((file->n - since) % 8) file->bytes[file->n++] = 0;
}

// ---- MATLAB 5

enum { MAT_DOUBLE_CLASS = 6, MAT_BYTE_CLASS = 9 };

static inline void mat_header(TestBytes *file) {
  memset(file->bytes, ' ', 128);
  memcpy(file->bytes, "MATLAB 5.0 MAT-file, made by a test", 35);
  memset(file->bytes + 116, 0, 8);
  memcpy(file->bytes + 124, "\0\1IM", 4);
  file->n = 128;
}

// A variable; its values, `n_bytes` of bytes or doubles, follow in mat_values.
static inline size_t mat_variable(TestBytes *file, const char *name, int class, int rank,
                                  const int *extents) {
  size_t start = file->n, length = strlen(name);
  put_little_endian(file, 14), put_little_endian(file, 0); // miMATRIX; its size comes with the values
  put_little_endian(file, 6), put_little_endian(file, 8);  // miUINT32: flags
  put_little_endian(file, (uint32_t) class), put_little_endian(file, 0);
  put_little_endian(file, 5), put_little_endian(file, 4 * (uint32_t)rank); // miINT32: extents
  for (int i = 0; i < rank; i++) put_little_endian(file, (uint32_t)extents[i]);
  pad_to_8(file, start);
  put_little_endian(file, 1), put_little_endian(file, (uint32_t)length); // miINT8: name
  put_bytes(file, name, length);
  pad_to_8(file, start);
  return start;
}

static inline void mat_values(TestBytes *file, size_t start, int type, const void *values, size_t n_bytes) {
  put_little_endian(file, (uint32_t)type), put_little_endian(file, (uint32_t)n_bytes);
  put_bytes(file, values, n_bytes);
  pad_to_8(file, start);
  set_little_endian(file, start + 4, file->n - start - 8);
}

// The bytes from `start` on become one compressed element.
static inline void mat_compress(TestBytes *file, size_t start) {
  static unsigned char packed[1 << 18];
  uLongf n = sizeof packed;
  CHECK(compress(packed, &n, file->bytes + start, file->n - start) == Z_OK);
  file->n = start;
  put_little_endian(file, 15), put_little_endian(file, (uint32_t)n);
  put_bytes(file, packed, n);
}

// X and y as SVHN has them: images of side x side, label i % 10 as 1..10 with 10 for 0.
static inline void svhn_file(TestBytes *file, int n, int side, bool is_packed, bool has_doubles) {
  static unsigned char planes[1 << 17], labels[1 << 10];
  double wide[1 << 7];
  size_t k = 0;
  for (int i = 0; i < n; i++) {
    labels[i] = (unsigned char)(i % 10 ? i % 10 : 10);
    if (has_doubles) wide[i] = labels[i];
    for (int c = 0; c < 3; c++)
      for (int p = 0; p < side * side; p++) planes[k++] = pixel_of(i, p % side, p / side, c);
  }
  mat_header(file);
  size_t x = mat_variable(file, "X", MAT_BYTE_CLASS, n == 1 ? 3 : 4, (int[]){side, side, 3, n});
  mat_values(file, x, 2, planes, k);
  if (is_packed) mat_compress(file, x);
  size_t y = mat_variable(file, "y", has_doubles ? MAT_DOUBLE_CLASS : MAT_BYTE_CLASS, 2, (int[]){n, 1});
  mat_values(file, y, has_doubles ? 9 : 2, has_doubles ? (void *)wide : labels,
             has_doubles ? 8 * (size_t)n : (size_t)n);
  if (is_packed) mat_compress(file, y);
}

// ---- STL-10

static inline void stl10_images(TestBytes *file, int n) {
  file->n = 0;
  for (int i = 0; i < n; i++)
    for (int c = 0; c < 3; c++)
      for (int p = 0; p < 96 * 96; p++) file->bytes[file->n++] = pixel_of(i, p % 96, p / 96, c);
}

static inline void stl10_labels(TestBytes *file, int n) {
  file->n = 0;
  for (int i = 0; i < n; i++) file->bytes[file->n++] = (unsigned char)(i % 10 + 1);
}

static inline void write_stl10(const char *folder, int n, int n_test) {
  static TestBytes file;
  stl10_images(&file, n);
  write_bytes(folder, "train_X.bin", file.bytes, file.n);
  stl10_labels(&file, n);
  write_bytes(folder, "train_y.bin", file.bytes, file.n);
  stl10_images(&file, n_test);
  write_bytes(folder, "test_X.bin", file.bytes, file.n);
  stl10_labels(&file, n_test);
  write_bytes(folder, "test_y.bin", file.bytes, file.n);
}

// ---- safetensors

// A file with this header (JSON) and the bytes of `body` behind it.
static inline void safetensors_file(TestBytes *file, const char *header, const TestBytes *body) {
  size_t length = strlen(header);
  file->n = 0;
  put_little_endian(file, (uint32_t)length), put_little_endian(file, 0);
  put_bytes(file, header, length);
  put_bytes(file, body->bytes, body->n);
}
