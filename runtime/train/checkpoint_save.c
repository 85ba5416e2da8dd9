// Checkpoints: every state of the program that its text alone does not give, as one safetensors file, with the place in
// the run as metadata.
#include "runtime/files/safetensors.h"
#include "runtime/train/layout.h"
#include "runtime/train/train.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

// Constants that are not drawn at random are part of the program; mla_init_states has set them.
bool mla_is_saved(const MlaState *state) {
  return state->region != MLA_CONST || state->init == MLA_INIT_NORMAL || state->init == MLA_INIT_UNIFORM ||
         state->init == MLA_INIT_COPY;
}

int mla_elem_bytes(const MlaProgram *program) {
  return program->elem == MLA_F64 ? 8 : 4;
}
const char *mla_dtype_of(const MlaProgram *program) {
  return program->elem == MLA_F64 ? "F64" : "F32";
}

static bool all_finite(const MlaProgram *program, const void *values, int64_t n) {
  const float *single = values;
  const double *wide = values;
  for (int64_t i = 0; i < n; i++)
    if (!isfinite(program->elem == MLA_F64 ? wide[i] : single[i])) return false;
  return true;
}

static int list_tensors(const MlaProgram *program, MlaTensor *tensors) {
  int n = 0;
  for (int i = 0; i < program->n_states; i++) {
    const MlaState *state = &program->states[i];
    if (!mla_is_saved(state)) continue;
    tensors[n] = (MlaTensor){.name = state->name, .dtype = mla_dtype_of(program), .rank = state->rank};
    mla_file_dims(state, tensors[n++].dim);
  }
  return n;
}

static bool begin_file(MlaAtomicFile *file, const MlaProgram *program, const char *path,
                       const MlaProgress *progress, MlaError *error) {
  char epoch[24], batch[24], step[24], seed[24], batch_size[24], best[32];
  snprintf(epoch, sizeof epoch, "%d", progress->epoch);
  snprintf(batch, sizeof batch, "%" PRId64, progress->batch);
  snprintf(step, sizeof step, "%" PRId64, progress->step);
  snprintf(seed, sizeof seed, "%" PRIu64, progress->seed);
  snprintf(batch_size, sizeof batch_size, "%" PRId64, program->recipe.batch);
  snprintf(best, sizeof best, "%.17g", progress->best_accuracy);
  const MlaMetadata metadata[] = {{"format", "pt"},
                                  {"model", program->model},
                                  {"epoch", epoch},
                                  {"batch", batch},
                                  {"step", step},
                                  {"seed", seed},
                                  {"batch_size", batch_size},
                                  {"best_accuracy", best},
                                  {"flattened", "channels first"}};
  MlaTensor *tensors = calloc((size_t)program->n_states + 1, sizeof *tensors);
  if (!tensors) return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  bool good = mla_tensors_begin(file, path, tensors, list_tensors(program, tensors), metadata,
                                sizeof metadata / sizeof *metadata, error);
  free(tensors);
  return good;
}

// Fetches a state and turns it to the file's layout; `memory` has room for it twice. NULL: failed.
static const void *fetch_state(MlaLoaded *loaded, int index, char *memory, const char *path,
                               MlaError *error) {
  const MlaProgram *program = loaded->program;
  const MlaState *state = &program->states[index];
  int64_t n = mla_n_elems(state), n_bytes = n * mla_elem_bytes(program);
  if (!loaded->device->ops->download(loaded, memory, mla_state(loaded, index), n_bytes, error)) return NULL;
  if (!all_finite(program, memory, n)) {
    mla_fail(error, MLA_ERROR_INPUT, "%s holds numbers that are not finite: %s was not written", state->name,
             path);
    return NULL;
  }
  mla_to_file_layout(state, mla_elem_bytes(program), memory, memory + n_bytes);
  return memory + n_bytes;
}

int64_t mla_largest_state(const MlaProgram *program) {
  int64_t largest = 0;
  for (int i = 0; i < program->n_states; i++) {
    int64_t n = mla_n_elems(&program->states[i]);
    if (n > largest) largest = n;
  }
  return largest * mla_elem_bytes(program);
}

static bool append_states(MlaAtomicFile *file, MlaLoaded *loaded, const char *path, MlaError *error) {
  const MlaProgram *program = loaded->program;
  char *memory = malloc(2 * (size_t)mla_largest_state(program) + 1);
  if (!memory) mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  bool good = memory;
  for (int i = 0; good && i < program->n_states; i++) {
    if (!mla_is_saved(&program->states[i])) continue;
    const void *bytes = fetch_state(loaded, i, memory, path, error);
    size_t n_bytes = (size_t)mla_n_elems(&program->states[i]) * (size_t)mla_elem_bytes(program);
    good = bytes && mla_atomic_write(file, bytes, n_bytes, error);
  }
  free(memory);
  if (!good) mla_atomic_abort(file);
  return good;
}

bool mla_checkpoint_save(MlaLoaded *loaded, const char *path, const MlaProgress *progress, MlaError *error) {
  MlaAtomicFile file;
  return begin_file(&file, loaded->program, path, progress, error) &&
         append_states(&file, loaded, path, error) && mla_atomic_commit(&file, error);
}
