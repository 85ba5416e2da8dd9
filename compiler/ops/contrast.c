// contrast(x, label, rows): scalar, the mean cost of the anchors in contrast_rows. x and label are there for the
// gradient, which runs through the rows.
#include "compiler/ops/contrast.h"

enum { X, LABEL, ROWS };
const AttrDef contrast_attrs[] = {CONTRAST_ATTRS, END_ATTRS};

bool contrast_shape(ShapeQuery *query) {
  return contrast_operands(query, X, LABEL) && shape_is_scalar(query);
}

void contrast_grad(Grad *grad, const Node *node, NodeId g) {
  if (!grad_needed(grad, X)) return;
  NodeId in[] = {g, node->in[X], node->in[LABEL], node->in[ROWS]};
  grad_add(grad, X, grad_build(grad, OP_contrast_grad, in, 4, node->attr));
}

void contrast_host(const HostCall *call) {
  int64_t batch = host_rows(&call->in[ROWS]);
  double sum = 0;
  for (int64_t a = 0; a < batch; a++) sum += call->in[ROWS].data[a * CONTRAST_COLUMNS + CONTRAST_COST];
  call->out.data[0] = sum / (double)batch;
}

void contrast_emit(Emit *emit, const Node *node) {
  emit_mean(emit, node,
            arena_printf(emit_arena(emit), "in%d[n * %d + %d]", ROWS, CONTRAST_COLUMNS, CONTRAST_COST));
}
