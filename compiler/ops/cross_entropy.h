// What cross_entropy and its gradient share. Both work on one row of logits after another, in plain scalar
// code.
#pragma once
#include "compiler/ops/rules.h"

enum { SMOOTHING };
#define SMOOTHING_ATTR                                                                                       \
  { "smoothing", ATTR_REAL, false, 0, "share of the target spread evenly over all classes" }

static inline bool logits_and_labels(ShapeQuery *query, int logits, int labels) {
  Shape x = query->in[logits];
  if (x.rank != 2)
    return shape_fail(query, logits, "cross_entropy expects logits [batch, classes], x is %s%s",
                      shape_text(query->arena, x), x.rank == 4 ? ": pool or flatten it first" : "");
  if (!is_labels(query->in[labels]))
    return shape_fail(query, labels, "cross_entropy expects the class labels, its target is %s",
                      shape_text(query->arena, query->in[labels]));
  double smoothing = query->attr[SMOOTHING].r;
  if (!(smoothing >= 0 && smoothing <= 1))
    return shape_fail(query, -1, "cross_entropy: smoothing must be from 0 to 1, it is %g", smoothing);
  return true;
}

// log(sum exp) of a row, without overflow.
static inline double host_log_sum(const double *row, int64_t classes) {
  double top = row[0], sum = 0;
  for (int64_t k = 1; k < classes; k++) top = fmax(top, row[k]);
  for (int64_t k = 0; k < classes; k++) sum += exp(row[k] - top);
  return top + log(sum);
}

// `const real *row`, `real log_sum` of image n.
static inline void emit_log_sum(Emit *emit, int input, long classes) {
  emit_line(emit, "const real *row = in%d + n * %ld;", input, classes);
  const char *each = emit_each(emit, "k", classes, 1);
  emit_line(emit, "real most = row[0], sum = 0;");
  emit_line(emit, "%s most = mla_max(most, row[k]);", each);
  emit_line(emit, "const real top = %s;", emit_largest(emit, "most", false));
  emit_line(emit, "%s sum += mla_exp(row[k] - top);", each);
  emit_line(emit, "const real log_sum = top + mla_log(%s);", emit_total(emit, "sum", false));
}
