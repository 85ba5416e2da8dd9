// reshape: the same elements in the shape that the attributes give.
#include "compiler/ops/target.h"

const AttrDef reshape_attrs[] = {TARGET_ATTRS, END_ATTRS};

static int batch_extents(Shape shape) {
  int n = 0;
  for (int i = 0; i < shape.rank; i++) n += shape.dim[i] == DIM_BATCH;
  return n;
}

bool reshape_shape(ShapeQuery *query) {
  Shape in = query->in[0], out = target_shape(query->attr);
  if (batch_extents(in) != batch_extents(out) || shape_elems(in, 1) != shape_elems(out, 1))
    return shape_fail(query, 0, "reshape cannot make %s of %s: the numbers of elements differ",
                      shape_text(query->arena, out), shape_text(query->arena, in));
  query->out = out;
  return true;
}

void reshape_grad(Grad *grad, const Node *node, NodeId cotangent) {
  if (!grad_needed(grad, 0)) return;
  Attr attr[N_TARGET_ATTRS];
  target_set(attr, graph_node(grad_graph(grad), node->in[0])->shape);
  grad_add(grad, 0, grad_build(grad, OP_reshape, &cotangent, 1, attr));
}

void reshape_host(const HostCall *call) {
  host_copy(call);
}

void reshape_emit(Emit *emit, const Node *node) {
  no_kernel(emit, node);
}
