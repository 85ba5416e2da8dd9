// flatten: [batch, height, width, channels] as [batch, features], in memory order (channels fastest).
#include "compiler/ops/target.h"

const AttrDef flatten_attrs[] = {END_ATTRS};

bool flatten_shape(ShapeQuery *query) {
  Shape in = query->in[0];
  if (in.rank < 2 || in.dim[0] != DIM_BATCH)
    return shape_fail(query, 0, "flatten expects a tensor with a batch and features, x is %s",
                      shape_text(query->arena, in));
  int64_t features = 1;
  for (int i = 1; i < in.rank; i++) features *= in.dim[i];
  query->out = (Shape){.rank = 2, .dim = {DIM_BATCH, features}};
  return true;
}

void flatten_grad(Grad *grad, const Node *node, NodeId cotangent) {
  if (!grad_needed(grad, 0)) return;
  Attr attr[N_TARGET_ATTRS];
  target_set(attr, graph_node(grad_graph(grad), node->in[0])->shape);
  grad_add(grad, 0, grad_build(grad, OP_reshape, &cotangent, 1, attr));
}

void flatten_host(const HostCall *call) {
  host_copy(call);
}

void flatten_emit(Emit *emit, const Node *node) {
  no_kernel(emit, node);
}
