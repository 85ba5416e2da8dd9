// The binary records of CIFAR-10 and CIFAR-100: planes of red, green and blue, turned to channels-last while
// read.
#include "runtime/data/format.h"

#include <stdio.h>
#include <stdlib.h>

enum { SIDE = 32, IMAGE_BYTES = 3 * SIDE * SIDE };

static bool make_room(MlaDataset *set, int64_t n_more, MlaError *error) {
  size_t n = (size_t)(set->n + n_more);
  uint8_t *images = realloc(set->images, n * IMAGE_BYTES + 1);
  if (images) set->images = images;
  int32_t *labels = realloc(set->labels, n * sizeof *labels + 1);
  if (labels) set->labels = labels;
  return (images && labels) || mla_fail(error, MLA_ERROR_SYSTEM, "out of memory for %zu images", n);
}

static void add_image(MlaDataset *set, const unsigned char *planes, int label) {
  mla_planes_to_image(planes, SIDE, SIDE, 3, false, set->images + set->n * IMAGE_BYTES);
  set->labels[set->n++] = label;
}

static bool add_records(MlaDataset *set, const MlaDataFile *file, int classes, int label_bytes,
                        MlaError *error) {
  int64_t record_bytes = label_bytes + IMAGE_BYTES, n = (file->n_bytes + record_bytes - 1) / record_bytes;
  if (n == 0) return mla_fail(error, MLA_ERROR_INPUT, "%s is empty", file->path);
  if (!mla_data_file_check(file, 0, n, record_bytes, error) || !make_room(set, n, error)) return false;
  for (int64_t i = 0; i < n; i++) {
    const unsigned char *record = file->bytes + i * record_bytes;
    int label = record[label_bytes - 1];
    if (!mla_check_label(file->path, label, 0, classes, i, error)) return false;
    add_image(set, record + label_bytes, label);
  }
  return true;
}

static bool add_files(MlaDataset *set, const MlaData *data, const char *root, const char *const *names,
                      int n_names, int label_bytes, MlaError *error) {
  for (int i = 0; i < n_names; i++) {
    MlaDataFile file;
    if (!mla_data_file_read(&file, root, names[i], error)) return false;
    bool good = add_records(set, &file, data->classes, label_bytes, error);
    mla_data_file_close(&file);
    if (!good) return false;
  }
  return true;
}

bool mla_cifar_read(MlaDataset *set, const MlaData *data, const char *root, const char *subfolder,
                    const char *const *names, int n_names, int label_bytes, MlaError *error) {
  *set = (MlaDataset){.height = SIDE, .width = SIDE, .channels = 3};
  if (!mla_file_exists(root, subfolder))
    return add_files(set, data, root, names, n_names, label_bytes, error);
  char *inside;
  if (asprintf(&inside, "%s/%s", root, subfolder) < 0)
    return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  bool good = add_files(set, data, inside, names, n_names, label_bytes, error);
  free(inside);
  return good;
}
