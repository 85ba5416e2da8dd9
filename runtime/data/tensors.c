// Arrays in a safetensors file, as NumPy or PyTorch write them: {train,test}_images [n, height, width, channels] or
// [n, height, width] (safetensors_nchw: [n, channels, height, width]), bytes or float32, and {train,test}_labels [n].
#include "runtime/data/format.h"
#include "runtime/files/safetensors.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_EXTENT = 1 << 14 };

typedef struct Arrays {
  char *path;
  MlaTensorFile file;
  const MlaTensor *images, *labels;
  bool is_nchw;
  MlaError *error;
} Arrays;

static bool fail_memory(const Arrays *a) {
  return mla_fail(a->error, MLA_ERROR_SYSTEM, "%s: out of memory", a->path);
}

static bool find(const Arrays *a, const char *split, const char *what, const MlaTensor **tensor) {
  char name[32];
  snprintf(name, sizeof name, "%s_%s", split, what);
  *tensor = mla_tensors_find(&a->file, name);
  return *tensor || mla_fail(a->error, MLA_ERROR_INPUT, "%s holds no array %s", a->path, name);
}

static bool is_type(const MlaTensor *tensor, const char *dtype) {
  return strcmp(tensor->dtype, dtype) == 0;
}

static bool check_images(const Arrays *a, MlaDataset *set) {
  const MlaTensor *images = a->images;
  const char *axes =
      a->is_nchw ? "[n, channels, height, width]" : "[n, height, width, channels] or [n, height, width]";
  if (images->rank != 4 && (images->rank != 3 || a->is_nchw))
    return mla_fail(a->error, MLA_ERROR_INPUT, "%s: %s has %d axes, not %s", a->path, images->name,
                    images->rank, axes);
  if (!is_type(images, "U8") && !is_type(images, "F32"))
    return mla_fail(a->error, MLA_ERROR_INPUT, "%s: %s is %s; images are U8 or F32", a->path, images->name,
                    images->dtype);
  for (int d = 1; d < images->rank; d++)
    if (images->dim[d] < 1 || images->dim[d] > MAX_EXTENT)
      return mla_fail(a->error, MLA_ERROR_INPUT, "%s: axis %d of %s has %" PRId64 " elements; it is %s",
                      a->path, d, images->name, images->dim[d], axes);
  int channels = images->rank == 4 ? (int)images->dim[a->is_nchw ? 1 : 3] : 1;
  const int64_t *plane = images->dim + (a->is_nchw ? 2 : 1);
  *set = (MlaDataset){
      .n = images->dim[0], .height = (int)plane[0], .width = (int)plane[1], .channels = channels};
  return true;
}

static void floats_to_image(const float *planes, const MlaDataset *set, float *image) {
  int64_t n_pixels = (int64_t)set->height * set->width;
  for (int64_t p = 0; p < n_pixels; p++)
    for (int c = 0; c < set->channels; c++) *image++ = planes[c * n_pixels + p];
}

// Channels-first images, one after the other in place.
static bool turn_images(const Arrays *a, MlaDataset *set) {
  size_t n_elems = (size_t)set->height * (size_t)set->width * (size_t)set->channels;
  size_t n_bytes = n_elems * (set->numbers ? sizeof(float) : 1);
  void *planes = malloc(n_bytes);
  if (!planes) return fail_memory(a);
  for (size_t i = 0; i < (size_t)set->n; i++) {
    void *image = set->numbers ? (void *)(set->numbers + i * n_elems) : set->images + i * n_elems;
    memcpy(planes, image, n_bytes);
    if (set->numbers)
      floats_to_image(planes, set, image);
    else
      mla_planes_to_image(planes, set->height, set->width, set->channels, false, image);
  }
  free(planes);
  return true;
}

static bool check_numbers(const Arrays *a, const MlaDataset *set) {
  int64_t n_elems = (int64_t)set->height * set->width * set->channels;
  for (int64_t i = 0; set->numbers && i < set->n * n_elems; i++)
    if (!isfinite(set->numbers[i]))
      return mla_fail(a->error, MLA_ERROR_INPUT, "%s: record %" PRId64 " of %s holds %f", a->path,
                      i / n_elems, a->images->name, (double)set->numbers[i]);
  return true;
}

static bool copy_images(const Arrays *a, MlaDataset *set) {
  const MlaTensor *images = a->images;
  if (!check_images(a, set)) return false;
  size_t n_bytes = (size_t)(images->end - images->begin);
  void *bytes = malloc(n_bytes + 1);
  if (!bytes) return fail_memory(a);
  if (is_type(images, "F32")) set->numbers = bytes;
  if (!set->numbers) set->images = bytes;
  memcpy(bytes, a->file.data + images->begin, n_bytes);
  return (!a->is_nchw || turn_images(a, set)) && check_numbers(a, set);
}

// Labels of any size, little endian.
static int64_t label_at(const Arrays *a, int64_t i) {
  const unsigned char *bytes = a->file.data + a->labels->begin;
  int64_t wide;
  int32_t narrow;
  if (is_type(a->labels, "U8")) return bytes[i];
  if (is_type(a->labels, "I32")) return memcpy(&narrow, bytes + 4 * i, sizeof narrow), narrow;
  return memcpy(&wide, bytes + 8 * i, sizeof wide), wide;
}

static bool copy_labels(const Arrays *a, MlaDataset *set, int classes) {
  const MlaTensor *labels = a->labels;
  if (!is_type(labels, "U8") && !is_type(labels, "I32") && !is_type(labels, "I64"))
    return mla_fail(a->error, MLA_ERROR_INPUT, "%s: %s is %s; labels are U8, I32 or I64", a->path,
                    labels->name, labels->dtype);
  if (labels->rank != 1 || labels->dim[0] != set->n)
    return mla_fail(
        a->error, MLA_ERROR_INPUT, "%s: %s has %d axes and %" PRId64 " labels, but %s has %" PRId64 " images",
        a->path, labels->name, labels->rank, labels->rank > 0 ? labels->dim[0] : 1, a->images->name, set->n);
  set->labels = malloc((size_t)set->n * sizeof *set->labels + 1);
  if (!set->labels) return fail_memory(a);
  for (int64_t i = 0; i < set->n; i++) {
    int64_t label = label_at(a, i);
    int known = label < -1 ? -1 : label > INT32_MAX ? INT32_MAX : (int)label;
    if (!mla_check_label(a->path, known, 0, classes, i, a->error)) return false;
    set->labels[i] = known;
  }
  return true;
}

// The root is the file itself, or a folder with data.safetensors in it.
static char *file_path(const char *root) {
  struct stat status;
  char *path;
  bool is_folder = stat(root, &status) == 0 && S_ISDIR(status.st_mode);
  return asprintf(&path, "%s%s", root, is_folder ? "/data.safetensors" : "") < 0 ? NULL : path;
}

static bool read_arrays(MlaDataset *set, const MlaData *data, const char *root, bool train, bool is_nchw,
                        MlaError *error) {
  Arrays arrays = {.path = file_path(root), .is_nchw = is_nchw, .error = error};
  if (!arrays.path) return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  const char *split = train ? "train" : "test";
  bool is_open = mla_tensors_open(&arrays.file, arrays.path, error);
  bool good = is_open && find(&arrays, split, "images", &arrays.images) &&
              find(&arrays, split, "labels", &arrays.labels) && copy_images(&arrays, set) &&
              copy_labels(&arrays, set, data->classes);
  if (is_open) mla_tensors_close(&arrays.file);
  free(arrays.path);
  return good;
}

bool mla_format_safetensors(MlaDataset *set, const MlaData *data, const char *root, bool train,
                            MlaError *error) {
  return read_arrays(set, data, root, train, false, error);
}

bool mla_format_safetensors_nchw(MlaDataset *set, const MlaData *data, const char *root, bool train,
                                 MlaError *error) {
  return read_arrays(set, data, root, train, true, error);
}
