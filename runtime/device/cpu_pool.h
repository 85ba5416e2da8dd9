// A pool of threads that runs the launches of a step, part by part. Private to runtime/device.
#pragma once
#include "runtime/device/cpu_tasks.h"
#include "runtime/error.h"

// One worker's time in one task: parts that it ran one behind the other. Seconds of CLOCK_MONOTONIC.
typedef struct MlaSpan {
  int task, n_parts;
  double begin, end;
} MlaSpan;

typedef struct MlaSpans {
  MlaSpan *items; // room for all parts of all tasks
  int n;
} MlaSpans;

// What a run of tasks is given.
typedef struct MlaWork {
  MlaTasks *tasks;
  long batch;
  unsigned char *scratch; // worker w owns [w * scratch_stride, (w + 1) * scratch_stride)
  long scratch_stride;
  MlaSpans *spans; // [threads]: filled; NULL: nobody wants to know
} MlaWork;

typedef struct MlaPool MlaPool;

// The calling thread is worker 0; threads - 1 more are started.
MlaPool *mla_pool_start(int threads, MlaError *error);
void mla_pool_stop(MlaPool *pool);
int mla_pool_threads(const MlaPool *pool);
// Runs every part of every task once, on any thread, no task before those it waits for. Returns when all are done. One
// caller at a time.
void mla_pool_run(MlaPool *pool, const MlaWork *work);
