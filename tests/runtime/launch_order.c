// Launches in random orders that their dependencies allow: whole training steps must leave the same bits in every state
// and loss. What the edges allow is thereby shown to be allowed, on the memory plan as it is, which uses bytes again
// and again, and on one that keeps modules apart; and that orders against them are noticed shows that the comparison sees something.
#include "compiler/driver/compile.h"
#include "runtime/device/dependencies.h"
#include "runtime/train/train.h"
#include "tests/runtime/device_sample.h"
#include <sys/wait.h>
#include <unistd.h>

enum { N_STEPS = 2 };

typedef struct Case {
  const char *model, *device, *sets[2];
  int64_t batch;
  int n_orders;
  int overlap;
  int longest; // chain that is allowed; 0: not asked
} Case;

static const Case cases[] = {
    {"tests/cli/tiny.mlaan", "emulated-cuda", {"width=4"}, 3, 2, 1, 0},
    {"tests/cli/tiny.mlaan", "cpu", {"width=4"}, 6, 12, 1, 0},
    {"tests/cli/tiny.mlaan", "cpu", {"width=4"}, 6, 12, 3, 80},
    {"models/mlaan.mlaan", "cpu", {"backbone=resnet20", "K=5"}, 4, 6, 1, 0},
};

static void check(bool good, const MlaError *error) {
  if (good) return;
  fprintf(stderr, "%s\n", error->text);
  exit(EXIT_FAILURE);
}

static uint64_t draw(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return *state >> 33;
}

// ---- orders ----

// `is_wild`: the dependencies are not asked.
static void shuffle(const MlaStep *step, const MlaDependencies *d, uint64_t *random, bool is_wild,
                    MlaLaunch *launches) {
  bool *is_done = calloc((size_t)d->n + 1, sizeof *is_done);
  int *ready = calloc((size_t)d->n + 1, sizeof *ready);
  for (int at = 0; at < d->n && is_done && ready; at++) {
    int n_ready = 0;
    for (int i = 0; i < d->n; i++) {
      bool can = !is_done[i];
      for (int k = d->first[i]; k < d->first[i + 1] && !is_wild; k++) can = can && is_done[d->before[k]];
      if (can) ready[n_ready++] = i;
    }
    int chosen = ready[draw(random) % (uint64_t)n_ready];
    is_done[chosen] = true;
    launches[at] = step->launches[chosen];
  }
  free(is_done);
  free(ready);
}

// ---- steps ----

static void upload_noise(MlaLoaded *loaded, const MlaStep *step, uint64_t *random, MlaError *error) {
  const MlaProgram *program = loaded->program;
  int64_t n = program->buffers[step->image].n_bytes / 4, batch = program->recipe.batch;
  float *image = malloc((size_t)n * sizeof *image);
  int32_t *label = malloc((size_t)batch * sizeof *label);
  for (int64_t i = 0; i < n; i++) image[i] = (float)draw(random) / (float)(1u << 30) - 1;
  for (int64_t i = 0; i < batch; i++) label[i] = (int32_t)(draw(random) % (uint64_t)program->data.classes);
  const MlaDeviceOps *ops = loaded->device->ops;
  check(ops->upload(loaded, mla_buffer(loaded, step->image), image, n * 4, error), error);
  check(ops->upload(loaded, mla_buffer(loaded, step->label), label, batch * 4, error), error);
  free(image);
  free(label);
}

typedef struct Result {
  MlaError fault; // the emulation itself sees a read of what nobody has written
  unsigned char *states;
  int64_t n_bytes;
  float losses[256];
} Result;

static Result run_steps(MlaDevice *device, const MlaProgram *program) {
  MlaError error = {0};
  uint64_t random = 5;
  Result result = {0};
  const MlaStep *step = &program->train;
  MlaLoaded *loaded = device->ops->load(device, program, &error);
  check(loaded, &error);
  check(mla_init_states(loaded, 11, &error), &error);
  for (int64_t i = 0; i < N_STEPS; i++) {
    upload_noise(loaded, step, &random, &error);
    check(mla_upload_rates(loaded, step, 0.05, i, &error) && mla_upload_keys(loaded, step, i, &error),
          &error);
    if (!device->ops->run(loaded, step, program->recipe.batch, &result.fault)) break;
  }
  for (int i = 0; i < program->n_losses && i < 256; i++)
    check(device->ops->download(loaded, &result.losses[i], mla_buffer(loaded, program->losses[i].value), 4,
                                &error),
          &error);
  DevPtr from = {loaded->base.address + loaded->region_start[MLA_PARAM]};
  result.n_bytes = loaded->n_bytes - loaded->region_start[MLA_PARAM];
  result.states = malloc((size_t)result.n_bytes);
  check(device->ops->download(loaded, result.states, from, result.n_bytes, &error), &error);
  device->ops->unload(loaded);
  return result;
}

static bool is_same(const Result *a, const Result *b) {
  return !a->fault.kind && a->n_bytes == b->n_bytes &&
         memcmp(a->states, b->states, (size_t)a->n_bytes) == 0 &&
         memcmp(a->losses, b->losses, sizeof a->losses) == 0;
}

// ---- a model ----

static bool run_shuffled(MlaDevice *device, const MlaProgram *program, const MlaDependencies *d,
                         uint64_t *random, bool is_wild, const Result *expected) {
  MlaProgram shuffled = *program;
  MlaLaunch *launches = calloc((size_t)d->n + 1, sizeof *launches);
  shuffle(&program->train, d, random, is_wild, launches);
  shuffled.train.launches = launches;
  Result result = run_steps(device, &shuffled);
  bool same = is_same(&result, expected);
  free(result.states);
  free(launches);
  return same;
}

// An order that is not allowed, in a process of its own: a kernel that reads something else in place of its labels may
// end it, which is one way of not being the same.
static bool is_same_unordered(const char *name, const MlaProgram *program, const MlaDependencies *d,
                              uint64_t *random, const Result *expected) {
  pid_t child = fork();
  if (child == 0) {
    MlaDevice device;
    MlaDeviceOptions options = {.threads = 2};
    MlaError error = {0};
    check(mla_device_open(&device, name, &options, &error), &error);
    _exit(run_shuffled(&device, program, d, random, true, expected) ? EXIT_SUCCESS : EXIT_FAILURE);
  }
  int status = 0;
  check(child > 0 && waitpid(child, &status, 0) == child, &(MlaError){.text = "no process"});
  return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
}

static void run_case(const Case *c, Tally *tally) {
  Options options = {.input = c->model,
                     .device = c->device,
                     .batch = c->batch,
                     .epochs = -1,
                     .seed = -1,
                     .overlap = c->overlap};
  Compilation compilation;
  MlaDevice device;
  MlaDependencies d;
  MlaError error = {0};
  MlaDeviceOptions device_options = {.threads = 2};
  options.vector_bytes = -1;
  for (int i = 0; i < 2 && c->sets[i]; i++) options.sets.items[options.sets.n++] = c->sets[i];
  if (compile_begin(&compilation, &options) != STATUS_OK) exit(EXIT_FAILURE);
  const MlaProgram *program = compilation.program;
  check(mla_device_open(&device, c->device, &device_options, &error), &error);
  check(mla_dependencies(program, &program->train, &d, &error), &error);
  Result expected = run_steps(&device, program);
  check(!expected.fault.kind, &expected.fault);
  uint64_t random = 1;
  int n_same = 0;
  for (int i = 0; i < c->n_orders; i++)
    n_same += run_shuffled(&device, program, &d, &random, false, &expected);
  int longest = mla_longest_chain(&d);
  printf("%s on %s, %d at a time: %d launches, %d edges, longest chain %d, %lld bytes\n", c->model, c->device,
         c->overlap, d.n, d.first[d.n], longest, (long long)program->region_bytes[MLA_WORK]);
  if (c->longest) expect(tally, longest <= c->longest, "modules with bytes of their own wait less");
  expect(tally, n_same == c->n_orders, "the same bits in every order that is allowed");
  expect(tally, !is_same_unordered(c->device, program, &d, &random, &expected), "others in one that is not");
  free(expected.states);
  mla_dependencies_free(&d);
  mla_device_close(&device);
  compile_end(&compilation);
}

int main(void) {
  Tally tally = {0};
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) run_case(&cases[i], &tally);
  return tally.n_failed != 0;
}
