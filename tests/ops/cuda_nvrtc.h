// Compiles the CUDA kernels of a set to a CUBIN by NVRTC, opened at run time; where it is not installed, nothing is
// checked.
#pragma once
#include "tests/ops/kernel_set.h"
#include <dlfcn.h>

extern const char mla_cuda_prelude[], mla_cuda_arithmetic[]; // as embedded in the compiler

typedef struct Nvrtc {
  int (*create)(void **program, const char *text, const char *name, int n_headers, const char *const *headers,
                const char *const *names);
  int (*compile)(void *program, int n_options, const char *const *options);
  int (*log_size)(void *program, size_t *n);
  int (*log)(void *program, char *text);
  int (*cubin_size)(void *program, size_t *n);
  int (*destroy)(void **program);
} Nvrtc;

static bool nvrtc_open(Nvrtc *nvrtc) {
  static const char *const names[] = {"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so",
                                      "/usr/local/cuda/lib64/libnvrtc.so"};
  void *library = NULL;
  for (int i = 0; i < 4 && !library; i++) library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
  if (!library) return false;
  struct {
    const char *name;
    void *to;
  } functions[] = {{"nvrtcCreateProgram", &nvrtc->create},       {"nvrtcCompileProgram", &nvrtc->compile},
                   {"nvrtcGetProgramLogSize", &nvrtc->log_size}, {"nvrtcGetProgramLog", &nvrtc->log},
                   {"nvrtcGetCUBINSize", &nvrtc->cubin_size},    {"nvrtcDestroyProgram", &nvrtc->destroy}};
  for (int i = 0; i < 6; i++) {
    void *function = dlsym(library, functions[i].name);
    if (!function) return false;
    memcpy(functions[i].to, &function, sizeof function);
  }
  return true;
}

static const char *nvrtc_prelude(const KernelSet *set) {
  const char *elem = set->config.elem_bytes == 8 ? "#define MLA_REAL_DOUBLE\n" : "";
  return arena_printf(set->arena, "%s%s%s", elem, mla_cuda_prelude, mla_cuda_arithmetic);
}

static const char *nvrtc_text(const KernelSet *set) {
  StrBuf text = strbuf_new(set->arena);
  strbuf_put(&text, nvrtc_prelude(set));
  for (int i = 0; i < set->n_texts; i++) strbuf_put(&text, kernel_named(set->arena, set->texts[i], i));
  return text.text;
}

// Returns the failures.
static int nvrtc_check(const KernelSet *set) {
  static const char *const options[] = {"-arch=sm_90", "-std=c++17"};
  Nvrtc nvrtc;
  if (!nvrtc_open(&nvrtc)) {
    printf("NVRTC is not installed: %d kernels are not compiled by it\n", set->n_texts);
    return 0;
  }
  void *program = NULL;
  size_t n_log = 0, n_cubin = 0;
  if (nvrtc.create(&program, nvrtc_text(set), "kernels.cu", 0, NULL, NULL)) return 1;
  int status = nvrtc.compile(program, 2, options);
  nvrtc.log_size(program, &n_log);
  char *log = arena_alloc(set->arena, n_log + 1);
  nvrtc.log(program, log);
  if (status)
    fprintf(stderr, "NVRTC: %.8000s\n", log);
  else
    nvrtc.cubin_size(program, &n_cubin);
  printf("%d bytes: NVRTC compiles %d kernels to a CUBIN of %zu bytes\n", set->config.elem_bytes,
         set->n_texts, n_cubin);
  nvrtc.destroy(&program);
  return status != 0 || n_cubin == 0;
}
