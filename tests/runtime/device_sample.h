// A small program made by hand, for the tests of devices and plan files: three kernels, a state of each kind,
// two steps. The caller keeps the Sample; nothing is shared between two of them.
#pragma once
#include "runtime/device/device.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SAMPLE_BATCH = 8, SAMPLE_PIXELS = 16, SAMPLE_WORK = 4096 };
enum {
  BUF_IMAGE,
  BUF_LABEL,
  BUF_RATE,
  BUF_HIDDEN,
  BUF_OUTPUT,
  BUF_PARTIAL,
  BUF_LOSS,
  BUF_WEIGHT,
  N_SAMPLE_BUFFERS
};

typedef struct Sample {
  MlaProgram program;
  MlaBuffer buffers[N_SAMPLE_BUFFERS];
  MlaKernel kernels[4];
  MlaLaunch train[4], eval[2];
  MlaState states[5];
  MlaLoss losses[1];
  MlaModule modules[2];
} Sample;

static inline MlaBuffer sample_buffer(const char *name, MlaRegion region, int64_t offset, int64_t n_bytes) {
  return (MlaBuffer){.name = name, .region = region, .elem = MLA_F32, .offset = offset, .n_bytes = n_bytes};
}

static inline void sample_kernels(Sample *s) {
  s->kernels[0] =
      (MlaKernel){"sample_forward",
                  "// hidden = 2 image + weight, in parts of rows\n"
                  "void sample_forward(void *const *buf, long batch, void *scratch, int part, int parts) {\n"
                  "  const real *image = buf[0], *weight = buf[1]; real *hidden = buf[2], *row = scratch;\n"
                  "  for (long n = batch * part / parts; n < batch * (part + 1) / parts; n++) {\n"
                  "    for (int i = 0; i < 16; i++) row[i] = image[16 * n + i] * 2;\n"
                  "    for (int i = 0; i < 16; i++) hidden[16 * n + i] = row[i] + weight[i];\n"
                  "  }\n}\n",
                  64,
                  0,
                  0,
                  NULL};
  s->kernels[1] =
      (MlaKernel){"sample_partial",
                  "void sample_partial(void *const *buf, long batch, void *scratch, int part, int parts) {\n"
                  "  const real *hidden = buf[0]; real *partial = buf[1], *sum = scratch;\n"
                  "  for (int i = 0; i < 700; i++) sum[i] = 0;\n"
                  "  for (long i = part; i < 16 * batch; i += parts) sum[i % 7] += hidden[i] * (real)0.37;\n"
                  "  partial[part] = sum[0] + sum[1] + sum[2] + sum[3] + sum[4] + sum[5] + sum[6];\n}\n",
                  2800,
                  0,
                  0,
                  NULL};
  s->kernels[2] =
      (MlaKernel){"sample_loss",
                  "void sample_loss(void *const *buf, long batch, void *scratch, int part, int parts) {\n"
                  "  const real *partial = buf[0]; real *loss = buf[1], total = 0;\n"
                  "  for (int i = 0; i < 7; i++) total += partial[i];\n"
                  "  *loss = total / batch;\n}\n",
                  0,
                  0,
                  0,
                  NULL};
  s->kernels[3] =
      (MlaKernel){"sample_update",
                  "void sample_update(void *const *buf, long batch, void *scratch, int part, int parts) {\n"
                  "  real *weight = buf[0]; const real *rate = buf[1], *loss = buf[2];\n"
                  "  for (int i = part; i < 16; i += parts) weight[i] -= *rate * *loss * (real)0.01;\n}\n",
                  0,
                  0,
                  0,
                  "sample_loss"}; // two kernels in one file
}

static inline void sample_launches(Sample *s) {
  static const int32_t forward[] = {BUF_IMAGE, BUF_WEIGHT, BUF_HIDDEN}, partial[] = {BUF_HIDDEN, BUF_PARTIAL},
                       loss[] = {BUF_PARTIAL, BUF_LOSS}, update[] = {BUF_WEIGHT, BUF_RATE, BUF_LOSS};
  static const int32_t loss_alone[] = {BUF_LOSS};
  s->train[0] =
      (MlaLaunch){.name = "first/forward", .kernel = 0, .buffers = forward, .n_buffers = 3, .parts = 5};
  s->train[0].flops = 4096, s->train[0].n_bytes = 1024;
  s->train[0].shape = "[batch, 16]", s->train[0].source = "sample.mlaan:3";
  s->train[0].reads = forward, s->train[0].n_reads = 2;
  s->train[0].writes = forward + 2, s->train[0].n_writes = 1;
  s->train[1] =
      (MlaLaunch){.name = "first/partial", .kernel = 1, .buffers = partial, .n_buffers = 2, .parts = 7};
  s->train[1].flops = 100, s->train[1].n_bytes = 512; // which does not tell what it touches
  s->train[2] = (MlaLaunch){.name = "second/loss", .kernel = 2, .buffers = loss, .n_buffers = 2, .parts = 1};
  s->train[2].module = 1, s->train[2].flops = 7, s->train[2].n_bytes = 28;
  s->train[2].reads = loss, s->train[2].n_reads = 1;
  s->train[2].writes = loss_alone, s->train[2].n_writes = 1;
  s->train[3] =
      (MlaLaunch){.name = "second/update", .kernel = 3, .buffers = update, .n_buffers = 3, .parts = 4};
  s->train[3].module = 1, s->train[3].flops = 48, s->train[3].n_bytes = 64;
  s->train[3].reads = update + 1, s->train[3].n_reads = 2;
  s->train[3].writes = update, s->train[3].n_writes = 1;
  s->eval[0] = s->train[0];
  s->eval[1] = s->train[1];
}

static inline void sample_states(Sample *s) {
  static const double values[] = {0.1, 1.0 / 3.0, -2e-300, 7};
  s->states[0] = (MlaState){.name = "weight",
                            .region = MLA_PARAM,
                            .rank = 2,
                            .dim = {4, 4},
                            .layout = MLA_LAYOUT_LINEAR,
                            .init = MLA_INIT_NORMAL,
                            .init_arg = 0.1,
                            .source = -1};
  s->states[1] = (MlaState){.name = "weight.momentum",
                            .region = MLA_MOMENTUM,
                            .rank = 2,
                            .dim = {4, 4},
                            .layout = MLA_LAYOUT_LINEAR,
                            .source = -1,
                            .module = 1,
                            .is_aux = true};
  s->states[2] = (MlaState){.name = "ema.weight",
                            .region = MLA_EMA,
                            .rank = 2,
                            .dim = {4, 4},
                            .layout = MLA_LAYOUT_LINEAR,
                            .init = MLA_INIT_COPY,
                            .source = 0,
                            .module = 1};
  s->states[3] =
      (MlaState){.name = "bn.mean", .region = MLA_RUNNING, .rank = 0, .init = MLA_INIT_ONE, .source = -1};
  s->states[4] = (MlaState){.name = "table",
                            .region = MLA_CONST,
                            .rank = 1,
                            .dim = {4},
                            .init = MLA_INIT_VALUES,
                            .init_values = values,
                            .source = -1};
}

static inline const MlaProgram *sample_make(Sample *s) {
  memset(s, 0, sizeof *s);
  s->buffers[BUF_IMAGE] = sample_buffer("image", MLA_WORK, 0, SAMPLE_BATCH * SAMPLE_PIXELS * 4);
  s->buffers[BUF_LABEL] = sample_buffer("label", MLA_WORK, 512, SAMPLE_BATCH * 4);
  s->buffers[BUF_LABEL].elem = MLA_I32;
  s->buffers[BUF_RATE] = sample_buffer("rate", MLA_WORK, 576, 4);
  s->buffers[BUF_HIDDEN] = sample_buffer("first/hidden \"\\ \u00e4", MLA_WORK, 640, 512);
  s->buffers[BUF_OUTPUT] = sample_buffer("output", MLA_WORK, 1152, SAMPLE_BATCH * 3 * 4);
  s->buffers[BUF_PARTIAL] = sample_buffer("partial", MLA_WORK, 1280, 28);
  s->buffers[BUF_LOSS] = sample_buffer("loss", MLA_WORK, 1344, 4);
  s->buffers[BUF_WEIGHT] = sample_buffer("weight", MLA_PARAM, 0, 64);
  sample_kernels(s);
  sample_launches(s);
  sample_states(s);
  s->losses[0] = (MlaLoss){"cross_entropy", 1, BUF_LOSS, BUF_LOSS};
  s->modules[0] = (MlaModule){"module 1 (first)", 16, 0, 0, 1000, 3000, 2048};
  s->modules[1] = (MlaModule){"module 2 (second)", 0, 16, 16, 1, 2, 3};
  MlaProgram *p = &s->program;
  *p = (MlaProgram){.model = "sample",
                    .elem = MLA_F32,
                    .prelude = "typedef float real;\n",
                    .compile_flags = "",
                    .buffers = s->buffers,
                    .n_buffers = N_SAMPLE_BUFFERS,
                    .kernels = s->kernels,
                    .n_kernels = 4,
                    .states = s->states,
                    .n_states = 5,
                    .losses = s->losses,
                    .n_losses = 1,
                    .modules = s->modules,
                    .n_modules = 2,
                    .region_bytes = {SAMPLE_WORK, 64, 64, 68, 4, 16}};
  p->train = (MlaStep){s->train, 4, BUF_IMAGE, BUF_LABEL, BUF_RATE, BUF_OUTPUT, -1, SAMPLE_WORK, NULL, 0};
  p->eval = (MlaStep){s->eval, 2, BUF_IMAGE, -1, -1, BUF_OUTPUT, -1, 2048, NULL, 0};
  p->data = (MlaData){.name = "toy",
                      .format = "idx",
                      .root = NULL,
                      .classes = 3,
                      .height = 4,
                      .width = 4,
                      .channels = 1,
                      .pad = 2,
                      .pad_mode = MLA_PAD_REFLECT,
                      .crop = 4,
                      .flip = true,
                      .n_mean = 1,
                      .mean = {0.286},
                      .std = {0.353}};
  p->recipe = (MlaRecipe){.lr = 0.1,
                          .momentum = 0.9,
                          .weight_decay = 1e-4,
                          .nesterov = true,
                          .schedule = MLA_SCHEDULE_STEP,
                          .start = 1,
                          .warmup = 2,
                          .warmup_start = 0.001,
                          .n_milestones = 2,
                          .milestones = {3, 5},
                          .every = 4,
                          .factor = 0.1,
                          .epochs = 7,
                          .batch = SAMPLE_BATCH,
                          .seed = 0xfedcba9876543210u};
  return p;
}

// The same program in CUDA. The seven partial sums are blocks of one thread.
static inline const MlaProgram *sample_make_cuda(Sample *s) {
  static const char *const texts[] = {
      "// hidden = 2 image + weight\n"
      "extern \"C\" __global__ void __launch_bounds__(64) sample_forward(const MlaBuffers<3> buf, const int "
      "batch) {\n"
      "  const real *image = (const real *)buf.at[0], *weight = (const real *)buf.at[1];\n"
      "  real *hidden = (real *)buf.at[2];\n"
      "  const int e = blockIdx.x * 64 + threadIdx.x;\n"
      "  if (e < 16 * batch) hidden[e] = image[e] * 2 + weight[e % 16];\n}\n",
      "extern \"C\" __global__ void __launch_bounds__(1) sample_partial(const MlaBuffers<2> buf, const int "
      "batch) {\n"
      "  const real *hidden = (const real *)buf.at[0];\n"
      "  real sum = 0;\n"
      "  for (int i = blockIdx.x; i < 16 * batch; i += gridDim.x) sum += hidden[i] * (real)0.37;\n"
      "  ((real *)buf.at[1])[blockIdx.x] = sum;\n}\n",
      "extern \"C\" __global__ void __launch_bounds__(1) sample_loss(const MlaBuffers<2> buf, const int "
      "batch) {\n"
      "  const real *partial = (const real *)buf.at[0];\n"
      "  real total = 0;\n"
      "  for (int i = 0; i < 7; i++) total += partial[i];\n"
      "  *(real *)buf.at[1] = total / batch;\n}\n",
      "extern \"C\" __global__ void __launch_bounds__(16) sample_update(const MlaBuffers<3> buf, const int "
      "batch) {\n"
      "  real *weight = (real *)buf.at[0]; const real *rate = (const real *)buf.at[1], *loss = (const real "
      "*)buf.at[2];\n"
      "  weight[threadIdx.x] -= *rate * *loss * (real)0.01;\n}\n",
  };
  static const int threads[] = {64, 1, 1, 16};
  static const MlaGrid grids[] = {{16, 0, 64, 0}, {0, 7, 1, 0}, {0, 1, 1, 0}, {0, 16, 16, 0}};
  sample_make(s);
  s->program.target = MLA_TARGET_CUDA;
  s->program.prelude = "typedef float real;\n"
                       "template <int N, bool in_memory = (N > 4095)> struct MlaBuffers { void *at[N]; };\n"
                       "template <int N> struct MlaBuffers<N, true> { void *const *at; };\n";
  for (int i = 0; i < 4; i++) {
    s->kernels[i].text = texts[i], s->kernels[i].scratch_bytes = 0, s->kernels[i].threads = threads[i];
    s->train[i].grid = grids[i];
  }
  s->kernels[1].shared_bytes = 28;
  s->eval[0] = s->train[0], s->eval[1] = s->train[1];
  return &s->program;
}

// ---- one line a check; the program's exit code is the number of failures
// -------------------------------------------

typedef struct Tally {
  int n_failed;
} Tally;

static inline void expect(Tally *tally, bool good, const char *what) {
  printf("%s %s\n", good ? "ok  " : "FAIL", what);
  if (!good) tally->n_failed++;
}

// An error is expected whose text contains `part`.
static inline void expect_error(Tally *tally, bool succeeded, const MlaError *error, const char *part) {
  bool good = !succeeded && error->kind != MLA_OK && strstr(error->text, part);
  expect(tally, good, part);
  if (!good) printf("     succeeded: %d, error: %s\n", succeeded, error->text);
}

// A new empty folder for the test; free it. The folder stays under $TEST_TMP, which the harness empties.
static inline char *test_folder(const char *name) {
  const char *parent = getenv("TEST_TMP");
  char *path;
  if (asprintf(&path, "%s/%s-XXXXXX", parent ? parent : "/tmp", name) < 0 || !mkdtemp(path)) {
    perror("test folder");
    exit(1);
  }
  return path;
}
