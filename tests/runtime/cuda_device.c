// The CUDA device without a GPU: NVRTC is the real one, the CUDA runtime a stand-in (support/fake_cudart.h) that runs the
// sample's launches on the host. So the order of calls, parameters, grids, graphs and errors are tested here; that a
// GPU does the same is not.
#include "runtime/device/cuda/nvrtc.h"
#include "runtime/device/device.h"
#include "tests/runtime/device_sample.h"

#include <dlfcn.h>
#include <link.h>
#include <math.h>

// A folder with the stand-in and a link to the real NVRTC. NULL: one of the two is missing.
static char *make_libraries(const char *parent) {
  Nvrtc nvrtc;
  MlaError error = {0};
  struct link_map *map;
  char *command = NULL;
  if (!mla_nvrtc_open(&nvrtc, 0, &error)) return NULL;
  bool good = nvrtc.major == 13 && dlinfo(nvrtc.library.handle, RTLD_DI_LINKMAP, &map) == 0;
  good = good &&
         asprintf(&command,
                  "cc -x c -shared -fPIC -o '%s/libcudart.so.13' '%s/tests/support/fake_cudart.h' && ln -s "
                  "'%s' '%s/libnvrtc.so.13'",
                  parent, getenv("MLAANC_SOURCE") ? getenv("MLAANC_SOURCE") : ".", map->l_name, parent) > 0;
  mla_nvrtc_close(&nvrtc);
  good = good && system(command) == 0;
  free(command);
  return good ? strdup(parent) : NULL;
}

typedef struct Run {
  bool good;
  float losses[4], weight[SAMPLE_PIXELS];
  int n_compiled, n_cached;
  MlaError error;
} Run;

// Four steps: two over a full batch, one over an odd one, one full again.
static bool run_steps(MlaLoaded *loaded, Run *run) {
  const MlaProgram *program = loaded->program;
  static const int batches[] = {SAMPLE_BATCH, SAMPLE_BATCH, 3, SAMPLE_BATCH};
  const MlaDeviceOps *ops = loaded->device->ops;
  float image[SAMPLE_BATCH * SAMPLE_PIXELS], rate = 0.25f;
  for (int i = 0; i < SAMPLE_BATCH * SAMPLE_PIXELS; i++) image[i] = (float)(i % 13) - 4;
  bool good = ops->upload(loaded, mla_buffer(loaded, BUF_RATE), &rate, sizeof rate, &run->error);
  for (int step = 0; step < 4 && good; step++) {
    image[step] += 1;
    good =
        ops->upload(loaded, mla_buffer(loaded, BUF_IMAGE), image, sizeof image, &run->error) &&
        ops->run(loaded, &program->train, batches[step], &run->error) &&
        ops->download(loaded, &run->losses[step], mla_buffer(loaded, BUF_LOSS), sizeof(float), &run->error);
  }
  return good && ops->run(loaded, &program->eval, SAMPLE_BATCH, &run->error) &&
         ops->download(loaded, run->weight, mla_buffer(loaded, BUF_WEIGHT), sizeof run->weight, &run->error);
}

static Run run_program(const char *name, const MlaProgram *program, const char *cache) {
  Run run = {0};
  MlaDevice device;
  MlaDeviceOptions options = {.threads = 2, .cache_dir = cache};
  if (!mla_device_open(&device, name, &options, &run.error)) return run;
  MlaLoaded *loaded = device.ops->load(&device, program, &run.error);
  if (loaded) {
    run.n_compiled = loaded->n_compiled, run.n_cached = loaded->n_cached;
    run.good = run_steps(loaded, &run);
    device.ops->unload(loaded);
  }
  mla_device_close(&device);
  return run;
}

static bool same_numbers(const Run *a, const Run *b) {
  bool same = true;
  for (int i = 0; i < 4; i++)
    same = same && a->losses[i] - b->losses[i] < 1e-4f && b->losses[i] - a->losses[i] < 1e-4f;
  for (int i = 0; i < SAMPLE_PIXELS; i++)
    same = same && a->weight[i] - b->weight[i] < 1e-5f && b->weight[i] - a->weight[i] < 1e-5f;
  return same && a->losses[0] != 0 && a->weight[0] != 0;
}

static void check_steps(Tally *tally, const char *cache) {
  Sample cpu_sample, cuda_sample;
  const MlaProgram *program = sample_make_cuda(&cuda_sample);
  Run cpu = run_program("cpu", sample_make(&cpu_sample), cache), cold = run_program("cuda", program, cache),
      warm = run_program("cuda", program, cache);
  if (!cold.good) printf("     %s\n", cold.error.text);
  expect(tally, cpu.good && cold.good && same_numbers(&cpu, &cold), "the steps of the cpu device");
  expect(tally, cold.n_compiled == 4 && cold.n_cached == 0, "cold: four kernels compiled");
  expect(tally, warm.good && warm.n_compiled == 0 && warm.n_cached == 4 && same_numbers(&cold, &warm),
         "warm: four CUBINs from the cache");
  setenv("MLAANC_CUDA_CHECK", "1", 1);
  Run checked = run_program("cuda", program, cache);
  unsetenv("MLAANC_CUDA_CHECK");
  expect(tally, checked.good && same_numbers(&cold, &checked), "launch by launch: the same");
}

// Each launch is timed by itself, in the graph and launch by launch, and only steps over the full batch count.
static void check_profile(Tally *tally, const char *cache) {
  Sample sample;
  MlaDevice device;
  Run run = {0};
  const MlaProgram *program = sample_make_cuda(&sample);
  MlaDeviceOptions options = {.threads = 2, .cache_dir = cache, .is_traced = true};
  bool is_open = mla_device_open(&device, "cuda", &options, &run.error);
  MlaLoaded *loaded = is_open ? device.ops->load(&device, program, &run.error) : NULL;
  run.good = loaded && run_steps(loaded, &run);
  if (!run.good) printf("     %s\n", run.error.text);
  bool same = run.good && loaded->n_timed == 3;
  for (int i = 0; same && i < program->train.n_launches; i++)
    same = fabs(loaded->launch_seconds[i] - 3e-3) < 1e-9;
  expect(tally, same, "three steps timed, a millisecond a launch");
  bool is_traced = run.good && loaded->trace.n_steps == 3;
  for (int i = 0; is_traced && i < 3; i++) is_traced = loaded->trace.steps[i].n == program->train.n_launches;
  expect(tally,
         is_traced && fabs(loaded->trace.steps[2].events[0].begin - loaded->timed_seconds * 2 / 3) < 1e-9,
         "and traced, one behind the other");
  expect(tally, is_open && fabs(device.bandwidth - 1.024e12) < 1,
         "the memory's bandwidth from clock and width");
  if (loaded) device.ops->unload(loaded);
  if (is_open) mla_device_close(&device);
}

// Capture once a batch size and step, replay otherwise, release everything.
static void check_counts(Tally *tally, const char *cache, const char *parent, const MlaProgram *program,
                         const char *expected) {
  char *path, line[128] = "";
  if (asprintf(&path, "%s/counts", parent) < 0) exit(1);
  fflush(stdout);
  int usual = dup(1);
  if (!freopen(path, "w", stdout)) exit(1);
  setenv("FAKE_CUDA_COUNTS", "1", 1);
  Run run = run_program("cuda", program, cache);
  unsetenv("FAKE_CUDA_COUNTS");
  fflush(stdout);
  dup2(usual, 1);
  FILE *file = fopen(path, "r");
  if (!file || !fgets(line, sizeof line, file)) printf("     no counts\n");
  if (file) fclose(file);
  free(path);
  printf("     %s", line);
  expect(tally, run.good && !strcmp(line, expected), expected);
}

static void check_fault(Tally *tally, const char *fault, const char *cache, const char *expected) {
  Sample sample;
  setenv("FAKE_CUDA", fault, 1);
  Run run = run_program("cuda", sample_make_cuda(&sample), cache);
  unsetenv("FAKE_CUDA");
  expect_error(tally, run.good, &run.error, expected);
  expect(tally, run.error.kind == MLA_ERROR_SYSTEM, "     as a failure of the system");
}

static void check_faults(Tally *tally, const char *cache) {
  check_fault(tally, "no_driver", cache, "no driver: ");
  check_fault(tally, "old_driver", cache, "the driver is too old: it serves CUDA 11.4");
  check_fault(tally, "no_device", cache, "no device: there is a driver (CUDA 13.0)");
  check_fault(tally, "new_device", cache, "cannot compile for sm_990; it knows sm_75");
  check_fault(tally, "memory", cache, "the GPU does not give the plan's 0.0 MiB in one piece");
  check_fault(
      tally, "launch", cache,
      "launch `first/forward` (kernel `sample_forward`, 2 blocks of 64 threads): invalid configuration");
  check_fault(tally, "kernel", cache,
              "an illegal memory access was encountered (cudaErrorIllegalAddress, CUDA error 700)");
}

static void check_refused(Tally *tally, const char *cache) {
  Sample sample;
  Run run = run_program("cuda", sample_make(&sample), cache);
  expect_error(tally, run.good, &run.error,
               "the program's kernels are for cpu and the device `cuda` runs those for cuda");
  run = run_program("cpu", sample_make_cuda(&sample), cache);
  expect_error(tally, run.good, &run.error, "compile the model again with --device cpu");
}

// More buffers than parameters can carry: the kernel gets a pointer to a table in device memory.
static void check_wide(Tally *tally, const char *cache) {
  enum { WIDE = 5000 };
  Sample sample;
  static int32_t buffers[WIDE];
  Run usual = run_program("cuda", sample_make_cuda(&sample), cache);
  const MlaProgram *program = sample_make_cuda(&sample);
  for (int i = 0; i < WIDE; i++) buffers[i] = i < 3 ? sample.train[3].buffers[i] : -1;
  sample.train[3].buffers = buffers, sample.train[3].n_buffers = WIDE;
  sample.kernels[3].text =
      "extern \"C\" __global__ void sample_update(const MlaBuffers<5000> buf, const int batch) {\n"
      "  static_assert(sizeof buf == 8, \"a pointer\");\n"
      "  real *weight = (real *)buf.at[0];\n"
      "  weight[threadIdx.x] -= *(real *)buf.at[1] * *(real *)buf.at[2] * (real)0.01;\n}\n";
  setenv("FAKE_CUDA_WIDE", "sample_update", 1);
  Run wide = run_program("cuda", program, cache);
  unsetenv("FAKE_CUDA_WIDE");
  if (!wide.good) printf("     %s\n", wide.error.text);
  expect(tally, wide.good && same_numbers(&usual, &wide), "5000 buffers come as a table");
}

// Two chains that do not need each other, until the update overwrites the weight that both read: the capture forks over
// two streams, and any order that its graph allows gives the same numbers.
typedef struct Forked {
  Sample sample;
  MlaBuffer buffers[N_SAMPLE_BUFFERS + 3];
  MlaLaunch launches[7];
} Forked;

static const MlaProgram *make_forked(Forked *f) {
  enum { HIDDEN2 = N_SAMPLE_BUFFERS, PARTIAL2, LOSS2 };
  static const int32_t forward[] = {BUF_IMAGE, BUF_WEIGHT, HIDDEN2}, partial[] = {HIDDEN2, PARTIAL2},
                       loss[] = {PARTIAL2, LOSS2};
  const MlaProgram *program = sample_make_cuda(&f->sample);
  memcpy(f->buffers, f->sample.buffers, sizeof f->sample.buffers);
  f->buffers[HIDDEN2] = sample_buffer("hidden2", MLA_WORK, 2048, 512);
  f->buffers[PARTIAL2] = sample_buffer("partial2", MLA_WORK, 2560, 28);
  f->buffers[LOSS2] = sample_buffer("loss2", MLA_WORK, 2624, 4);
  for (int i = 0; i < 6; i++) f->launches[i] = f->sample.train[i / 2];
  f->launches[1].buffers = f->launches[1].reads = forward, f->launches[1].writes = forward + 2;
  f->launches[3].buffers = partial;
  f->launches[5].buffers = f->launches[5].reads = loss, f->launches[5].writes = loss + 1;
  f->launches[6] = f->sample.train[3];
  f->sample.program.buffers = f->buffers;
  f->sample.program.n_buffers += 3;
  f->sample.program.train.launches = f->launches;
  f->sample.program.train.n_launches = 7;
  return program;
}

static void check_forks(Tally *tally, const char *cache) {
  Forked forked;
  const MlaProgram *program = make_forked(&forked);
  setenv("MLAANC_CUDA_STREAMS", "1", 1);
  Run alone = run_program("cuda", program, cache);
  bool same = alone.good;
  for (int i = 0; i < 20; i++) { // the stand-in goes on with its random numbers
    setenv("MLAANC_CUDA_STREAMS", i % 2 ? "2" : "8", 1);
    Run run = run_program("cuda", program, cache);
    if (!run.good) printf("     %s\n", run.error.text);
    same = same && run.good && !memcmp(run.losses, alone.losses, sizeof run.losses) &&
           !memcmp(run.weight, alone.weight, sizeof run.weight);
  }
  unsetenv("MLAANC_CUDA_STREAMS");
  expect(tally, same, "two chains on streams of their own: the same numbers in any order");
}

static void check_missing(Tally *tally, const char *empty) {
  MlaDevice device;
  MlaDeviceOptions options = {0};
  MlaError error = {0};
  setenv("MLAANC_CUDA", empty, 1);
  expect_error(tally, mla_device_open(&device, "cuda", &options, &error), &error,
               "no CUDA runtime: neither libcudart.so.13 nor libcudart.so.12");
}

int main(void) {
  Tally tally = {0};
  setvbuf(stdout, NULL, _IOLBF, 0);
  char *parent = test_folder("cuda"), *cache = test_folder("cache"), *empty = test_folder("empty");
  char *libraries = make_libraries(parent);
  if (!libraries) return 77;
  setenv("MLAANC_CUDA", libraries, 1);
  check_steps(&tally, cache);
  Forked forked;
  check_counts(&tally, cache, parent, sample_make_cuda(&forked.sample),
               "fake: 3 graphs, 5 replays, 0 forks, 0 left\n");
  check_counts(&tally, cache, parent, make_forked(&forked), "fake: 3 graphs, 5 replays, 2 forks, 0 left\n");
  check_forks(&tally, cache);
  check_profile(&tally, cache);
  check_faults(&tally, cache);
  check_refused(&tally, cache);
  check_wide(&tally, cache);
  check_missing(&tally, empty);
  free(libraries);
  free(parent);
  free(cache);
  free(empty);
  return tally.n_failed != 0;
}
