// bn_grad_sums(g, x, mean, var): [2, channels], row 0 the sum of g * xhat (the gradient of gamma) and row 1
// the sum of g (the gradient of beta), with xhat = (x - mean) / sqrt(var + eps).
#include "compiler/ops/batch_norm.h"

enum { G, X, MEAN, VAR };
const AttrDef bn_grad_sums_attrs[] = {BN_ATTRS, END_ATTRS};

bool bn_grad_sums_shape(ShapeQuery *query) {
  if (!bn_operands(query, "bn_grad_sums", MEAN) || !expect_equal(query, "bn_grad_sums", G, X)) return false;
  query->out = (Shape){.rank = 2, .dim = {2, shape_channels(query->in[X])}};
  return true;
}

void bn_grad_sums_grad(Grad *grad, const Node *node, NodeId cotangent) {
  no_second_derivative(grad, node, cotangent);
}

void bn_grad_sums_host(const HostCall *call) {
  const HostTensor *in = call->in;
  int64_t channels = host_channels(&in[X]);
  double *sum_gx = call->out.data, *sum_g = sum_gx + channels;
  host_zero(&call->out);
  for (int64_t i = 0, n = host_elems(&in[X]); i < n; i++) {
    double xhat = (in[X].data[i] - host_spread(&in[MEAN], i)) * bn_inverse_deviation(&in[VAR], i, call->attr);
    sum_gx[i % channels] += in[G].data[i] * xhat;
    sum_g[i % channels] += in[G].data[i];
  }
}

void bn_grad_sums_emit(Emit *emit, const Node *node) {
  const char *g = emit_in(emit, G), *x = emit_in(emit, X), *mean = emit_in(emit, MEAN);
  const char *var = emit_in(emit, VAR), *eps = emit_number(emit, node->attr[BN_EPS].r);
  const char *inverse = emit_channel(emit, "mla_rsqrt(%s + %s)", var, eps);
  emit_sum(emit, 0, "%s * ((%s - %s) * %s)", g, x, mean, inverse);
  emit_sum(emit, 1, "%s", g);
}
