// Whole training steps: networks with auxiliary heads, EMA copies and cascades go through all passes and both
// targets. Three steps on the cpu device in double precision, fused and with shared bytes, must give the
// losses and states of the unfused host functions; in single precision nearly; a second run with other
// threads the same bits.
#include "compiler/emit/emit.h"
#include "runtime/device/device.h"
#include "tests/passes/nets.h"

#include <math.h>

enum { SIZE = 8, N_STEPS = 3 };

typedef ResNet *Build(Arena *arena);

static ResNet *build_end_to_end(Arena *arena) {
  return resnet_end_to_end(arena, 1, 8, SIZE);
}
static ResNet *build_man(Arena *arena) {
  return resnet_man(arena, 1, 8, SIZE);
}
static ResNet *build_cascade(Arena *arena) {
  static const int links[][5] = {{1, 2, -1}, {2, -1}, {-1}};
  return resnet_cascade(arena, 1, 8, SIZE, 2, links);
}

static const struct Case {
  const char *name;
  Build *build;
} cases[] = {{"end to end", build_end_to_end}, {"man", build_man}, {"cascade", build_cascade}};

// ---- a compiled network on a device ----

typedef struct Run {
  Arena *arena;
  const MlaProgram *program;
  MlaDevice device;
  MlaLoaded *loaded;
} Run;

static void check(bool is_right, const MlaError *error) {
  if (is_right) return;
  fprintf(stderr, "%s\n", error->text);
  exit(EXIT_FAILURE);
}

static void open_run(Run *run, Build *build, EmitTarget target, MlaElem elem, int64_t batch, int threads) {
  *run = (Run){.arena = arena_new()};
  ResNet *resnet = build(run->arena);
  Model *model = net_model(resnet->net);
  model->recipe.batch = batch;
  model->recipe.epochs = 1;
  model->data = (MlaData){.name = "test",
                          .format = "idx",
                          .root = "",
                          .classes = 10,
                          .height = SIZE,
                          .width = SIZE,
                          .channels = 3};
  PipelineOptions pipeline = {
      .batch = batch, .elem_bytes = elem == MLA_F64 ? 8 : 4, .unfused = target == EMIT_REFERENCE};
  pipeline_run(model, run->arena, &pipeline, NULL, NULL);
  EmitOptions options = {.target = target,
                         .precision = elem == MLA_F64 ? MLA_PRECISION_F64 : MLA_PRECISION_F32};
  run->program = emit_program(run->arena, model, &options);
  MlaError error = {0};
  MlaDeviceOptions device = {.threads = threads};
  check(mla_device_open(&run->device, target == EMIT_REFERENCE ? "reference" : "cpu", &device, &error),
        &error);
  run->loaded = run->device.ops->load(&run->device, run->program, &error);
  check(run->loaded != NULL, &error);
}

static void close_run(Run *run) {
  run->device.ops->unload(run->loaded);
  mla_device_close(&run->device);
  arena_free(run->arena);
}

// The same numbers on every device: they fit a float.
static double number(uint64_t seed, double low, double high) {
  uint64_t x = (seed + 1) * 0x9E3779B97F4A7C15ULL;
  x ^= x >> 29;
  x *= 0xBF58476D1CE4E5B9ULL;
  x ^= x >> 32;
  return (double)(float)(low + (high - low) * (double)(x >> 40) / (double)(1 << 24));
}

static void upload(Run *run, DevPtr to, int64_t n, uint64_t seed, double low, double high) {
  double *doubles = ARENA_ARRAY(run->arena, double, n);
  float *floats = ARENA_ARRAY(run->arena, float, n);
  for (int64_t i = 0; i < n; i++) floats[i] = (float)(doubles[i] = number(seed + (uint64_t)i, low, high));
  bool is_double = run->program->elem == MLA_F64;
  MlaError error = {0};
  check(run->device.ops->upload(run->loaded, to, is_double ? (void *)doubles : (void *)floats,
                                n * (is_double ? 8 : 4), &error),
        &error);
}

static double *download(Run *run, DevPtr from, int64_t n) {
  double *doubles = ARENA_ARRAY(run->arena, double, n);
  float *floats = ARENA_ARRAY(run->arena, float, n);
  bool is_double = run->program->elem == MLA_F64;
  MlaError error = {0};
  check(run->device.ops->download(run->loaded, is_double ? (void *)doubles : (void *)floats, from,
                                  n * (is_double ? 8 : 4), &error),
        &error);
  for (int64_t i = 0; i < n && !is_double; i++) doubles[i] = (double)floats[i];
  return doubles;
}

static int64_t state_elems(const MlaState *state) {
  int64_t n = 1;
  for (int d = 0; d < state->rank; d++) n *= state->dim[d];
  return n;
}

// EMA copies start apart from their sources, so that their steps show.
static void set_states(Run *run) {
  for (int i = 0; i < run->program->n_states; i++) {
    const MlaState *state = &run->program->states[i];
    bool is_zero = state->region == MLA_MOMENTUM, is_scale = state->rank == 1;
    double high = is_zero ? 0 : is_scale ? 1.2 : 0.3, low = is_zero ? 0 : is_scale ? 0.5 : -0.3;
    uint64_t seed = 0;
    for (const char *c = state->name; *c; c++) seed = seed * 131 + (unsigned char)*c;
    upload(run, mla_state(run->loaded, i), state_elems(state), seed, low, high);
  }
}

static void run_step(Run *run, int64_t step, int64_t batch) {
  const MlaProgram *program = run->program;
  MlaError error = {0};
  int32_t *labels = ARENA_ARRAY(run->arena, int32_t, batch);
  for (int64_t i = 0; i < batch; i++) labels[i] = (int32_t)number((uint64_t)(step * 991 + i), 0, 9.99);
  upload(run, mla_buffer(run->loaded, program->train.image), batch * SIZE * SIZE * 3, (uint64_t)step * 7919,
         -1, 1);
  upload(run, mla_buffer(run->loaded, program->train.learning_rate), 1, 5, 0.05, 0.05);
  check(run->device.ops->upload(run->loaded, mla_buffer(run->loaded, program->train.label), labels, batch * 4,
                                &error),
        &error);
  check(run->device.ops->run(run->loaded, &program->train, batch, &error), &error);
}

// ---- comparing ----

static bool numbers_agree(const double *a, const double *b, int64_t n, double tolerance, const char *what) {
  double top = 1e-2;
  for (int64_t i = 0; i < n; i++) top = fmax(top, fabs(b[i]));
  for (int64_t i = 0; i < n; i++) {
    if (fabs(a[i] - b[i]) <= tolerance * top) continue;
    fprintf(stderr, "%s: element %lld of %lld is %.12g, expected %.12g\n", what, (long long)i, (long long)n,
            a[i], b[i]);
    return false;
  }
  return true;
}

static int find_state(const MlaProgram *program, const char *name) {
  for (int i = 0; i < program->n_states; i++) {
    if (!strcmp(program->states[i].name, name)) return i;
  }
  fprintf(stderr, "there is no state %s\n", name);
  exit(EXIT_FAILURE);
}

static int compare(Run *a, Run *b, double tolerance) {
  int n_wrong = a->program->n_states != b->program->n_states || a->program->n_losses != b->program->n_losses;
  for (int i = 0; i < b->program->n_losses; i++) {
    const MlaLoss *x = &a->program->losses[i], *y = &b->program->losses[i];
    n_wrong += !numbers_agree(download(a, mla_buffer(a->loaded, x->term), 1),
                              download(b, mla_buffer(b->loaded, y->term), 1), 1, tolerance, y->name);
    n_wrong += !numbers_agree(download(a, mla_buffer(a->loaded, x->value), 1),
                              download(b, mla_buffer(b->loaded, y->value), 1), 1, tolerance, y->name);
  }
  for (int i = 0; i < b->program->n_states; i++) {
    const MlaState *state = &b->program->states[i];
    int64_t n = state_elems(state);
    double *x = download(a, mla_state(a->loaded, find_state(a->program, state->name)), n);
    n_wrong += !numbers_agree(x, download(b, mla_state(b->loaded, i), n), n, tolerance, state->name);
  }
  return n_wrong;
}

static int check_case(const struct Case *test, MlaElem elem, double tolerance) {
  int64_t batches[N_STEPS] = {6, 6, 5};
  Run kernels, again, reference;
  open_run(&kernels, test->build, EMIT_C, elem, 6, 1);
  open_run(&again, test->build, EMIT_C, elem, 6, 2);
  open_run(&reference, test->build, EMIT_REFERENCE, MLA_F64, 6, 1);
  set_states(&kernels);
  set_states(&again);
  set_states(&reference);
  int n_wrong = 0;
  for (int step = 0; step < N_STEPS && n_wrong == 0; step++) {
    run_step(&kernels, step, batches[step]);
    run_step(&again, step, batches[step]);
    run_step(&reference, step, batches[step]);
    n_wrong += compare(&kernels, &reference, tolerance) + compare(&again, &kernels, 0);
  }
  printf("%s, %s: %d kernels, %d launches, %lld bytes of work, %d wrong\n", test->name,
         elem == MLA_F64 ? "f64" : "f32", kernels.program->n_kernels, kernels.program->train.n_launches,
         (long long)kernels.program->region_bytes[MLA_WORK], n_wrong);
  close_run(&kernels);
  close_run(&again);
  close_run(&reference);
  return n_wrong;
}

int main(void) {
  int n_wrong = 0;
  const char *tmp = getenv("TEST_TMP");
  if (tmp) setenv("MLAANC_CACHE", tmp, 1);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    n_wrong += check_case(&cases[i], MLA_F64, 1e-9);
    n_wrong += check_case(&cases[i], MLA_F32, 2e-3);
  }
  return n_wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}
