// input: what the runtime hands to a step. A leaf: the node's shape is given by whoever creates it.
#include "compiler/ops/rules.h"

const AttrDef input_attrs[] = {
    {"kind", ATTR_INT, true, 0, "0: images, 1: labels, 2: learning rate, 3: keys of the step"}, END_ATTRS};

bool input_shape(ShapeQuery *query) {
  (void)query;
  return true;
}

void input_grad(Grad *grad, const Node *node, NodeId cotangent) {
  stops_gradient(grad, node, cotangent);
}

void input_host(const HostCall *call) {
  (void)call;
}

void input_emit(Emit *emit, const Node *node) {
  no_kernel(emit, node);
}
