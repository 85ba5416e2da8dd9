// A step's launches spread over a few streams, so that small kernels which do not need each other run at the same time.
#pragma once
#include "runtime/device/dependencies.h"

enum { CUDA_MAX_STREAMS = 8 };

typedef struct CudaSchedule {
  int n, n_streams;
  int *order;  // [n] launches in the order in which they are given to their streams
  int *stream; // [n] of a launch
  // Launches of other streams that launch i waits for: waits[first_wait[i]] .. waits[first_wait[i + 1] - 1]. A
  // dependency that the streams' own order or an earlier wait brings about is not among them. The last, i == n, is the
  // end of the step on stream 0.
  int *first_wait, *waits;
  bool *is_awaited; // [n] some launch waits for it
  double seconds;   // of the step, by the guesses
} CudaSchedule;

// List scheduling: whatever can begin first goes first, of those the one with the longest chain behind it. `seconds` are
// guesses of how long each launch takes.
bool mla_cuda_schedule(const MlaDependencies *dependencies, const double *seconds, int n_streams,
                       CudaSchedule *schedule, MlaError *error);
void mla_cuda_schedule_free(CudaSchedule *schedule);
