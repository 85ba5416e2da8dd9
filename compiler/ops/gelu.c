// gelu: x times the probability that a standard normal number lies below x.
#include "compiler/ops/gelu.h"

const AttrDef gelu_attrs[] = {END_ATTRS};

bool gelu_shape(ShapeQuery *query) {
  return expect_numbers(query, "gelu", 0) && shape_is_input(query, 0);
}

void gelu_grad(Grad *grad, const Node *node, NodeId cotangent) {
  if (!grad_needed(grad, 0)) return;
  NodeId in[] = {cotangent, node->in[0]};
  grad_add(grad, 0, grad_build(grad, OP_gelu_grad, in, 2, NULL));
}

void gelu_host(const HostCall *call) {
  const double *x = call->in[0].data;
  for (int64_t i = 0, n = host_elems(&call->out); i < n; i++) call->out.data[i] = x[i] * normal_below(x[i]);
}

void gelu_emit(Emit *emit, const Node *node) {
  (void)node;
  const char *x = emit_in(emit, 0);
  emit_result(emit, "%s * (%s)", x, emit_normal_below(emit, x));
}
