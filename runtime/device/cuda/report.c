// A report is a toolchain whose units are loaded by reading what ptxas said while they were made.
#include "runtime/device/cuda/report.h"
#include "runtime/device/cuda/gpu.h"
#include "runtime/device/cuda/nvrtc.h"
#include "runtime/device/jit.h"
#include "runtime/program_check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_ARCH = 90 };

typedef struct Reporter {
  Nvrtc nvrtc; // first: the toolchain's `self` is both
  const MlaProgram *program;
  MlaKernelReport *kernels;
} Reporter;

static int find_index(const Reporter *reporter, const char *symbol, size_t length) {
  for (int i = 0; i < reporter->program->n_kernels; i++) {
    const char *own = reporter->program->kernels[i].symbol;
    if (strlen(own) == length && memcmp(own, symbol, length) == 0) return i;
  }
  return -1;
}

// A number that stands before `unit` in a line, as in "Used 32 registers, used 1 barriers, 256 bytes smem".
static int64_t number_before(const char *line, const char *unit) {
  const char *at = strstr(line, unit);
  if (!at || at == line) return 0;
  while (at > line && at[-1] == ' ') at--;
  while (at > line && at[-1] >= '0' && at[-1] <= '9') at--;
  return strtoll(at, NULL, 10);
}

// ptxas writes of each kernel: Compiling entry function 'NAME', then its stack and spills, then what it used.
static void read_line(Reporter *reporter, const char *line, MlaKernelReport **current) {
  static const char opening[] = "Compiling entry function '";
  const char *name = strstr(line, opening);
  if (name) {
    name += strlen(opening);
    int index = find_index(reporter, name, strcspn(name, "'"));
    *current = index >= 0 ? &reporter->kernels[index] : NULL;
  } else if (*current && strstr(line, "bytes stack frame")) {
    (*current)->stack_bytes = number_before(line, "bytes stack frame");
    (*current)->spill_store_bytes = number_before(line, "bytes spill stores");
    (*current)->spill_load_bytes = number_before(line, "bytes spill loads");
  } else if (*current && strstr(line, "Used ")) {
    (*current)->registers = (int)number_before(line, "registers");
    (*current)->shared_bytes = number_before(line, "bytes smem");
  }
}

// unit3.cubin's log is unit3.err.
static void *load_log(void *self, const char *path, MlaError *error) {
  char log[4096], *line = NULL;
  size_t capacity = 0;
  MlaKernelReport *current = NULL;
  snprintf(log, sizeof log, "%.*serr", (int)(strrchr(path, '.') + 1 - path), path);
  FILE *file = fopen(log, "r");
  if (!file) return mla_fail(error, MLA_ERROR_SYSTEM, "cannot read NVRTC's log %s", log), NULL;
  while (getline(&line, &capacity, file) >= 0) read_line(self, line, &current);
  free(line);
  fclose(file);
  return self;
}

static void *find_kernel(void *self, void *unit, const char *symbol) {
  const Reporter *reporter = self;
  int index = find_index(reporter, symbol, strlen(symbol));
  return index >= 0 && reporter->kernels[index].registers > 0 ? unit : NULL;
}

static void unload_log(void *self, void *unit) {
  (void)self, (void)unit;
}

static int own_arch(void) {
  Cudart rt;
  CudaGpu gpu;
  MlaError ignored = {0};
  if (!mla_cudart_open(&rt, &ignored)) return DEFAULT_ARCH;
  bool good = mla_cuda_find_gpu(&rt, &gpu, &ignored);
  mla_cudart_close(&rt);
  return good ? gpu.arch : DEFAULT_ARCH;
}

static bool compile(Reporter *reporter, double *seconds, MlaError *error) {
  MlaCode code;
  bool has_warned = true;
  MlaToolchain toolchain = mla_nvrtc_toolchain(&reporter->nvrtc);
  toolchain.self = reporter;
  toolchain.load = load_log;
  toolchain.find = find_kernel;
  toolchain.unload = unload_log;
  MlaJitOptions options = {.is_fresh = true, .has_warned = &has_warned};
  if (!mla_jit_load(reporter->program, &toolchain, &options, &code, error)) return false;
  *seconds = code.seconds;
  mla_jit_unload(&code);
  return true;
}

bool mla_cuda_report(const MlaProgram *program, int arch, MlaCudaReport *report, MlaKernelReport *kernels,
                     MlaError *error) {
  Reporter reporter = {.program = program, .kernels = kernels};
  memset(kernels, 0, sizeof *kernels * (size_t)program->n_kernels);
  if (!mla_program_check(program, error)) return false;
  if (program->target != MLA_TARGET_CUDA)
    return mla_fail(error, MLA_ERROR_INPUT, "the program's kernels are not for CUDA");
  if (!mla_nvrtc_open(&reporter.nvrtc, 0, error)) return false;
  bool good = mla_nvrtc_target(&reporter.nvrtc, arch ? arch : own_arch(), error) &&
              compile(&reporter, &report->seconds, error);
  report->nvrtc_major = reporter.nvrtc.major;
  report->nvrtc_minor = reporter.nvrtc.minor;
  report->arch = reporter.nvrtc.arch;
  mla_nvrtc_close(&reporter.nvrtc);
  return good;
}
