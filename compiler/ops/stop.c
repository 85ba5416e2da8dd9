// stop: identity forward, no gradient backward.
#include "compiler/ops/rules.h"

const AttrDef stop_attrs[] = {END_ATTRS};

bool stop_shape(ShapeQuery *query) {
  return expect_numbers(query, "stop", 0) && shape_is_input(query, 0);
}

void stop_grad(Grad *grad, const Node *node, NodeId cotangent) {
  stops_gradient(grad, node, cotangent);
}

void stop_host(const HostCall *call) {
  host_copy(call);
}

void stop_emit(Emit *emit, const Node *node) {
  (void)node;
  emit_result(emit, "%s", emit_in(emit, 0));
}
