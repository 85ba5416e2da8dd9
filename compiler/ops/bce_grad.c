// bce_grad(g, p, t): g * (p - t) / max(p (1 - p), 1e-12), the gradient of bce_terms with respect to p.
#include "compiler/ops/rules.h"

static const double LEAST = 1e-12;
const AttrDef bce_grad_attrs[] = {END_ATTRS};

bool bce_grad_shape(ShapeQuery *query) {
  return expect_equal(query, "bce_grad", 0, 1) && expect_equal(query, "bce_grad", 1, 2) &&
         shape_is_input(query, 1);
}

void bce_grad_grad(Grad *grad, const Node *node, NodeId cotangent) {
  no_second_derivative(grad, node, cotangent);
}

void bce_grad_host(const HostCall *call) {
  const double *g = call->in[0].data, *p = call->in[1].data, *t = call->in[2].data;
  for (int64_t i = 0, n = host_elems(&call->out); i < n; i++)
    call->out.data[i] = g[i] * (p[i] - t[i]) / fmax(p[i] * (1 - p[i]), LEAST);
}

void bce_grad_emit(Emit *emit, const Node *node) {
  (void)node;
  const char *g = emit_in(emit, 0), *p = emit_in(emit, 1), *t = emit_in(emit, 2);
  const char *one = emit_number(emit, 1), *least = emit_number(emit, LEAST);
  emit_result(emit, "%s * (%s - %s) / mla_max(%s * (%s - %s), %s)", g, p, t, p, one, p, least);
}
