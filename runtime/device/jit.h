// Kernels from text to functions. Private to runtime/device.
#pragma once
#include "runtime/device/cpu_pool.h"
#include "runtime/program.h"

typedef struct MlaJitOptions {
  const char *cache_dir; // as in MlaDeviceOptions
  bool verbose;
  bool *has_warned; // about a cache that cannot be written: once a device
} MlaJitOptions;

typedef struct MlaCode {
  MlaKernelFn *kernels; // [program->n_kernels]
  void **handles;       // of dlopen
  int n_handles;
  int n_compiled, n_cached;
  double seconds;
} MlaCode;

bool mla_jit_load(const MlaProgram *program, const MlaJitOptions *options, MlaCode *code, MlaError *error);
void mla_jit_unload(MlaCode *code);
