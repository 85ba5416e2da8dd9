// See measure.h.
#include "runtime/replay/measure.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void distance_add(Distance *distance, const double *ours, const double *recorded, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    distance->apart += (ours[i] - recorded[i]) * (ours[i] - recorded[i]);
    distance->size += recorded[i] * recorded[i];
  }
  distance->n++;
}

void distance_join(Distance *all, const Distance *one) {
  all->apart += one->apart;
  all->size += one->size;
  all->n += one->n;
}

double distance_relative(const Distance *distance) {
  return distance->apart == 0 ? 0 : sqrt(distance->apart / distance->size);
}

double relative_difference(double ours, double recorded) {
  return ours == recorded ? 0 : fabs(ours - recorded) / fabs(recorded);
}

double largest_difference(const double *ours, const double *recorded, int64_t n) {
  double apart = 0, size = 0;
  for (int64_t i = 0; i < n; i++) {
    double difference = fabs(ours[i] - recorded[i]);
    if (!(difference <= apart)) apart = difference; // what is not a number stays
    size = fmax(size, fabs(recorded[i]));
  }
  return apart == 0 ? 0 : apart / size;
}

// By its size: `size` 0 means that everything recorded is zero.
static double by_size(double difference, double size) {
  return difference == 0 ? 0 : fabs(difference) / size;
}

static double worse_of(double a, double b) { // what is not a number stays
  return isnan(a) || a > b ? a : b;
}

double sums_difference(const double *ours, int64_t n, const double recorded[4]) {
  double sum = 0, squares = 0, least = INFINITY, largest = -INFINITY;
  for (int64_t i = 0; i < n; i++) {
    sum += ours[i];
    squares += ours[i] * ours[i];
    least = fmin(least, ours[i]);
    largest = fmax(largest, ours[i]);
  }
  double size = fmax(fabs(recorded[2]), fabs(recorded[3]));
  double worst = by_size(sum - recorded[0], sqrt((double)n * recorded[1]));
  worst = worse_of(worst, by_size(squares - recorded[1], recorded[1]));
  worst = worse_of(worst, by_size(least - recorded[2], size));
  return worse_of(worst, by_size(largest - recorded[3], size));
}

static int compare_numbers(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

double median(double *values, int n) {
  if (n == 0) return 0;
  qsort(values, (size_t)n, sizeof *values, compare_numbers);
  return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

// ---- rows ----

// Whether `deviation` of `limit` is a worse finding than the row's. Without limits the larger deviation is.
static bool is_worse(const MlaReplayRow *row, double deviation, double limit) {
  if (!row->is_compared || isnan(deviation)) return true;
  if (isnan(row->deviation)) return false;
  double here = deviation / limit, there = row->deviation / row->limit;
  return here != there ? here > there : deviation > row->deviation;
}

void row_worst(MlaReplayRow *row, double deviation, double limit, const char *format, ...) {
  if (is_worse(row, deviation, limit)) {
    row->deviation = deviation;
    row->limit = limit;
    va_list args;
    va_start(args, format);
    vsnprintf(row->where, sizeof row->where, format, args);
    va_end(args);
  }
  row->is_compared = true;
  row->n++;
}

void row_set(MlaReplayRow *row, double deviation, double limit, int n) {
  *row = (MlaReplayRow){.is_compared = n > 0, .deviation = deviation, .limit = limit, .n = n};
}
