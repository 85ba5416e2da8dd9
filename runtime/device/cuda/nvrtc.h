// NVRTC, NVIDIA's run-time compiler (libnvrtc.so), as far as it is used; and as a toolchain of jit.h: units are CUBINs.
#pragma once
#include "runtime/device/cuda/library.h"
#include "runtime/device/toolchain.h"

enum { NVRTC_MAX_ARCHS = 64 };
// What a kernel may rely on beside its text: how it is called and launched. Part of every cached kernel's key.
enum { MLA_CUDA_ABI = 1 };

typedef struct Nvrtc {
  CudaLibrary library;
  int major, minor;
  int archs[NVRTC_MAX_ARCHS], n_archs; // 80 is sm_80, ascending
  int arch;                            // compiled for
  char options[256];                   // in one line
  int (*Version)(int *major, int *minor);
  int (*GetNumSupportedArchs)(int *n);
  int (*GetSupportedArchs)(int *archs);
  int (*CreateProgram)(void **program, const char *text, const char *name, int n_headers,
                       const char *const *headers, const char *const *names);
  int (*CompileProgram)(void *program, int n_options, const char *const *options);
  int (*GetProgramLogSize)(void *program, size_t *n_bytes);
  int (*GetProgramLog)(void *program, char *log);
  int (*GetCUBINSize)(void *program, size_t *n_bytes);
  int (*GetCUBIN)(void *program, char *cubin);
} Nvrtc;

// Opens the newest NVRTC of at most the major version `most` (0: any).
bool mla_nvrtc_open(Nvrtc *nvrtc, int most, MlaError *error);
void mla_nvrtc_close(Nvrtc *nvrtc);
// Chooses the architecture: the best that NVRTC knows whose CUBINs a device of `device` (90: sm_90) runs.
bool mla_nvrtc_target(Nvrtc *nvrtc, int device, MlaError *error);
// `archs` in any order. 0: none of the device's generation is at most the device.
int mla_cuda_arch(int device, const int *archs, int n);
// name, endings, options, add_key and start; loading is the device's, or a report's.
MlaToolchain mla_nvrtc_toolchain(const Nvrtc *nvrtc);
