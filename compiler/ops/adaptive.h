// Adaptive pooling: output i of n covers the inputs [floor(i m / n), ceil((i + 1) m / n)) of m. The windows
// that cover input j are therefore [floor(j n / m), floor(((j + 1) n - 1) / m)].
#pragma once
#include "compiler/ops/window.h"

static inline Run adaptive_inputs(int64_t i, int64_t n_out, int64_t n_in) {
  return (Run){i * n_in / n_out, ((i + 1) * n_in + n_out - 1) / n_out};
}

// Elements in the window of output (y, x).
static inline double adaptive_count(Run rows, Run columns) {
  return (double)((rows.end - rows.begin) * (columns.end - columns.begin));
}

static inline void emit_adaptive_inputs(Emit *emit, const char *axis, const char *position, int64_t n_out,
                                        int64_t n_in) {
  long in = (long)n_in, out = (long)n_out;
  emit_line(emit, "long %s_begin = %s * %ld / %ld, %s_end = ((%s + 1) * %ld + %ld) / %ld;", axis, position,
            in, out, axis, position, in, out - 1, out);
}

static inline EmitAxis adaptive_axis(Emit *emit, int64_t n_out, int64_t n_in) {
  EmitAxis axis = emit_axis(emit, n_out, n_in);
  for (int64_t i = 0; i < n_out; i++) {
    Run run = adaptive_inputs(i, n_out, n_in);
    for (int64_t k = run.begin; k < run.end; k++)
      axis.weight[i * n_in + k] = 1.0 / (double)(run.end - run.begin);
  }
  return axis;
}
