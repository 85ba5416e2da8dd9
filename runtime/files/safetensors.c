// See safetensors.h. The header is parsed by jansson, then every number in it is checked against the bytes
// that are there before a tensor is believed.
#include "runtime/files/safetensors.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { LENGTH_BYTES = 8, MAX_HEADER_BYTES = 100 << 20 };

static bool read_bytes(MlaTensorFile *file, FILE *stream, const char *path, MlaError *error) {
  struct stat status;
  if (fstat(fileno(stream), &status) != 0)
    return mla_fail(error, MLA_ERROR_SYSTEM, "%s: %s", path, strerror(errno));
  if (!S_ISREG(status.st_mode)) return mla_fail(error, MLA_ERROR_INPUT, "%s is not a file", path);
  file->n_bytes = status.st_size;
  if (file->n_bytes < LENGTH_BYTES)
    return mla_fail(error, MLA_ERROR_INPUT,
                    "%s is truncated: a safetensors file has at least 8 bytes, this one %" PRId64, path,
                    file->n_bytes);
  file->bytes = malloc((size_t)file->n_bytes);
  if (!file->bytes)
    return mla_fail(error, MLA_ERROR_SYSTEM, "%s: out of memory (%" PRId64 " bytes)", path, file->n_bytes);
  size_t n = fread(file->bytes, 1, (size_t)file->n_bytes, stream);
  if (ferror(stream)) return mla_fail(error, MLA_ERROR_SYSTEM, "%s: %s", path, strerror(errno));
  return n == (size_t)file->n_bytes || mla_fail(error, MLA_ERROR_INPUT, "%s shrank while it was read", path);
}

static bool parse_header(MlaTensorFile *file, const char *path, MlaError *error) {
  uint64_t length = 0;
  for (int i = 0; i < LENGTH_BYTES; i++) length |= (uint64_t)file->bytes[i] << 8 * i;
  if (length > MAX_HEADER_BYTES)
    return mla_fail(error, MLA_ERROR_INPUT, "%s is not a safetensors file: a header of %" PRIu64 " bytes",
                    path, length);
  if ((int64_t)length > file->n_bytes - LENGTH_BYTES)
    return mla_fail(error, MLA_ERROR_INPUT,
                    "%s is truncated: its header has %" PRIu64 " bytes, %" PRId64 " are there", path, length,
                    file->n_bytes - LENGTH_BYTES);
  file->data = file->bytes + LENGTH_BYTES + length;
  file->data_bytes = file->n_bytes - LENGTH_BYTES - (int64_t)length;
  json_error_t problem;
  file->header =
      json_loadb((const char *)file->bytes + LENGTH_BYTES, (size_t)length, JSON_REJECT_DUPLICATES, &problem);
  if (!file->header)
    return mla_fail(error, MLA_ERROR_INPUT, "%s: its header is not JSON: %s", path, problem.text);
  return json_is_object((json_t *)file->header) ||
         mla_fail(error, MLA_ERROR_INPUT, "%s: its header is not a JSON object", path);
}

// A number of JSON as a size: 0 .. 2^62.
static bool read_size(const json_t *value, int64_t *size) {
  if (!json_is_integer(value)) return false;
  *size = json_integer_value(value);
  return *size >= 0 && *size <= INT64_MAX / 2;
}

static bool read_shape(MlaTensor *tensor, const json_t *shape, int64_t *n_elems) {
  if (!json_is_array(shape) || json_array_size(shape) > MLA_TENSOR_RANK) return false;
  tensor->rank = (int)json_array_size(shape);
  *n_elems = 1;
  for (int d = 0; d < tensor->rank; d++) {
    if (!read_size(json_array_get(shape, (size_t)d), &tensor->dim[d])) return false;
    if (__builtin_mul_overflow(*n_elems, tensor->dim[d], n_elems)) return false;
  }
  return true;
}

static bool read_tensor(const MlaTensorFile *file, MlaTensor *tensor, const json_t *entry, const char *path,
                        MlaError *error) {
  const char *dtype = json_string_value(json_object_get(entry, "dtype"));
  const json_t *offsets = json_object_get(entry, "data_offsets");
  if (!dtype || mla_dtype_bytes(dtype) == 0)
    return mla_fail(error, MLA_ERROR_INPUT, "%s: tensor %s has no known dtype (%s)", path, tensor->name,
                    dtype ? dtype : "none");
  tensor->dtype = dtype;
  int64_t n_elems, n_bytes;
  if (!read_shape(tensor, json_object_get(entry, "shape"), &n_elems) ||
      __builtin_mul_overflow(n_elems, (int64_t)mla_dtype_bytes(dtype), &n_bytes))
    return mla_fail(error, MLA_ERROR_INPUT, "%s: tensor %s has no valid shape", path, tensor->name);
  if (!json_is_array(offsets) || json_array_size(offsets) != 2 ||
      !read_size(json_array_get(offsets, 0), &tensor->begin) ||
      !read_size(json_array_get(offsets, 1), &tensor->end) || tensor->begin > tensor->end)
    return mla_fail(error, MLA_ERROR_INPUT, "%s: tensor %s has no valid data_offsets", path, tensor->name);
  if (tensor->end > file->data_bytes)
    return mla_fail(error, MLA_ERROR_INPUT,
                    "%s is truncated: tensor %s ends at byte %" PRId64 " of the data, which has %" PRId64,
                    path, tensor->name, tensor->end, file->data_bytes);
  return tensor->end - tensor->begin == n_bytes ||
         mla_fail(error, MLA_ERROR_INPUT,
                  "%s: tensor %s has %" PRId64 " bytes, its shape and dtype need %" PRId64, path,
                  tensor->name, tensor->end - tensor->begin, n_bytes);
}

static bool check_metadata(const json_t *metadata, const char *path, MlaError *error) {
  bool good = json_is_object(metadata);
  const char *key;
  json_t *value;
  json_object_foreach((json_t *)(uintptr_t)metadata, key, value) good = good && json_is_string(value);
  return good || mla_fail(error, MLA_ERROR_INPUT, "%s: __metadata__ is not an object of texts", path);
}

static int compare_places(const void *a, const void *b) {
  const MlaTensor *first = a, *second = b;
  if (first->begin != second->begin) return first->begin < second->begin ? -1 : 1;
  return first->end < second->end ? -1 : first->end > second->end;
}

static bool check_cover(const MlaTensorFile *file, const char *path, MlaError *error) {
  int64_t end = 0;
  for (int i = 0; i < file->n_tensors; i++) {
    const MlaTensor *tensor = &file->tensors[i];
    if (tensor->begin != end)
      return mla_fail(error, MLA_ERROR_INPUT,
                      "%s: tensor %s begins at byte %" PRId64 ", but the one before ends at %" PRId64, path,
                      tensor->name, tensor->begin, end);
    end = tensor->end;
  }
  return end == file->data_bytes ||
         mla_fail(error, MLA_ERROR_INPUT,
                  "%s: the tensors end at byte %" PRId64 " of the data, which has %" PRId64, path, end,
                  file->data_bytes);
}

static bool read_tensors(MlaTensorFile *file, const char *path, MlaError *error) {
  json_t *header = file->header, *entry;
  const char *name;
  file->tensors = calloc(json_object_size(header) + 1, sizeof *file->tensors);
  if (!file->tensors) return mla_fail(error, MLA_ERROR_SYSTEM, "%s: out of memory", path);
  json_object_foreach(header, name, entry) {
    if (strcmp(name, "__metadata__") == 0) {
      if (!check_metadata(entry, path, error)) return false;
      continue;
    }
    MlaTensor *tensor = &file->tensors[file->n_tensors++];
    tensor->name = name;
    if (!read_tensor(file, tensor, entry, path, error)) return false;
  }
  qsort(file->tensors, (size_t)file->n_tensors, sizeof *file->tensors, compare_places);
  return check_cover(file, path, error);
}

bool mla_tensors_open(MlaTensorFile *file, const char *path, MlaError *error) {
  *file = (MlaTensorFile){0};
  FILE *stream = fopen(path, "rb");
  if (!stream) return mla_fail(error, MLA_ERROR_INPUT, "cannot open %s: %s", path, strerror(errno));
  bool good = read_bytes(file, stream, path, error);
  fclose(stream);
  good = good && parse_header(file, path, error) && read_tensors(file, path, error);
  if (!good) mla_tensors_close(file);
  return good;
}

void mla_tensors_close(MlaTensorFile *file) {
  free(file->tensors);
  json_decref(file->header);
  free(file->bytes);
  *file = (MlaTensorFile){0};
}

const MlaTensor *mla_tensors_find(const MlaTensorFile *file, const char *name) {
  for (int i = 0; i < file->n_tensors; i++)
    if (strcmp(file->tensors[i].name, name) == 0) return &file->tensors[i];
  return NULL;
}

const char *mla_tensors_metadata(const MlaTensorFile *file, const char *key) {
  return json_string_value(json_object_get(json_object_get(file->header, "__metadata__"), key));
}
