// What the CUDA device finds at run time inside mlaanc is linked into a stand-alone trainer: the CUDA runtime by the
// linker instead of dlopen, and kernels by nvcc instead of NVRTC. This file stands in for cuda/cudart.c, cuda/nvrtc.c and
// jit.c; everything else of the device is the same source.
#include "linked.h"
#include "runtime/device/cuda/cublaslt.h"
#include "runtime/device/cuda/cudart.h"
#include "runtime/device/cuda/nvrtc.h"
#include "runtime/device/jit.h"

#include <stdlib.h>
#include <string.h>

// ---- the CUDA runtime ----

#define CUDART_PROTOTYPE(name, parameters) CudaStatus cuda##name parameters;
CUDART_FUNCTIONS(CUDART_PROTOTYPE)
const char *cudaGetErrorName(CudaStatus status);
const char *cudaGetErrorString(CudaStatus status);

bool mla_cudart_open(Cudart *cuda, MlaError *error) {
#define CUDART_LINKED(name, parameters) .name = cuda##name,
  *cuda = (Cudart){CUDART_FUNCTIONS(CUDART_LINKED).GetErrorName = cudaGetErrorName,
                   .GetErrorString = cudaGetErrorString};
  if (!mla_cuda_check(cuda, cuda->RuntimeGetVersion(&cuda->version), "asking for the runtime's version",
                      error) ||
      !mla_cuda_check(cuda, cuda->DriverGetVersion(&cuda->driver), "asking for the driver's version", error))
    return false;
  if (cuda->driver == 0) return mla_fail(error, MLA_ERROR_SYSTEM, "there is no NVIDIA driver (libcuda.so.1)");
  return cuda->driver / 1000 >= cuda->version / 1000 ||
         mla_fail(error, MLA_ERROR_SYSTEM,
                  "the driver serves CUDA %d.%d; this trainer was built with CUDA %d.%d", cuda->driver / 1000,
                  cuda->driver % 1000 / 10, cuda->version / 1000, cuda->version % 1000 / 10);
}

void mla_cudart_close(Cudart *cuda) {
  *cuda = (Cudart){0};
}

bool mla_cuda_check(const Cudart *cuda, CudaStatus status, const char *doing, MlaError *error) {
  if (status == 0) return true;
  cuda->GetLastError();
  return mla_fail(error, MLA_ERROR_SYSTEM, "%s: %s (%s, CUDA error %d)", doing, cuda->GetErrorString(status),
                  cuda->GetErrorName(status), status);
}

// ---- cuBLASLt: is not linked, our kernels compute everything ----

bool mla_cublaslt_open(CublasLt *lt, int major, MlaError *error) {
  (void)major;
  *lt = (CublasLt){0};
  return mla_fail(error, MLA_ERROR_SYSTEM, "this trainer is built without cuBLASLt");
}

void mla_cublaslt_close(CublasLt *lt) {
  (void)lt;
}

bool mla_cublaslt_launch(const CublasLt *lt, const CublasLtCall *call, CudaStream stream, bool *is_able,
                         MlaError *error) {
  (void)lt, (void)call, (void)stream, (void)error;
  *is_able = false;
  return true;
}

// ---- kernels ----

bool mla_nvrtc_open(Nvrtc *nvrtc, int most, MlaError *error) {
  (void)nvrtc, (void)most, (void)error;
  return true;
}

bool mla_nvrtc_target(Nvrtc *nvrtc, int device, MlaError *error) {
  (void)nvrtc, (void)device, (void)error;
  return true;
}

void mla_nvrtc_close(Nvrtc *nvrtc) {
  (void)nvrtc;
}

MlaToolchain mla_nvrtc_toolchain(const Nvrtc *nvrtc) {
  (void)nvrtc;
  return (MlaToolchain){.name = "nvcc"};
}

bool mla_jit_load(const MlaProgram *program, const MlaToolchain *toolchain, const MlaJitOptions *options,
                  MlaCode *code, MlaError *error) {
  (void)options;
  *code = (MlaCode){.toolchain = *toolchain, .n_cached = program->n_kernels};
  code->kernels = calloc((size_t)program->n_kernels + 1, sizeof *code->kernels);
  if (!code->kernels) return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  for (int i = 0; i < program->n_kernels; i++)
    memcpy(&code->kernels[i], &mla_linked_kernels[i].stub, sizeof code->kernels[i]);
  return true;
}

// Nothing is compiled or looked up here.
void mla_jit_describe(const MlaCode *code, MlaLoaded *loaded) {
  loaded->n_cached = code->n_cached;
}

void mla_jit_unload(MlaCode *code) {
  free(code->kernels);
  *code = (MlaCode){0};
}
