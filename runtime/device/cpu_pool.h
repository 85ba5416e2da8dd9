// A pool of threads that runs the parts of one launch after the other. Private to runtime/device.
#pragma once
#include "runtime/error.h"

typedef void (*MlaKernelFn)(void *const *buf, long batch, void *scratch, int part, int parts);

// One launch: every part in 0..parts-1 runs once, on any thread, in any order.
typedef struct MlaJob {
  MlaKernelFn kernel;
  void *const *buf;
  long batch;
  unsigned char *scratch; // worker w owns [w * scratch_stride, (w + 1) * scratch_stride)
  long scratch_stride;
  int parts;
} MlaJob;

typedef struct MlaPool MlaPool;

// The calling thread is worker 0; threads - 1 more are started.
MlaPool *mla_pool_start(int threads, MlaError *error);
void mla_pool_stop(MlaPool *pool);
int mla_pool_threads(const MlaPool *pool);
// Returns when all parts are done. One caller at a time.
void mla_pool_run(MlaPool *pool, const MlaJob *job);
// Processors this process may use.
int mla_cpu_count(void);
