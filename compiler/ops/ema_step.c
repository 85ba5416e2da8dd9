// ema_step(sources...): e <- m e + (1 - m) source, on a run of EMA copies.
#include "compiler/ops/rules.h"

enum { MOMENTUM };
const AttrDef ema_step_attrs[] = {{"momentum", ATTR_REAL, true, 0, "weight of the old value"}, END_ATTRS};

bool ema_step_shape(ShapeQuery *query) {
  return shape_is_scalar(query);
}

void ema_step_grad(Grad *grad, const Node *node, NodeId cotangent) {
  no_second_derivative(grad, node, cotangent);
}

void ema_step_host(const HostCall *call) {
  double momentum = call->attr[MOMENTUM].r;
  for (int s = 0; s < call->n_states; s++) host_ema(&call->states[s], &call->in[s], momentum);
}

void ema_step_emit(Emit *emit, const Node *node) {
  emit_ema(emit, node);
}
