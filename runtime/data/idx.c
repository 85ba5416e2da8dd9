// MNIST's format: big-endian header (magic 0x0000 08 rank, then the extents), then the bytes. Images have
// rank 3 (2051), labels rank 1 (2049), in two files whose counts must agree.
#include "runtime/data/format.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_EXTENT = 1 << 14 };

static uint32_t big_endian(const unsigned char *p) {
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool check_header(const MlaDataFile *file, int rank, MlaError *error) {
  int64_t header_bytes = 4 + 4 * rank;
  if (file->n_bytes < header_bytes)
    return mla_fail(error, MLA_ERROR_INPUT,
                    "%s is truncated: expected a header of %" PRId64 " bytes, found %" PRId64, file->path,
                    header_bytes, file->n_bytes);
  uint32_t magic = big_endian(file->bytes), expected = 0x800u + (uint32_t)rank;
  if (magic != expected)
    return mla_fail(error, MLA_ERROR_INPUT,
                    "%s: wrong magic number %" PRIu32 ", an IDX file of %s has %" PRIu32, file->path, magic,
                    rank == 3 ? "images" : "labels", expected);
  return true;
}

static bool read_images(MlaDataset *set, const char *root, const char *name, MlaError *error) {
  MlaDataFile file;
  if (!mla_data_file_read(&file, root, name, error)) return false;
  bool good = check_header(&file, 3, error);
  if (good) {
    int64_t n = big_endian(file.bytes + 4), height = big_endian(file.bytes + 8),
            width = big_endian(file.bytes + 12);
    if (height < 1 || width < 1 || height > MAX_EXTENT || width > MAX_EXTENT)
      good = mla_fail(error, MLA_ERROR_INPUT, "%s: images of %" PRId64 " x %" PRId64 " pixels", file.path,
                      height, width);
    else
      good = mla_data_file_check(&file, 16, n, height * width, error);
    *set = (MlaDataset){.n = n, .height = (int)height, .width = (int)width, .channels = 1};
  }
  if (good) { // the file's own bytes become the images
    memmove(file.bytes, file.bytes + 16, (size_t)(file.n_bytes - 16));
    set->images = file.bytes;
    file.bytes = NULL;
  }
  mla_data_file_close(&file);
  return good;
}

static bool fill_labels(MlaDataset *set, const MlaDataFile *file, int classes, MlaError *error) {
  int64_t n = big_endian(file->bytes + 4);
  if (!mla_data_file_check(file, 8, n, 1, error)) return false;
  if (n != set->n)
    return mla_fail(error, MLA_ERROR_INPUT, "%s has %" PRId64 " labels, but there are %" PRId64 " images",
                    file->path, n, set->n);
  set->labels = calloc((size_t)n + 1, sizeof *set->labels);
  if (!set->labels) return mla_fail(error, MLA_ERROR_SYSTEM, "%s: out of memory", file->path);
  for (int64_t i = 0; i < n; i++) {
    set->labels[i] = file->bytes[8 + i];
    if (!mla_check_label(file->path, set->labels[i], 0, classes, i, error)) return false;
  }
  return true;
}

static bool read_labels(MlaDataset *set, int classes, const char *root, const char *name, MlaError *error) {
  MlaDataFile file;
  if (!mla_data_file_read(&file, root, name, error)) return false;
  bool good = check_header(&file, 1, error) && fill_labels(set, &file, classes, error);
  mla_data_file_close(&file);
  return good;
}

// "train-images-idx3-ubyte" as the files are distributed, or "train-images.idx3-ubyte" as some unpackers name them.
static void file_name(char *name, size_t size, const char *root, bool train, const char *what, int rank) {
  char packed[72];
  for (int i = 0; i < 2; i++) {
    snprintf(name, size, "%s-%s%cidx%d-ubyte", train ? "train" : "t10k", what, ".-"[i], rank);
    snprintf(packed, sizeof packed, "%s.gz", name);
    if (mla_file_exists(root, name) || mla_file_exists(root, packed)) return;
  }
}

bool mla_format_idx(MlaDataset *set, const MlaData *data, const char *root, bool train, MlaError *error) {
  char images[64], labels[64];
  file_name(images, sizeof images, root, train, "images", 3);
  file_name(labels, sizeof labels, root, train, "labels", 1);
  return read_images(set, root, images, error) && read_labels(set, data->classes, root, labels, error);
}
