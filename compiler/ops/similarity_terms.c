// similarity_terms(u, label): [batch, 1], for each row a the mean over b of (R_ab - T_ab)^2.
#include "compiler/ops/similarity.h"

enum { U, LABEL };
const AttrDef similarity_terms_attrs[] = {SIMILARITY_ATTRS, END_ATTRS};

bool similarity_terms_shape(ShapeQuery *query) {
  if (!similarity_operands(query, U, LABEL)) return false;
  query->out = (Shape){.rank = 2, .dim = {DIM_BATCH, 1}};
  return true;
}

void similarity_terms_grad(Grad *grad, const Node *node, NodeId g) {
  if (!grad_needed(grad, U)) return;
  NodeId in[] = {g, node->in[U], node->in[LABEL]};
  grad_add(grad, U, grad_build(grad, OP_similarity_grad, in, 3, node->attr));
}

void similarity_terms_host(const HostCall *call) {
  int64_t batch = host_rows(&call->in[U]);
  const int32_t *label = call->in[LABEL].index;
  for (int64_t a = 0; a < batch; a++) {
    double sum = 0;
    for (int64_t b = 0; b < batch; b++) {
      double apart = clamp_similarity(host_dot(&call->in[U], a, b)) -
                     similarity_target(call->attr, label[a] == label[b]);
      sum += apart * apart;
    }
    call->out.data[a] = sum / (double)batch;
  }
}

void similarity_terms_emit(Emit *emit, const Node *node) {
  const char *same = emit_number(emit, similarity_target(node->attr, true));
  const char *other = emit_number(emit, similarity_target(node->attr, false));
  const char *one = emit_number(emit, 1), *minus = emit_number(emit, -1);
  emit_line(emit, "real sum = 0;");
  emit_line(emit, "for (long b = 0; b < batch; b++) {");
  emit_line(emit, "const real target = in%d[a] == in%d[b] ? %s : %s;", LABEL, LABEL, same, other);
  emit_line(emit, "const real apart = mla_min(mla_max(dot[b], %s), %s) - target;", minus, one);
  emit_line(emit, "sum += apart * apart;");
  emit_line(emit, "}");
  emit_line(emit, "out[a] = sum / (real)batch;");
  emit_pairs(emit, node, U, false);
}
