// contrast_grad(g, x, label, rows): row i gets g / (batch temperature) sum_b (w_ib + w_bi) f_b, where
//   w_ab = exp(l_ab - log sum of a) - [b in P(a)] / |P(a)|    is the derivative of anchor a's cost by l_ab,
// and 0 for an anchor without positives. The products of rows are computed again.
#include "compiler/ops/contrast.h"

enum { G, X, LABEL, ROWS };
const AttrDef contrast_grad_attrs[] = {CONTRAST_ATTRS, END_ATTRS};

bool contrast_grad_shape(ShapeQuery *query) {
  return contrast_operands(query, X, LABEL) && shape_is_input(query, X);
}

void contrast_grad_grad(Grad *grad, const Node *node, NodeId cotangent) {
  no_second_derivative(grad, node, cotangent);
}

static double weight(const HostCall *call, int64_t a, int64_t b, double similarity) {
  const double *row = call->in[ROWS].data + a * CONTRAST_COLUMNS;
  const int32_t *label = call->in[LABEL].index;
  if (row[CONTRAST_POSITIVES] == 0) return 0;
  return exp(similarity - row[CONTRAST_LOG_SUM]) - (label[a] == label[b]) / row[CONTRAST_POSITIVES];
}

void contrast_grad_host(const HostCall *call) {
  const HostTensor *x = &call->in[X];
  int64_t batch = host_rows(x);
  double rate = 1 / call->attr[CONTRAST_TEMPERATURE].r, scale = call->in[G].data[0] * rate / (double)batch;
  host_zero(&call->out);
  for (int64_t a = 0; a < batch; a++)
    for (int64_t b = 0; b < batch; b++) {
      if (a == b) continue;
      double l = rate * host_dot(x, a, b);
      host_add_row(&call->out, a, scale * (weight(call, a, b, l) + weight(call, b, a, l)), x, b);
    }
}

void contrast_grad_emit(Emit *emit, const Node *node) {
  const char *rate = emit_number(emit, 1 / node->attr[CONTRAST_TEMPERATURE].r);
  emit_line(emit, "const real scale = in%d[0] * %s / (real)batch;", G, rate);
  emit_line(emit, "const real *mine = in%d + a * %d;", ROWS, CONTRAST_COLUMNS);
  emit_line(emit, "for (long b = 0; b < batch; b++) {");
  emit_line(emit, "const real *its = in%d + b * %d;", ROWS, CONTRAST_COLUMNS);
  emit_line(emit, "const real l = dot[b] * %s, same = in%d[a] == in%d[b];", rate, LABEL, LABEL);
  emit_line(emit, "real w = 0;");
  emit_line(emit, "if (mine[%d] > 0) w += mla_exp(l - mine[%d]) - same / mine[%d];", CONTRAST_POSITIVES,
            CONTRAST_LOG_SUM, CONTRAST_POSITIVES);
  emit_line(emit, "if (its[%d] > 0) w += mla_exp(l - its[%d]) - same / its[%d];", CONTRAST_POSITIVES,
            CONTRAST_LOG_SUM, CONTRAST_POSITIVES);
  emit_line(emit, "dot[b] = a == b ? 0 : scale * w;");
  emit_line(emit, "}");
  emit_pairs(emit, node, X, true);
}
