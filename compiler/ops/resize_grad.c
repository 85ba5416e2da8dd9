// resize_grad(g): every element of x takes g from the outputs that read it, with the weight they read it
// with: 1 - distance for outputs nearer than one input element.
#include "compiler/ops/resize.h"

enum { IN_H, IN_W };
const AttrDef resize_grad_attrs[] = {
    {"in_h", ATTR_INT, true, 0, "height of x"}, {"in_w", ATTR_INT, true, 0, "width of x"}, END_ATTRS};

bool resize_grad_shape(ShapeQuery *query) {
  if (!expect_image(query, "resize_grad", 0)) return false;
  query->out = image_shape(query->attr[IN_H].i, query->attr[IN_W].i, query->in[0].dim[3]);
  return true;
}

void resize_grad_grad(Grad *grad, const Node *node, NodeId cotangent) {
  no_second_derivative(grad, node, cotangent);
}

static void scatter(const HostTensor *dx, int64_t n, Blend row, Blend column, int64_t c, double g) {
  *host_at(dx, n, row.low, column.low, c) += (1 - row.weight) * (1 - column.weight) * g;
  *host_at(dx, n, row.low, column.high, c) += (1 - row.weight) * column.weight * g;
  *host_at(dx, n, row.high, column.low, c) += row.weight * (1 - column.weight) * g;
  *host_at(dx, n, row.high, column.high, c) += row.weight * column.weight * g;
}

void resize_grad_host(const HostCall *call) {
  const int64_t *g = call->in[0].shape.dim, *in = call->out.shape.dim;
  host_zero(&call->out);
  for (int64_t n = 0; n < g[0]; n++)
    for (int64_t y = 0; y < g[1]; y++)
      for (int64_t x = 0; x < g[2]; x++)
        for (int64_t c = 0; c < g[3]; c++)
          scatter(&call->out, n, resize_blend(y, g[1], in[1]), resize_blend(x, g[2], in[2]), c,
                  *host_at(&call->in[0], n, y, x, c));
}

// `long AXIS_begin, AXIS_end`: the outputs nearer than one element to input `position`.
static void emit_readers(Emit *emit, const char *axis, const char *position, int64_t n_out, int64_t n_in) {
  long unit = (long)resize_unit(n_out), last = (long)n_in - 1, out = (long)n_out;
  if (n_in == 1) {
    emit_line(emit, "long %s_begin = 0, %s_end = %ld;", axis, axis, out);
    return;
  }
  emit_line(emit, "long %s_begin = %s > 0 ? (%s - 1) * %ld / %ld + 1 : 0;", axis, position, position, unit,
            last);
  emit_line(emit, "long %s_end = ((%s + 1) * %ld - 1) / %ld + 1;", axis, position, unit, last);
  emit_line(emit, "if (%s_end > %ld) %s_end = %ld;", axis, out, axis, out);
}

// `long AXIS_near`: with how many parts of resize_unit output `reader` reads input `position`.
static void emit_near(Emit *emit, const char *axis, const char *reader, const char *position, int64_t n_out,
                      int64_t n_in) {
  long unit = (long)resize_unit(n_out), last = (long)n_in - 1;
  emit_line(emit, "long %s_apart = %s * %ld - %s * %ld;", axis, reader, last, position, unit);
  emit_line(emit, "long %s_near = %ld - (%s_apart < 0 ? -%s_apart : %s_apart);", axis, unit, axis, axis,
            axis);
}

// Weights are whole numbers until the end: no table of them, no division inside.
void resize_grad_emit(Emit *emit, const Node *node) {
  Shape g = emit_input_shape(emit, 0);
  const int64_t *in = node->shape.dim;
  if (emit_separable(emit, resize_axis(emit, g.dim[1], in[1]), resize_axis(emit, g.dim[2], in[2]), true))
    return;
  emit_gather(emit, node, 0);
  emit_readers(emit, "row", "y", g.dim[1], in[1]);
  emit_readers(emit, "col", "x", g.dim[2], in[2]);
  emit_line(emit, "vec sum = {0};");
  emit_line(emit, "for (long row = row_begin; row < row_end; row++) {");
  emit_near(emit, "row", "row", "y", g.dim[1], in[1]);
  emit_line(emit, "for (long col = col_begin; col < col_end; col++) {");
  emit_near(emit, "col", "col", "x", g.dim[2], in[2]);
  emit_line(emit, "sum = sum + %s * (real)(row_near * col_near);", emit_load(emit, 0, "n", "row", "col"));
  emit_line(emit, "}");
  emit_line(emit, "}");
  emit_result(emit, "sum * %s",
              emit_number(emit, 1.0 / (double)(resize_unit(g.dim[1]) * resize_unit(g.dim[2]))));
}
