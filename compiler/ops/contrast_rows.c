// contrast_rows(x, label): [batch, 3]; for each anchor its cost, the logarithm of its sum and the number of its
// positives. The sum is taken relative to its largest term, so that it does not overflow. An anchor without positives is
// three zeros.
#include "compiler/ops/contrast.h"

enum { X, LABEL };
const AttrDef contrast_rows_attrs[] = {CONTRAST_ATTRS, END_ATTRS};

bool contrast_rows_shape(ShapeQuery *query) {
  if (!contrast_operands(query, X, LABEL)) return false;
  query->out = (Shape){.rank = 2, .dim = {DIM_BATCH, CONTRAST_COLUMNS}};
  return true;
}

// contrast's rule runs through this; nothing flows here.
void contrast_rows_grad(Grad *grad, const Node *node, NodeId cotangent) {
  no_second_derivative(grad, node, cotangent);
}

static void anchor(const HostCall *call, int64_t a, int64_t batch) {
  const int32_t *label = call->in[LABEL].index;
  double rate = 1 / call->attr[CONTRAST_TEMPERATURE].r, top = -INFINITY, sum = 0, positive = 0, n = 0;
  for (int64_t b = 0; b < batch; b++) {
    if (b == a) continue;
    double l = rate * host_dot(&call->in[X], a, b);
    top = fmax(top, l);
    if (label[b] != label[a]) continue;
    positive += l;
    n++;
  }
  for (int64_t b = 0; b < batch; b++)
    if (b != a) sum += exp(rate * host_dot(&call->in[X], a, b) - top);
  double *out = call->out.data + a * CONTRAST_COLUMNS;
  out[CONTRAST_LOG_SUM] = n > 0 ? top + log(sum) : 0;
  out[CONTRAST_COST] = n > 0 ? out[CONTRAST_LOG_SUM] - positive / n : 0;
  out[CONTRAST_POSITIVES] = n;
}

void contrast_rows_host(const HostCall *call) {
  int64_t batch = host_rows(&call->in[X]);
  for (int64_t a = 0; a < batch; a++) anchor(call, a, batch);
}

void contrast_rows_emit(Emit *emit, const Node *node) {
  const char *rate = emit_number(emit, 1 / node->attr[CONTRAST_TEMPERATURE].r);
  emit_line(emit, "const long other = a == 0 && batch > 1; // some row but a");
  emit_line(emit, "real top = dot[other], sum = 0, positive = 0, n = 0;");
  emit_line(emit, "for (long b = 0; b < batch; b++) {");
  emit_line(emit, "if (b == a) continue;");
  emit_line(emit, "top = mla_max(top, dot[b]);");
  emit_line(emit, "if (in%d[b] != in%d[a]) continue;", LABEL, LABEL);
  emit_line(emit, "positive += dot[b];");
  emit_line(emit, "n += 1;");
  emit_line(emit, "}");
  emit_line(emit, "for (long b = 0; b < batch; b++)");
  emit_line(emit, "if (b != a) sum += mla_exp((dot[b] - top) * %s);", rate);
  emit_line(emit, "real *to = out + a * %d;", CONTRAST_COLUMNS);
  emit_line(emit, "to[%d] = n > 0 ? top * %s + mla_log(sum) : 0;", CONTRAST_LOG_SUM, rate);
  emit_line(emit, "to[%d] = n > 0 ? to[%d] - positive * %s / n : 0;", CONTRAST_COST, CONTRAST_LOG_SUM, rate);
  emit_line(emit, "to[%d] = n;", CONTRAST_POSITIVES);
  emit_pairs(emit, node, X, false);
}
