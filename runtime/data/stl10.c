// STL-10: images without a header in train_X.bin and test_X.bin, three planes of 96 x 96 bytes each, stored column
// by column; labels 1..10 in train_y.bin and test_y.bin.
#include "runtime/data/format.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { SIDE = 96, CHANNELS = 3, IMAGE_BYTES = SIDE * SIDE * CHANNELS };

static bool copy_images(MlaDataset *set, const MlaDataFile *file, MlaError *error) {
  int64_t n = (file->n_bytes + IMAGE_BYTES - 1) / IMAGE_BYTES;
  if (n == 0) return mla_fail(error, MLA_ERROR_INPUT, "%s is empty", file->path);
  if (!mla_data_file_check(file, 0, n, IMAGE_BYTES, error)) return false;
  *set = (MlaDataset){.n = n, .height = SIDE, .width = SIDE, .channels = CHANNELS};
  set->images = malloc((size_t)(n * IMAGE_BYTES));
  if (!set->images) return mla_fail(error, MLA_ERROR_SYSTEM, "%s: out of memory", file->path);
  for (int64_t i = 0; i < n; i++)
    mla_planes_to_image(file->bytes + i * IMAGE_BYTES, SIDE, SIDE, CHANNELS, true,
                        set->images + i * IMAGE_BYTES);
  return true;
}

static bool copy_labels(MlaDataset *set, const MlaDataFile *file, int classes, MlaError *error) {
  if (file->n_bytes != set->n)
    return mla_fail(error, MLA_ERROR_INPUT, "%s has %" PRId64 " labels, but there are %" PRId64 " images",
                    file->path, file->n_bytes, set->n);
  if (!mla_data_file_check(file, 0, set->n, 1, error)) return false;
  set->labels = malloc((size_t)set->n * sizeof *set->labels);
  if (!set->labels) return mla_fail(error, MLA_ERROR_SYSTEM, "%s: out of memory", file->path);
  for (int64_t i = 0; i < set->n; i++) {
    if (!mla_check_label(file->path, file->bytes[i], 1, classes, i, error)) return false;
    set->labels[i] = file->bytes[i] - 1;
  }
  return true;
}

bool mla_format_stl10(MlaDataset *set, const MlaData *data, const char *root, bool train, MlaError *error) {
  MlaDataFile images, labels;
  if (!mla_data_file_read(&images, root, train ? "train_X.bin" : "test_X.bin", error)) return false;
  bool good = copy_images(set, &images, error);
  mla_data_file_close(&images);
  if (!good || !mla_data_file_read(&labels, root, train ? "train_y.bin" : "test_y.bin", error)) return false;
  good = copy_labels(set, &labels, data->classes, error);
  mla_data_file_close(&labels);
  return good;
}
