// resize: bilinear, to height x width, corners aligned.
#include "compiler/ops/resize.h"

enum { HEIGHT, WIDTH };
const AttrDef resize_attrs[] = {{"height", ATTR_INT, true, 1, "height of the result"},
                                {"width", ATTR_INT, true, 1, "width of the result"},
                                END_ATTRS};

bool resize_shape(ShapeQuery *query) {
  int64_t height = query->attr[HEIGHT].i, width = query->attr[WIDTH].i;
  if (!expect_image(query, "resize", 0) || !expect_range(query, "resize", "height", height, 1) ||
      !expect_range(query, "resize", "width", width, 1))
    return false;
  query->out = image_shape(height, width, query->in[0].dim[3]);
  return true;
}

void resize_grad(Grad *grad, const Node *node, NodeId g) {
  if (!grad_needed(grad, 0)) return;
  Shape in = graph_node(grad_graph(grad), node->in[0])->shape;
  Attr attr[] = {attr_int(in.dim[1]), attr_int(in.dim[2])};
  grad_add(grad, 0, grad_build(grad, OP_resize_grad, &g, 1, attr));
}

static double blend_row(const HostTensor *in, int64_t n, int64_t y, Blend column, int64_t c) {
  return (1 - column.weight) * *host_at(in, n, y, column.low, c) +
         column.weight * *host_at(in, n, y, column.high, c);
}

void resize_host(const HostCall *call) {
  const int64_t *dim = call->out.shape.dim, *in = call->in[0].shape.dim;
  for (int64_t n = 0; n < dim[0]; n++)
    for (int64_t y = 0; y < dim[1]; y++)
      for (int64_t x = 0; x < dim[2]; x++)
        for (int64_t c = 0; c < dim[3]; c++) {
          Blend row = resize_blend(y, dim[1], in[1]), column = resize_blend(x, dim[2], in[2]);
          *host_at(&call->out, n, y, x, c) =
              (1 - row.weight) * blend_row(&call->in[0], n, row.low, column, c) +
              row.weight * blend_row(&call->in[0], n, row.high, column, c);
        }
}

static void emit_blend(Emit *emit, const char *axis, const char *position, int64_t n_out, int64_t n_in) {
  long unit = (long)resize_unit(n_out), last = (long)n_in - 1;
  emit_line(emit, "long %s_low = %s * %ld / %ld, %s_high = %s_low < %ld ? %s_low + 1 : %ld;", axis, position,
            last, unit, axis, axis, last, axis, last);
  emit_line(emit, "real %s_weight = (real)(%s * %ld - %s_low * %ld) / (real)%ld;", axis, position, last, axis,
            unit, unit);
}

void resize_emit(Emit *emit, const Node *node) {
  Shape in = emit_input_shape(emit, 0);
  const char *one = emit_number(emit, 1);
  if (emit_separable(emit, resize_axis(emit, node->shape.dim[1], in.dim[1]),
                     resize_axis(emit, node->shape.dim[2], in.dim[2]), false))
    return;
  emit_gather(emit, node, 0);
  emit_blend(emit, "row", "y", node->shape.dim[1], in.dim[1]);
  emit_blend(emit, "col", "x", node->shape.dim[2], in.dim[2]);
  emit_line(emit, "vec low = %s * (%s - col_weight) + %s * col_weight;",
            emit_load(emit, 0, "n", "row_low", "col_low"), one,
            emit_load(emit, 0, "n", "row_low", "col_high"));
  emit_line(emit, "vec high = %s * (%s - col_weight) + %s * col_weight;",
            emit_load(emit, 0, "n", "row_high", "col_low"), one,
            emit_load(emit, 0, "n", "row_high", "col_high"));
  emit_result(emit, "low * (%s - row_weight) + high * row_weight", one);
}
