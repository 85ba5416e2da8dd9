// part: row `index` of a packed [n, channels] tensor. What is packed is never differentiated through: the
// rules of the forward operators (batch_norm) go round the statistics.
#include "compiler/ops/rules.h"

enum { INDEX };
const AttrDef part_attrs[] = {{"index", ATTR_INT, true, 0, "the row, from 0"}, END_ATTRS};

bool part_shape(ShapeQuery *query) {
  Shape in = query->in[0];
  int64_t index = query->attr[INDEX].i;
  if (in.rank != 2 || index < 0 || index >= in.dim[0])
    return shape_fail(query, 0, "part: there is no row %lld in %s", (long long)index,
                      shape_text(query->arena, in));
  query->out = (Shape){.rank = 1, .dim = {in.dim[1]}};
  return true;
}

void part_grad(Grad *grad, const Node *node, NodeId cotangent) {
  no_second_derivative(grad, node, cotangent);
}

void part_host(const HostCall *call) {
  int64_t channels = host_elems(&call->out);
  memcpy(call->out.data, call->in[0].data + call->attr[INDEX].i * channels,
         sizeof(double) * (size_t)channels);
}

void part_emit(Emit *emit, const Node *node) {
  no_kernel(emit, node);
}
