// Every kernel of every shipped page runs in its place: one training step and one evaluation of each page, made small, on
// cpu, on emulated-cuda, which watches every access, and on the reference device from the same initial values and images;
// all losses, scores and states after the step (parameters, momenta, EMA copies, running statistics) are compared.
//
// Kernels that differ in nothing but the layers they serve are compiled once for all pages, before any page runs.
//
// test_acceptance_models PAGE [OPTIONS [BATCH]]: one page, with other options, planned for BATCH images (of which 3 run): with ""
// and 128 the very kernels that a user gets, which takes minutes.
// timeout: 1800
// label: slow
#include "runtime/device/cpu_count.h"
#include "tests/acceptance/trial.h"
#include "tests/cuda/pages.h"
#include <sys/wait.h>
#include <unistd.h>

enum { BATCH = 3, EVAL_BATCH = 2, N_DEVICES = 2 };

static const char *const devices[N_DEVICES] = {"cpu", "emulated-cuda"};

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

// What a step and an evaluation left behind. The evaluation's work may lie where the losses were.
typedef struct Results {
  double *losses, *scores;
} Results;

static Results results_of(Trial *trial) {
  Results results = {.losses = ARENA_ARRAY(trial->arena, double, trial->program->n_losses)};
  for (int l = 0; l < trial->program->n_losses; l++) results.losses[l] = trial_loss(trial, l);
  results.scores = trial_scores(trial, 1, EVAL_BATCH);
  return results;
}

static Distances compare(Trial *a, Trial *b, const Results *expected) {
  Results found = results_of(a);
  Distances far = {.scores = trial_distance(found.scores, expected->scores,
                                            EVAL_BATCH * (int64_t)b->program->data.classes)};
  for (int l = 0; l < b->program->n_losses; l++)
    far.losses = fmax(far.losses, trial_distance(&found.losses[l], &expected->losses[l], 1));
  for (int i = 0; i < b->program->n_states; i++) {
    const MlaState *state = &b->program->states[i];
    const double *x = trial_state(a, trial_find(a, state->name));
    double off = trial_distance(x, trial_state(b, i), mla_n_elems(state));
    if (!(off <= far.states)) far.states = off, far.state = state->name;
  }
  return far;
}

static Compilation compile_for(Arena *arena, const Page *page, const char *device, int batch) {
  return page_compile(arena, page, arena_printf(arena, " --batch %d --device %s", batch, device));
}

// A page and its programs for all devices.
typedef struct Shipped {
  const Page *page;
  Compilation compiled[N_DEVICES];
} Shipped;

static int judge(const Page *page, const char *device, Trial *a, Trial *b, const Results *expected) {
  Distances far = compare(a, b, expected);
  bool is_double = a->program->elem == MLA_F64;
  const Distances *limits = is_double ? &double_limits : &float_limits;
  bool is_good = far.losses <= limits->losses && far.scores <= limits->scores && far.states <= limits->states;
  printf("%s%-37s %-13s %s, %3d launches: %2d losses %.0e, scores %.0e, %4d states %.0e (%s)\n",
         is_good ? "" : "WRONG: ", page->file, device, is_double ? "f64" : "f32",
         a->program->train.n_launches, a->program->n_losses, far.losses, far.scores, a->program->n_states,
         far.states, far.state ? far.state : "");
  fflush(stdout);
  return is_good ? 0 : 1;
}

// In a process of its own, of which a fault ends only this. Returns its exit status.
static int check_page(const Shipped *shipped) {
  Compilation reference = compile_for(shipped->compiled[0].arena, shipped->page, "reference", BATCH);
  Trial oracle;
  int n_wrong = 0;
  load(&oracle, &reference, "reference");
  trial_step(&oracle, 0, BATCH, learning_rate);
  Results expected = results_of(&oracle);
  for (int d = 0; d < N_DEVICES; d++) {
    Trial trial;
    load(&trial, &shipped->compiled[d], devices[d]);
    trial_step(&trial, 0, BATCH, learning_rate);
    n_wrong += judge(shipped->page, devices[d], &trial, &oracle, &expected);
    trial.device.ops->unload(trial.loaded);
    mla_device_close(&trial.device);
  }
  return n_wrong ? 1 : 0;
}

static int start_page(const Shipped *shipped) {
  pid_t process = fork();
  if (process == 0) _exit(check_page(shipped));
  return process > 0 ? 0 : 1;
}

static int wait_for_one(void) {
  int status = 0;
  return wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1;
}

// As many pages at once as there are processors. Returns those that are wrong.
static int check_pages(const Shipped *shipped, int n) {
  int n_wrong = 0, n_running = 0, at_once = mla_cpu_count();
  for (int i = 0; i < n; i++) {
    if (n_running == at_once) n_wrong += wait_for_one(), n_running--;
    int failed = start_page(&shipped[i]);
    n_wrong += failed;
    n_running += !failed;
  }
  for (; n_running > 0; n_running--) n_wrong += wait_for_one();
  return n_wrong;
}

// ---- all kernels ----

// Of one device, by element type.
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

// All pages for a device, and their kernels.
static void compile_pages(Arena *arena, Shipped *shipped, int n, int d, int batch) {
  Pools pools = {.of_elem = {{.arena = arena}, {.arena = arena}}};
  for (int i = 0; i < n; i++) {
    shipped[i].compiled[d] = compile_for(arena, shipped[i].page, devices[d], batch);
    if (d == 0) page_quickly(arena, shipped[i].compiled[d].program);
    take_kernels(&pools, shipped[i].compiled[d].program);
  }
  printf("%s: %d pages, %d launches of %d kernels\n", devices[d], n, pools.n_launches, pools.n_kernels);
  for (int i = 0; i < 2; i++)
    if (pools.like[i]) pool_compile(&pools.of_elem[i], pools.like[i], devices[d]);
  fflush(stdout);
}

int main(int argc, char **argv) {
  Arena *arena = arena_new();
  Pages pages = {.arena = arena};
  if (argc > 1)
    pages_add(&pages, argv[1], argc > 2 ? argv[2] : page_options(argv[1]));
  else
    pages = pages_shipped(arena);
  Shipped *shipped = ARENA_ARRAY(arena, Shipped, pages.n);
  for (int i = 0; i < pages.n; i++) shipped[i].page = &pages.pages[i];
  for (int d = 0; d < N_DEVICES; d++)
    compile_pages(arena, shipped, pages.n, d, argc > 3 ? atoi(argv[3]) : BATCH);
  int n_wrong = check_pages(shipped, pages.n);
  printf("%d wrong\n", n_wrong);
  return n_wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}
