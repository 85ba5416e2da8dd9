// JPEG data sets for the tests: the images of tests/runtime/images, laid out as folders or as tar shards.
#pragma once
#include "tests/runtime/data_files.h"

#include <unistd.h>

enum { N_PICTURES = 10, SIDE = 32, ELEMS = SIDE * SIDE * 3 };
static const char *const pictures[N_PICTURES] = {"plain",    "tall", "full", "wide",  "progressive",
                                                 "restarts", "grey", "cmyk", "small", "turned"};

static inline void read_picture(TestBytes *file, const char *name, const char *ending) {
  char path[1024];
  const char *source = getenv("MLAANC_SOURCE");
  snprintf(path, sizeof path, "%s/tests/runtime/images/%s.%s", source ? source : ".", name, ending);
  FILE *stream = fopen(path, "rb");
  CHECK(stream);
  file->n = fread(file->bytes, 1, sizeof file->bytes - 1, stream);
  file->bytes[file->n] = 0;
  fclose(stream);
}

// Where picture i lies: two classes, "ants" and "bees".
static inline const char *class_of(int i) {
  return i % 2 ? "bees" : "ants";
}

static inline void make_folders(const char *root) {
  static const char *const folders[] = {"",          "/train",      "/val",     "/train/ants",
                                        "/val/ants", "/train/bees", "/val/bees"};
  char path[1200];
  for (int i = 0; i < 7; i++) {
    snprintf(path, sizeof path, "%s%s", root, folders[i]);
    mkdir(path, 0777);
  }
}

static inline void write_picture(const char *root, const char *split, int i, const TestBytes *file) {
  char path[1200];
  snprintf(path, sizeof path, "%s/%s/%s/%02d_%s.JPEG", root, split, class_of(i), i, pictures[i]);
  write_bytes("", path, file->bytes, file->n);
}

static inline const char *folder_set(const char *name) {
  static TestBytes file;
  const char *root = make_folder(name);
  make_folders(root);
  for (int i = 0; i < N_PICTURES; i++) {
    read_picture(&file, pictures[i], "jpg");
    write_picture(root, "train", i, &file);
    write_picture(root, "val", i, &file);
  }
  return root;
}

// ---- tar ----

static inline void tar_begin(TestBytes *tar) {
  tar->n = 0;
}

static inline void tar_add(TestBytes *tar, const char *name, const void *bytes, size_t n) {
  unsigned char *h = tar->bytes + tar->n;
  size_t padded = (n + 511) / 512 * 512;
  CHECK(tar->n + 512 + padded + 1024 <= sizeof tar->bytes);
  memset(h, 0, 512 + padded);
  snprintf((char *)h, 100, "%s", name);
  snprintf((char *)h + 100, 8, "%07o", 0644u);
  snprintf((char *)h + 108, 8, "%07o", 0u);
  snprintf((char *)h + 116, 8, "%07o", 0u);
  snprintf((char *)h + 124, 12, "%011lo", (unsigned long)n);
  snprintf((char *)h + 136, 12, "%011o", 0u);
  memset(h + 148, ' ', 8);
  h[156] = '0';
  memcpy(h + 257,
         "ustar\0"
         "00",
         8);
  unsigned sum = 0;
  for (int i = 0; i < 512; i++) sum += h[i];
  snprintf((char *)h + 148, 8, "%06o", sum);
  memcpy(h + 512, bytes, n);
  tar->n += 512 + padded;
}

static inline void tar_end(TestBytes *tar) {
  memset(tar->bytes + tar->n, 0, 1024);
  tar->n += 1024;
}

// Pictures first .. first + n of the folder set in one shard; `numbered`: NAME.cls instead of class folders.
static inline void tar_pictures(TestBytes *tar, int first, int n, bool numbered) {
  static TestBytes file;
  tar_begin(tar);
  for (int i = first; i < first + n; i++) {
    char name[64];
    read_picture(&file, pictures[i], "jpg");
    snprintf(name, sizeof name, numbered ? "%s%02d.jpg" : "%s/%02d.jpg", numbered ? "" : class_of(i), i);
    if (i % 2 || !numbered) tar_add(tar, name, file.bytes, file.n);
    if (!numbered) continue;
    char number[64];
    snprintf(number, sizeof number, "%02d.cls", i);
    tar_add(tar, number, i % 2 ? "1\n" : "0\n", 2);
    if (i % 2 == 0) tar_add(tar, name, file.bytes, file.n); // in either order
  }
  tar_end(tar);
}

// ---- batches ----

static inline MlaData picture_data(const char *format) {
  return (MlaData){.name = "pictures",
                   .format = format,
                   .classes = 2,
                   .height = SIDE,
                   .width = SIDE,
                   .channels = 3,
                   .resize = 40,
                   .center = SIDE,
                   .flip = true,
                   .random_resized_crop = SIDE};
}

// Skips the test where the build cannot read the format.
static inline void need_format(const char *format) {
  MlaDataset set;
  MlaError error = {0};
  MlaData data = picture_data(format);
  if (mla_dataset_open(&set, &data, test_folder(), true, &error)) return;
  if (strstr(error.text, "build again")) printf("skipped: %s\n", error.text), exit(77);
}

typedef struct Pass {
  int64_t n, n_batches;
  int32_t labels[64];
  float images[64][ELEMS];
} Pass;

// A whole epoch; false: the loader's error.
static inline bool collect_pass(Pass *pass, MlaDataset *set, const MlaData *data, int64_t batch, bool train,
                                int epoch, MlaError *error) {
  const MlaBatch *b;
  *error = (MlaError){0};
  pass->n = pass->n_batches = 0;
  MlaLoader *loader = mla_loader_start(set, data, MLA_F32, batch, train, 5, epoch, 0, error);
  if (!loader) return false;
  bool good;
  while ((good = mla_loader_next(loader, &b, error)) && b) {
    CHECK(b->index == pass->n_batches++ && b->n <= batch && pass->n + b->n <= 64);
    memcpy(pass->labels + pass->n, b->labels, (size_t)b->n * sizeof *b->labels);
    memcpy(pass->images[pass->n], b->images, (size_t)b->n * sizeof *pass->images);
    pass->n += b->n;
  }
  mla_loader_stop(loader);
  return good;
}

static inline bool same_pass(const Pass *a, const Pass *b) {
  return a->n == b->n && memcmp(a->labels, b->labels, (size_t)a->n * sizeof *a->labels) == 0 &&
         memcmp(a->images, b->images, (size_t)a->n * sizeof *a->images) == 0;
}
