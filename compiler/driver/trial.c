// The time of a step, by which splits are compared, follows from its launches: each takes the time of its products or that of
// its bytes, whichever is longer, and a little to begin. The rates are those of the CPU device on two cores of
// Zen 5 (AVX-512, two threads, float32), fitted to the profiles of six methods on ResNet-32 at batch 128 (e2e, dgl, greedy,
// infopro, man, mlaan): the sums of their kernels' times are met within 18 %. Elsewhere seconds are others; what matters is how
// splits compare, and so the ratio of the two rates, which is much the same on processors and GPUs of today. Of greedy, man and
// mlaan in 1, 2, 4, 8 and 15 modules (CPU time of one thread) no two that differ by 3 % are in the wrong order; counting lanes
// that narrow channels leave empty, or products and bytes one after the other, orders them no better.
#include "compiler/driver/trial.h"
#include "compiler/driver/plan.h"
#include "compiler/driver/variant.h"

#include <math.h>

static const double product_flops = 480e9, memory_bytes = 50e9,
                    launch_seconds = 1e-6; // a second; a second; each

// Products do many operations on what they read; what does few counts by its bytes alone.
static double launch_time(const MlaLaunch *launch) {
  return fmax((double)launch->flops / product_flops, (double)launch->n_bytes / memory_bytes) + launch_seconds;
}

double trial_time(const MlaProgram *program, double *modules) {
  double sum = 0;
  for (int l = 0; l < program->train.n_launches; l++) {
    const MlaLaunch *launch = &program->train.launches[l];
    double time = launch_time(launch);
    if (modules) modules[launch->module] += time;
    sum += time;
  }
  return sum;
}

const char *trial_text(Arena *arena, const Splits *splits, const bool *ends) {
  const char *text = "[";
  for (int e = 0; e < splits->n - 1; e++)
    if (ends[e]) text = arena_printf(arena, "%s%s%s", text, text[1] ? ", " : "", splits->places[e]);
  return arena_printf(arena, "%s]", text);
}

static int64_t state_bytes(const MlaProgram *program, const MlaState *state) {
  int64_t n = program->elem == MLA_F64 ? 8 : 4;
  for (int d = 0; d < state->rank; d++) n *= state->dim[d];
  return n;
}

// Equal copies lie in the bytes of the first; every two modules that have one share it.
static void add_states(Trial *trial, const MlaProgram *program) {
  for (int s = 0; s < program->n_states; s++) {
    const MlaState *state = &program->states[s];
    if (!state->is_aux) continue;
    int64_t n_bytes = state_bytes(program, state);
    trial->state[state->module] += n_bytes;
    for (int other = 0; state->region == MLA_EMA && other < s; other++) {
      const MlaState *earlier = &program->states[other];
      if (earlier->is_aux && earlier->region == MLA_EMA && earlier->offset == state->offset)
        trial->shared[earlier->module * trial->n_modules + state->module] += n_bytes;
    }
  }
}

static Trial read_trial(Arena *arena, const Compilation *c) {
  const MlaProgram *program = c->program;
  int n = program->n_modules;
  Trial trial = {.is_valid = true, .n_modules = n, .batch = program->recipe.batch};
  trial.live = ARENA_ARRAY(arena, int64_t, n);
  trial.state = ARENA_ARRAY(arena, int64_t, n);
  trial.flops = ARENA_ARRAY(arena, int64_t, n);
  trial.n_params = ARENA_ARRAY(arena, int64_t, n);
  trial.module_time = ARENA_ARRAY(arena, double, n);
  trial.bytes = plan_facts(c).bytes.total;
  for (int m = 0; m < n; m++) {
    trial.live[m] = program->modules[m].activation_bytes;
    trial.flops[m] = program->modules[m].step_flops;
    trial.n_params[m] = program->modules[m].n_params + program->modules[m].n_aux_params;
  }
  trial.shared = ARENA_ARRAY(arena, int64_t, n * n);
  add_states(&trial, program);
  trial.time = trial_time(program, trial.module_time);
  return trial;
}

Trial trial_plan(Splits *splits, const bool *ends) {
  Trial trial = {0};
  Compilation c;
  Arena *arena = arena_new();
  if (variant_compile(&c, splits->options, trial_text(arena, splits, ends), splits->batch))
    trial = read_trial(splits->arena, &c);
  compile_end(&c);
  arena_free(arena);
  trial.ends = arena_copy(splits->arena, ends, sizeof *ends * (size_t)splits->n);
  splits->n_trials++;
  return trial;
}
