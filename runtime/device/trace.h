// What ran when: the last full steps of training, event by event. Filled by devices that can, where they are asked to.
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { MLA_TRACED_STEPS = 8 };

// Parts of one launch that one worker ran one behind the other. Seconds since the first step that was timed began.
typedef struct MlaEvent {
  int launch, worker, n_parts;
  double begin, end;
} MlaEvent;

typedef struct MlaTracedStep {
  MlaEvent *events; // rising by their beginnings
  int n, capacity;
} MlaTracedStep;

typedef struct MlaTrace {
  MlaTracedStep steps[MLA_TRACED_STEPS]; // step i is steps[i % MLA_TRACED_STEPS]
  int64_t n_steps;                       // all that there were
  int n_workers;
} MlaTrace;

// Steps that are still there: first .. n_steps - 1.
static inline int64_t mla_trace_first(const MlaTrace *trace) {
  return trace->n_steps > MLA_TRACED_STEPS ? trace->n_steps - MLA_TRACED_STEPS : 0;
}
// Begins step n_steps with room for `n_most` events, in place of an old one. NULL: no memory, and no such step.
MlaTracedStep *mla_trace_begin(MlaTrace *trace, int n_most);
// Sorts its events and counts it.
void mla_trace_end(MlaTrace *trace);
void mla_trace_free(MlaTrace *trace);
