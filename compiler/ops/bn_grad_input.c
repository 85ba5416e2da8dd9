// bn_grad_input(g, x, mean, var, gamma, sum_gx, sum_g): the gradient of batch_norm with respect to x through
// the value and through the statistics, over `rows` rows:
//   gamma / sqrt(var + eps) * (g - sum_g / rows - xhat * sum_gx / rows)
// With zero sums it is the gradient for constant statistics.
#include "compiler/ops/batch_norm.h"

enum { G, X, MEAN, VAR, GAMMA, SUM_GX, SUM_G };
const AttrDef bn_grad_input_attrs[] = {BN_ATTRS, END_ATTRS};

bool bn_grad_input_shape(ShapeQuery *query) {
  return bn_operands(query, "bn_grad_input", MEAN) && expect_equal(query, "bn_grad_input", G, X) &&
         shape_is_input(query, X);
}

void bn_grad_input_grad(Grad *grad, const Node *node, NodeId cotangent) {
  no_second_derivative(grad, node, cotangent);
}

void bn_grad_input_host(const HostCall *call) {
  const HostTensor *in = call->in;
  double rows = (double)host_rows(&in[X]);
  for (int64_t i = 0, n = host_elems(&call->out); i < n; i++) {
    double inverse = bn_inverse_deviation(&in[VAR], i, call->attr);
    double xhat = (in[X].data[i] - host_spread(&in[MEAN], i)) * inverse;
    double through_stats = (host_spread(&in[SUM_G], i) + xhat * host_spread(&in[SUM_GX], i)) / rows;
    call->out.data[i] = host_spread(&in[GAMMA], i) * inverse * (in[G].data[i] - through_stats);
  }
}

// As three coefficients per channel: a g + (b (x - mean) + c).
void bn_grad_input_emit(Emit *emit, const Node *node) {
  const char *g = emit_in(emit, G), *x = emit_in(emit, X), *mean = emit_in(emit, MEAN);
  const char *var = emit_in(emit, VAR), *gamma = emit_in(emit, GAMMA);
  const char *sum_gx = emit_in(emit, SUM_GX), *sum_g = emit_in(emit, SUM_G);
  const char *rows = emit_rows(emit), *eps = emit_number(emit, node->attr[BN_EPS].r);
  const char *inverse = emit_channel(emit, "mla_rsqrt(%s + %s)", var, eps);
  const char *a = emit_channel(emit, "%s * %s", gamma, inverse);
  const char *b = emit_channel(emit, "-%s * %s * %s / %s", a, inverse, sum_gx, rows);
  const char *c = emit_channel(emit, "-%s * %s / %s", a, sum_g, rows);
  emit_result(emit, "%s * %s + (%s * (%s - %s) + %s)", g, a, b, x, mean, c);
}
