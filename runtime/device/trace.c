// See the header.
#include "runtime/device/trace.h"

#include <stdlib.h>

static MlaTracedStep *present(MlaTrace *trace) {
  return &trace->steps[trace->n_steps % MLA_TRACED_STEPS];
}

MlaTracedStep *mla_trace_begin(MlaTrace *trace, int n_most) {
  MlaTracedStep *step = present(trace);
  step->n = 0;
  if (n_most <= step->capacity) return step;
  MlaEvent *events = realloc(step->events, (size_t)n_most * sizeof *events);
  if (!events) return NULL;
  step->events = events;
  step->capacity = n_most;
  return step;
}

static int earlier_first(const void *a, const void *b) {
  const MlaEvent *x = a, *y = b;
  if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
  return x->worker - y->worker;
}

void mla_trace_end(MlaTrace *trace) {
  MlaTracedStep *step = present(trace);
  if (step->n) qsort(step->events, (size_t)step->n, sizeof *step->events, earlier_first);
  trace->n_steps++;
}

void mla_trace_free(MlaTrace *trace) {
  for (int i = 0; i < MLA_TRACED_STEPS; i++) free(trace->steps[i].events);
  *trace = (MlaTrace){0};
}
