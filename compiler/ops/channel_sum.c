// channel_sum: [channels], the sum over batch and positions. The gradient of a spread vector (a bias).
#include "compiler/ops/rules.h"

const AttrDef channel_sum_attrs[] = {END_ATTRS};

bool channel_sum_shape(ShapeQuery *query) {
  Shape x = query->in[0];
  if (x.rank < 2)
    return shape_fail(query, 0, "channel_sum expects a tensor with channels, x is %s",
                      shape_text(query->arena, x));
  query->out = (Shape){.rank = 1, .dim = {shape_channels(x)}};
  return true;
}

void channel_sum_grad(Grad *grad, const Node *node, NodeId cotangent) {
  no_second_derivative(grad, node, cotangent);
}

void channel_sum_host(const HostCall *call) {
  int64_t channels = host_elems(&call->out);
  host_zero(&call->out);
  for (int64_t i = 0, n = host_elems(&call->in[0]); i < n; i++)
    call->out.data[i % channels] += call->in[0].data[i];
}

void channel_sum_emit(Emit *emit, const Node *node) {
  (void)node;
  emit_sum(emit, 0, "%s", emit_in(emit, 0));
}
