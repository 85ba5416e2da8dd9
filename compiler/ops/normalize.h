// What normalize and its gradient share: y = d / s, d = x (minus the row's mean, if centred), s = max(|d| + eps, floor).
#pragma once
#include "compiler/ops/rules.h"

enum { NORMALIZE_CENTER, NORMALIZE_EPS, NORMALIZE_FLOOR };

#define NORMALIZE_ATTRS                                                                                      \
  {"center", ATTR_BOOL, false, 0, "subtract the row's mean first"},                                          \
      {"eps", ATTR_REAL, false, 0, "added to the norm"}, {                                                   \
    "floor", ATTR_REAL, false, 1e-12, "the smallest divisor"                                                 \
  }

static inline bool normalize_operand(ShapeQuery *query, int input) {
  Shape x = query->in[input];
  if (x.rank == 2) return true;
  return shape_fail(query, input, "normalize expects [batch, features], x is %s%s",
                    shape_text(query->arena, x), x.rank == 4 ? ": pool or flatten it first" : "");
}

// What a row is divided by.
typedef struct RowSize {
  double mean, norm, divisor;
} RowSize;

static inline RowSize row_size(const double *row, int64_t n, const Attr *attr) {
  RowSize size = {0};
  for (int64_t i = 0; i < n && attr[NORMALIZE_CENTER].i; i++) size.mean += row[i] / (double)n;
  for (int64_t i = 0; i < n; i++) size.norm += (row[i] - size.mean) * (row[i] - size.mean);
  size.norm = sqrt(size.norm);
  size.divisor = fmax(size.norm + attr[NORMALIZE_EPS].r, attr[NORMALIZE_FLOOR].r);
  return size;
}

// `x`, `mean`, `norm`, `scale` (one over the divisor) of row r.
static inline void emit_row_size(Emit *emit, const Node *node, int input, int lanes) {
  const Attr *attr = node->attr;
  long features = (long)shape_channels(node->shape);
  emit_line(emit, "const real *x = in%d + r * %ld;", input, features);
  if (attr[NORMALIZE_CENTER].i) {
    emit_line(emit, "vec sum = {0};");
    emit_line(emit, "%s sum += mla_load(x + c);", emit_each(emit, "c", features, lanes));
    emit_line(emit, "const real mean = %s / (real)%ld;", emit_total(emit, "sum", true), features);
  } else {
    emit_line(emit, "const real mean = 0;");
  }
  emit_line(emit, "vec squares = {0};");
  emit_line(emit, "%s {", emit_each(emit, "c", features, lanes));
  emit_line(emit, "const vec d = mla_load(x + c) - mean;");
  emit_line(emit, "squares += d * d;");
  emit_line(emit, "}");
  emit_line(emit, "const real norm = mla_sqrt(%s);", emit_total(emit, "squares", true));
  emit_line(emit, "const real scale = 1 / mla_max(norm + %s, %s);", emit_number(emit, attr[NORMALIZE_EPS].r),
            emit_number(emit, attr[NORMALIZE_FLOOR].r));
}
