// SVHN's cropped digits, MATLAB 5 files: X [height, width, 3, N] bytes and y [N, 1], where 10 means the digit 0. MATLAB
// stores the first axis densest, so an image is three planes stored column by column. The file's frame is checked
// (mat5.c) before libmatio, which trusts sizes, reads the variables.
#include "runtime/data/format.h"
#include "runtime/data/with_matio/mat5.h"

#include <inttypes.h>
#include <limits.h>
#include <matio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_EXTENT = 1 << 14 };

typedef struct Reader {
  const char *path;
  mat_t *mat;
  MlaDataset *set;
  MlaError *error;
} Reader;

static bool fail_memory(const Reader *r) {
  return mla_fail(r->error, MLA_ERROR_SYSTEM, "%s: out of memory", r->path);
}

// `values` has room for the whole variable.
static bool read_values(const Reader *r, matvar_t *variable, void *values, int64_t n) {
  if (Mat_VarReadDataLinear(r->mat, variable, values, 0, 1, (int)n) == 0) return true;
  return mla_fail(r->error, MLA_ERROR_INPUT, "%s: the values of variable %s cannot be read", r->path,
                  variable->name);
}

static int64_t extent(const matvar_t *variable, int axis) {
  if (axis >= variable->rank) return 1; // MATLAB drops trailing extents of 1
  return variable->dims[axis] > INT_MAX ? INT_MAX : (int64_t)variable->dims[axis];
}

static bool check_images(const Reader *r, const matvar_t *x) {
  bool is_image = x->class_type == MAT_C_UINT8 && !x->isComplex && (x->rank == 3 || x->rank == 4);
  if (!is_image)
    return mla_fail(r->error, MLA_ERROR_INPUT,
                    "%s: X is not an array of bytes [height, width, channels, images]", r->path);
  int64_t height = extent(x, 0), width = extent(x, 1), channels = extent(x, 2), n = extent(x, 3), bytes;
  bool is_sound = height >= 1 && width >= 1 && height <= MAX_EXTENT && width <= MAX_EXTENT && channels == 3 &&
                  n >= 1 && !__builtin_mul_overflow(height * width * channels, n, &bytes) && bytes <= INT_MAX;
  if (!is_sound)
    return mla_fail(r->error, MLA_ERROR_INPUT,
                    "%s: X is [%" PRId64 ", %" PRId64 ", %" PRId64 ", %" PRId64
                    "], SVHN's images are [32, 32, 3, N]",
                    r->path, height, width, channels, n);
  *r->set = (MlaDataset){.n = n, .height = (int)height, .width = (int)width, .channels = (int)channels};
  return true;
}

// Image by image in place, by way of a copy of the one at hand.
static bool turn_images(const Reader *r) {
  MlaDataset *set = r->set;
  size_t image_bytes = (size_t)set->height * (size_t)set->width * (size_t)set->channels;
  uint8_t *planes = malloc(image_bytes);
  if (!planes) return fail_memory(r);
  for (int64_t i = 0; i < set->n; i++) {
    uint8_t *image = set->images + (size_t)i * image_bytes;
    memcpy(planes, image, image_bytes);
    mla_planes_to_image(planes, set->height, set->width, set->channels, true, image);
  }
  free(planes);
  return true;
}

static bool read_images(const Reader *r, matvar_t *x) {
  if (!check_images(r, x)) return false;
  int64_t n_bytes = r->set->n * r->set->height * r->set->width * r->set->channels;
  r->set->images = calloc((size_t)n_bytes, 1);
  if (!r->set->images) return fail_memory(r);
  return read_values(r, x, r->set->images, n_bytes) && turn_images(r);
}

static bool check_labels(const Reader *r, const matvar_t *y) {
  bool is_known =
      (y->class_type == MAT_C_UINT8 || y->class_type == MAT_C_DOUBLE) && !y->isComplex && y->rank == 2;
  if (!is_known)
    return mla_fail(r->error, MLA_ERROR_INPUT, "%s: y is not an array [images, 1] of bytes or doubles",
                    r->path);
  int64_t rows = extent(y, 0), columns = extent(y, 1);
  if (rows * columns == r->set->n && (rows == 1 || columns == 1)) return true;
  return mla_fail(r->error, MLA_ERROR_INPUT,
                  "%s: y is [%" PRId64 ", %" PRId64 "], but there are %" PRId64 " images", r->path, rows,
                  columns, r->set->n);
}

static bool set_labels(const Reader *r, const void *values, bool is_double, int classes) {
  for (int64_t i = 0; i < r->set->n; i++) {
    double value = is_double ? ((const double *)values)[i] : ((const uint8_t *)values)[i];
    int label = value >= 0 && value <= 255 && value == (int)value ? (int)value : -1;
    if (!mla_check_label(r->path, label, 1, classes < 10 ? classes : 10, i, r->error)) return false;
    r->set->labels[i] = label % 10;
  }
  return true;
}

static bool read_labels(const Reader *r, matvar_t *y, int classes) {
  if (!check_labels(r, y)) return false;
  bool is_double = y->class_type == MAT_C_DOUBLE;
  void *values = calloc((size_t)r->set->n, is_double ? sizeof(double) : 1);
  r->set->labels = calloc((size_t)r->set->n, sizeof *r->set->labels);
  bool good = values && r->set->labels ? read_values(r, y, values, r->set->n) : fail_memory(r);
  good = good && set_labels(r, values, is_double, classes);
  free(values);
  return good;
}

static matvar_t *find(const Reader *r, const char *name) {
  matvar_t *variable = Mat_VarReadInfo(r->mat, name);
  if (!variable) mla_fail(r->error, MLA_ERROR_INPUT, "%s holds no variable %s", r->path, name);
  return variable;
}

static bool read_variables(const Reader *r, int classes) {
  matvar_t *x = find(r, "X");
  bool good = x && read_images(r, x);
  Mat_VarFree(x);
  matvar_t *y = good ? find(r, "y") : NULL;
  good = y && read_labels(r, y, classes);
  Mat_VarFree(y);
  return good;
}

bool mla_format_svhn(MlaDataset *set, const MlaData *data, const char *root, bool train, MlaError *error) {
  char *path;
  if (asprintf(&path, "%s/%s_32x32.mat", root, train ? "train" : "test") < 0)
    return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  bool good = mla_mat5_check(path, error);
  Reader reader = {.path = path, .set = set, .error = error};
  reader.mat = good ? Mat_Open(path, MAT_ACC_RDONLY) : NULL;
  if (good && !reader.mat) good = mla_fail(error, MLA_ERROR_INPUT, "%s: libmatio cannot open it", path);
  good = good && read_variables(&reader, data->classes);
  if (reader.mat) Mat_Close(reader.mat);
  free(path);
  return good;
}
