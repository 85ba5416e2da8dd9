// Geometry of pooling: windows of kernel x kernel at every stride-th position of the padded input. Windows
// are clipped to the input, and at least one element of each lies inside it (the shape rule asks for pad <=
// kernel / 2).
#pragma once
#include "compiler/ops/rules.h"

enum { POOL_KERNEL, POOL_STRIDE, POOL_PAD, POOL_IN_H, POOL_IN_W };

#define POOL_ATTRS                                                                                           \
  {"kernel", ATTR_INT, true, 0, "extent of the square window"},                                              \
      {"stride", ATTR_INT, false, 0,                                                                         \
       "distance between windows; 0: as the kernel, so that they do not overlap"},                           \
  {                                                                                                          \
    "pad", ATTR_INT, false, 0, "rows and columns added on each side, at most half the kernel"                \
  }

typedef struct Window {
  int64_t kernel, stride, pad;
} Window;

static inline Window window_of(const Attr *attr) {
  Window window = {attr[POOL_KERNEL].i, attr[POOL_STRIDE].i, attr[POOL_PAD].i};
  if (window.stride == 0) window.stride = window.kernel;
  return window;
}

static inline int64_t window_count(const Window *window, int64_t extent) {
  return (extent + 2 * window->pad - window->kernel) / window->stride + 1;
}

static inline bool pool_shape(ShapeQuery *query, const char *op) {
  const Attr *attr = query->attr;
  if (!expect_image(query, op, 0) || !expect_range(query, op, "kernel", attr[POOL_KERNEL].i, 1) ||
      !expect_range(query, op, "stride", attr[POOL_STRIDE].i, 0) ||
      !expect_range(query, op, "pad", attr[POOL_PAD].i, 0))
    return false;
  Window window = window_of(attr);
  Shape in = query->in[0];
  if (2 * window.pad > window.kernel)
    return shape_fail(query, -1, "%s: pad %lld is more than half of the kernel, %lld", op,
                      (long long)window.pad, (long long)window.kernel);
  if (in.dim[1] + 2 * window.pad < window.kernel || in.dim[2] + 2 * window.pad < window.kernel)
    return shape_fail(query, 0,
                      "%s: a %lld x %lld window with pad %lld does not fit in x, which is %lld x %lld", op,
                      (long long)window.kernel, (long long)window.kernel, (long long)window.pad,
                      (long long)in.dim[1], (long long)in.dim[2]);
  query->out = image_shape(window_count(&window, in.dim[1]), window_count(&window, in.dim[2]), in.dim[3]);
  return true;
}

// ---- one axis, on the host: [begin, end) ----

typedef struct Run {
  int64_t begin, end;
} Run;

// The input elements of window `i`.
static inline Run window_inputs(const Window *window, int64_t i, int64_t extent) {
  int64_t begin = i * window->stride - window->pad, end = begin + window->kernel;
  return (Run){begin < 0 ? 0 : begin, end > extent ? extent : end};
}

// Sum of channel `c` over a rectangle, and the same rectangle with `value` added.
static inline double run_sum(const HostTensor *tensor, int64_t n, Run rows, Run columns, int64_t c) {
  double sum = 0;
  for (int64_t y = rows.begin; y < rows.end; y++)
    for (int64_t x = columns.begin; x < columns.end; x++) sum += *host_at(tensor, n, y, x, c);
  return sum;
}

static inline void run_add(const HostTensor *tensor, int64_t n, Run rows, Run columns, int64_t c,
                           double value) {
  for (int64_t y = rows.begin; y < rows.end; y++)
    for (int64_t x = columns.begin; x < columns.end; x++) *host_at(tensor, n, y, x, c) += value;
}

// ---- in emitted text ----

static inline EmitAxis window_axis(Emit *emit, const Window *window, int64_t n_out, int64_t n_in) {
  EmitAxis axis = emit_axis(emit, n_out, n_in);
  for (int64_t i = 0; i < n_out; i++) {
    Run run = window_inputs(window, i, n_in);
    for (int64_t k = run.begin; k < run.end; k++) axis.weight[i * n_in + k] = 1.0 / (double)window->kernel;
  }
  return axis;
}

// `vec sum` of input `i` over rows [row_begin, row_end) and columns [col_begin, col_end).
static inline void emit_run_sum(Emit *emit, int i) {
  emit_line(emit, "vec sum = {0};");
  emit_line(emit, "for (long row = row_begin; row < row_end; row++) {");
  emit_line(emit, "for (long col = col_begin; col < col_end; col++) {");
  emit_line(emit, "sum = sum + %s;", emit_load(emit, i, "n", "row", "col"));
  emit_line(emit, "}");
  emit_line(emit, "}");
}

// `long AXIS_begin, AXIS_end`: the input elements of window `position`.
static inline void emit_window_inputs(Emit *emit, const Window *window, const char *axis,
                                      const char *position, int64_t extent) {
  long kernel = (long)window->kernel, stride = (long)window->stride, pad = (long)window->pad;
  emit_line(emit, "long %s_first = %s * %ld - %ld;", axis, position, stride, pad);
  emit_line(emit, "long %s_begin = %s_first < 0 ? 0 : %s_first;", axis, axis, axis);
  emit_line(emit, "long %s_end = %s_first + %ld < %ld ? %s_first + %ld : %ld;", axis, axis, kernel,
            (long)extent, axis, kernel, (long)extent);
}

// `long AXIS_begin, AXIS_end`: the windows that cover input element `position`, of `n_windows`.
static inline void emit_covering_windows(Emit *emit, const Window *window, const char *axis,
                                         const char *position, int64_t n_windows) {
  long kernel = (long)window->kernel, stride = (long)window->stride, pad = (long)window->pad,
       n = (long)n_windows;
  emit_line(emit, "long %s_padded = %s + %ld, %s_last = %s_padded / %ld;", axis, position, pad, axis, axis,
            stride);
  emit_line(emit, "long %s_begin = %s_padded < %ld ? 0 : (%s_padded - %ld) / %ld;", axis, axis, kernel, axis,
            kernel - stride, stride);
  emit_line(emit, "long %s_end = %s_last < %ld ? %s_last + 1 : %ld;", axis, axis, n, axis, n);
}
