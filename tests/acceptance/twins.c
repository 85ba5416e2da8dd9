// Shipped models, made small, and a page with operators that they leave out: three steps of the compiled
// kernels against the unfused host functions.
// In double precision they agree to rounding; in single precision the losses of the first step do. An image fewer, and
// batch norms over the last two would multiply the rounding of the steps before.
// Kernels that differ in nothing but the layers they serve are compiled once for all models.
// timeout: 600
#include "tests/acceptance/trial.h"
#include "tests/cuda/pages.h"

enum { BATCH = 4, N_STEPS = 3 };

#define NARROW "cifar_resnet.width=4 "
#define SHORT  "small_resnet.width=4 small_resnet.n=1 "

static const struct Twin {
  const char *model, *sets;
  bool in_single;
} twins[] = {
    {"tests/cli/dropout.mlaan", "", true},
    {"models/e2e.mlaan", NARROW "cifar_resnet.n=1", false},
    {"models/greedy.mlaan", NARROW "cifar_resnet.n=1 K=4", false},
    {"models/dgl.mlaan", NARROW "cifar_resnet.n=1 K=4", false},
    {"models/infopro_softmax.mlaan", NARROW "cifar_resnet.n=1 K=4", false},
    {"models/man.mlaan", NARROW "cifar_resnet.n=1 K=3", true},
    {"models/mlaan.mlaan", NARROW "K=8", true}, // its chains name blocks of the whole ResNet-32
    {"models/fashion/e2e.mlaan", SHORT, false},
    {"models/fashion/greedy.mlaan", SHORT "K=3", false},
    {"models/fashion/dgl.mlaan", SHORT "K=3", false},
    {"models/fashion/infopro_softmax.mlaan", SHORT "K=3", false},
    {"models/fashion/man.mlaan", SHORT "K=3 man.reconstruct=5", false},
    {"models/fashion/mlaan.mlaan", "small_resnet.width=4 K=6", false},
};
enum { N_TWINS = sizeof twins / sizeof *twins };

static int n_wrong;

static void expect(double distance, double limit, const Trial *trial, const char *model, const char *what) {
  if (distance <= limit) return;
  n_wrong++;
  printf("%s, %s: %s is apart by %.3g\n", model, trial->program->elem == MLA_F64 ? "f64" : "f32", what,
         distance);
}

static double compare_losses(Trial *a, Trial *b, double limit, const char *model) {
  double worst = 0;
  for (int l = 0; l < b->program->n_losses; l++) {
    double x = trial_loss(a, l), y = trial_loss(b, l), distance = trial_distance(&x, &y, 1);
    expect(distance, limit, a, model, b->program->losses[l].name);
    worst = fmax(worst, distance);
  }
  return worst;
}

static double compare_states(Trial *a, Trial *b, double limit, const char *model) {
  double worst = 0;
  for (int i = 0; i < b->program->n_states; i++) {
    const MlaState *state = &b->program->states[i];
    int twin = trial_find(a, state->name);
    double distance =
        twin < 0 ? NAN : trial_distance(trial_state(a, twin), trial_state(b, i), mla_n_elems(state));
    expect(distance, limit, a, model, state->name);
    worst = fmax(worst, distance);
  }
  return worst;
}

static void check_double(const struct Twin *twin, Trial kernels) {
  static const int64_t batches[N_STEPS] = {BATCH, BATCH, BATCH - 1};
  Trial reference;
  trial_load(&kernels, "cpu");
  trial_open(&reference, twin->model, twin->sets, BATCH, "reference", MLA_F64);
  double losses = 0;
  for (int step = 0; step < N_STEPS; step++) {
    trial_step(&kernels, step, batches[step], 0.01);
    trial_step(&reference, step, batches[step], 0.01);
    losses = fmax(losses, compare_losses(&kernels, &reference, 1e-10, twin->model));
  }
  double states = compare_states(&kernels, &reference, 1e-10, twin->model);
  printf("%-38s f64: %3d losses within %.1e, %4d states within %.1e\n", twin->model,
         kernels.program->n_losses, losses, kernels.program->n_states, states);
  trial_close(&kernels);
  trial_close(&reference);
}

static void check_single(const struct Twin *twin, Trial kernels) {
  Trial reference;
  trial_load(&kernels, "cpu");
  trial_open(&reference, twin->model, twin->sets, BATCH, "reference", MLA_F64);
  trial_step(&kernels, 0, BATCH, 0.01);
  trial_step(&reference, 0, BATCH, 0.01);
  double losses = compare_losses(&kernels, &reference, 1e-5, twin->model);
  printf("%-38s f32: %3d losses within %.1e\n", twin->model, kernels.program->n_losses, losses);
  trial_close(&kernels);
  trial_close(&reference);
}

// All programs of an element type, and their kernels.
static void compile_all(Arena *arena, Trial *trials, MlaElem elem) {
  KernelPool pool = {.arena = arena};
  const MlaProgram *like = NULL;
  for (size_t i = 0; i < N_TWINS; i++) {
    if (elem == MLA_F32 && !twins[i].in_single) continue;
    trial_compile(&trials[i], twins[i].model, twins[i].sets, BATCH, "cpu", elem);
    MlaProgram *program = arena_copy(arena, trials[i].program, sizeof *program);
    page_quickly(arena, program);
    pool_take(&pool, program);
    trials[i].program = like = program;
  }
  pool_compile(&pool, like, "cpu");
}

int main(void) {
  Arena *arena = arena_new();
  Trial doubles[N_TWINS], singles[N_TWINS];
  compile_all(arena, doubles, MLA_F64);
  compile_all(arena, singles, MLA_F32);
  for (size_t i = 0; i < N_TWINS; i++) {
    check_double(&twins[i], doubles[i]);
    if (twins[i].in_single) check_single(&twins[i], singles[i]);
  }
  arena_free(arena);
  printf("%d wrong\n", n_wrong);
  return n_wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}
