#include "tests/support/kernels.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
#define SANITIZE "-fsanitize=address,undefined -fno-sanitize-recover=all"
#else
#define SANITIZE ""
#endif

struct KernelLib {
  void *handle;
  char folder[64];
};

static bool write_source(const KernelLib *lib, const char *text) {
  char path[96];
  snprintf(path, sizeof path, "%s/k.c", lib->folder);
  FILE *file = fopen(path, "w");
  if (!file) return false;
  const bool is_written = fputs(text, file) >= 0;
  return fclose(file) == 0 && is_written;
}

static bool compile(const KernelLib *lib, KernelMachine machine, int level) {
  char command[1024];
  snprintf(
      command, sizeof command,
      "cc -O%d -march=native -w -shared -fPIC %s -DMLA_LANES=%d %s -include compiler/emit/c/prelude.h %s "
      "%s/k.c -o %s/k.so",
      level, SANITIZE, machine.vector_bytes / machine.elem_bytes,
      machine.elem_bytes == 8 ? "-DMLA_REAL_DOUBLE" : "",
      machine.is_bf16 ? "-include compiler/emit/c/bf16.h" : "", lib->folder, lib->folder);
  return system(command) == 0;
}

KernelLib *kernels_compile(const char *text, KernelMachine machine, int level) {
  KernelLib *lib = calloc(1, sizeof *lib);
  if (!lib) return NULL;
  snprintf(lib->folder, sizeof lib->folder, "/tmp/mlaanc-kernels-XXXXXX");
  if (!mkdtemp(lib->folder)) {
    free(lib);
    return NULL;
  }
  char path[96];
  snprintf(path, sizeof path, "%s/k.so", lib->folder);
  if (write_source(lib, text) && compile(lib, machine, level))
    lib->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (lib->handle) return lib;
  kernels_close(lib);
  return NULL;
}

KernelFn kernels_find(KernelLib *lib, const char *symbol) {
  KernelFn function;
  *(void **)&function = dlsym(lib->handle, symbol);
  return function;
}

void kernels_close(KernelLib *lib) {
  char path[96];
  if (lib->handle) dlclose(lib->handle);
  for (const char *const *name = (const char *const[]){"k.c", "k.so", NULL}; *name; name++) {
    snprintf(path, sizeof path, "%s/%s", lib->folder, *name);
    if (!getenv("KEEP_KERNELS")) unlink(path);
  }
  if (!getenv("KEEP_KERNELS")) rmdir(lib->folder);
  free(lib);
}
