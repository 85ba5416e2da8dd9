// Looks for a GPU. A machine without a driver is told by its files alone, so that it costs nothing there.
#include "runtime/device/cuda/gpu.h"
#include "runtime/device/cuda/nvrtc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// cudaDeviceProp differs between versions of CUDA (12 calls its own cudaGetDeviceProperties_v2), but in all of them it
// begins with the name, char[256], and is far shorter than this.
enum { NAME_BYTES = 256, PROPERTIES_BYTES = 8192 };

static void ask_name(const Cudart *cuda, CudaGpu *gpu) {
  _Alignas(16) char properties[PROPERTIES_BYTES] = "";
  const char *name = "a GPU without a name";
  if (cuda->GetDeviceProperties && cuda->GetDeviceProperties(properties, 0) == 0) {
    properties[NAME_BYTES - 1] = 0;
    if (*properties) name = properties;
  }
  cuda->GetLastError();
  snprintf(gpu->name, sizeof gpu->name, "%.*s", (int)sizeof gpu->name - 1, name);
}

static bool ask_attributes(const Cudart *cuda, CudaGpu *gpu, MlaError *error) {
  int major = 0, minor = 0;
  const struct {
    int *to, attribute;
  } wanted[] = {{&major, CUDA_ATTRIBUTE_MAJOR},
                {&minor, CUDA_ATTRIBUTE_MINOR},
                {&gpu->n_processors, CUDA_ATTRIBUTE_PROCESSORS},
                {&gpu->processor_threads, CUDA_ATTRIBUTE_PROCESSOR_THREADS}};
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
    if (!mla_cuda_check(cuda, cuda->DeviceGetAttribute(wanted[i].to, wanted[i].attribute, 0),
                        "asking for the GPU", error))
      return false;
  gpu->arch = 10 * major + minor;
  return true;
}

static bool fail_no_device(const Cudart *cuda, MlaError *error) {
  cuda->GetLastError();
  return mla_fail(error, MLA_ERROR_SYSTEM,
                  "no device: there is a driver (CUDA %d.%d) but no GPU that it shows; see nvidia-smi and "
                  "$CUDA_VISIBLE_DEVICES",
                  cuda->driver / 1000, cuda->driver % 1000 / 10);
}

bool mla_cuda_find_gpu(const Cudart *cuda, CudaGpu *gpu, MlaError *error) {
  int n = 0;
  *gpu = (CudaGpu){0};
  CudaStatus status = cuda->GetDeviceCount(&n);
  if (status == CUDA_NO_DEVICE || (status == 0 && n == 0)) return fail_no_device(cuda, error);
  if (!mla_cuda_check(cuda, status, "looking for a GPU", error) || !ask_attributes(cuda, gpu, error))
    return false;
  ask_name(cuda, gpu);
  return true;
}

// ---- before anything is opened ----

// What the driver leaves where it is loaded (the last: under Windows' Linux). A folder of libraries that the user names
// is taken for a word that there is one.
static bool has_driver(void) {
  static const char *const traces[] = {"/dev/nvidiactl", "/proc/driver/nvidia/version", "/dev/dxg"};
  const char *folder = getenv("MLAANC_CUDA");
  if (folder && *folder) return true;
  for (size_t i = 0; i < sizeof traces / sizeof *traces; i++)
    if (access(traces[i], F_OK) == 0) return true;
  return false;
}

static bool has_gpu(const Cudart *cuda) {
  int n = 0;
  bool good = cuda->GetDeviceCount(&n) == 0 && n > 0;
  cuda->GetLastError();
  return good;
}

static bool can_compile(int major, int arch, MlaError *error) {
  Nvrtc nvrtc;
  bool good = mla_nvrtc_open(&nvrtc, major, error);
  if (good && !mla_nvrtc_target(&nvrtc, arch, error)) good = false;
  mla_nvrtc_close(&nvrtc);
  return good;
}

CudaPresence mla_cuda_look(MlaError *error) {
  Cudart cuda;
  CudaGpu gpu;
  if (!has_driver()) return CUDA_NO_GPU;
  if (!mla_cudart_open(&cuda, error)) return CUDA_INCOMPLETE;
  CudaPresence found = CUDA_NO_GPU;
  if (has_gpu(&cuda))
    found = mla_cuda_find_gpu(&cuda, &gpu, error) && can_compile(cuda.driver / 1000, gpu.arch, error)
                ? CUDA_READY
                : CUDA_INCOMPLETE;
  mla_cudart_close(&cuda);
  return found;
}
