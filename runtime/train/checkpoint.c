// Loading a checkpoint (checkpoint_save.c): the whole file is checked against the program before the first byte of the
// device changes.
#include "runtime/train/layout.h"
#include "runtime/files/safetensors.h"
#include "runtime/train/run_dir.h"
#include "runtime/train/train.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

// What an evaluation reads: the backbone's parameters and running statistics, and constants.
static bool is_needed(const MlaState *state, bool weights_only) {
  if (!mla_is_saved(state)) return false;
  if (!weights_only) return true;
  return !state->is_aux &&
         (state->region == MLA_PARAM || state->region == MLA_RUNNING || state->region == MLA_CONST);
}

static const char *shape_text(char *text, size_t size, int rank, const int64_t *dim) {
  size_t used = (size_t)snprintf(text, size, "[");
  for (int d = 0; d < rank && used < size; d++)
    used += (size_t)snprintf(text + used, size - used, "%s%" PRId64, d ? ", " : "", dim[d]);
  if (used < size) snprintf(text + used, size - used, "]");
  return text;
}

static bool check_tensor(const MlaProgram *program, const MlaState *state, const MlaTensor *tensor,
                         bool weights_only, const char *path, MlaError *error) {
  int64_t dim[MLA_MAX_RANK];
  mla_file_dims(state, dim);
  if (tensor->rank != state->rank || memcmp(tensor->dim, dim, (size_t)state->rank * sizeof *dim) != 0) {
    char here[128], there[256];
    return mla_fail(error, MLA_ERROR_INPUT, "%s: tensor %s has shape %s, the model's has %s", path,
                    state->name, shape_text(there, sizeof there, tensor->rank, tensor->dim),
                    shape_text(here, sizeof here, state->rank, dim));
  }
  // Weights to be evaluated may be converted; a run that goes on must not be.
  bool is_real = strcmp(tensor->dtype, "F32") == 0 || strcmp(tensor->dtype, "F64") == 0;
  return strcmp(tensor->dtype, mla_dtype_of(program)) == 0 || (weights_only && is_real) ||
         mla_fail(error, MLA_ERROR_INPUT, "%s: tensor %s is %s, the model computes in %s", path, state->name,
                  tensor->dtype, mla_dtype_of(program));
}

static bool check_states(const MlaTensorFile *file, const MlaProgram *program, bool weights_only,
                         const char *path, MlaError *error) {
  int n_saved = 0;
  for (int i = 0; i < program->n_states; i++) {
    const MlaState *state = &program->states[i];
    if (!is_needed(state, weights_only)) continue;
    n_saved++;
    const MlaTensor *tensor = mla_tensors_find(file, state->name);
    if (!tensor)
      return mla_fail(error, MLA_ERROR_INPUT, "%s lacks tensor %s of model %s", path, state->name,
                      program->model);
    if (!check_tensor(program, state, tensor, weights_only, path, error)) return false;
  }
  if (weights_only || n_saved == file->n_tensors) return true;
  for (int i = 0; i < file->n_tensors; i++) {
    bool is_known = false;
    for (int s = 0; s < program->n_states && !is_known; s++)
      is_known =
          mla_is_saved(&program->states[s]) && strcmp(program->states[s].name, file->tensors[i].name) == 0;
    if (!is_known)
      return mla_fail(error, MLA_ERROR_INPUT, "%s holds tensor %s, which model %s does not have", path,
                      file->tensors[i].name, program->model);
  }
  return true;
}

// The first state in the bytes of state i: equal EMA copies lie in one place.
static const MlaState *first_there(const MlaProgram *program, int i) {
  const MlaState *state = &program->states[i], *first = program->states;
  while (first->region != state->region || first->offset != state->offset) first++;
  return first;
}

static bool check_equal_copies(const MlaTensorFile *file, const MlaProgram *program, const char *path,
                               MlaError *error) {
  for (int i = 0; i < program->n_states; i++) {
    const MlaState *state = &program->states[i], *first = first_there(program, i);
    if (first == state || !mla_is_saved(state)) continue;
    const MlaTensor *a = mla_tensors_find(file, first->name), *b = mla_tensors_find(file, state->name);
    size_t n = (size_t)(a->end - a->begin);
    if (n != (size_t)(b->end - b->begin) || memcmp(file->data + a->begin, file->data + b->begin, n) != 0)
      return mla_fail(
          error, MLA_ERROR_INPUT,
          "%s: tensors %s and %s differ, but model %s keeps both once, as equal EMA copies of one weight "
          "(compiling with --disable copies keeps each)",
          path, first->name, state->name, program->model);
  }
  return true;
}

static bool read_number(const MlaTensorFile *file, const char *key, uint64_t least, uint64_t most,
                        uint64_t *number, const char *path, MlaError *error) {
  const char *text = mla_tensors_metadata(file, key);
  char *end = NULL;
  errno = 0;
  if (text) *number = strtoull(text, &end, 10);
  if (text && end != text && *end == 0 && *text != '-' && errno == 0 && *number >= least && *number <= most)
    return true;
  return mla_fail(error, MLA_ERROR_INPUT, "%s: metadata %s is %s, not a number from %" PRIu64 " to %" PRIu64,
                  path, key, text ? text : "missing", least, most);
}

static bool read_progress(const MlaTensorFile *file, const MlaProgram *program, MlaProgress *progress,
                          const char *path, MlaError *error) {
  uint64_t epoch, batch, step, seed, batch_size;
  if (!read_number(file, "epoch", 1, INT32_MAX, &epoch, path, error) ||
      !read_number(file, "batch", 0, INT64_MAX, &batch, path, error) ||
      !read_number(file, "step", 0, INT64_MAX, &step, path, error) ||
      !read_number(file, "seed", 0, UINT64_MAX, &seed, path, error) ||
      !read_number(file, "batch_size", 1, INT64_MAX, &batch_size, path, error))
    return false;
  if (batch > 0 && (int64_t)batch_size != program->recipe.batch)
    return mla_fail(error, MLA_ERROR_INPUT,
                    "%s stands in the middle of an epoch with batches of %" PRIu64 ", the model has %" PRId64,
                    path, batch_size, program->recipe.batch);
  const char *best = mla_tensors_metadata(file, "best_accuracy");
  double accuracy = best ? strtod(best, NULL) : 0;
  if (!(accuracy >= 0 && accuracy <= 1))
    return mla_fail(error, MLA_ERROR_INPUT, "%s: metadata best_accuracy is %s", path, best);
  *progress = (MlaProgress){(int)epoch, (int64_t)batch, (int64_t)step, seed, accuracy};
  return true;
}

static void convert(void *to, bool to_double, const void *from, bool from_double, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    double value = from_double ? ((const double *)from)[i] : ((const float *)from)[i];
    if (to_double)
      ((double *)to)[i] = value;
    else
      ((float *)to)[i] = (float)value;
  }
}

// Files that mlaanc wrote before they said so hold the features of flattened images as the program does.
static bool is_channels_first(const MlaTensorFile *file) {
  return mla_tensors_metadata(file, "flattened") || !mla_tensors_metadata(file, "model");
}

// `memory`: room for three tensors of float64.
static bool load_state(MlaLoaded *loaded, int index, const MlaTensorFile *file, const MlaTensor *tensor,
                       char *memory, MlaError *error) {
  const MlaProgram *program = loaded->program;
  const MlaState *state = &program->states[index];
  int64_t n = mla_n_elems(state);
  char *aligned = memory, *converted = memory + 8 * n, *here = memory + 16 * n;
  memcpy(aligned, file->data + tensor->begin, (size_t)(tensor->end - tensor->begin));
  convert(converted, program->elem == MLA_F64, aligned, strcmp(tensor->dtype, "F64") == 0, n);
  MlaState in_file = *state;
  if (!is_channels_first(file)) in_file.positions = 1;
  mla_from_file_layout(&in_file, mla_elem_bytes(program), converted, here);
  return loaded->device->ops->upload(loaded, mla_state(loaded, index), here, n * mla_elem_bytes(program),
                                     error);
}

static bool load_states(MlaLoaded *loaded, const MlaTensorFile *file, bool weights_only, MlaError *error) {
  const MlaProgram *program = loaded->program;
  char *memory = malloc(3 * 8 * (size_t)(mla_largest_state(program) / mla_elem_bytes(program)) + 1);
  bool good = memory || mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  for (int i = 0; good && i < program->n_states; i++) {
    if (!is_needed(&program->states[i], weights_only)) continue;
    good = load_state(loaded, i, file, mla_tensors_find(file, program->states[i].name), memory, error);
  }
  free(memory);
  return good;
}

static bool is_whole(const char *path) {
  MlaTensorFile file;
  MlaError error = {0};
  bool good = mla_tensors_open(&file, path, &error);
  if (good) mla_tensors_close(&file);
  return good;
}

// Of a run directory's newest checkpoint that cannot be read: how to go back to an older one.
static void name_older(const char *path, MlaError *error) {
  const char *slash = strrchr(path, '/');
  char dir[PATH_MAX], other[PATH_MAX + 80], names[8][64];
  if (!slash || slash - path >= PATH_MAX) return;
  if (strncmp(slash, "/ckpt-", 6) != 0 && strcmp(slash, "/latest") != 0) return;
  snprintf(dir, sizeof dir, "%.*s", (int)(slash - path), path);
  int n = mla_run_dir_list(dir, names, 8);
  for (int i = 0; i < n; i++) {
    snprintf(other, sizeof other, "%s/%.63s", dir, names[i]);
    if (!is_whole(other)) continue;
    mla_explain(error, "go back to an older one with: ln -sfn %s %s/latest", names[i], dir);
    return;
  }
}

bool mla_checkpoint_load(MlaLoaded *loaded, const char *path, bool weights_only, MlaProgress *progress,
                         MlaError *error) {
  MlaTensorFile file;
  if (!mla_tensors_open(&file, path, error)) {
    name_older(path, error);
    return false;
  }
  MlaProgress found = {0};
  bool is_same = check_states(&file, loaded->program, weights_only, path, error);
  if (!is_same) mla_explain(error, "it is of another model, or of this one with other settings (--set)");
  bool good = is_same && (weights_only || check_equal_copies(&file, loaded->program, path, error)) &&
              (weights_only || read_progress(&file, loaded->program, &found, path, error)) &&
              load_states(loaded, &file, weights_only, error);
  if (good && progress) *progress = found;
  mla_tensors_close(&file);
  return good;
}
