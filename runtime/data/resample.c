// See resample.h. The loops are written for the compiler to vectorise: this file is always built with -O3.
#include "runtime/data/resample.h"

#include <math.h>
#include <stdlib.h>

enum { BITS = 22 };

static bool make_room(MlaAxis *axis, int n, int taps, MlaError *error) {
  axis->n = n;
  axis->taps = taps;
  int64_t wanted = (int64_t)n * (taps + 2);
  if (wanted > axis->capacity) {
    mla_axis_free(axis);
    axis->weights = malloc((size_t)wanted * sizeof(int32_t));
    if (!axis->weights) return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
    *axis = (MlaAxis){.n = n, .taps = taps, .weights = axis->weights, .capacity = wanted};
  }
  axis->begin = axis->weights + (int64_t)n * taps;
  axis->count = axis->begin + n;
  return true;
}

void mla_axis_free(MlaAxis *axis) {
  free(axis->weights);
  axis->weights = NULL;
  axis->capacity = 0;
}

static double triangle(double x) {
  x = fabs(x);
  return x < 1 ? 1 - x : 0;
}

// Weights of the source pixels begin .. begin + count around `center`; they add up to 1.
static void weigh(int32_t *weights, int begin, int count, double center, double width) {
  double sum = 0;
  for (int k = 0; k < count; k++) sum += triangle((k + begin - center + 0.5) / width);
  for (int k = 0; k < count; k++) {
    double weight = triangle((k + begin - center + 0.5) / width) / sum;
    weights[k] = (int32_t)(0.5 + weight * (1 << BITS));
  }
}

bool mla_axis_set(MlaAxis *axis, int source, int target, int first, int n, MlaError *error) {
  double scale = (double)source / target, width = scale < 1 ? 1 : scale;
  if (!make_room(axis, n, 2 * (int)ceil(width) + 1, error)) return false;
  axis->from = source;
  axis->to = 0;
  for (int i = 0; i < n; i++) {
    double center = (first + i + 0.5) * scale;
    int begin = (int)(center - width + 0.5), end = (int)(center + width + 0.5);
    if (begin < 0) begin = 0;
    if (end > source) end = source;
    weigh(axis->weights + (int64_t)i * axis->taps, begin, end - begin, center, width);
    axis->begin[i] = begin;
    axis->count[i] = end - begin;
    if (begin < axis->from) axis->from = begin;
    if (end > axis->to) axis->to = end;
  }
  for (int i = 0; i < n; i++) axis->begin[i] -= axis->from;
  return true;
}

// `channels` is a constant wherever this is inlined.
static inline void resample_line(const uint8_t *line, const MlaAxis *columns, int channels, uint8_t *to) {
  for (int x = 0; x < columns->n; x++) {
    const uint8_t *pixel = line + (int64_t)columns->begin[x] * channels;
    const int32_t *weights = columns->weights + (int64_t)x * columns->taps;
    int32_t sums[MLA_MAX_CHANNELS];
    for (int c = 0; c < channels; c++) sums[c] = 1 << (BITS - 1);
    for (int k = 0; k < columns->count[x]; k++)
      for (int c = 0; c < channels; c++) sums[c] += *pixel++ * weights[k];
    for (int c = 0; c < channels; c++) *to++ = (uint8_t)(sums[c] >> BITS);
  }
}

static void resample_columns(const uint8_t *line, const MlaAxis *columns, int channels, uint8_t *to) {
  if (channels == 3)
    resample_line(line, columns, 3, to);
  else if (channels == 1)
    resample_line(line, columns, 1, to);
  else
    resample_line(line, columns, channels, to);
}

// Adds lines in blocks small enough for their sums to stay in the first cache.
static void resample_rows(const uint8_t *lines, int64_t stride, const int32_t *weights, int count,
                          uint8_t *to) {
  enum { BLOCK = 512 };
  int32_t sums[BLOCK];
  for (int64_t from = 0; from < stride; from += BLOCK) {
    int n = stride - from < BLOCK ? (int)(stride - from) : BLOCK;
    for (int i = 0; i < n; i++) sums[i] = 1 << (BITS - 1);
    for (int k = 0; k < count; k++) {
      const uint8_t *line = lines + k * stride + from;
      for (int i = 0; i < n; i++) sums[i] += line[i] * weights[k];
    }
    for (int i = 0; i < n; i++) to[from + i] = (uint8_t)(sums[i] >> BITS);
  }
}

void mla_resample(const MlaView *view, const MlaAxis *rows, const MlaAxis *columns, int channels,
                  uint8_t *lines, uint8_t *to) {
  int64_t stride = (int64_t)columns->n * channels;
  const uint8_t *line = view->pixels;
  for (int y = 0; y < rows->to - rows->from; y++, line += view->stride)
    resample_columns(line, columns, channels, lines + y * stride);
  for (int y = 0; y < rows->n; y++)
    resample_rows(lines + rows->begin[y] * stride, stride, rows->weights + (int64_t)y * rows->taps,
                  rows->count[y], to + y * stride);
}
