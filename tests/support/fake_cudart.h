// A stand-in for libcudart, for machines without a GPU: "device memory" is the host's, a "kernel" is its name, and a
// launch runs the sample's kernels (device_sample.h) as plain loops over blocks and threads. It is strict where the real
// one is: nothing runs during a capture, copies must lie in an allocation, and what is allocated is counted. $FAKE_CUDA
// chooses a fault. Compiled by the test with `cc -x c -shared`; no NVIDIA code ran through it.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Dim {
  unsigned x, y, z;
} Dim;

typedef struct Launch {
  char name[64];
  unsigned blocks, threads;
  size_t shared;
  int batch;
  void *at[8];
} Launch;

typedef struct Graph {
  Launch launches[64];
  int n;
} Graph;

static Graph *capture;
static int is_capturing, n_graphs, n_replayed, n_live;
static char *memory[4]; // allocations
static size_t memory_bytes[4];
static int n_memory;

static int fault(const char *name) {
  const char *chosen = getenv("FAKE_CUDA");
  return chosen && strcmp(chosen, name) == 0;
}

static const char *const names[] = {"sample_forward", "sample_partial", "sample_loss", "sample_update"};
static const int n_buffers[] = {3, 2, 2, 3};

static void run_thread(const Launch *l, int block, int thread) {
  float *a = l->at[0], *b = l->at[1], *c = l->at[2];
  int e = block * (int)l->threads + thread;
  if (!strcmp(l->name, "sample_forward")) {
    if (e < 16 * l->batch) c[e] = a[e] * 2 + b[e % 16];
  } else if (!strcmp(l->name, "sample_partial")) {
    float sum = 0;
    for (int i = block; i < 16 * l->batch; i += (int)l->blocks) sum += a[i] * 0.37f;
    b[block] = sum;
  } else if (!strcmp(l->name, "sample_loss")) {
    *b = 0;
    for (int i = 0; i < 7; i++) *b += a[i];
    *b /= (float)l->batch;
  } else {
    a[thread] -= *b * *c * 0.01f;
  }
}

static void run(const Launch *l) {
  for (unsigned block = 0; block < l->blocks; block++)
    for (unsigned thread = 0; thread < l->threads; thread++) run_thread(l, (int)block, (int)thread);
}

int cudaDriverGetVersion(int *version) {
  return *version = fault("no_driver") ? 0 : fault("old_driver") ? 11040 : 13000, 0;
}
int cudaRuntimeGetVersion(int *version) {
  return *version = 13000, 0;
}
int cudaGetDeviceCount(int *n) {
  return *n = !fault("no_device"), fault("no_device") ? 100 : 0;
}
int cudaSetDevice(int device) {
  return device;
}
int cudaDeviceGetAttribute(int *value, int attribute, int device) {
  return *value = attribute == 75 ? (fault("new_device") ? 99 : 9) : 0, device;
}
int cudaGetLastError(void) {
  return 0;
}
int cudaMemGetInfo(size_t *n_free, size_t *n_total) {
  return *n_free = 3 << 20, *n_total = 8 << 20, 0;
}
int cudaMalloc(void **to, size_t n_bytes) {
  if (fault("memory")) return 2;
  *to = memset(malloc(n_bytes), 0x7f, n_bytes);
  memory[n_memory & 3] = *to;
  memory_bytes[n_memory++ & 3] = n_bytes;
  return n_live++, 0;
}
int cudaFree(void *at) {
  return free(at), n_live--, 0;
}
int cudaMemsetAsync(void *at, int value, size_t n_bytes, void *stream) {
  return memset(at, value, n_bytes), stream ? 0 : 1;
}
int cudaMemcpyAsync(void *to, const void *from, size_t n_bytes, int kind, void *stream) {
  const char *inside = kind == 1 ? to : from;
  for (int i = 0; i < 4 && !is_capturing && stream; i++)
    if (inside >= memory[i] && inside + n_bytes <= memory[i] + memory_bytes[i])
      return memcpy(to, from, n_bytes), 0;
  return 1;
}
int cudaStreamCreateWithFlags(void **stream, unsigned flags) {
  return *stream = malloc(1), n_live++, flags != 1;
}
int cudaStreamDestroy(void *stream) {
  free(stream);
  n_live--;
  if (getenv("FAKE_CUDA_COUNTS"))
    printf("fake: %d graphs, %d replays, %d left\n", n_graphs, n_replayed, n_live);
  return n_graphs = n_replayed = 0; // the library stays loaded
}
int cudaStreamSynchronize(void *stream) {
  return !stream ? 1 : fault("kernel") ? 700 : 0;
}
int cudaStreamBeginCapture(void *stream, int mode) {
  capture = calloc(1, sizeof *capture);
  n_live++;
  return is_capturing = 1, stream && mode == 1 ? 0 : 1;
}
int cudaStreamEndCapture(void *stream, void **graph) {
  is_capturing = 0;
  return *graph = capture, stream ? 0 : 1;
}
int cudaGraphInstantiate(void **exec, void *graph, unsigned long long flags) {
  *exec = memcpy(malloc(sizeof(Graph)), graph, sizeof(Graph));
  return n_graphs++, n_live++, flags != 0;
}
int cudaGraphLaunch(void *exec, void *stream) {
  const Graph *graph = exec;
  for (int i = 0; i < graph->n; i++) run(&graph->launches[i]);
  return n_replayed++, stream ? 0 : 1;
}
int cudaGraphDestroy(void *graph) {
  return free(graph), n_live--, 0;
}
int cudaGraphExecDestroy(void *exec) {
  return free(exec), n_live--, 0;
}
// A CUBIN is an ELF file; real ones come from NVRTC.
int cudaLibraryLoadData(void **unit, const void *code, int *a, void **b, unsigned c, int *d, void **e,
                        unsigned f) {
  if (memcmp(code, "\177ELF", 4) != 0 || a || b || c || d || e || f) return 200;
  return *unit = malloc(1), n_live++, 0;
}
int cudaLibraryUnload(void *unit) {
  return free(unit), n_live--, 0;
}
int cudaLibraryGetKernel(void **kernel, void *unit, const char *name) {
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (!strcmp(names[i], name)) return *kernel = (void *)&n_buffers[i], unit ? 0 : 1;
  return 500;
}
int cudaFuncSetAttribute(const void *function, int attribute, int value) {
  return !function || attribute != 8 || value > 232448;
}
int cudaLaunchKernel(const void *function, Dim grid, Dim block, void **arguments, size_t shared,
                     void *stream) {
  Launch l = {.blocks = grid.x, .threads = block.x, .shared = shared, .batch = *(int *)arguments[1]};
  const int *n = function;
  snprintf(l.name, sizeof l.name, "%s", names[n - n_buffers]);
  const char *wide = getenv("FAKE_CUDA_WIDE"); // this kernel's buffers come as a table
  void *table = wide && !strcmp(wide, l.name) ? *(void **)arguments[0] : arguments[0];
  memcpy(l.at, table, sizeof(void *) * (size_t)*n);
  if (grid.y != 1 || grid.z != 1 || block.y != 1 || block.z != 1 || !stream || fault("launch")) return 9;
  if (is_capturing)
    capture->launches[capture->n++] = l;
  else
    run(&l);
  return 0;
}
const char *cudaGetErrorName(int status) {
  return status == 700 ? "cudaErrorIllegalAddress"
         : status == 9 ? "cudaErrorInvalidConfiguration"
                       : "cudaErrorOther";
}
const char *cudaGetErrorString(int status) {
  return status == 700 ? "an illegal memory access was encountered"
         : status == 9 ? "invalid configuration"
                       : "other";
}
