// fill: a constant scalar.
#include "compiler/ops/rules.h"

enum { VALUE };
const AttrDef fill_attrs[] = {{"value", ATTR_REAL, true, 0, "the constant"}, END_ATTRS};

bool fill_shape(ShapeQuery *query) {
  return shape_is_scalar(query);
}

void fill_grad(Grad *grad, const Node *node, NodeId cotangent) {
  stops_gradient(grad, node, cotangent);
}

void fill_host(const HostCall *call) {
  call->out.data[0] = call->attr[VALUE].r;
}

void fill_emit(Emit *emit, const Node *node) {
  emit_result(emit, "%s", emit_number(emit, node->attr[VALUE].r));
}
