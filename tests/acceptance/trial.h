// A model from its text to steps on a device, with every state in sight: what the acceptance tests stand on.
// States start as a run's would (by seed and name), so that models that share names share their numbers.
#pragma once
#include "compiler/emit/emit.h"
#include "compiler/passes/pass.h"
#include "compiler/sema/sema.h"
#include "runtime/train/layout.h"
#include "runtime/train/step.h"
#include "runtime/train/train.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Trial {
  Arena *arena;
  const MlaProgram *program;
  MlaDevice device;
  MlaLoaded *loaded;
} Trial;

static inline void trial_check(bool is_good, const MlaError *error) {
  if (is_good) return;
  fprintf(stderr, "%s\n", error->text);
  exit(EXIT_FAILURE);
}

static inline SemaOptions trial_sets(Arena *arena, const char *sets, int64_t batch) {
  enum { MOST = 16 };
  Override *overrides = ARENA_ARRAY(arena, Override, MOST);
  int n = 0;
  overrides[n++] = (Override){"train.batch", arena_printf(arena, "%lld", (long long)batch)};
  char *text = arena_printf(arena, "%s", sets), *rest = NULL;
  for (char *set = strtok_r(text, " ", &rest); set && n < MOST; set = strtok_r(NULL, " ", &rest)) {
    char *equals = strchr(set, '=');
    if (equals) overrides[n++] = (Override){arena_strndup(arena, set, (size_t)(equals - set)), equals + 1};
  }
  const char *root = getenv("MLAANC_SOURCE");
  return (SemaOptions){.library_dir = arena_printf(arena, "%s/models", root ? root : "."),
                       .overrides = overrides,
                       .n_overrides = n};
}

// `model` is a file, or a text if it has several lines. `sets`: "name=value name=value", as --set takes them.
static inline Model *trial_model(Arena *arena, SourceMap *map, const char *model, const char *sets,
                                 int64_t batch) {
  Diag *diag = diag_new(arena, map);
  SemaOptions options = trial_sets(arena, sets, batch);
  Model *loaded = strchr(model, '\n') ? sema_load_text(arena, map, diag, "text", model, &options)
                                      : sema_load(arena, map, diag, model, &options);
  if (loaded) return loaded;
  diag_print(diag, stderr, false);
  exit(EXIT_FAILURE);
}

// Compiles for `device` ("reference" computes in double precision).
static inline void trial_compile(Trial *trial, const char *model, const char *sets, int64_t batch,
                                 const char *device, MlaElem elem) {
  *trial = (Trial){.arena = arena_new()};
  bool is_reference = strcmp(device, "reference") == 0;
  SourceMap *map = source_map_new(trial->arena);
  Model *loaded = trial_model(trial->arena, map, model, sets, batch);
  PipelineOptions pipeline = {.batch = batch, .elem_bytes = elem == MLA_F64 ? 8 : 4, .unfused = is_reference};
  pipeline_run(loaded, trial->arena, &pipeline, NULL, NULL);
  EmitOptions emit = {.target = is_reference ? EMIT_REFERENCE : EMIT_C,
                      .precision = elem == MLA_F64 ? MLA_PRECISION_F64 : MLA_PRECISION_F32,
                      .map = map};
  trial->program = emit_program(trial->arena, loaded, &emit);
}

// Loads the program and sets the initial states.
static inline void trial_load(Trial *trial, const char *device) {
  MlaError error = {0};
  MlaDeviceOptions options = {.threads = 2};
  trial_check(mla_device_open(&trial->device, device, &options, &error), &error);
  trial->loaded = trial->device.ops->load(&trial->device, trial->program, &error);
  trial_check(trial->loaded && mla_init_states(trial->loaded, 1, &error), &error);
}

static inline void trial_open(Trial *trial, const char *model, const char *sets, int64_t batch,
                              const char *device, MlaElem elem) {
  trial_compile(trial, model, sets, batch, device, elem);
  trial_load(trial, device);
}

static inline void trial_close(Trial *trial) {
  trial->device.ops->unload(trial->loaded);
  mla_device_close(&trial->device);
  arena_free(trial->arena);
}

// A number of [0, 1) that fits a float: the same on every device.
static inline double trial_number(uint64_t seed) {
  uint64_t x = (seed + 1) * 0x9E3779B97F4A7C15ULL;
  x ^= x >> 29;
  x *= 0xBF58476D1CE4E5B9ULL;
  x ^= x >> 32;
  return (double)(x >> 40) / (double)(1 << 24);
}

// Made-up images; step numbers give them.
static inline MlaBatch trial_batch(Trial *trial, int64_t step, int64_t n_images) {
  const MlaProgram *program = trial->program;
  const MlaData *data = &program->data;
  int64_t n = n_images * data->height * data->width * data->channels;
  double *doubles = ARENA_ARRAY(trial->arena, double, n);
  float *floats = ARENA_ARRAY(trial->arena, float, n);
  int32_t *labels = ARENA_ARRAY(trial->arena, int32_t, n_images);
  for (int64_t i = 0; i < n; i++)
    floats[i] = (float)(doubles[i] = 2 * trial_number((uint64_t)(step * 100003 + i)) - 1);
  for (int64_t i = 0; i < n_images; i++)
    labels[i] = (int32_t)(trial_number((uint64_t)(step * 911 + i)) * data->classes);
  bool is_double = program->elem == MLA_F64;
  return (MlaBatch){.n = n_images, .images = is_double ? (void *)doubles : (void *)floats, .labels = labels};
}

// One training step.
static inline void trial_step(Trial *trial, int64_t step, int64_t n_images, double learning_rate) {
  MlaBatch batch = trial_batch(trial, step, n_images);
  MlaError error = {0};
  trial_check(mla_step_run(trial->loaded, &trial->program->train, &batch, learning_rate, step, &error),
              &error);
}

// What the network as it is evaluated says of the images: [n_images, classes].
static inline double *trial_scores(Trial *trial, int64_t step, int64_t n_images) {
  const MlaProgram *program = trial->program;
  MlaBatch batch = trial_batch(trial, step, n_images);
  int64_t n = n_images * program->data.classes;
  double *doubles = ARENA_ARRAY(trial->arena, double, n);
  float *floats = ARENA_ARRAY(trial->arena, float, n);
  bool is_double = program->elem == MLA_F64;
  MlaError error = {0};
  trial_check(mla_step_run(trial->loaded, &program->eval, &batch, 0, 0, &error) &&
                  trial->device.ops->download(trial->loaded, is_double ? (void *)doubles : (void *)floats,
                                              mla_buffer(trial->loaded, program->eval.output),
                                              n * (is_double ? 8 : 4), &error),
              &error);
  for (int64_t i = 0; i < n && !is_double; i++) doubles[i] = (double)floats[i];
  return doubles;
}

// ---- states and losses ----

static inline double *trial_state(Trial *trial, int index) {
  int64_t n = mla_n_elems(&trial->program->states[index]);
  double *doubles = ARENA_ARRAY(trial->arena, double, n);
  float *floats = ARENA_ARRAY(trial->arena, float, n);
  bool is_double = trial->program->elem == MLA_F64;
  MlaError error = {0};
  trial_check(trial->device.ops->download(trial->loaded, is_double ? (void *)doubles : (void *)floats,
                                          mla_state(trial->loaded, index),
                                          mla_state_bytes(trial->program, index), &error),
              &error);
  for (int64_t i = 0; i < n && !is_double; i++) doubles[i] = (double)floats[i];
  return doubles;
}

static inline void trial_set_state(Trial *trial, int index, const double *values) {
  int64_t n = mla_n_elems(&trial->program->states[index]);
  float *floats = ARENA_ARRAY(trial->arena, float, n);
  for (int64_t i = 0; i < n; i++) floats[i] = (float)values[i];
  const void *from = trial->program->elem == MLA_F64 ? (const void *)values : floats;
  MlaError error = {0};
  trial_check(trial->device.ops->upload(trial->loaded, mla_state(trial->loaded, index), from,
                                        mla_state_bytes(trial->program, index), &error),
              &error);
}

static inline int trial_find(const Trial *trial, const char *name) { // -1: there is none
  for (int i = 0; i < trial->program->n_states; i++)
    if (!strcmp(trial->program->states[i].name, name)) return i;
  return -1;
}

// After one step without weight decay the momentum of a weight is its gradient. NULL: nothing trains it.
static inline double *trial_gradient(Trial *trial, const char *weight) {
  int index = trial_find(trial, arena_printf(trial->arena, "%s.momentum", weight));
  return index < 0 ? NULL : trial_state(trial, index);
}

static inline double trial_loss(Trial *trial, int loss) {
  double value = 0;
  MlaError error = {0};
  trial_check(mla_read_number(trial->loaded, trial->program->losses[loss].term, &value, &error), &error);
  return value;
}

// Largest difference, relative to the largest number of the two, which counts as 1e-3 at least: the gradient
// of a bias in front of batch norm is zero but for rounding.
static inline double trial_distance(const double *a, const double *b, int64_t n) {
  double top = 1e-3, apart = 0;
  for (int64_t i = 0; i < n; i++) {
    top = fmax(top, fmax(fabs(a[i]), fabs(b[i])));
    if (!(fabs(a[i] - b[i]) <= apart)) apart = fabs(a[i] - b[i]); // what is not a number stays
  }
  return apart / top;
}
