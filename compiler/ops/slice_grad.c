// slice_grad(g): g inside the window, zero outside.
#include "compiler/ops/rules.h"

enum { TOP, LEFT, IN_H, IN_W };
const AttrDef slice_grad_attrs[] = {{"top", ATTR_INT, true, 0, "first row"},
                                    {"left", ATTR_INT, true, 0, "first column"},
                                    {"in_h", ATTR_INT, true, 0, "height of x"},
                                    {"in_w", ATTR_INT, true, 0, "width of x"},
                                    END_ATTRS};

bool slice_grad_shape(ShapeQuery *query) {
  if (!expect_image(query, "slice_grad", 0)) return false;
  query->out = image_shape(query->attr[IN_H].i, query->attr[IN_W].i, query->in[0].dim[3]);
  return true;
}

void slice_grad_grad(Grad *grad, const Node *node, NodeId cotangent) {
  no_second_derivative(grad, node, cotangent);
}

void slice_grad_host(const HostCall *call) {
  const int64_t *dim = call->in[0].shape.dim;
  host_zero(&call->out);
  for (int64_t n = 0; n < dim[0]; n++)
    for (int64_t y = 0; y < dim[1]; y++)
      memcpy(host_at(&call->out, n, y + call->attr[TOP].i, call->attr[LEFT].i, 0),
             host_at(&call->in[0], n, y, 0, 0), sizeof(double) * (size_t)(dim[2] * dim[3]));
}

void slice_grad_emit(Emit *emit, const Node *node) {
  Shape g = emit_input_shape(emit, 0);
  emit_gather(emit, node, 0);
  emit_line(emit, "long row = y - %ld, col = x - %ld;", (long)node->attr[TOP].i, (long)node->attr[LEFT].i);
  emit_line(emit, "vec value = {0};");
  emit_line(emit, "if (row >= 0 && row < %ld && col >= 0 && col < %ld) {", (long)g.dim[1], (long)g.dim[2]);
  emit_line(emit, "value = %s;", emit_load(emit, 0, "n", "row", "col"));
  emit_line(emit, "}");
  emit_result(emit, "value");
}
