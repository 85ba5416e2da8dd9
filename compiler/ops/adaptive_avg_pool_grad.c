// adaptive_avg_pool_grad(g): every element of x takes its share of the windows that cover it.
#include "compiler/ops/adaptive.h"

enum { IN_H, IN_W };
const AttrDef adaptive_avg_pool_grad_attrs[] = {
    {"in_h", ATTR_INT, true, 0, "height of x"}, {"in_w", ATTR_INT, true, 0, "width of x"}, END_ATTRS};

bool adaptive_avg_pool_grad_shape(ShapeQuery *query) {
  if (!expect_image(query, "adaptive_avg_pool_grad", 0)) return false;
  query->out = image_shape(query->attr[IN_H].i, query->attr[IN_W].i, query->in[0].dim[3]);
  return true;
}

void adaptive_avg_pool_grad_grad(Grad *grad, const Node *node, NodeId cotangent) {
  no_second_derivative(grad, node, cotangent);
}

void adaptive_avg_pool_grad_host(const HostCall *call) {
  const int64_t *g = call->in[0].shape.dim, *in = call->out.shape.dim;
  host_zero(&call->out);
  for (int64_t n = 0; n < g[0]; n++)
    for (int64_t y = 0; y < g[1]; y++)
      for (int64_t x = 0; x < g[2]; x++)
        for (int64_t c = 0; c < g[3]; c++) {
          Run rows = adaptive_inputs(y, g[1], in[1]), columns = adaptive_inputs(x, g[2], in[2]);
          double share = *host_at(&call->in[0], n, y, x, c) / adaptive_count(rows, columns);
          run_add(&call->out, n, rows, columns, c, share);
        }
}

void adaptive_avg_pool_grad_emit(Emit *emit, const Node *node) {
  Shape g = emit_input_shape(emit, 0);
  long in_h = (long)node->shape.dim[1], in_w = (long)node->shape.dim[2], out_h = (long)g.dim[1],
       out_w = (long)g.dim[2];
  if (emit_separable(emit, adaptive_axis(emit, out_h, in_h), adaptive_axis(emit, out_w, in_w), true)) return;
  emit_gather(emit, node, 0);
  emit_line(emit, "long row_begin = y * %ld / %ld, row_last = ((y + 1) * %ld - 1) / %ld;", out_h, in_h, out_h,
            in_h);
  emit_line(emit, "long col_begin = x * %ld / %ld, col_last = ((x + 1) * %ld - 1) / %ld;", out_w, in_w, out_w,
            in_w);
  emit_line(emit, "vec sum = {0};");
  emit_line(emit, "for (long row = row_begin; row <= row_last; row++) {");
  emit_adaptive_inputs(emit, "high", "row", out_h, in_h);
  emit_line(emit, "for (long col = col_begin; col <= col_last; col++) {");
  emit_adaptive_inputs(emit, "wide", "col", out_w, in_w);
  emit_line(emit, "sum = sum + %s / (real)((high_end - high_begin) * (wide_end - wide_begin));",
            emit_load(emit, 0, "n", "row", "col"));
  emit_line(emit, "}");
  emit_line(emit, "}");
  emit_result(emit, "sum");
}
