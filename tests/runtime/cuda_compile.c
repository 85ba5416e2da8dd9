// NVRTC without a GPU: architectures, CUBINs for four of them, what a report says, what a mistake in a kernel says.
#include "runtime/device/cuda/nvrtc.h"
#include "runtime/device/cuda/report.h"
#include "runtime/program_json.h"
#include "tests/runtime/device_sample.h"

static void check_archs(Tally *tally) {
  static const int archs[] = {75, 80, 86, 90, 100, 120, 103};
  static const struct {
    int device, expected;
  } cases[] = {{80, 80},   {87, 86},   {89, 86}, {90, 90}, {103, 103},
               {101, 100}, {121, 120}, {70, 0},  {110, 0}, {130, 0}};
  bool good = true;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    good = good && mla_cuda_arch(cases[i].device, archs, 7) == cases[i].expected;
  expect(tally, good, "the best architecture that NVRTC knows and the device runs");
}

static void check_reports(Tally *tally) {
  static const int archs[] = {80, 90, 100, 120};
  for (size_t i = 0; i < sizeof archs / sizeof *archs; i++) {
    Sample sample;
    MlaKernelReport kernels[4];
    MlaCudaReport report = {0};
    MlaError error = {0};
    bool good = mla_cuda_report(sample_make_cuda(&sample), archs[i], &report, kernels, &error);
    if (!good) printf("     %s\n", error.text);
    for (int k = 0; k < 4; k++)
      good =
          good && kernels[k].registers >= 4 && kernels[k].registers < 64 && kernels[k].spill_store_bytes == 0;
    printf("     sm_%d, NVRTC %d.%d: %d %d %d %d registers\n", report.arch, report.nvrtc_major,
           report.nvrtc_minor, kernels[0].registers, kernels[1].registers, kernels[2].registers,
           kernels[3].registers);
    expect(tally, good && report.arch == archs[i], "four kernels compiled");
  }
}

// 300 values a thread in 1024 threads that have 64 registers each.
static void check_spills(Tally *tally) {
  Sample sample;
  MlaKernelReport kernels[4];
  MlaCudaReport report;
  MlaError error = {0};
  const MlaProgram *program = sample_make_cuda(&sample);
  sample.kernels[2].text = "extern \"C\" __global__ void __launch_bounds__(1024) sample_loss(const "
                           "MlaBuffers<2> buf, const int batch) {\n"
                           "  __shared__ real kept[1024];\n"
                           "  const real *from = (const real *)buf.at[0]; real values[200], sum = 0;\n"
                           "  #pragma unroll\n"
                           "  for (int i = 0; i < 200; i++) values[i] = from[i * batch + threadIdx.x];\n"
                           "  kept[threadIdx.x] = values[threadIdx.x & 7]; __syncthreads();\n"
                           "  #pragma unroll\n"
                           "  for (int i = 0; i < 200; i++) sum += values[i] * values[199 - i] * kept[i];\n"
                           "  ((real *)buf.at[1])[threadIdx.x] = sum;\n}\n";
  bool good = mla_cuda_report(program, 90, &report, kernels, &error);
  if (!good) printf("     %s\n", error.text);
  printf("     %d registers, %d bytes shared, %d stack, %d + %d spilled\n", kernels[2].registers,
         (int)kernels[2].shared_bytes, (int)kernels[2].stack_bytes, (int)kernels[2].spill_store_bytes,
         (int)kernels[2].spill_load_bytes);
  expect(tally,
         good && kernels[2].shared_bytes == 4096 && kernels[2].registers >= 32 &&
             kernels[2].stack_bytes > 0 && kernels[2].spill_store_bytes > 0 &&
             kernels[2].spill_load_bytes > 0,
         "registers, shared memory, stack and spills are told");
  expect(tally, good && kernels[0].shared_bytes == 0 && kernels[0].stack_bytes == 0,
         "and those of the others");
}

// The most buffers that parameters carry, and one more: ptxas refuses more than 32764 bytes.
static void check_parameters(Tally *tally) {
  Sample sample;
  MlaKernelReport kernels[4];
  MlaCudaReport report;
  MlaError error = {0};
  const MlaProgram *program = sample_make_cuda(&sample);
  sample.kernels[2].text =
      "extern \"C\" __global__ void sample_loss(const MlaBuffers<4095> buf, const int batch) {\n"
      "  static_assert(sizeof buf == 32760, \"by value\");\n"
      "  *(real *)buf.at[4094] = batch;\n}\n";
  sample.kernels[3].text =
      "extern \"C\" __global__ void sample_update(const MlaBuffers<4096> buf, const int batch) {\n"
      "  static_assert(sizeof buf == 8, \"a table\");\n"
      "  *(real *)buf.at[4095] = batch;\n}\n";
  bool good = mla_cuda_report(program, 80, &report, kernels, &error);
  if (!good) printf("     %s\n", error.text);
  expect(tally, good, "4095 buffers by value, 4096 as a table");
}

// The kernel, its own line, the options and the kept file are in the message.
static void check_mistake(Tally *tally, const char *what, const char *text, const char *said) {
  Sample sample;
  MlaKernelReport kernels[4];
  MlaCudaReport report;
  MlaError error = {0};
  char kept[256];
  const MlaProgram *program = sample_make_cuda(&sample);
  sample.kernels[1].text = text;
  bool good = mla_cuda_report(program, 90, &report, kernels, &error);
  printf("  %s\n%s\n", what, error.text);
  expect_error(tally, good, &error, said);
  expect_error(tally, good, &error, "NVRTC rejects a kernel; the text is kept in ");
  expect_error(tally, good, &error, "options: --gpu-architecture=sm_90 ");
  const char *path = strstr(error.text, "kept in ");
  expect(tally, path && sscanf(path, "kept in %255s", kept) == 1 && access(kept, R_OK) == 0,
         "the text is there");
}

static void check_mistakes(Tally *tally) {
  check_mistake(tally, "syntax",
                "// partial sums\nextern \"C\" __global__ void sample_partial(const MlaBuffers<2> buf, const "
                "int batch) {\n"
                "  real sum = ;\n}\n",
                "sample_partial.cu(3): error: expected an expression");
  check_mistake(tally, "PTX", // which sm_90 has not: found by ptxas
                "extern \"C\" __global__ void sample_partial(const MlaBuffers<2> buf, const int batch) {\n"
                "  asm volatile(\"nonsense.f32 0;\");\n}\n",
                "nonsense");
}

static void check_refused(Tally *tally) {
  Sample sample;
  MlaKernelReport kernels[4];
  MlaCudaReport report;
  MlaError error = {0};
  bool good = mla_cuda_report(sample_make_cuda(&sample), 50, &report, kernels, &error);
  expect_error(tally, good, &error, "cannot compile for sm_50; it knows sm_75");
  error = (MlaError){0};
  good = mla_cuda_report(sample_make(&sample), 90, &report, kernels, &error);
  expect_error(tally, good, &error, "not for CUDA");
  error = (MlaError){0};
  setenv("MLAANC_CUDA", "/nowhere", 1);
  good = mla_cuda_report(sample_make_cuda(&sample), 90, &report, kernels, &error);
  unsetenv("MLAANC_CUDA");
  expect_error(tally, good, &error,
               "neither libnvrtc.so.13 nor libnvrtc.so.12 (/nowhere/libnvrtc.so.13: cannot open");
}

static int run_command(const char *format, const char *folder) {
  char *command;
  const char *program = getenv("MLAANC");
  if (!program || asprintf(&command, format, program, folder, folder) < 0) return -1;
  int status = system(command);
  free(command);
  return status == -1 ? -1 : status >> 8;
}

// The same on the command line, from a saved program.
static void check_verb(Tally *tally) {
  Sample sample;
  MlaError error = {0};
  char *dir = test_folder("plan");
  expect(tally, mla_program_save(sample_make_cuda(&sample), dir, &error), "saved");
  expect(tally, run_command("%s emit --report --arch sm_80 %s >%s/table", dir) == 0, "emit --report");
  expect(tally, run_command("%s emit --report --json --arch 120 %s >%s/json", dir) == 0,
         "emit --report --json");
  expect(tally, run_command("cat %2$s/table && grep -q 'sample_partial .* 28 ' %2$s/table", dir) == 0,
         "a table");
  expect(tally, run_command("grep -q '4 kernels for sm_80 by NVRTC 1[23].* 0 spill' %2$s/table", dir) == 0,
         "its last line");
  expect(tally, run_command("grep -q '\"arch\":120,.*\"symbol\":\"sample_loss\"' %2$s/json", dir) == 0,
         "as JSON");
  expect(tally, run_command("%s emit --report --arch new %s 2>%s/err", dir) == 2, "--arch new: usage");
  expect(tally, run_command("%s emit --arch 80 -o %s/x %s 2>&1", dir) == 2, "--arch without --report: usage");
  expect(tally, run_command("MLAANC_CUDA=/nowhere %s emit --report %s 2>%s/err", dir) == 3,
         "no NVRTC: status 3");
  free(dir);
}

int main(void) {
  Tally tally = {0};
  Nvrtc nvrtc;
  MlaError error = {0};
  setvbuf(stdout, NULL, _IOLBF, 0);
  check_archs(&tally);
  if (!mla_nvrtc_open(&nvrtc, 0, &error)) {
    printf("%s\n", error.text);
    return tally.n_failed ? 1 : 77;
  }
  mla_nvrtc_close(&nvrtc);
  setenv("TMPDIR", getenv("TEST_TMP") ? getenv("TEST_TMP") : "/tmp", 1); // where rejected texts are kept
  check_reports(&tally);
  check_spills(&tally);
  check_parameters(&tally);
  check_mistakes(&tally);
  check_refused(&tally);
  check_verb(&tally);
  return tally.n_failed != 0;
}
