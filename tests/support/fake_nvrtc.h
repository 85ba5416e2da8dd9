// A stand-in for libnvrtc: every text compiles to "a CUBIN" that fake_cudart.h takes. For tests of what happens around
// compiling. $FAKE_NVRTC_COUNT names a file that gets a line for each unit.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char cubin[] = "\177ELF stand-in";

int nvrtcVersion(int *major, int *minor) {
  return *major = 13, *minor = 0;
}
int nvrtcGetNumSupportedArchs(int *n) {
  return *n = 2, 0;
}
int nvrtcGetSupportedArchs(int *archs) {
  return archs[0] = 80, archs[1] = 90, 0;
}
int nvrtcCreateProgram(void **program, const char *text, const char *name, int n, const char *const *headers,
                       const char *const *names) {
  return *program = malloc(1), !text || !name || n || headers || names;
}
int nvrtcCompileProgram(void *program, int n_options, const char *const *options) {
  const char *path = getenv("FAKE_NVRTC_COUNT");
  FILE *file = path ? fopen(path, "a") : NULL;
  if (file) fprintf(file, "%s\n", n_options ? options[0] : ""), fclose(file);
  return !program;
}
int nvrtcGetProgramLogSize(void *program, size_t *n_bytes) {
  return *n_bytes = 1, !program;
}
int nvrtcGetProgramLog(void *program, char *log) {
  return *log = 0, !program;
}
int nvrtcGetCUBINSize(void *program, size_t *n_bytes) {
  return *n_bytes = sizeof cubin, !program;
}
int nvrtcGetCUBIN(void *program, char *to) {
  return memcpy(to, cubin, sizeof cubin), !program;
}
