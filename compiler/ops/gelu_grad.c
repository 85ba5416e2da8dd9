// gelu_grad(g, x): g * (P(x) + x p(x)), with P the standard normal distribution and p its density.
#include "compiler/ops/gelu.h"

enum { G, X };
const AttrDef gelu_grad_attrs[] = {END_ATTRS};

bool gelu_grad_shape(ShapeQuery *query) {
  return expect_equal(query, "gelu_grad", G, X) && shape_is_input(query, X);
}

void gelu_grad_grad(Grad *grad, const Node *node, NodeId cotangent) {
  no_second_derivative(grad, node, cotangent);
}

void gelu_grad_host(const HostCall *call) {
  const double *g = call->in[G].data, *x = call->in[X].data;
  for (int64_t i = 0, n = host_elems(&call->out); i < n; i++) {
    double density = INVERSE_ROOT_2_PI * exp(-0.5 * x[i] * x[i]);
    call->out.data[i] = g[i] * (normal_below(x[i]) + x[i] * density);
  }
}

void gelu_grad_emit(Emit *emit, const Node *node) {
  (void)node;
  const char *g = emit_in(emit, G), *x = emit_in(emit, X);
  emit_result(emit, "%s * ((%s) + %s * (%s * mla_exp(%s * %s * %s)))", g, emit_normal_below(emit, x), x,
              emit_number(emit, INVERSE_ROOT_2_PI), emit_number(emit, -0.5), x, x);
}
