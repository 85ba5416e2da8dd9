// Finds NVRTC and compiles units with it. Each unit is compiled by a process of its own, a fork that never returns:
// NVRTC holds a lock while it compiles, so that threads gain next to nothing.
#include "runtime/device/cuda/nvrtc.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char install_nvrtc[] = "Install the CUDA toolkit 12.8 or newer (or its package cuda-nvrtc), or "
                                    "name the folder of its libraries in "
                                    "$MLAANC_CUDA";

// ---- the library ----

static const char *find_functions(Nvrtc *nvrtc) {
#define SYMBOL(name)                                                                                         \
  { "nvrtc" #name, &nvrtc->name }
  const CudaSymbol symbols[] = {
      SYMBOL(Version),       SYMBOL(GetNumSupportedArchs), SYMBOL(GetSupportedArchs),
      SYMBOL(CreateProgram), SYMBOL(CompileProgram),       SYMBOL(GetProgramLogSize),
      SYMBOL(GetProgramLog), SYMBOL(GetCUBINSize),         SYMBOL(GetCUBIN)};
#undef SYMBOL
  return mla_cuda_find_symbols(&nvrtc->library, symbols, sizeof symbols / sizeof *symbols);
}

static bool ask_versions(Nvrtc *nvrtc, MlaError *error) {
  int n = 0;
  bool good = nvrtc->Version(&nvrtc->major, &nvrtc->minor) == 0 && nvrtc->GetNumSupportedArchs(&n) == 0 &&
              n > 0 && n <= NVRTC_MAX_ARCHS && nvrtc->GetSupportedArchs(nvrtc->archs) == 0;
  nvrtc->n_archs = n;
  return good || mla_fail(error, MLA_ERROR_SYSTEM, "%s does not say what it supports", nvrtc->library.file);
}

static bool try_nvrtc(Nvrtc *nvrtc, const char *name, char *why, int why_bytes, MlaError *error) {
  *nvrtc = (Nvrtc){0};
  if (!mla_cuda_open_library(&nvrtc->library, name, why, why_bytes)) return false;
  const char *missing = find_functions(nvrtc);
  if (!missing) return ask_versions(nvrtc, error);
  return mla_fail(error, MLA_ERROR_SYSTEM, "%s is too old: it has no %s.\n%s", nvrtc->library.file, missing,
                  install_nvrtc);
}

bool mla_nvrtc_open(Nvrtc *nvrtc, int most, MlaError *error) {
  static const char *const names[] = {"libnvrtc.so.13", "libnvrtc.so.12"};
  char first[256] = "", why[256];
  for (size_t i = most == 12; i < sizeof names / sizeof *names; i++) {
    if (try_nvrtc(nvrtc, names[i], why, sizeof why, error)) {
      *error = (MlaError){0};
      return true;
    }
    if (!*first) snprintf(first, sizeof first, "%s", why);
    mla_nvrtc_close(nvrtc);
  }
  return mla_fail(error, MLA_ERROR_SYSTEM, "no NVRTC, which compiles kernels for the device: %s (%s).\n%s",
                  most == 12 ? "no libnvrtc.so.12" : "neither libnvrtc.so.13 nor libnvrtc.so.12", first,
                  install_nvrtc);
}

void mla_nvrtc_close(Nvrtc *nvrtc) {
  mla_cuda_close_library(&nvrtc->library);
  *nvrtc = (Nvrtc){0};
}

// ---- the architecture ----

// CUBINs run on devices of the same major number and the same or a higher minor one.
int mla_cuda_arch(int device, const int *archs, int n) {
  int best = 0;
  for (int i = 0; i < n; i++)
    if (archs[i] / 10 == device / 10 && archs[i] <= device && archs[i] > best) best = archs[i];
  return best;
}

bool mla_nvrtc_target(Nvrtc *nvrtc, int device, MlaError *error) {
  nvrtc->arch = mla_cuda_arch(device, nvrtc->archs, nvrtc->n_archs);
  // ptxas tells registers and spills; its log is read by reports alone.
  snprintf(nvrtc->options, sizeof nvrtc->options, "--gpu-architecture=sm_%d --std=c++17 --ptxas-options=-v",
           nvrtc->arch);
  if (nvrtc->arch) return true;
  char known[256] = "";
  for (int i = 0; i < nvrtc->n_archs; i++) {
    size_t n = strlen(known);
    snprintf(known + n, sizeof known - n, " sm_%d", nvrtc->archs[i]);
  }
  return mla_fail(error, MLA_ERROR_SYSTEM,
                  "NVRTC %d.%d (%s) cannot compile for sm_%d; it knows%s.\nInstall a CUDA toolkit that does",
                  nvrtc->major, nvrtc->minor, nvrtc->library.file, device, known);
}

// ---- compiling, in a child ----

enum { MAX_OPTIONS = 16 };

static int split_options(char *text, const char **options) {
  int n = 0;
  char *rest;
  for (char *word = strtok_r(text, " ", &rest); word && n < MAX_OPTIONS; word = strtok_r(NULL, " ", &rest))
    options[n++] = word;
  return n;
}

static char *read_text(const char *path) {
  char *text = NULL;
  size_t capacity = 0;
  FILE *file = fopen(path, "r");
  if (file && getdelim(&text, &capacity, 0, file) < 0) {
    free(text);
    text = NULL;
  }
  if (file) fclose(file);
  return text;
}

static bool write_bytes(const char *path, const char *bytes, size_t n) {
  FILE *file = fopen(path, "w");
  bool good = file && fwrite(bytes, 1, n, file) == n;
  if (file && fclose(file) != 0) good = false;
  return good;
}

static void write_log(const Nvrtc *nvrtc, void *program, const char *path) {
  size_t n = 0;
  char *log = nvrtc->GetProgramLogSize(program, &n) == 0 && n ? calloc(n + 1, 1) : NULL;
  if (log && nvrtc->GetProgramLog(program, log) == 0) write_bytes(path, log, strlen(log));
  free(log);
}

static bool write_cubin(const Nvrtc *nvrtc, void *program, const char *path) {
  size_t n = 0;
  char *cubin = nvrtc->GetCUBINSize(program, &n) == 0 && n ? malloc(n) : NULL;
  bool good = cubin && nvrtc->GetCUBIN(program, cubin) == 0 && write_bytes(path, cubin, n);
  free(cubin);
  return good;
}

// Exit status of the child.
static int compile(const Nvrtc *nvrtc, const char *source, const char *output, const char *log) {
  char words[sizeof nvrtc->options];
  const char *options[MAX_OPTIONS];
  memcpy(words, nvrtc->options, sizeof words);
  int n = split_options(words, options);
  void *program;
  char *text = read_text(source);
  if (!text || nvrtc->CreateProgram(&program, text, source, 0, NULL, NULL) != 0) return 2;
  int status = nvrtc->CompileProgram(program, n, options);
  write_log(nvrtc, program, log);
  return status == 0 && write_cubin(nvrtc, program, output) ? 0 : 1;
}

static bool start(void *self, const char *source, const char *output, const char *log, pid_t *pid,
                  MlaError *error) {
  fflush(NULL); // nothing of ours may be written twice
  *pid = fork();
  if (*pid == 0) {
    signal(SIGINT, SIG_DFL); // the parent's handlers are not the child's
    signal(SIGTERM, SIG_DFL);
    _exit(compile(self, source, output, log));
  }
  return *pid > 0 ||
         mla_fail(error, MLA_ERROR_SYSTEM, "cannot start a process for NVRTC: %s", strerror(errno));
}

static void add_key(void *self, Sha256 *hash) {
  const Nvrtc *nvrtc = self;
  char text[128];
  snprintf(text, sizeof text, "NVRTC %d.%d, sm_%d, ABI %d", nvrtc->major, nvrtc->minor, nvrtc->arch,
           MLA_CUDA_ABI);
  mla_sha256_add_text(hash, text);
  mla_sha256_add_text(hash, nvrtc->options);
}

MlaToolchain mla_nvrtc_toolchain(const Nvrtc *nvrtc) {
  return (MlaToolchain){.name = "NVRTC",
                        .source_ending = "cu",
                        .unit_ending = "cubin",
                        .options = nvrtc->options,
                        .self = (void *)(uintptr_t)nvrtc,
                        .add_key = add_key,
                        .start = start};
}
