// The devices run a hand-made program: the same bits for 1, 2 and 3 threads, the reference's host functions,
// the null device's counts; misuse is an error.
#include "runtime/device/device.h"
#include "tests/runtime/device_sample.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool upload_batch(MlaLoaded *loaded, MlaError *error) {
  float image[SAMPLE_BATCH * SAMPLE_PIXELS], rate = 0.5f;
  for (int i = 0; i < SAMPLE_BATCH * SAMPLE_PIXELS; i++) image[i] = sinf((float)i);
  const MlaDeviceOps *ops = loaded->device->ops;
  return ops->upload(loaded, mla_buffer(loaded, BUF_IMAGE), image, sizeof image, error) &&
         ops->upload(loaded, mla_buffer(loaded, BUF_RATE), &rate, sizeof rate, error);
}

// Runs `steps` steps with changing batch sizes and copies all regions out.
static bool run_steps(Tally *tally, int threads, int steps, unsigned char *memory, int64_t capacity) {
  Sample sample;
  MlaError error = {0};
  MlaDevice device;
  MlaDeviceOptions options = {.threads = threads};
  if (!mla_device_open(&device, "cpu", &options, &error)) return expect(tally, false, error.text), false;
  MlaLoaded *loaded = device.ops->load(&device, sample_make(&sample), &error);
  bool good = loaded && loaded->n_bytes <= capacity && upload_batch(loaded, &error);
  for (int i = 0; i < steps && good; i++)
    good = device.ops->run(loaded, &sample.program.train, 1 + i % SAMPLE_BATCH, &error);
  good = good && device.ops->download(loaded, memory, loaded->base, loaded->n_bytes, &error);
  good = good && loaded->n_launches == 4 * steps;
  if (error.kind) printf("     %s\n", error.text);
  if (loaded) device.ops->unload(loaded);
  mla_device_close(&device);
  return good;
}

static void check_threads(Tally *tally) {
  enum { BYTES = 8192, STEPS = 3000 };
  unsigned char one[BYTES] = {0}, many[BYTES];
  expect(tally, run_steps(tally, 1, STEPS, one, BYTES), "1 thread");
  for (int threads = 2; threads <= 3; threads++) {
    memset(many, 0, BYTES);
    bool good = run_steps(tally, threads, STEPS, many, BYTES) && memcmp(one, many, BYTES) == 0;
    expect(tally, good, threads == 2 ? "2 threads: the same bits" : "3 threads: the same bits");
  }
}

// The update of the first step worked out here, with hidden = 2 image (the weight starts at zero).
static void check_values(Tally *tally) {
  unsigned char memory[8192];
  bool good = run_steps(tally, 2, 1, memory, sizeof memory); // one step of a batch of one image
  double sum = 0, loss;
  for (int i = 0; i < SAMPLE_PIXELS; i++) sum += 2 * sin(i) * 0.37;
  float got;
  memcpy(&got, memory + 1344, sizeof got);
  loss = got;
  expect(tally, good && fabs(loss - sum) < 1e-5, "loss of one image");
  memcpy(&got, memory + SAMPLE_WORK, sizeof got); // the first weight
  expect(tally, good && fabs(got + 0.5 * loss * 0.01) < 1e-6, "the weight after one update");
}

// Somebody else computes on all cores meanwhile: slower, but not by orders of magnitude.
static void check_company(Tally *tally) {
  unsigned char memory[8192];
  double start = now();
  run_steps(tally, 2, 3000, memory, sizeof memory);
  double alone = now() - start;
  pid_t pid[2];
  for (int i = 0; i < 2; i++)
    if ((pid[i] = fork()) == 0)
      for (volatile unsigned k = 0;; k++) {
      }
  start = now();
  bool good = run_steps(tally, 2, 3000, memory, sizeof memory);
  double company = now() - start;
  for (int i = 0; i < 2; i++) {
    kill(pid[i], SIGKILL);
    waitpid(pid[i], NULL, 0);
  }
  printf("     12000 launches: %.3f s alone, %.3f s with two busy processes\n", alone, company);
  expect(tally, good && company < 60, "no collapse in company");
}

static void host_double(const void *call, void *const *buf, int64_t batch) {
  const double *from = buf[0];
  double *to = buf[1];
  for (int64_t i = 0; i < batch; i++) to[i] = *(const double *)call * from[i];
}

static void check_reference(Tally *tally) {
  Sample sample;
  sample_make(&sample);
  static const int32_t buffers[] = {0, 1};
  static const double factor = 2;
  MlaLaunch launch = {.name = "double", .kernel = -1, .host = host_double, .host_call = &factor};
  launch.buffers = buffers, launch.n_buffers = 2, launch.parts = 1;
  MlaBuffer two[] = {{"from", MLA_WORK, MLA_F64, 0, 64}, {"to", MLA_WORK, MLA_F64, 64, 64}};
  MlaProgram *p = &sample.program;
  p->elem = MLA_F64, p->recipe.precision = MLA_PRECISION_F64, p->buffers = two, p->n_buffers = 2,
  p->n_states = p->n_kernels = p->n_losses = 0;
  p->train = p->eval = (MlaStep){&launch, 1, -1, -1, -1, -1, -1, 128, NULL, 0};
  MlaError error = {0};
  MlaDevice device;
  MlaDeviceOptions options = {0};
  bool good = mla_device_open(&device, "reference", &options, &error);
  MlaLoaded *loaded = good ? device.ops->load(&device, p, &error) : NULL;
  double from[8] = {1, 2, 3, 4, 5, 6, 7, 8}, to[8];
  good = loaded && device.ops->upload(loaded, mla_buffer(loaded, 0), from, sizeof from, &error) &&
         device.ops->run(loaded, &p->train, 5, &error) &&
         device.ops->download(loaded, to, mla_buffer(loaded, 1), sizeof to, &error);
  expect(tally, good && to[4] == 10 && to[5] == 0, "the reference device calls host functions");
  if (loaded) device.ops->unload(loaded);
  launch.host = NULL;
  loaded = device.ops->load(&device, p, &error);
  expect_error(tally, loaded, &error, "neither a kernel nor a host function");
  error = (MlaError){0};
  loaded = device.ops->load(&device, sample_make(&sample), &error);
  expect_error(tally, loaded, &error, "has no reference function");
  mla_device_close(&device);
}

static void check_null(Tally *tally) {
  Sample sample;
  MlaError error = {0};
  MlaDevice device;
  MlaDeviceOptions options = {0};
  sample_make(&sample);
  sample.program.region_bytes[MLA_WORK] = INT64_C(1) << 40;
  mla_device_open(&device, "null", &options, &error);
  MlaLoaded *loaded = device.ops->load(&device, &sample.program, &error);
  float value = 1;
  bool good = loaded && device.ops->run(loaded, &sample.program.train, 8, &error) &&
              device.ops->run(loaded, &sample.program.eval, 8, &error) &&
              device.ops->download(loaded, &value, mla_state(loaded, 4), 4, &error);
  expect(tally, good && loaded->n_launches == 6 && value == 0,
         "the null device counts launches; a plan of 1 TiB");
  if (loaded) device.ops->unload(loaded);
  mla_device_close(&device);
}

static void check_misuse(Tally *tally) {
  Sample sample;
  MlaError error = {0};
  MlaDevice device;
  MlaDeviceOptions options = {.threads = 2};
  expect_error(tally, mla_device_open(&device, "tpu", &options, &error), &error,
               "there is no device `tpu`; known: cpu, cuda, reference, null");
  error = (MlaError){0};
  mla_device_open(&device, "cpu", &options, &error);
  MlaLoaded *loaded = device.ops->load(&device, sample_make(&sample), &error);
  expect_error(tally, device.ops->run(loaded, &sample.program.train, 9, &error), &error,
               "a batch of 9 images");
  error = (MlaError){0};
  expect_error(tally, device.ops->run(loaded, &sample.program.train, 0, &error), &error,
               "a batch of 0 images");
  error = (MlaError){0};
  MlaStep other = sample.program.train;
  expect_error(tally, device.ops->run(loaded, &other, 1, &error), &error, "not of the loaded program");
  error = (MlaError){0};
  char bytes[128];
  expect_error(tally, device.ops->download(loaded, bytes, mla_state(loaded, 4), sizeof bytes, &error), &error,
               "leaves the device's allocation");
  device.ops->unload(loaded);
  error = (MlaError){0};
  sample.program.region_bytes[MLA_WORK] = INT64_C(1) << 47;
  expect_error(tally, device.ops->load(&device, &sample.program, &error), &error,
               "the plan does not fit: it needs 131072.0 GiB");
  error = (MlaError){0};
  sample_make(&sample);
  sample.train[1].kernel = -1, sample.train[1].host = host_double;
  expect_error(tally, device.ops->load(&device, &sample.program, &error), &error, "has no kernel");
  mla_device_close(&device);
}

// The regions one after the other, each at a multiple of 64.
static void check_layout(Tally *tally) {
  Sample sample;
  int64_t start[MLA_N_REGIONS];
  int64_t n_bytes = mla_layout_regions(sample_make(&sample), start);
  expect(tally, n_bytes == 4096 + 64 + 64 + 128 + 64 + 64, "bytes of all regions");
  expect(tally, start[MLA_RUNNING] == 4096 + 64 + 64 + 128 && start[MLA_CONST] == start[MLA_RUNNING] + 64,
         "region starts");
  expect(tally, mla_state_bytes(&sample.program, 0) == 64 && mla_state_bytes(&sample.program, 3) == 4,
         "state bytes");
}

int main(void) {
  Tally tally = {0};
  char *cache = test_folder("cache");
  setenv("MLAANC_CACHE", cache, 1);
  check_layout(&tally);
  check_threads(&tally);
  check_values(&tally);
  check_company(&tally);
  check_reference(&tally);
  check_null(&tally);
  check_misuse(&tally);
  free(cache);
  return tally.n_failed != 0;
}
