// Finds the CUDA runtime, and says what is missing.
#include "runtime/device/cuda/cudart.h"

#include <stdio.h>

static const char install_driver[] = "Install NVIDIA's driver (Debian: apt install nvidia-driver; a "
                                     "container needs `--gpus all`), or leave out "
                                     "--device cuda";
static const char install_runtime[] = "Install the CUDA toolkit 12.8 or newer (or its packages cuda-cudart "
                                      "and cuda-nvrtc), or name the folder of its "
                                      "libraries in $MLAANC_CUDA";

static const char *find_functions(Cudart *cuda) {
#define CUDART_SYMBOL(name, parameters) {"cuda" #name, &cuda->name},
  const CudaSymbol symbols[] = {CUDART_FUNCTIONS(CUDART_SYMBOL){"cudaGetErrorName", &cuda->GetErrorName},
                                {"cudaGetErrorString", &cuda->GetErrorString}};
#undef CUDART_SYMBOL
  // The name in CUDA 12, which keeps the structure of 11 under the old one; then CUDA 13's.
  const CudaSymbol new_name = {"cudaGetDeviceProperties_v2", &cuda->GetDeviceProperties},
                   name = {"cudaGetDeviceProperties", &cuda->GetDeviceProperties};
  if (mla_cuda_find_symbols(&cuda->library, &new_name, 1)) mla_cuda_find_symbols(&cuda->library, &name, 1);
  return mla_cuda_find_symbols(&cuda->library, symbols, sizeof symbols / sizeof *symbols);
}

bool mla_cuda_check(const Cudart *cuda, CudaStatus status, const char *doing, MlaError *error) {
  if (status == 0) return true;
  cuda->GetLastError();
  return mla_fail(error, MLA_ERROR_SYSTEM, "%s: %s (%s, CUDA error %d)", doing, cuda->GetErrorString(status),
                  cuda->GetErrorName(status), status);
}

// A driver serves every runtime of its own major version and of earlier ones.
static bool check_driver(const Cudart *cuda, MlaError *error) {
  if (cuda->driver == 0)
    return mla_fail(error, MLA_ERROR_SYSTEM,
                    "no driver: %s was found, but no NVIDIA driver (libcuda.so.1).\n%s", cuda->library.file,
                    install_driver);
  if (cuda->driver / 1000 >= cuda->version / 1000) return true;
  return mla_fail(
      error, MLA_ERROR_SYSTEM,
      "the driver is too old: it serves CUDA %d.%d, and %s is CUDA %d.%d.\nUpdate the driver, or install "
      "the CUDA %d runtime beside it",
      cuda->driver / 1000, cuda->driver % 1000 / 10, cuda->library.file, cuda->version / 1000,
      cuda->version % 1000 / 10, cuda->driver / 1000);
}

static bool try_runtime(Cudart *cuda, const char *name, char *why, int why_bytes, MlaError *error) {
  *cuda = (Cudart){0};
  if (!mla_cuda_open_library(&cuda->library, name, why, why_bytes)) return false;
  const char *missing = find_functions(cuda);
  if (missing)
    return mla_fail(error, MLA_ERROR_SYSTEM, "%s is too old: it has no %s.\n%s", cuda->library.file, missing,
                    install_runtime);
  if (!mla_cuda_check(cuda, cuda->RuntimeGetVersion(&cuda->version), "asking for the runtime's version",
                      error) ||
      !mla_cuda_check(cuda, cuda->DriverGetVersion(&cuda->driver), "asking for the driver's version", error))
    return false;
  return check_driver(cuda, error);
}

// The first candidate's error is the one that is told: an older runtime would only have been a way out.
bool mla_cudart_open(Cudart *cuda, MlaError *error) {
  static const char *const names[] = {"libcudart.so.13", "libcudart.so.12"};
  char first[256] = "", why[256];
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (try_runtime(cuda, names[i], why, sizeof why, error)) {
      *error = (MlaError){0};
      return true;
    }
    if (!*first) snprintf(first, sizeof first, "%s", why);
    mla_cudart_close(cuda);
  }
  return mla_fail(error, MLA_ERROR_SYSTEM,
                  "no CUDA runtime: neither libcudart.so.13 nor libcudart.so.12 (%s).\n%s", first,
                  install_runtime);
}

void mla_cudart_close(Cudart *cuda) {
  mla_cuda_close_library(&cuda->library);
  *cuda = (Cudart){0};
}
