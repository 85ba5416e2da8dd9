// similarity_grad(g, u, label): row a gets sum_b (g_a + g_b) 2 (R_ab - T_ab) / batch u_b over the pairs that the clamp
// leaves alone.
#include "compiler/ops/similarity.h"

enum { G, U, LABEL };
const AttrDef similarity_grad_attrs[] = {SIMILARITY_ATTRS, END_ATTRS};

bool similarity_grad_shape(ShapeQuery *query) {
  return similarity_operands(query, U, LABEL) && shape_is_input(query, U);
}

void similarity_grad_grad(Grad *grad, const Node *node, NodeId cotangent) {
  no_second_derivative(grad, node, cotangent);
}

void similarity_grad_host(const HostCall *call) {
  const HostTensor *u = &call->in[U];
  const double *g = call->in[G].data;
  const int32_t *label = call->in[LABEL].index;
  int64_t batch = host_rows(u);
  host_zero(&call->out);
  for (int64_t a = 0; a < batch; a++)
    for (int64_t b = 0; b < batch; b++) {
      double r = host_dot(u, a, b);
      if (r != clamp_similarity(r)) continue;
      double apart = r - similarity_target(call->attr, label[a] == label[b]);
      host_add_row(&call->out, a, (g[a] + g[b]) * 2 * apart / (double)batch, u, b);
    }
}

void similarity_grad_emit(Emit *emit, const Node *node) {
  const char *same = emit_number(emit, similarity_target(node->attr, true));
  const char *other = emit_number(emit, similarity_target(node->attr, false));
  emit_line(emit, "for (long b = 0; b < batch; b++) {");
  emit_line(emit, "const real target = in%d[a] == in%d[b] ? %s : %s;", LABEL, LABEL, same, other);
  emit_line(emit, "const real slope = (in%d[a] + in%d[b]) * 2 / (real)batch;", G, G);
  emit_line(emit, "dot[b] = mla_abs(dot[b]) <= 1 ? slope * (dot[b] - target) : 0;");
  emit_line(emit, "}");
  emit_pairs(emit, node, U, true);
}
