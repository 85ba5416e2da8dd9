// What NVRTC makes of a program's kernels: registers, shared memory, spills. Needs no GPU and no driver.
#pragma once
#include "runtime/error.h"
#include "runtime/program.h"

typedef struct MlaKernelReport {
  int registers;        // of a thread
  int64_t shared_bytes; // static, of a block
  int64_t stack_bytes;  // of a thread: arrays that are not in registers, and spills
  int64_t spill_store_bytes, spill_load_bytes;
} MlaKernelReport;

typedef struct MlaCudaReport {
  int nvrtc_major, nvrtc_minor;
  int arch; // 90: sm_90
  double seconds;
} MlaCudaReport;

// Compiles all kernels, whatever the cache holds, for devices of `arch` (0: this machine's GPU, or sm_90 if there is
// none) and fills in kernels[program->n_kernels].
bool mla_cuda_report(const MlaProgram *program, int arch, MlaCudaReport *report, MlaKernelReport *kernels,
                     MlaError *error);
