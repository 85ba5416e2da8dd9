// Distances between two runs of numbers, and the rows they end up in. Private to this folder.
#pragma once
#include "runtime/replay/replay.h"

typedef struct Distance { // sums over everything seen
  double apart, size;     // of (ours - recorded)^2 and recorded^2
  int n;                  // tensors
} Distance;

void distance_add(Distance *distance, const double *ours, const double *recorded, int64_t n);
void distance_join(Distance *all, const Distance *one);
double distance_relative(const Distance *distance); // L2; 0 for equal zeros
double relative_difference(double ours, double recorded);
double largest_difference(const double *ours, const double *recorded, int64_t n); // by the largest recorded
// How far sum, sum of squares, least and largest element are from the recorded four, by the size of the tensor.
double sums_difference(const double *ours, int64_t n, const double recorded[4]);
double median(double *values, int n); // sorts them; n = 0: 0

// One more deviation of a row that keeps its worst: the one that is furthest above, or least below, its limit.
void row_worst(MlaReplayRow *row, double deviation, double limit, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
// The deviation of a row about everything together.
void row_set(MlaReplayRow *row, double deviation, double limit, int n);
