// total_sum: scalar, the sum of all elements. The gradient of a spread scalar.
#include "compiler/ops/total.h"

const AttrDef total_sum_attrs[] = {END_ATTRS};

bool total_sum_shape(ShapeQuery *query) {
  return total_shape(query, "total_sum");
}

void total_sum_grad(Grad *grad, const Node *node, NodeId cotangent) {
  no_second_derivative(grad, node, cotangent);
}

void total_sum_host(const HostCall *call) {
  call->out.data[0] = total_of(&call->in[0]);
}

void total_sum_emit(Emit *emit, const Node *node) {
  (void)node;
  emit_sum(emit, 0, "%s", emit_in(emit, 0));
}
