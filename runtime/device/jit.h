// Kernels from text to something that can be called, by a toolchain. Private to runtime/device.
#pragma once
#include "runtime/device/device.h"
#include "runtime/device/toolchain.h"
#include "runtime/program.h"

typedef struct MlaJitOptions {
  const char *cache_dir; // as in MlaDeviceOptions
  bool verbose;
  bool is_fresh;    // neither looks into the cache nor keeps anything
  bool *has_warned; // about a cache that cannot be written: once a device
} MlaJitOptions;

typedef struct MlaCode {
  MlaToolchain toolchain;
  void **kernels; // [program->n_kernels], as the toolchain's `find` gives them
  void **units;   // those loaded
  int n_units;
  int n_compiled, n_cached;
  double seconds, look_up_seconds; // in all; until it is known what is missing
  int n_units_compiled;
} MlaCode;

// The toolchain is copied; what its `self` points to must live as long as `unload` needs it.
bool mla_jit_load(const MlaProgram *program, const MlaToolchain *toolchain, const MlaJitOptions *options,
                  MlaCode *code, MlaError *error);
// Numbers and times of the program's kernels.
void mla_jit_describe(const MlaCode *code, MlaLoaded *loaded);
void mla_jit_unload(MlaCode *code);
