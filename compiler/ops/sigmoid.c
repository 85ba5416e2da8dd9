// sigmoid: s = 1 / (1 + exp(-x)); its derivative is s (1 - s).
#include "compiler/ops/rules.h"

const AttrDef sigmoid_attrs[] = {END_ATTRS};

bool sigmoid_shape(ShapeQuery *query) {
  return expect_numbers(query, "sigmoid", 0) && shape_is_input(query, 0);
}

void sigmoid_grad(Grad *grad, const Node *node, NodeId cotangent) {
  (void)node;
  if (!grad_needed(grad, 0)) return;
  NodeId s = grad_output(grad);
  Attr minus_plus_one[] = {attr_real(-1), attr_real(1)};
  NodeId rest = grad_build(grad, OP_affine, &s, 1, minus_plus_one);
  NodeId slope = grad_build(grad, OP_mul, (NodeId[]){s, rest}, 2, NULL);
  grad_add(grad, 0, grad_build(grad, OP_mul, (NodeId[]){cotangent, slope}, 2, NULL));
}

void sigmoid_host(const HostCall *call) {
  const double *x = call->in[0].data;
  for (int64_t i = 0, n = host_elems(&call->out); i < n; i++) call->out.data[i] = 1 / (1 + exp(-x[i]));
}

void sigmoid_emit(Emit *emit, const Node *node) {
  (void)node;
  emit_result(emit, "mla_sigmoid(%s)", emit_in(emit, 0));
}
