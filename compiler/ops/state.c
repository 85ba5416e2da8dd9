// state: the present value of a state. A leaf: the node's shape is that of the state, given by whoever
// creates it.
#include "compiler/ops/rules.h"

const AttrDef state_attrs[] = {END_ATTRS};

bool state_shape(ShapeQuery *query) {
  (void)query;
  return true;
}

void state_grad(Grad *grad, const Node *node, NodeId cotangent) {
  stops_gradient(grad, node, cotangent);
}

void state_host(const HostCall *call) {
  (void)call;
}

void state_emit(Emit *emit, const Node *node) {
  no_kernel(emit, node);
}
