// A stand-in for libcudart, for machines without a GPU: "device memory" is the host's. A "kernel" is its name, and a launch
// runs the sample's kernels (fake_kernels.h); or it is a compiled kernel, and the emulation runs it (emulated_kernels.h).
// It is strict where the real one is: nothing runs during a capture, streams that join one must be joined again, copies
// must lie in an allocation, and what is allocated is counted. A graph's launches run in a random order that its edges
// allow; fake_streams.h says what the order of streams is. $FAKE_CUDA chooses a fault, $FAKE_CUDA_FREE the MiB that are
// free. Compiled by the tests with
// `cc -x c -shared`; no NVIDIA code ran through it.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Dim {
  unsigned x, y, z;
} Dim;

enum { MOST_NODES = 4096, MOST_EDGES = 64, MOST_KERNELS = 4096, MOST_MEMORY = 64 };

typedef struct Launch {
  const void *function;
  unsigned blocks, threads;
  size_t shared;
  int batch;
  void **at;                // buffers
  void *event;              // is recorded instead of a kernel run
  void (*call)(void *data); // a library's work instead
  void *data;
  int before[MOST_EDGES], n_before; // nodes of the graph
} Launch;

typedef struct Graph {
  Launch launches[MOST_NODES];
  int n;
} Graph;

// What comes next on a stream, or behind an event, runs after these nodes of the capture.
typedef struct Front {
  int capture; // its number
  int node[MOST_EDGES], n;
} Front;

#include "fake_streams.h"

// Goes on by a millisecond for each kernel that is run; with $FAKE_CUDA_BLOCKS, for each of its blocks.
static float clock_now;
static Graph *capture;
static Front *origin;
static int current, is_capturing, n_graphs, n_replayed, n_live, n_forks, order = 1;
static char *memory[MOST_MEMORY]; // allocations
static size_t memory_bytes[MOST_MEMORY];
static int n_memory;
static char *locked[MOST_MEMORY]; // page-locked
static size_t locked_bytes[MOST_MEMORY];

static int fault(const char *name) {
  const char *chosen = getenv("FAKE_CUDA");
  return chosen && strcmp(chosen, name) == 0;
}

static void **kept; // each block begins with the next one's address
static char kernels[MOST_KERNELS][64];
static int n_kernels;

// What kernels are: fake_kernels.h or emulated_kernels.h.
#ifndef FAKE_KERNELS
#define FAKE_KERNELS "fake_kernels.h"
#endif
#include FAKE_KERNELS

// An event that is a node notes the time.
static void run(const void *what) {
  const Launch *l = what;
  if (l->event)
    ((Event *)l->event)->milliseconds = clock_now;
  else if (l->call)
    clock_now += 1, l->call(l->data);
  else
    clock_now += getenv("FAKE_CUDA_BLOCKS") ? (float)l->blocks : 1, run_kernel(l);
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
int cudaGetDeviceProperties(void *properties, int device) {
  return strcpy(properties, "Stand-in GPU"), device;
}
int cudaSetDevice(int device) {
  return device;
}
int cudaDeviceGetAttribute(int *value, int attribute, int device) {
  switch (attribute) {
  case 16: *value = 4; return device;
  case 36: *value = 1000000; return device;
  case 37: *value = 4096; return device;
  case 39: *value = 2048; return device;
  case 75: *value = fault("new_device") ? 99 : fault("other_device") ? 8 : 9; return device;
  case 76: *value = 0; return device;
  }
  return 1;
}
int cudaGetLastError(void) {
  return 0;
}
int cudaMemGetInfo(size_t *n_free, size_t *n_total) {
  const char *free_mib = getenv("FAKE_CUDA_FREE");
  *n_free = (free_mib ? (size_t)atol(free_mib) : 6144) << 20;
  return *n_total = (size_t)8192 << 20, 0;
}
int cudaMalloc(void **to, size_t n_bytes) {
  if (fault("memory")) return 2;
  *to = memset(malloc(n_bytes), 0x7f, n_bytes);
  memory[n_memory % MOST_MEMORY] = *to;
  memory_bytes[n_memory++ % MOST_MEMORY] = n_bytes;
  return n_live++, 0;
}
int cudaFree(void *at) {
  for (int i = 0; i < MOST_MEMORY; i++)
    if (memory[i] == at) memory[i] = NULL;
  return free(at), n_live--, 0;
}
int cudaHostAlloc(void **to, size_t n_bytes, unsigned flags) {
  int i = 0;
  while (i < MOST_MEMORY && locked[i]) i++;
  if (i == MOST_MEMORY || fault("locked")) return 2;
  *to = locked[i] = memset(malloc(n_bytes), 0x7f, n_bytes);
  locked_bytes[i] = n_bytes;
  return n_live++, (int)flags;
}
int cudaFreeHost(void *at) {
  for (int i = 0; i < MOST_MEMORY; i++)
    if (locked[i] == at) locked[i] = NULL;
  return free(at), n_live--, 0;
}
static int is_locked(const void *from) {
  for (int i = 0; i < MOST_MEMORY; i++)
    if (locked[i] && (const char *)from >= locked[i] && (const char *)from < locked[i] + locked_bytes[i])
      return 1;
  return 0;
}
int cudaMemsetAsync(void *at, int value, size_t n_bytes, void *stream) {
  if (!stream) return 1;
  add_copy(stream, (Copy){.to = at, .n_bytes = n_bytes, .value = value, .is_fill = 1}, NULL);
  return 0;
}
int cudaMemcpyAsync(void *to, const void *from, size_t n_bytes, int kind, void *stream) {
  const char *inside = kind == 1 ? to : from;
  int is_inside = 0;
  for (int i = 0; i < MOST_MEMORY; i++)
    is_inside |= memory[i] && inside >= memory[i] && inside + n_bytes <= memory[i] + memory_bytes[i];
  if (!is_inside || is_capturing || !stream) return 1;
  add_copy(stream, (Copy){.to = to, .from = from, .n_bytes = n_bytes},
           kind == 1 && !is_locked(from) ? from : NULL);
  Stream *on = stream;
  if (kind != 1 && !is_locked(to)) finish(on, on->n_asked);
  return 0;
}
int cudaStreamCreateWithFlags(void **stream, unsigned flags) {
  Stream *made = *stream = calloc(1, sizeof(Stream));
  made->index = n_streams++;
  made->last = &made->first;
  return n_live++, flags != 1;
}
int cudaStreamDestroy(void *stream) {
  finish(stream, ((Stream *)stream)->n_asked);
  free(stream);
  n_live--;
  if (getenv("FAKE_CUDA_COUNTS") && !n_live)
    printf("fake: %d graphs, %d replays, %d forks, %d left\n", n_graphs, n_replayed, n_forks, n_live);
  while (!n_live && kept) {
    void **next = *kept;
    free(kept);
    kept = next;
  }
  if (!n_live) n_graphs = n_replayed = n_forks = n_streams = 0; // the library stays loaded
  return 0;
}
int cudaStreamSynchronize(void *stream) {
  if (!stream) return 1;
  finish(stream, ((Stream *)stream)->n_asked);
  return fault("kernel") ? 700 : 0;
}

// ---- captures ----

int cudaEventCreateWithFlags(void **event, unsigned flags) {
  return *event = calloc(1, sizeof(Event)), n_live++, flags != 2 && flags != 0;
}
int cudaEventDestroy(void *event) {
  return free(event), n_live--, 0;
}
int cudaEventRecord(void *event, void *stream) {
  Event *recorded = event;
  recorded->front = *(Front *)stream;
  recorded->stream = stream;
  recorded->number = recorded->stream->n_asked;
  return 0;
}
int cudaEventSynchronize(void *event) {
  const Event *recorded = event;
  if (!is_ignored("host")) finish(recorded->stream, recorded->number);
  return 0;
}
static int add_node(Front *front, int node) {
  for (int i = 0; i < front->n; i++)
    if (front->node[i] == node) return 0;
  if (front->n == MOST_EDGES) return 1;
  front->node[front->n++] = node;
  return 0;
}
static int is_part(const Front *front) {
  return is_capturing && front->capture == current;
}
int cudaStreamWaitEvent(void *stream, void *event, unsigned flags) {
  Front *to = stream;
  const Front *from = event;
  if (!is_part(from) && is_part(to)) return 906; // an event of before the capture
  if (!is_part(from)) {
    const Event *recorded = event;
    if (is_ignored(((Stream *)stream)->index ? "copies" : "steps")) return (int)flags;
    add_work(stream, (Work){.other = recorded->stream, .until = recorded->number});
    return (int)flags;
  }
  if (!is_part(to)) *to = (Front){.capture = current}, n_forks++;
  for (int i = 0; i < from->n; i++)
    if (add_node(to, from->node[i])) return 1;
  return (int)flags;
}
int cudaStreamBeginCapture(void *stream, int mode) {
  origin = stream;
  if (!stream || is_capturing || mode != 1) return 1;
  *origin = (Front){.capture = ++current};
  capture = calloc(1, sizeof *capture);
  return is_capturing = 1, n_live++, 0;
}
static void mark(const Graph *graph, char *is_marked, int node) {
  if (is_marked[node]) return;
  is_marked[node] = 1;
  for (int i = 0; i < graph->launches[node].n_before; i++)
    mark(graph, is_marked, graph->launches[node].before[i]);
}
int cudaStreamEndCapture(void *stream, void **graph) {
  char is_marked[MOST_NODES] = "";
  if (stream != origin) return 1;
  for (int i = 0; i < origin->n; i++) mark(capture, is_marked, origin->node[i]);
  is_capturing = 0;
  *graph = capture;
  for (int i = 0; i < capture->n; i++)
    if (!is_marked[i]) return 904; // a stream was not joined
  return 0;
}
int cudaGraphInstantiate(void **exec, void *graph, unsigned long long flags) {
  *exec = memcpy(malloc(sizeof(Graph)), graph, sizeof(Graph));
  return n_graphs++, n_live++, flags != 0;
}
// In a random order that the edges allow.
static void run_graph(const void *what) {
  const Graph *graph = *(void *const *)what;
  char is_done[MOST_NODES] = "";
  for (int n_left = graph->n; n_left;) {
    order = (int)((unsigned)order * 1103515245u + 12345u);
    int start = (int)((unsigned)order >> 8) % graph->n;
    for (int i = 0; i < graph->n; i++) {
      int node = (start + i) % graph->n, is_ready = !is_done[node];
      for (int k = 0; k < graph->launches[node].n_before; k++)
        is_ready &= is_done[graph->launches[node].before[k]];
      if (!is_ready) continue;
      run(&graph->launches[node]);
      is_done[node] = 1, n_left--;
      break;
    }
  }
}
int cudaGraphLaunch(void *exec, void *stream) {
  if (!stream) return 1;
  add_call(stream, run_graph, &exec, sizeof exec);
  return n_replayed++, 0;
}
int cudaGraphDestroy(void *graph) {
  return free(graph), n_live--, 0;
}
int cudaGraphExecDestroy(void *exec) {
  return free(exec), n_live--, 0;
}

// ---- kernels ----

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
  int i = 0;
  while (i < n_kernels && strncmp(kernels[i], name, 63)) i++;
  if (!unit || i == MOST_KERNELS) return 500;
  if (i == n_kernels) snprintf(kernels[n_kernels++], sizeof *kernels, "%s", name);
  return *kernel = kernels[i], 0;
}
int cudaFuncSetAttribute(const void *function, int attribute, int value) {
  return !function || attribute != 8 || value > 232448;
}
// Memory of launches, which graphs share: until all is destroyed.
static void *keep(size_t n_bytes) {
  void **block = malloc(sizeof *block + n_bytes);
  *block = kept;
  kept = block;
  return block + 1;
}
// At once, or as a node of the capture.
static int give(Launch *l, void *stream) {
  Front *front = stream;
  if (!is_part(front)) return add_call(stream, run, l, sizeof *l), is_capturing ? 900 : 0;
  if (capture->n == MOST_NODES) return 1;
  memcpy(l->before, front->node, sizeof l->before);
  l->n_before = front->n;
  front->n = 1, front->node[0] = capture->n;
  return capture->launches[capture->n++] = *l, 0;
}
int cudaLaunchKernel(const void *function, Dim grid, Dim block, void **arguments, size_t shared,
                     void *stream) {
  static Launch l;
  l = (Launch){.blocks = grid.x, .threads = block.x, .shared = shared, .batch = *(int *)arguments[1]};
  l.function = function;
  const char *wide = getenv("FAKE_CUDA_WIDE"); // this kernel's buffers come as a table
  void *table = wide && !strcmp(wide, name_of(function)) ? *(void **)arguments[0] : arguments[0];
  size_t n_bytes = sizeof(void *) * (size_t)buffers_of(function);
  l.at = memcpy(keep(n_bytes), table, n_bytes);
  if (grid.y != 1 || grid.z != 1 || block.y != 1 || block.z != 1 || !stream || fault("launch")) return 9;
  return give(&l, stream);
}
int cudaEventRecordWithFlags(void *event, void *stream, unsigned flags) {
  static Launch l;
  Front *front = stream;
  l = (Launch){.event = event};
  if (flags != (is_part(front) ? 1 : 0)) return 1;
  if (!is_part(front)) return run(&l), 0;
  memcpy(l.before, front->node, sizeof l.before);
  l.n_before = front->n;
  front->n = 1, front->node[0] = capture->n;
  return capture->launches[capture->n++] = l, 0;
}
int cudaEventElapsedTime(float *milliseconds, void *begin, void *end) {
  return *milliseconds = ((Event *)end)->milliseconds - ((Event *)begin)->milliseconds, 0;
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
