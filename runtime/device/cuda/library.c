// Where the libraries of CUDA are looked for.
#include "runtime/device/cuda/library.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool try_file(CudaLibrary *library, const char *folder, const char *name, char *why, int why_bytes) {
  snprintf(library->file, sizeof library->file, "%s%s%s", folder, *folder ? "/" : "", name);
  // Once loaded they stay: NVIDIA's libraries keep memory and threads of their own.
  library->handle = dlopen(library->file, RTLD_LAZY | RTLD_LOCAL | RTLD_NODELETE);
  if (library->handle) return true;
  if (!*why) snprintf(why, (size_t)why_bytes, "%s", dlerror()); // the first word says most
  return false;
}

bool mla_cuda_open_library(CudaLibrary *library, const char *name, char *why, int why_bytes) {
  static const char *const homes[] = {"CUDA_HOME", "CUDA_PATH"};
  *library = (CudaLibrary){0};
  *why = 0;
  const char *only = getenv("MLAANC_CUDA");
  if (only && *only) return try_file(library, only, name, why, why_bytes);
  if (try_file(library, "", name, why, why_bytes)) return true;
  for (size_t i = 0; i < sizeof homes / sizeof *homes; i++) {
    char folder[400];
    const char *home = getenv(homes[i]);
    snprintf(folder, sizeof folder, "%s/lib64", home ? home : "");
    if (home && *home && try_file(library, folder, name, why, why_bytes)) return true;
  }
  return try_file(library, "/usr/local/cuda/lib64", name, why, why_bytes);
}

void mla_cuda_close_library(CudaLibrary *library) {
  if (library->handle) dlclose(library->handle);
  *library = (CudaLibrary){0};
}

const char *mla_cuda_find_symbols(const CudaLibrary *library, const CudaSymbol *symbols, int n) {
  for (int i = 0; i < n; i++) {
    void *address = dlsym(library->handle, symbols[i].name);
    if (!address) return symbols[i].name;
    memcpy(symbols[i].to, &address, sizeof address); // POSIX: an object pointer with a function's address
  }
  return NULL;
}
