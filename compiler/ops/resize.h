// Bilinear resize with aligned corners: output i of n reads input i (m - 1) / (n - 1) of m. Positions are
// kept as whole multiples of 1 / (n - 1), so that which neighbours are read is exact.
#pragma once
#include "compiler/ops/rules.h"

// n - 1, or 1 for a single output, which reads input 0.
static inline int64_t resize_unit(int64_t n_out) {
  return n_out > 1 ? n_out - 1 : 1;
}

typedef struct Blend {
  int64_t low, high; // the two neighbours, equal at the end
  double weight;     // of `high`
} Blend;

static inline Blend resize_blend(int64_t i, int64_t n_out, int64_t n_in) {
  int64_t unit = resize_unit(n_out), position = i * (n_in - 1), low = position / unit;
  return (Blend){low, low + (low < n_in - 1), (double)(position - low * unit) / (double)unit};
}

static inline EmitAxis resize_axis(Emit *emit, int64_t n_out, int64_t n_in) {
  EmitAxis axis = emit_axis(emit, n_out, n_in);
  for (int64_t i = 0; i < n_out; i++) {
    Blend blend = resize_blend(i, n_out, n_in);
    axis.weight[i * n_in + blend.low] += 1 - blend.weight;
    axis.weight[i * n_in + blend.high] += blend.weight;
  }
  return axis;
}
