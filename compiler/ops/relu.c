// relu: max(x, 0). A NaN stays one, so that a run that diverged is noticed.
#include "compiler/ops/rules.h"

const AttrDef relu_attrs[] = {END_ATTRS};

bool relu_shape(ShapeQuery *query) {
  return expect_numbers(query, "relu", 0) && shape_is_input(query, 0);
}

void relu_grad(Grad *grad, const Node *node, NodeId cotangent) {
  (void)node;
  if (!grad_needed(grad, 0)) return;
  NodeId in[] = {cotangent, grad_output(grad)};
  Attr slope = attr_real(0);
  grad_add(grad, 0, grad_build(grad, OP_gate, in, 2, &slope));
}

void relu_host(const HostCall *call) {
  const double *x = call->in[0].data;
  for (int64_t i = 0, n = host_elems(&call->out); i < n; i++) call->out.data[i] = x[i] < 0 ? 0 : x[i];
}

void relu_emit(Emit *emit, const Node *node) {
  (void)node;
  emit_result(emit, "mla_max(%s, %s)", emit_in(emit, 0), emit_number(emit, 0));
}
