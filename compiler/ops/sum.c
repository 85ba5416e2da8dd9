// sum: scalar, the sum of all elements.
#include "compiler/ops/total.h"

const AttrDef sum_attrs[] = {END_ATTRS};

bool sum_shape(ShapeQuery *query) {
  return total_shape(query, "sum");
}

void sum_grad(Grad *grad, const Node *node, NodeId cotangent) {
  total_grad(grad, node, cotangent, false);
}

void sum_host(const HostCall *call) {
  call->out.data[0] = total_of(&call->in[0]);
}

void sum_emit(Emit *emit, const Node *node) {
  (void)node;
  emit_sum(emit, 0, "%s", emit_in(emit, 0));
}
