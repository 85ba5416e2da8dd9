// The orders that packets need on the CUDA device: the host, the stream of copies and the stream of steps. CUDA is the
// stand-in (support/fake_streams.h), which delays the side that nothing waits for; that the tests would see a missing wait
// is tested by taking each away.
#include "tests/runtime/device_sample.h"

enum { STEPS = 9, PIXELS_AT = 512 };

static bool make_libraries(const char *folder) {
  static const char *const names[] = {"cudart", "nvrtc"};
  const char *source = getenv("MLAANC_SOURCE");
  bool good = true;
  for (int i = 0; i < 2 && good; i++) {
    char *command;
    if (asprintf(&command, "cc -x c -shared -fPIC -o '%s/lib%s.so.13' '%s/tests/support/fake_%s.h'", folder,
                 names[i], source ? source : ".", names[i]) < 0)
      return false;
    good = system(command) == 0;
    free(command);
  }
  return good;
}

// The sample, whose images come from packets.
typedef struct PacketSample {
  Sample sample;
  MlaBuffer buffers[N_SAMPLE_BUFFERS + MLA_N_PACKETS];
  MlaKernel kernels[5];
  MlaLaunch prepare[MLA_N_PACKETS];
  int32_t operands[MLA_N_PACKETS][2];
} PacketSample;

static const MlaProgram *make_program(PacketSample *s) {
  sample_make_cuda(&s->sample);
  MlaProgram *p = &s->sample.program;
  int64_t n_bytes = PIXELS_AT + SAMPLE_BATCH * SAMPLE_PIXELS;
  p->packet = (MlaPacket){.keys = 64, .rows = 64, .pixels = PIXELS_AT, .n_bytes = n_bytes};
  memcpy(s->buffers, s->sample.buffers, sizeof s->sample.buffers);
  memcpy(s->kernels, s->sample.kernels, sizeof s->sample.kernels);
  s->kernels[4] = (MlaKernel){.symbol = "sample_prepare", .text = "", .threads = 64};
  for (int i = 0; i < MLA_N_PACKETS; i++) {
    int buffer = N_SAMPLE_BUFFERS + i;
    s->buffers[buffer] = sample_buffer("packet", MLA_EXCHANGE, i * n_bytes, n_bytes);
    s->operands[i][0] = buffer, s->operands[i][1] = BUF_IMAGE;
    s->prepare[i] = (MlaLaunch){.name = "images",
                                .kernel = 4,
                                .buffers = s->operands[i],
                                .n_buffers = 2,
                                .parts = 1,
                                .grid = {SAMPLE_PIXELS, 0, 64, 0}};
  }
  p->region_bytes[MLA_EXCHANGE] = MLA_N_PACKETS * n_bytes;
  p->buffers = s->buffers, p->n_buffers = N_SAMPLE_BUFFERS + MLA_N_PACKETS;
  p->kernels = s->kernels, p->n_kernels = 5;
  p->train.prepare = p->eval.prepare = s->prepare;
  p->train.n_prepare = p->eval.n_prepare = MLA_N_PACKETS;
  return p;
}

typedef struct Run {
  bool good;
  float weight[SAMPLE_PIXELS];
  MlaError error;
} Run;

// The host runs ahead of the device: nothing is read before the end, so only packets order anything.
static bool run_steps(MlaLoaded *loaded, Run *run) {
  const MlaDeviceOps *ops = loaded->device->ops;
  const MlaStep *train = &loaded->program->train;
  float rate = 0.25f;
  bool good = ops->upload(loaded, mla_buffer(loaded, BUF_RATE), &rate, sizeof rate, &run->error);
  for (int step = 0; step < STEPS && good; step++) {
    int n = step % 3 == 2 ? 3 : SAMPLE_BATCH; // odd ones too
    unsigned char *packet = ops->packet(loaded, step % MLA_N_PACKETS, &run->error);
    for (int i = 0; packet && i < n * SAMPLE_PIXELS; i++)
      packet[PIXELS_AT + i] = (unsigned char)(step * 41 + i * 7);
    good = packet && ops->feed(loaded, train, step % MLA_N_PACKETS, n, &run->error) &&
           ops->run(loaded, train, n, &run->error);
  }
  return good &&
         ops->download(loaded, run->weight, mla_buffer(loaded, BUF_WEIGHT), sizeof run->weight, &run->error);
}

static Run run_program(const char *cache, const char *late, const char *ignored) {
  PacketSample sample;
  Run run = {0};
  MlaDevice device;
  MlaDeviceOptions options = {.cache_dir = cache};
  setenv("FAKE_CUDA_LATE", late, 1);
  setenv("FAKE_CUDA_IGNORES", ignored, 1);
  const MlaProgram *program = make_program(&sample);
  if (!mla_device_open(&device, "cuda", &options, &run.error)) return run;
  MlaLoaded *loaded = device.ops->load(&device, program, &run.error);
  if (loaded) {
    run.good = run_steps(loaded, &run);
    device.ops->unload(loaded);
  }
  mla_device_close(&device);
  return run;
}

static void check_orders(Tally *tally, const char *cache) {
  unsetenv("FAKE_CUDA_COUNTS");
  Run plain = run_program(cache, "nobody", "");
  if (!plain.good) printf("     %s\n", plain.error.text);
  expect(tally, plain.good && plain.weight[0] != 0, "steps from packets");
  static const struct {
    const char *late, *ignored, *what;
    bool is_same;
  } cases[] = {
      {"copies", "", "late copies: the same weights", true},
      {"steps", "", "late steps: the same weights", true},
      {"all", "", "all late: the same weights", true},
      {"copies", "steps", "a step that does not wait for its copy is found", false},
      {"steps", "copies", "a copy that does not wait for the step before is found", false},
      {"all", "host", "a host that writes before the copy has read is found", false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    Run run = run_program(cache, cases[i].late, cases[i].ignored);
    bool is_same = memcmp(run.weight, plain.weight, sizeof run.weight) == 0;
    expect(tally, run.good && is_same == cases[i].is_same, cases[i].what);
  }
}

static void check_refused(Tally *tally, const char *cache) {
  PacketSample sample;
  MlaDevice device;
  MlaError error = {0};
  MlaDeviceOptions options = {.cache_dir = cache};
  const MlaProgram *program = make_program(&sample);
  setenv("FAKE_CUDA", "locked", 1);
  bool good = mla_device_open(&device, "cuda", &options, &error);
  expect_error(tally, good && device.ops->load(&device, program, &error), &error,
               "allocating page-locked memory for batches");
  unsetenv("FAKE_CUDA");
  error = (MlaError){0};
  MlaLoaded *loaded = good ? device.ops->load(&device, program, &error) : NULL;
  expect(tally, loaded, "     and with it the program is loaded");
  if (!loaded) return;
  expect_error(tally, device.ops->packet(loaded, 2, &error) != NULL, &error, "the program has no packet 2");
  error = (MlaError){0};
  expect_error(tally, device.ops->feed(loaded, &program->train, 0, SAMPLE_BATCH + 1, &error), &error,
               "a batch of 9 images");
  device.ops->unload(loaded);
  mla_device_close(&device);
}

int main(void) {
  Tally tally = {0};
  setvbuf(stdout, NULL, _IOLBF, 0);
  char *libraries = test_folder("cuda"), *cache = test_folder("cache");
  if (!make_libraries(libraries)) return 77;
  setenv("MLAANC_CUDA", libraries, 1);
  check_orders(&tally, cache);
  check_refused(&tally, cache);
  free(libraries);
  free(cache);
  return tally.n_failed != 0;
}
