// mean: scalar, the mean of all elements.
#include "compiler/ops/total.h"

const AttrDef mean_attrs[] = {END_ATTRS};

bool mean_shape(ShapeQuery *query) {
  return total_shape(query, "mean");
}

void mean_grad(Grad *grad, const Node *node, NodeId cotangent) {
  total_grad(grad, node, cotangent, true);
}

void mean_host(const HostCall *call) {
  call->out.data[0] = total_of(&call->in[0]) / (double)host_elems(&call->in[0]);
}

void mean_emit(Emit *emit, const Node *node) {
  (void)node;
  emit_sum(emit, 0, "%s", emit_in(emit, 0));
  emit_reduced(emit, 0, "sum0 / %s", emit_elems(emit));
}
