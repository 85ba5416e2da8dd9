// What the four batch norm operators share: the epsilon and the check of the per-channel operands.
#pragma once
#include "compiler/ops/rules.h"

enum { BN_EPS };
#define BN_ATTRS                                                                                             \
  { "eps", ATTR_REAL, false, 1e-5, "added to the variance" }

static inline bool bn_operands(ShapeQuery *query, const char *op, int first) {
  Shape x = query->in[0];
  if (x.rank < 2)
    return shape_fail(query, 0, "%s expects a tensor with channels, x is %s", op,
                      shape_text(query->arena, x));
  for (int i = first; i < query->n_in; i++)
    if (!expect_per_channel(query, op, i, shape_channels(x))) return false;
  return true;
}

static inline double bn_inverse_deviation(const HostTensor *var, int64_t i, const Attr *attr) {
  return 1 / sqrt(host_spread(var, i) + attr[BN_EPS].r);
}
