// Packing: every interval of time gets a range of bytes, so that no two that are alive at once share one.
#pragma once
#include "compiler/support/arena.h"
#include <stdint.h>

typedef struct Interval {
  int64_t n_bytes;
  int first, last; // inclusive, both at least 0
  int64_t offset;  // set by pack_intervals
} Interval;

// The largest sum of bytes alive at once: no packing is smaller.
int64_t pack_bound(const Interval *items, int n, Arena *scratch);
// Sets the offsets; returns the end of the highest range. Depends on nothing but the intervals and their order, so that a plan is
// the same on every machine: effort is counted in placings, not in time.
int64_t pack_intervals(Interval *items, int n, Arena *scratch);
