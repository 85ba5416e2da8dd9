// Trains the model of this folder on an NVIDIA GPU. The files:
//   model.c, kernels.c    the compiled model: buffers, states, launches, recipe; where its kernels are
//   kernels/*.cu          the kernels (README.md: which is what); prelude.cuh: what they share
//   runtime/              mlaanc's own runtime, as it is: data sets, the step loop (train/train.c), checkpoints, the
//                         CUDA device (device/cuda/), which captures a step once and replays it as a graph
//   linked.c              CUDA runtime and kernels by the linker, instead of found and compiled at run time
// What a run writes is what `mlaanc run --matmul own` writes: metrics.jsonl and safetensors checkpoints.
#include "linked.h"
#include "runtime/device/device.h"
#include "runtime/train/train.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: trainer [options]\n"
    "  --data DIR              where the data set is (default: as the model says)\n"
    "  --run-dir DIR           metrics and checkpoints (default: run)\n"
    "  --epochs N, --seed N    instead of the recipe's\n"
    "  --max-steps N           stop after so many steps, with a checkpoint\n"
    "  --checkpoint-every N    a checkpoint every N steps, beside those at the end of epochs\n"
    "  --json                  lines of metrics on stdout\n";

enum { EXIT_MODEL = 1, EXIT_USAGE = 2, EXIT_SYSTEM = 3, EXIT_INTERRUPTED = 130 };

static volatile sig_atomic_t interrupted;

static void note_signal(int signal_number) {
  (void)signal_number;
  interrupted = 1;
}

static void catch_signals(void) {
  struct sigaction action = {.sa_handler = note_signal, .sa_flags = (int)SA_RESETHAND};
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
}

// ---- options ----

typedef struct Arguments {
  MlaProgram program; // with the options' epochs and seed
  const char *data_root;
  MlaRunOptions run;
} Arguments;

static bool take_count(int64_t *to, const char *text, int64_t least, int64_t most) {
  char *end;
  long long value = strtoll(text, &end, 10);
  *to = value;
  return end != text && *end == 0 && value >= least && value <= most;
}

static bool take_option(Arguments *all, const char *name, const char *value) {
  int64_t n;
  if (strcmp(name, "--data") == 0) return all->data_root = value, true;
  if (strcmp(name, "--run-dir") == 0) return all->run.run_dir = value, true;
  if (strcmp(name, "--max-steps") == 0) return take_count(&all->run.max_steps, value, 1, INT64_MAX);
  if (strcmp(name, "--checkpoint-every") == 0)
    return take_count(&all->run.checkpoint_steps, value, 1, INT64_MAX);
  if (strcmp(name, "--epochs") == 0 && take_count(&n, value, 1, INT32_MAX))
    return all->program.recipe.epochs = (int)n, true;
  if (strcmp(name, "--seed") == 0 && take_count(&n, value, 0, INT64_MAX))
    return all->program.recipe.seed = (uint64_t)n, true;
  return false;
}

static bool parse(Arguments *all, int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--json") == 0)
      all->run.json = true;
    else if (i + 1 == argc || !take_option(all, argv[i], argv[i + 1]))
      return false;
    else
      i++;
  }
  return true;
}

// ---- training ----

static void print_model(const MlaProgram *program, const MlaLoaded *loaded) {
  printf("%s: %d modules, %d kernels, %d launches a step; %.1f MiB on the GPU; batch %" PRId64
         ", %d epochs, seed %" PRIu64 "\n",
         program->model, program->n_modules, program->n_kernels, program->train.n_launches,
         (double)loaded->n_bytes / (1 << 20), program->recipe.batch, program->recipe.epochs,
         program->recipe.seed);
  fflush(stdout);
}

static void print_result(const MlaRunResult *result, const char *dir) {
  if (!result->was_evaluated)
    printf("stopped after %" PRId64 " steps; %s/latest is its checkpoint\n", result->steps_done, dir);
  else
    printf("test accuracy %.2f%% (best %.2f%%), %d epochs in %.1f s, %.0f images/s; %s\n",
           100 * result->test_accuracy, 100 * result->best_accuracy, result->epochs_done, result->seconds,
           result->images_per_second, dir);
}

static int fail(const MlaError *error) {
  fprintf(stderr, "trainer: %s\n", error->text);
  return error->kind == MLA_ERROR_INPUT ? EXIT_MODEL : EXIT_SYSTEM;
}

static int train(const Arguments *all, MlaDevice *device, MlaRunData *data) {
  MlaError error = {0};
  MlaRunResult result;
  MlaLoaded *loaded = device->ops->load(device, &all->program, &error);
  if (!loaded) return fail(&error);
  if (!all->run.json) print_model(&all->program, loaded);
  int lock = -1;
  bool good = mla_run_lock(all->run.run_dir, !all->run.resume, &lock, &error) &&
              mla_train(loaded, data, &all->run, &result, &error);
  mla_run_unlock(lock);
  device->ops->unload(loaded);
  if (!good) return fail(&error);
  if (!all->run.json) print_result(&result, all->run.run_dir);
  return result.was_interrupted ? EXIT_INTERRUPTED : EXIT_SUCCESS;
}

int main(int argc, char **argv) {
  Arguments all = {.program = mla_linked_program,
                   .run = {.run_dir = "run", .checkpoint_keep = 2, .interrupted = &interrupted}};
  if (argc == 2 && strcmp(argv[1], "--help") == 0) return fputs(usage, stdout), EXIT_SUCCESS;
  if (!parse(&all, argc, argv)) return fputs(usage, stderr), EXIT_USAGE;
  MlaRunData data;
  MlaDevice device;
  MlaError error = {0};
  catch_signals();
  if (!mla_run_data_open(&data, &all.program.data, all.data_root, &error)) return fail(&error);
  int status = EXIT_SYSTEM;
  if (mla_device_open(&device, "cuda", &(MlaDeviceOptions){0}, &error)) {
    status = train(&all, &device, &data);
    mla_device_close(&device);
  } else {
    fail(&error);
  }
  mla_run_data_close(&data);
  return status;
}
