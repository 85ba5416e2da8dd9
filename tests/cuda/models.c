// Every kernel of every shipped page runs in its place: one training step and one evaluation of each page, made small, on
// emulated-cuda, which watches every access, and on the reference device from the same initial values and images; all
// losses, scores and states after the step (parameters, momenta, EMA copies, running statistics) are compared.
//
// Kernels that differ in nothing but the layers they serve are compiled once for all pages, before any page runs.
//
// test_cuda_models PAGE [OPTIONS [BATCH]]: one page, with other options, planned for BATCH images (of which 3 run): with "" and 128
// the very kernels that a user gets, which takes minutes.
// timeout: 900
// label: slow
#include "tests/acceptance/trial.h"
#include "tests/cuda/pages.h"
#include <sys/wait.h>
#include <unistd.h>

enum { BATCH = 3, EVAL_BATCH = 2 };

static const double learning_rate = 0.01;

// Relative to the largest number of a tensor.
typedef struct Distances {
  double losses, scores, states;
  const char *state; // that is furthest
} Distances;

static const Distances float_limits = {1e-5, 1e-3, 1e-3, NULL}, double_limits = {1e-10, 1e-6, 1e-6, NULL};

// ---- a page ----

static void load(Trial *trial, const Compilation *compiled, const char *device) {
  *trial = (Trial){.arena = compiled->arena, .program = compiled->program};
  MlaError error = {0};
  MlaDeviceOptions options = {.threads = 1};
  trial_check(mla_device_open(&trial->device, device, &options, &error), &error);
  trial->loaded = trial->device.ops->load(&trial->device, trial->program, &error);
  trial_check(trial->loaded && mla_init_states(trial->loaded, 1, &error), &error);
}

static Distances compare(Trial *a, Trial *b) {
  Distances far = {0};
  for (int l = 0; l < b->program->n_losses; l++) {
    double x = trial_loss(a, l), y = trial_loss(b, l);
    far.losses = fmax(far.losses, trial_distance(&x, &y, 1));
  }
  for (int i = 0; i < b->program->n_states; i++) {
    const MlaState *state = &b->program->states[i];
    const double *x = trial_state(a, trial_find(a, state->name));
    double off = trial_distance(x, trial_state(b, i), mla_n_elems(state));
    if (!(off <= far.states)) far.states = off, far.state = state->name;
  }
  int64_t n = EVAL_BATCH * b->program->data.classes;
  far.scores = trial_distance(trial_scores(a, 1, EVAL_BATCH), trial_scores(b, 1, EVAL_BATCH), n);
  return far;
}

static Compilation compile_for(Arena *arena, const Page *page, const char *device, int batch) {
  return page_compile(arena, page, arena_printf(arena, " --batch %d --device %s", batch, device));
}

// In a process of its own, of which a fault ends only this. Returns its exit status.
static int check_page(const Page *page, const Compilation *compiled) {
  Compilation reference = compile_for(compiled->arena, page, "reference", BATCH);
  Trial a, b;
  load(&a, compiled, "emulated-cuda");
  load(&b, &reference, "reference");
  trial_step(&a, 0, BATCH, learning_rate);
  trial_step(&b, 0, BATCH, learning_rate);
  Distances far = compare(&a, &b);
  bool is_double = a.program->elem == MLA_F64;
  const Distances *limits = is_double ? &double_limits : &float_limits;
  bool is_good = far.losses <= limits->losses && far.scores <= limits->scores && far.states <= limits->states;
  printf("%s%-37s %s, %3d launches: %2d losses %.0e, scores %.0e, %4d states %.0e (%s)\n",
         is_good ? "" : "WRONG: ", page->file, is_double ? "f64" : "f32", a.program->train.n_launches,
         a.program->n_losses, far.losses, far.scores, a.program->n_states, far.states,
         far.state ? far.state : "");
  fflush(stdout);
  trial_close(&a);
  return is_good ? 0 : 1;
}

static int start_page(const Page *page, const Compilation *compiled) {
  pid_t process = fork();
  if (process == 0) _exit(check_page(page, compiled));
  return process > 0 ? 0 : 1;
}

static int wait_for_one(void) {
  int status = 0;
  return wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1;
}

// As many pages at once as there are processors. Returns those that are wrong.
static int check_pages(const Pages *pages, const Compilation *compiled) {
  int n_wrong = 0, n_running = 0, at_once = (int)sysconf(_SC_NPROCESSORS_ONLN);
  for (int i = 0; i < pages->n; i++) {
    if (n_running == at_once) n_wrong += wait_for_one(), n_running--;
    int failed = start_page(&pages->pages[i], &compiled[i]);
    n_wrong += failed;
    n_running += !failed;
  }
  for (; n_running > 0; n_running--) n_wrong += wait_for_one();
  return n_wrong;
}

// ---- all kernels ----

typedef struct Pools {
  KernelPool of_elem[2];
  const MlaProgram *like[2];
  int n_kernels, n_launches;
} Pools;

static void take_kernels(Pools *pools, MlaProgram *program) {
  bool is_double = program->elem == MLA_F64;
  pools->n_kernels += program->n_kernels;
  pools->n_launches += program->train.n_launches + program->eval.n_launches;
  pool_take(&pools->of_elem[is_double], program);
  pools->like[is_double] = program;
}

static void compile_kernels(const KernelPool *pool, const MlaProgram *like) {
  if (!like) return;
  MlaProgram all = pool_program(pool, like);
  MlaDevice device;
  MlaError error = {0};
  MlaDeviceOptions options = {0};
  trial_check(mla_device_open(&device, "emulated-cuda", &options, &error), &error);
  MlaLoaded *loaded = device.ops->load(&device, &all, &error);
  trial_check(loaded, &error);
  printf("%d different kernels in %s, %d of them compiled in %.1f s\n", pool->n,
         like->elem == MLA_F64 ? "f64" : "f32", loaded->n_compiled, loaded->compile_seconds);
  device.ops->unload(loaded);
  mla_device_close(&device);
}

int main(int argc, char **argv) {
  Arena *arena = arena_new();
  Pools pools = {.of_elem = {{.arena = arena}, {.arena = arena}}};
  Pages pages = {.arena = arena};
  if (argc > 1)
    pages_add(&pages, argv[1], argc > 2 ? argv[2] : page_options(argv[1]));
  else
    pages = pages_shipped(arena);
  Compilation *compiled = ARENA_ARRAY(arena, Compilation, pages.n);
  for (int i = 0; i < pages.n; i++) {
    compiled[i] = compile_for(arena, &pages.pages[i], "emulated-cuda", argc > 3 ? atoi(argv[3]) : BATCH);
    take_kernels(&pools, compiled[i].program);
  }
  printf("%d pages, %d launches of %d kernels\n", pages.n, pools.n_launches, pools.n_kernels);
  for (int i = 0; i < 2; i++) compile_kernels(&pools.of_elem[i], pools.like[i]);
  fflush(stdout);
  int n_wrong = check_pages(&pages, compiled);
  printf("%d wrong\n", n_wrong);
  return n_wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}
