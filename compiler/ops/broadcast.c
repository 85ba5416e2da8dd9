// broadcast: a scalar in every element of a shape, times `scale`; divided by the element count where the
// scalar is the gradient of a mean (the count depends on the batch, so it is no constant of the plan).
#include "compiler/ops/target.h"

enum { SCALE = N_TARGET_ATTRS, DIVIDE };
const AttrDef broadcast_attrs[] = {
    TARGET_ATTRS,
    {"scale", ATTR_REAL, false, 1, "factor"},
    {"divide_by_count", ATTR_BOOL, false, 0, "divide by the number of elements"},
    END_ATTRS};

bool broadcast_shape(ShapeQuery *query) {
  if (query->in[0].rank != 0)
    return shape_fail(query, 0, "broadcast expects a scalar, x is %s",
                      shape_text(query->arena, query->in[0]));
  if (query->attr[TARGET_RANK].i < 1) return shape_fail(query, -1, "broadcast to a scalar is no broadcast");
  query->out = target_shape(query->attr);
  return true;
}

void broadcast_grad(Grad *grad, const Node *node, NodeId cotangent) {
  no_second_derivative(grad, node, cotangent);
}

void broadcast_host(const HostCall *call) {
  int64_t n = host_elems(&call->out);
  double value = call->in[0].data[0] * call->attr[SCALE].r;
  if (call->attr[DIVIDE].i) value /= (double)n;
  for (int64_t i = 0; i < n; i++) call->out.data[i] = value;
}

void broadcast_emit(Emit *emit, const Node *node) {
  const char *value = emit_in(emit, 0), *count = emit_elems(emit);
  double scale = node->attr[SCALE].r;
  if (scale != 1) value = emit_channel(emit, "%s * %s", value, emit_number(emit, scale));
  if (node->attr[DIVIDE].i) value = emit_channel(emit, "%s / %s", value, count);
  emit_result(emit, "%s", value);
}
