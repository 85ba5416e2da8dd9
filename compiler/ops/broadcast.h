// Element-wise operators of two operands: equal shapes, or one operand a [channels] vector or a scalar that
// is spread over the other. The gradient of a spread operand is the sum over what it was spread to.
#pragma once
#include "compiler/ops/rules.h"

// True if `small` is spread over `big`.
static inline bool spreads_over(Shape small, Shape big) {
  if (small.rank == 0) return true;
  return small.rank == 1 && big.rank > 0 && small.dim[0] == big.dim[big.rank - 1];
}

static inline bool operands_shape(ShapeQuery *query, const char *op) {
  if (!expect_numbers(query, op, 0) || !expect_numbers(query, op, 1)) return false;
  Shape a = query->in[0], b = query->in[1];
  if (shape_equal(a, b) || spreads_over(b, a)) return shape_is_input(query, 0);
  if (spreads_over(a, b)) return shape_is_input(query, 1);
  return shape_fail(query, 1,
                    "%s cannot combine %s with %s: the shapes must be equal, or one a scalar or [channels]",
                    op, shape_text(query->arena, a), shape_text(query->arena, b));
}

// The gradient of an operand of shape `operand` from the cotangent in the shape of the result.
static inline NodeId operand_gradient(Grad *grad, Shape operand, NodeId cotangent) {
  Shape full = graph_node(grad_graph(grad), cotangent)->shape;
  if (shape_equal(operand, full)) return cotangent;
  OpKind sum = operand.rank == 0 ? OP_total_sum : OP_channel_sum;
  return grad_build(grad, sum, &cotangent, 1, NULL);
}
