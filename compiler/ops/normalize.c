// normalize(x): every row divided by its Euclidean norm.
#include "compiler/ops/normalize.h"

const AttrDef normalize_attrs[] = {NORMALIZE_ATTRS, END_ATTRS};

bool normalize_shape(ShapeQuery *query) {
  return normalize_operand(query, 0) && shape_is_input(query, 0);
}

void normalize_grad(Grad *grad, const Node *node, NodeId g) {
  if (!grad_needed(grad, 0)) return;
  NodeId in[] = {g, node->in[0]};
  grad_add(grad, 0, grad_build(grad, OP_normalize_grad, in, 2, node->attr));
}

void normalize_host(const HostCall *call) {
  int64_t rows = host_rows(&call->out), n = host_channels(&call->out);
  for (int64_t r = 0; r < rows; r++) {
    const double *x = call->in[0].data + r * n;
    RowSize size = row_size(x, n, call->attr);
    for (int64_t i = 0; i < n; i++) call->out.data[r * n + i] = (x[i] - size.mean) / size.divisor;
  }
}

void normalize_emit(Emit *emit, const Node *node) {
  long features = (long)shape_channels(node->shape);
  int lanes = emit_row_lanes(emit, node);
  emit_row_size(emit, node, 0, lanes);
  emit_line(emit, "%s", emit_each(emit, "c", features, lanes));
  emit_line(emit, "mla_store(out + r * %ld + c, (mla_load(x + c) - mean) * scale);", features);
  emit_by_rows(emit, node);
}
