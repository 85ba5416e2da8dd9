// The table of `emit --report`.
#include "compiler/driver/cuda_report.h"
#include "runtime/device/cuda/report.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// "sm_90" or "90"; 0 if not given, -1 if it is neither.
static int parse_arch(const char *text) {
  if (!text) return 0;
  if (strncmp(text, "sm_", 3) == 0) text += 3;
  size_t n = strlen(text);
  if (n < 2 || n > 3 || strspn(text, "0123456789") != n) return -1;
  return atoi(text);
}

static int64_t spill_bytes(const MlaKernelReport *kernel) {
  return kernel->spill_store_bytes + kernel->spill_load_bytes;
}

static void print_table(const MlaProgram *program, const MlaCudaReport *report,
                        const MlaKernelReport *kernels) {
  int n_spilling = 0, width = 6;
  for (int i = 0; i < program->n_kernels; i++) {
    int n = (int)strlen(program->kernels[i].symbol);
    if (n > width) width = n;
    n_spilling += spill_bytes(&kernels[i]) > 0;
  }
  printf("%-*s %7s %9s %12s %11s %11s\n", width, "kernel", "threads", "registers", "shared bytes",
         "stack bytes", "spill bytes");
  for (int i = 0; i < program->n_kernels; i++)
    printf("%-*s %7d %9d %12" PRId64 " %11" PRId64 " %11" PRId64 "\n", width, program->kernels[i].symbol,
           program->kernels[i].threads, kernels[i].registers,
           kernels[i].shared_bytes + program->kernels[i].shared_bytes, kernels[i].stack_bytes,
           spill_bytes(&kernels[i]));
  printf("%d kernels for sm_%d by NVRTC %d.%d in %.1f s; %d spill\n", program->n_kernels, report->arch,
         report->nvrtc_major, report->nvrtc_minor, report->seconds, n_spilling);
}

static json_t *kernel_json(const MlaKernel *kernel, const MlaKernelReport *report) {
  return json_pack(
      "{s:s,s:i,s:i,s:I,s:I,s:I,s:I}", "symbol", kernel->symbol, "threads", kernel->threads, "registers",
      report->registers, "shared_bytes", (json_int_t)(report->shared_bytes + kernel->shared_bytes),
      "stack_bytes", (json_int_t)report->stack_bytes, "spill_store_bytes",
      (json_int_t)report->spill_store_bytes, "spill_load_bytes", (json_int_t)report->spill_load_bytes);
}

static void print_json(const MlaProgram *program, const MlaCudaReport *report,
                       const MlaKernelReport *kernels) {
  json_t *list = json_array();
  for (int i = 0; i < program->n_kernels; i++)
    json_array_append_new(list, kernel_json(&program->kernels[i], &kernels[i]));
  json_t *json = json_pack("{s:i,s:[i,i],s:f,s:o}", "arch", report->arch, "nvrtc", report->nvrtc_major,
                           report->nvrtc_minor, "seconds", report->seconds, "kernels", list);
  if (json) json_dumpf(json, stdout, JSON_COMPACT);
  putchar('\n');
  json_decref(json);
}

int print_cuda_report(const Options *options, const MlaProgram *program) {
  MlaError error = {0};
  MlaCudaReport report;
  int arch = parse_arch(options->arch);
  if (arch < 0) return usage_error("--arch is an architecture such as sm_90, not `%s`", options->arch);
  if (program->target != MLA_TARGET_CUDA)
    return usage_error("--report is about kernels for CUDA; these are for the cpu: add --device cuda");
  MlaKernelReport *kernels = calloc((size_t)program->n_kernels + 1, sizeof *kernels);
  bool good = kernels ? mla_cuda_report(program, arch, &report, kernels, &error)
                      : mla_fail(&error, MLA_ERROR_SYSTEM, "out of memory");
  if (good) (options->json ? print_json : print_table)(program, &report, kernels);
  free(kernels);
  return good ? STATUS_OK : report_error(options, &error);
}
