// Times of single launches: an event before the first and one behind each. They are nodes of the captured graph, so that
// the GPU need not wait for the host between two launches and the times are those of a step as it always runs, but for
// what several streams would have overlapped.
#include "runtime/device/cuda/cuda.h"

#include <stdlib.h>

bool mla_cuda_profile_begin(CudaLoaded *self, MlaError *error) {
  const Cudart *rt = &self->cuda->rt;
  int n = self->loaded.program->train.n_launches;
  if (!self->cuda->is_profiled) return true;
  self->events = calloc((size_t)n + 1, sizeof *self->events);
  self->seconds = calloc((size_t)n + 1, sizeof *self->seconds);
  if (!self->events || !self->seconds) return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  for (int i = 0; i <= n; i++)
    if (!mla_cuda_check(rt, rt->EventCreateWithFlags(&self->events[i], 0), "making an event", error))
      return false;
  self->loaded.launch_seconds = self->seconds;
  return true;
}

bool mla_cuda_profile_mark(CudaLoaded *self, const MlaStep *step, int index, MlaError *error) {
  const Cudart *rt = &self->cuda->rt;
  if (!self->events || step != &self->loaded.program->train) return true;
  unsigned flags = self->is_capturing ? CUDA_EVENT_RECORD_EXTERNAL : 0;
  return mla_cuda_check(rt, rt->EventRecordWithFlags(self->events[index], self->stream, flags),
                        "marking a launch's time", error);
}

// Steps and launches are traced one behind the other: what lies between two steps is not known.
static void add_event(CudaLoaded *self, MlaTracedStep *step, int launch, double seconds) {
  double begin = self->loaded.timed_seconds;
  self->loaded.timed_seconds += seconds;
  if (step)
    step->events[step->n++] =
        (MlaEvent){.launch = launch, .n_parts = 1, .begin = begin, .end = self->loaded.timed_seconds};
  self->loaded.trace.n_workers = 1;
}

bool mla_cuda_profile_add(CudaLoaded *self, const MlaStep *step, int64_t batch, MlaError *error) {
  const Cudart *rt = &self->cuda->rt;
  const MlaProgram *program = self->loaded.program;
  if (!self->events || !mla_is_timed(program, step, batch)) return true;
  if (!mla_cuda_check(rt, rt->EventSynchronize(self->events[step->n_launches]), "waiting for a step", error))
    return false;
  MlaTracedStep *traced =
      self->cuda->is_traced ? mla_trace_begin(&self->loaded.trace, step->n_launches) : NULL;
  for (int i = 0; i < step->n_launches; i++) {
    float milliseconds = 0;
    if (!mla_cuda_check(rt, rt->EventElapsedTime(&milliseconds, self->events[i], self->events[i + 1]),
                        "reading a launch's time", error))
      return false;
    self->seconds[i] += 1e-3 * (double)milliseconds;
    add_event(self, traced, i, 1e-3 * (double)milliseconds);
  }
  if (traced) mla_trace_end(&self->loaded.trace);
  self->loaded.n_timed++;
  return true;
}

void mla_cuda_profile_end(CudaLoaded *self) {
  const Cudart *rt = &self->cuda->rt;
  for (int i = 0; self->events && i <= self->loaded.program->train.n_launches; i++)
    if (self->events[i]) rt->EventDestroy(self->events[i]);
  mla_trace_free(&self->loaded.trace);
  free(self->events);
  free(self->seconds);
}
