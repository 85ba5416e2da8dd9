// Losses over all pairs of rows of a batch: checks, and the products of rows in double.
#pragma once
#include "compiler/ops/rules.h"

static inline bool rows_and_labels(ShapeQuery *query, const char *op, int rows, int labels) {
  Shape x = query->in[rows];
  if (x.rank != 2)
    return shape_fail(query, rows, "%s expects [batch, features], x is %s%s", op, shape_text(query->arena, x),
                      x.rank == 4 ? ": pool or flatten it first" : "");
  if (!is_labels(query->in[labels]))
    return shape_fail(query, labels, "%s expects the class labels, its target is %s", op,
                      shape_text(query->arena, query->in[labels]));
  return true;
}

static inline bool expect_positive(ShapeQuery *query, const char *op, const char *name, double value) {
  return value > 0 || shape_fail(query, -1, "%s: %s must be above 0, it is %g", op, name, value);
}

static inline double host_dot(const HostTensor *rows, int64_t a, int64_t b) {
  int64_t n = host_channels(rows);
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += rows->data[a * n + i] * rows->data[b * n + i];
  return sum;
}

// out row a += scale * row b.
static inline void host_add_row(const HostTensor *out, int64_t a, double scale, const HostTensor *rows,
                                int64_t b) {
  int64_t n = host_channels(rows);
  for (int64_t i = 0; i < n; i++) out->data[a * n + i] += scale * rows->data[b * n + i];
}
