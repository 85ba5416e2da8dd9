// slice: the window of height x width at (top, left).
#include "compiler/ops/rules.h"

enum { TOP, LEFT, HEIGHT, WIDTH };
const AttrDef slice_attrs[] = {{"top", ATTR_INT, true, 0, "first row"},
                               {"left", ATTR_INT, true, 0, "first column"},
                               {"height", ATTR_INT, true, 1, "rows"},
                               {"width", ATTR_INT, true, 1, "columns"},
                               END_ATTRS};

bool slice_shape(ShapeQuery *query) {
  const Attr *attr = query->attr;
  if (!expect_image(query, "slice", 0) || !expect_range(query, "slice", "top", attr[TOP].i, 0) ||
      !expect_range(query, "slice", "left", attr[LEFT].i, 0) ||
      !expect_range(query, "slice", "height", attr[HEIGHT].i, 1) ||
      !expect_range(query, "slice", "width", attr[WIDTH].i, 1))
    return false;
  Shape in = query->in[0];
  if (attr[TOP].i + attr[HEIGHT].i > in.dim[1] || attr[LEFT].i + attr[WIDTH].i > in.dim[2])
    return shape_fail(query, 0,
                      "slice: %lld x %lld at row %lld, column %lld reaches beyond x, which is %lld x %lld",
                      (long long)attr[HEIGHT].i, (long long)attr[WIDTH].i, (long long)attr[TOP].i,
                      (long long)attr[LEFT].i, (long long)in.dim[1], (long long)in.dim[2]);
  query->out = image_shape(attr[HEIGHT].i, attr[WIDTH].i, in.dim[3]);
  return true;
}

void slice_grad(Grad *grad, const Node *node, NodeId g) {
  if (!grad_needed(grad, 0)) return;
  Shape in = graph_node(grad_graph(grad), node->in[0])->shape;
  Attr attr[] = {node->attr[TOP], node->attr[LEFT], attr_int(in.dim[1]), attr_int(in.dim[2])};
  grad_add(grad, 0, grad_build(grad, OP_slice_grad, &g, 1, attr));
}

void slice_host(const HostCall *call) {
  const int64_t *dim = call->out.shape.dim;
  for (int64_t n = 0; n < dim[0]; n++)
    for (int64_t y = 0; y < dim[1]; y++)
      memcpy(host_at(&call->out, n, y, 0, 0),
             host_at(&call->in[0], n, y + call->attr[TOP].i, call->attr[LEFT].i, 0),
             sizeof(double) * (size_t)(dim[2] * dim[3]));
}

void slice_emit(Emit *emit, const Node *node) {
  emit_gather(emit, node, 0);
  emit_line(emit, "long row = y + %ld, col = x + %ld;", (long)node->attr[TOP].i, (long)node->attr[LEFT].i);
  emit_result(emit, "%s", emit_load(emit, 0, "n", "row", "col"));
}
