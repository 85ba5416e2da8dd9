// adaptive_avg_pool: mean over windows chosen so that the output is height x width; 1 x 1 is the global
// average.
#include "compiler/ops/adaptive.h"

enum { HEIGHT, WIDTH };
const AttrDef adaptive_avg_pool_attrs[] = {{"height", ATTR_INT, true, 1, "height of the result"},
                                           {"width", ATTR_INT, true, 1, "width of the result"},
                                           END_ATTRS};

bool adaptive_avg_pool_shape(ShapeQuery *query) {
  int64_t height = query->attr[HEIGHT].i, width = query->attr[WIDTH].i;
  if (!expect_image(query, "adaptive_avg_pool", 0) ||
      !expect_range(query, "adaptive_avg_pool", "height", height, 1) ||
      !expect_range(query, "adaptive_avg_pool", "width", width, 1))
    return false;
  query->out = image_shape(height, width, query->in[0].dim[3]);
  return true;
}

void adaptive_avg_pool_grad(Grad *grad, const Node *node, NodeId g) {
  if (!grad_needed(grad, 0)) return;
  Shape in = graph_node(grad_graph(grad), node->in[0])->shape;
  Attr attr[] = {attr_int(in.dim[1]), attr_int(in.dim[2])};
  grad_add(grad, 0, grad_build(grad, OP_adaptive_avg_pool_grad, &g, 1, attr));
}

void adaptive_avg_pool_host(const HostCall *call) {
  const int64_t *dim = call->out.shape.dim, *in = call->in[0].shape.dim;
  for (int64_t n = 0; n < dim[0]; n++)
    for (int64_t y = 0; y < dim[1]; y++)
      for (int64_t x = 0; x < dim[2]; x++)
        for (int64_t c = 0; c < dim[3]; c++) {
          Run rows = adaptive_inputs(y, dim[1], in[1]), columns = adaptive_inputs(x, dim[2], in[2]);
          *host_at(&call->out, n, y, x, c) =
              run_sum(&call->in[0], n, rows, columns, c) / adaptive_count(rows, columns);
        }
}

void adaptive_avg_pool_emit(Emit *emit, const Node *node) {
  Shape in = emit_input_shape(emit, 0);
  if (emit_separable(emit, adaptive_axis(emit, node->shape.dim[1], in.dim[1]),
                     adaptive_axis(emit, node->shape.dim[2], in.dim[2]), false))
    return;
  emit_gather(emit, node, 0);
  emit_adaptive_inputs(emit, "row", "y", node->shape.dim[1], in.dim[1]);
  emit_adaptive_inputs(emit, "col", "x", node->shape.dim[2], in.dim[2]);
  emit_run_sum(emit, 0);
  emit_result(emit, "sum / (real)((row_end - row_begin) * (col_end - col_begin))");
}
