// See fixture.h. The container is checked by safetensors.c; here, that its tensors are of types we read and that the
// batches fit each other.
#include "runtime/replay/fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NAME = 512 };

int64_t mla_tensor_elems(const MlaTensor *tensor) {
  int64_t n = 1;
  for (int d = 0; d < tensor->rank; d++) n *= tensor->dim[d];
  return n;
}

double mla_fixture_number(const MlaFixture *fixture, const MlaTensor *tensor, int64_t i) {
  const unsigned char *at = fixture->file.data + tensor->begin;
  if (strcmp(tensor->dtype, "F64") == 0) {
    double value;
    memcpy(&value, at + 8 * i, sizeof value);
    return value;
  }
  if (strcmp(tensor->dtype, "F32") == 0) {
    float value;
    memcpy(&value, at + 4 * i, sizeof value);
    return (double)value;
  }
  int32_t value;
  memcpy(&value, at + 4 * i, sizeof value);
  return value;
}

// ---- finding a tensor ----

// The number behind `@`, or 0.
static int64_t stride_of(const char *text) {
  char *end;
  int64_t stride = strtoll(text, &end, 10);
  return *end || stride < 2 ? 0 : stride;
}

MlaRecorded mla_fixture_find(const MlaFixture *fixture, const char *group, const char *name) {
  char full[MAX_NAME];
  size_t length = (size_t)snprintf(full, sizeof full, "%s/%s", group, name);
  for (int i = 0; i < fixture->file.n_tensors && length < sizeof full; i++) {
    const MlaTensor *tensor = &fixture->file.tensors[i];
    if (strncmp(tensor->name, full, length) != 0) continue;
    if (!tensor->name[length]) return (MlaRecorded){tensor, 1};
    int64_t stride = tensor->name[length] == '@' ? stride_of(tensor->name + length + 1) : 0;
    if (stride > 0) return (MlaRecorded){tensor, stride};
  }
  return (MlaRecorded){NULL, 0};
}

static const char *shape_text(char *text, size_t size, int rank, const int64_t *dim) {
  size_t at = (size_t)snprintf(text, size, "[");
  for (int d = 0; d < rank && at < size; d++)
    at += (size_t)snprintf(text + at, size - at, "%s%" PRId64, d ? ", " : "", dim[d]);
  if (at < size) snprintf(text + at, size - at, "]");
  return text;
}

static bool same_shape(const MlaTensor *tensor, int rank, const int64_t *dim) {
  bool same = tensor->rank == rank;
  for (int d = 0; same && d < rank; d++) same = tensor->dim[d] == dim[d];
  return same;
}

bool mla_fixture_need(const MlaFixture *fixture, const char *group, const char *name, int rank,
                      const int64_t *dim, MlaRecorded *found, MlaError *error) {
  *found = mla_fixture_find(fixture, group, name);
  if (!found->tensor)
    return mla_fail(error, MLA_ERROR_INPUT, "%s has no tensor %s/%s", fixture->path, group, name);
  int64_t n = 1;
  for (int d = 0; d < rank; d++) n *= dim[d];
  int64_t sampled = (n + found->stride - 1) / found->stride;
  bool fits =
      found->stride == 1 ? same_shape(found->tensor, rank, dim) : same_shape(found->tensor, 1, &sampled);
  if (fits) return true;
  char theirs[128], ours[128];
  return mla_fail(error, MLA_ERROR_INPUT, "%s: tensor %s has the shape %s, the model needs %s%s",
                  fixture->path, found->tensor->name,
                  shape_text(theirs, sizeof theirs, found->tensor->rank, found->tensor->dim),
                  found->stride == 1 ? "" : "a sample of ", shape_text(ours, sizeof ours, rank, dim));
}

// ---- opening ----

static bool open_sidecar(MlaFixture *fixture, MlaError *error) {
  size_t length = strlen(fixture->path);
  static const char ending[] = ".safetensors";
  size_t stem = length - (sizeof ending - 1);
  if (length < sizeof ending || strcmp(fixture->path + stem, ending) != 0)
    return mla_fail(error, MLA_ERROR_INPUT, "%s: a fixture is NAME.safetensors with NAME.json beside it",
                    fixture->path);
  fixture->sidecar_path = malloc(stem + sizeof ".json");
  if (!fixture->sidecar_path) return mla_fail(error, MLA_ERROR_SYSTEM, "%s: out of memory", fixture->path);
  memcpy(fixture->sidecar_path, fixture->path, stem);
  strcpy(fixture->sidecar_path + stem, ".json");
  json_error_t problem;
  fixture->sidecar = json_load_file(fixture->sidecar_path, JSON_REJECT_DUPLICATES, &problem);
  if (fixture->sidecar && json_is_object(fixture->sidecar)) return true;
  if (fixture->sidecar)
    return mla_fail(error, MLA_ERROR_INPUT, "%s is not a JSON object", fixture->sidecar_path);
  return problem.line < 0 ? mla_fail(error, MLA_ERROR_INPUT, "%s: the fixture's sidecar: %s",
                                     fixture->sidecar_path, problem.text)
                          : mla_fail(error, MLA_ERROR_INPUT, "%s:%d:%d: the fixture's sidecar is damaged: %s",
                                     fixture->sidecar_path, problem.line, problem.column, problem.text);
}

static bool check_types(const MlaFixture *fixture, MlaError *error) {
  static const char *const known[] = {"F32", "F64", "I32"};
  for (int i = 0; i < fixture->file.n_tensors; i++) {
    const MlaTensor *tensor = &fixture->file.tensors[i];
    bool is_known = false;
    for (int k = 0; k < 3; k++) is_known = is_known || strcmp(tensor->dtype, known[k]) == 0;
    if (!is_known)
      return mla_fail(error, MLA_ERROR_INPUT, "%s: tensor %s is %s; a fixture has F32, F64 and I32",
                      fixture->path, tensor->name, tensor->dtype);
  }
  return true;
}

static bool check_batches(MlaFixture *fixture, MlaError *error) {
  const MlaTensor *images = mla_tensors_find(&fixture->file, "batch/images");
  if (!images) return mla_fail(error, MLA_ERROR_INPUT, "%s has no tensor batch/images", fixture->path);
  if (images->rank != 5 || mla_tensor_elems(images) < 1)
    return mla_fail(error, MLA_ERROR_INPUT,
                    "%s: tensor batch/images is not [steps, batch, channels, height, width]", fixture->path);
  fixture->steps = images->dim[0];
  fixture->batch = images->dim[1];
  for (int d = 0; d < 3; d++) fixture->image[d] = images->dim[2 + d];
  MlaRecorded labels;
  return mla_fixture_need(fixture, "batch", "labels", 2, (int64_t[]){fixture->steps, fixture->batch}, &labels,
                          error);
}

bool mla_fixture_open(MlaFixture *fixture, const char *path, MlaError *error) {
  *fixture = (MlaFixture){.path = path};
  bool good = open_sidecar(fixture, error) && mla_tensors_open(&fixture->file, path, error) &&
              check_types(fixture, error) && check_batches(fixture, error);
  if (!good) mla_fixture_close(fixture);
  return good;
}

void mla_fixture_close(MlaFixture *fixture) {
  mla_tensors_close(&fixture->file);
  json_decref(fixture->sidecar);
  free(fixture->sidecar_path);
  *fixture = (MlaFixture){0};
}
