// tap: identity. Backward, the cotangent may run through `reach` modules, this one included; the walk of
// pass_differentiate reads the attribute.
#include "compiler/ops/rules.h"

enum { REACH };
const AttrDef tap_attrs[] = {{"reach", ATTR_INT, true, 1, "modules that the gradient runs through, from 1"},
                             END_ATTRS};

bool tap_shape(ShapeQuery *query) {
  return expect_range(query, "tap", "reach", query->attr[REACH].i, 1) && shape_is_input(query, 0);
}

void tap_grad(Grad *grad, const Node *node, NodeId cotangent) {
  (void)node;
  grad_add(grad, 0, cotangent);
}

void tap_host(const HostCall *call) {
  host_copy(call);
}

void tap_emit(Emit *emit, const Node *node) {
  (void)node;
  emit_result(emit, "%s", emit_in(emit, 0));
}
