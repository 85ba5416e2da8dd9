// max_pool: maximum over windows; padding never wins. Its gradient goes to the first maximum of each window.
#include "compiler/ops/window.h"

const AttrDef max_pool_attrs[] = {POOL_ATTRS, END_ATTRS};

bool max_pool_shape(ShapeQuery *query) {
  return pool_shape(query, "max_pool");
}

void max_pool_grad(Grad *grad, const Node *node, NodeId g) {
  if (!grad_needed(grad, 0)) return;
  NodeId in[] = {g, node->in[0], grad_output(grad)};
  grad_add(grad, 0, grad_build(grad, OP_max_pool_grad, in, 3, node->attr));
}

static double window_max(const HostTensor *x, int64_t n, Run rows, Run columns, int64_t c) {
  double best = *host_at(x, n, rows.begin, columns.begin, c);
  for (int64_t y = rows.begin; y < rows.end; y++)
    for (int64_t col = columns.begin; col < columns.end; col++) {
      double value = *host_at(x, n, y, col, c);
      if (best < value) best = value;
    }
  return best;
}

void max_pool_host(const HostCall *call) {
  const HostTensor *in = &call->in[0], *out = &call->out;
  Window window = window_of(call->attr);
  const int64_t *dim = out->shape.dim;
  for (int64_t n = 0; n < dim[0]; n++)
    for (int64_t y = 0; y < dim[1]; y++)
      for (int64_t x = 0; x < dim[2]; x++)
        for (int64_t c = 0; c < dim[3]; c++)
          *host_at(out, n, y, x, c) = window_max(in, n, window_inputs(&window, y, in->shape.dim[1]),
                                                 window_inputs(&window, x, in->shape.dim[2]), c);
}

void max_pool_emit(Emit *emit, const Node *node) {
  Window window = window_of(node->attr);
  Shape in = emit_input_shape(emit, 0);
  emit_gather(emit, node, 0);
  emit_window_inputs(emit, &window, "row", "y", in.dim[1]);
  emit_window_inputs(emit, &window, "col", "x", in.dim[2]);
  emit_line(emit, "vec best = %s;", emit_load(emit, 0, "n", "row_begin", "col_begin"));
  emit_line(emit, "for (long row = row_begin; row < row_end; row++) {");
  emit_line(emit, "for (long col = col_begin; col < col_end; col++) {");
  emit_line(emit, "best = mla_max(best, %s);", emit_load(emit, 0, "n", "row", "col"));
  emit_line(emit, "}");
  emit_line(emit, "}");
  emit_result(emit, "best");
}
