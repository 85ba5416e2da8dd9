// Sums over all elements of a tensor, to a scalar; for a mean divided by their count.
#pragma once
#include "compiler/ops/target.h"

static inline bool total_shape(ShapeQuery *query, const char *op) {
  return expect_numbers(query, op, 0) && shape_is_scalar(query);
}

static inline void total_grad(Grad *grad, const Node *node, NodeId cotangent, bool is_mean) {
  if (!grad_needed(grad, 0)) return;
  Shape in = graph_node(grad_graph(grad), node->in[0])->shape;
  if (in.rank == 0) {
    grad_add(grad, 0, cotangent);
    return;
  }
  Attr attr[N_TARGET_ATTRS + 2];
  target_set(attr, in);
  attr[N_TARGET_ATTRS] = attr_real(1);
  attr[N_TARGET_ATTRS + 1] = attr_int(is_mean);
  grad_add(grad, 0, grad_build(grad, OP_broadcast, &cotangent, 1, attr));
}

static inline double total_of(const HostTensor *tensor) {
  double sum = 0;
  for (int64_t i = 0, n = host_elems(tensor); i < n; i++) sum += tensor->data[i];
  return sum;
}
