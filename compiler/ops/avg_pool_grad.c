// avg_pool_grad(g): every element of x takes its share of the windows that cover it.
#include "compiler/ops/window.h"

const AttrDef avg_pool_grad_attrs[] = {POOL_ATTRS,
                                       {"in_h", ATTR_INT, true, 0, "height of x"},
                                       {"in_w", ATTR_INT, true, 0, "width of x"},
                                       END_ATTRS};

bool avg_pool_grad_shape(ShapeQuery *query) {
  if (!expect_image(query, "avg_pool_grad", 0)) return false;
  query->out = image_shape(query->attr[POOL_IN_H].i, query->attr[POOL_IN_W].i, query->in[0].dim[3]);
  return true;
}

void avg_pool_grad_grad(Grad *grad, const Node *node, NodeId cotangent) {
  no_second_derivative(grad, node, cotangent);
}

void avg_pool_grad_host(const HostCall *call) {
  Window window = window_of(call->attr);
  const int64_t *g = call->in[0].shape.dim, *in = call->out.shape.dim;
  host_zero(&call->out);
  for (int64_t n = 0; n < g[0]; n++)
    for (int64_t y = 0; y < g[1]; y++)
      for (int64_t x = 0; x < g[2]; x++)
        for (int64_t c = 0; c < g[3]; c++)
          run_add(&call->out, n, window_inputs(&window, y, in[1]), window_inputs(&window, x, in[2]), c,
                  *host_at(&call->in[0], n, y, x, c) / (double)(window.kernel * window.kernel));
}

void avg_pool_grad_emit(Emit *emit, const Node *node) {
  Window window = window_of(node->attr);
  Shape g = emit_input_shape(emit, 0);
  if (emit_separable(emit, window_axis(emit, &window, g.dim[1], node->shape.dim[1]),
                     window_axis(emit, &window, g.dim[2], node->shape.dim[2]), true))
    return;
  emit_gather(emit, node, 0);
  emit_covering_windows(emit, &window, "row", "y", g.dim[1]);
  emit_covering_windows(emit, &window, "col", "x", g.dim[2]);
  emit_run_sum(emit, 0);
  emit_result(emit, "sum * %s", emit_number(emit, 1.0 / (double)(window.kernel * window.kernel)));
}
