// The GPU of this machine: whether there is one that our kernels can run on, and what it is.
#pragma once
#include "runtime/device/cuda/cudart.h"

typedef struct CudaGpu {
  char name[128];                      // "NVIDIA H100 80GB HBM3"
  int arch;                            // 90: sm_90
  int n_processors, processor_threads; // streaming multiprocessors; threads that live on one at a time
} CudaGpu;

// Asks the runtime for GPU 0, without making a context on it.
bool mla_cuda_find_gpu(const Cudart *cuda, CudaGpu *gpu, MlaError *error);

typedef enum CudaPresence {
  CUDA_NO_GPU,     // nor is anything of CUDA opened
  CUDA_INCOMPLETE, // a driver, and something else is missing: the error says what to install
  CUDA_READY
} CudaPresence;
// Whether the device `cuda` would open.
CudaPresence mla_cuda_look(MlaError *error);
