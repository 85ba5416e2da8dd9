// avg_pool: mean over windows; padding counts as zeros, so that the divisor is always kernel * kernel.
#include "compiler/ops/window.h"

const AttrDef avg_pool_attrs[] = {POOL_ATTRS, END_ATTRS};

bool avg_pool_shape(ShapeQuery *query) {
  return pool_shape(query, "avg_pool");
}

void avg_pool_grad(Grad *grad, const Node *node, NodeId g) {
  if (!grad_needed(grad, 0)) return;
  Shape in = graph_node(grad_graph(grad), node->in[0])->shape;
  Attr attr[] = {node->attr[POOL_KERNEL], node->attr[POOL_STRIDE], node->attr[POOL_PAD], attr_int(in.dim[1]),
                 attr_int(in.dim[2])};
  grad_add(grad, 0, grad_build(grad, OP_avg_pool_grad, &g, 1, attr));
}

void avg_pool_host(const HostCall *call) {
  Window window = window_of(call->attr);
  const int64_t *dim = call->out.shape.dim, *in = call->in[0].shape.dim;
  for (int64_t n = 0; n < dim[0]; n++)
    for (int64_t y = 0; y < dim[1]; y++)
      for (int64_t x = 0; x < dim[2]; x++)
        for (int64_t c = 0; c < dim[3]; c++)
          *host_at(&call->out, n, y, x, c) = run_sum(&call->in[0], n, window_inputs(&window, y, in[1]),
                                                     window_inputs(&window, x, in[2]), c) /
                                             (double)(window.kernel * window.kernel);
}

void avg_pool_emit(Emit *emit, const Node *node) {
  Window window = window_of(node->attr);
  Shape in = emit_input_shape(emit, 0);
  if (emit_separable(emit, window_axis(emit, &window, node->shape.dim[1], in.dim[1]),
                     window_axis(emit, &window, node->shape.dim[2], in.dim[2]), false))
    return;
  emit_gather(emit, node, 0);
  emit_window_inputs(emit, &window, "row", "y", in.dim[1]);
  emit_window_inputs(emit, &window, "col", "x", in.dim[2]);
  emit_run_sum(emit, 0);
  emit_result(emit, "sum * %s", emit_number(emit, 1.0 / (double)(window.kernel * window.kernel)));
}
