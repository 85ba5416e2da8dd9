// See resample.h. The loops are written for the compiler to vectorise: this file is always built with -O3.
#include "runtime/data/resample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BITS = MLA_WEIGHT_BITS };

static bool make_room(MlaAxis *axis, int n, int taps, MlaError *error) {
  axis->n = n;
  axis->taps = taps;
  int64_t n_pairs = (taps + 1) / 2, wanted = (int64_t)n * (taps + 2 + MLA_PAIR * n_pairs);
  if (wanted > axis->capacity) {
    mla_axis_free(axis);
    axis->weights = malloc((size_t)wanted * sizeof(int32_t));
    if (!axis->weights) return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
    *axis = (MlaAxis){.n = n, .taps = taps, .weights = axis->weights, .capacity = wanted};
  }
  axis->begin = axis->weights + (int64_t)n * taps;
  axis->count = axis->begin + n;
  axis->pairs = axis->count + n;
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

// Two neighbouring weights, 16 bits each, as a processor's vector has them.
static int32_t pack(int32_t first, int32_t second) {
  return (int32_t)((uint32_t)first | (uint32_t)second << 16);
}

static void fill_pairs(int32_t *pairs, const int32_t *weights, int count, int n_pairs) {
  enum { HALF = BITS / 2, MASK = (1 << HALF) - 1 };
  for (int k = 0; k < 2 * n_pairs; k += 2, pairs += MLA_PAIR) {
    int32_t first = k < count ? weights[k] : 0, second = k + 1 < count ? weights[k + 1] : 0;
    for (int lane = 0; lane < MLA_PAIR / 2; lane++) {
      pairs[lane] = pack(first >> HALF, second >> HALF);
      pairs[MLA_PAIR / 2 + lane] = pack(first & MASK, second & MASK);
    }
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
  int most = 0;
  for (int i = 0; i < n; i++) most = axis->count[i] > most ? axis->count[i] : most;
  axis->n_pairs = (most + 1) / 2;
  for (int i = 0; i < n; i++) {
    axis->begin[i] -= axis->from;
    fill_pairs(axis->pairs + (int64_t)i * axis->n_pairs * MLA_PAIR, axis->weights + (int64_t)i * axis->taps,
               axis->count[i], axis->n_pairs);
  }
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
    mla_resample_columns3(line, columns, to);
  else if (channels == 1)
    resample_line(line, columns, 1, to);
  else
    resample_line(line, columns, channels, to);
}

static size_t line_bytes(const MlaAxis *columns, int channels) {
  return (size_t)(columns->to - columns->from) * (size_t)channels;
}

// How far mla_resample_columns3 may read behind a line.
static size_t overread(const MlaAxis *columns) {
  return 6 * (size_t)columns->n_pairs + 8;
}

size_t mla_resample_bytes(const MlaAxis *rows, const MlaAxis *columns, int channels) {
  return (size_t)(rows->to - rows->from) * (size_t)columns->n * (size_t)channels +
         line_bytes(columns, channels) + overread(columns);
}

// What lies behind a line may be read, so the last lines are copied to where there is room behind them.
void mla_resample(const MlaView *view, const MlaAxis *rows, const MlaAxis *columns, int channels,
                  uint8_t *scratch, uint8_t *to) {
  int64_t stride = (int64_t)columns->n * channels, n_lines = rows->to - rows->from;
  size_t n_bytes = line_bytes(columns, channels);
  uint8_t *roomy = scratch + n_lines * stride;
  const uint8_t *line = view->pixels;
  memset(roomy + n_bytes, 0, overread(columns));
  for (int64_t y = 0; y < n_lines; y++, line += view->stride) {
    bool is_tight = (size_t)(n_lines - 1 - y) * n_bytes < overread(columns);
    if (is_tight) memcpy(roomy, line, n_bytes);
    resample_columns(is_tight ? roomy : line, columns, channels, scratch + y * stride);
  }
  for (int y = 0; y < rows->n; y++)
    mla_resample_rows(scratch + rows->begin[y] * stride, stride, rows, y, to + y * stride);
}
