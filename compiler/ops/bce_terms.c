// bce_terms(p, t): binary cross entropy of probabilities, element by element:
//   -(t max(log p, -100) + (1 - t) max(log(1 - p), -100))
// The target is a constant: no gradient flows into t.
#include "compiler/ops/rules.h"

const AttrDef bce_terms_attrs[] = {END_ATTRS};

bool bce_terms_shape(ShapeQuery *query) {
  return expect_numbers(query, "bce", 0) && expect_equal(query, "bce", 0, 1) && shape_is_input(query, 0);
}

void bce_terms_grad(Grad *grad, const Node *node, NodeId cotangent) {
  if (!grad_needed(grad, 0)) return;
  NodeId in[] = {cotangent, node->in[0], node->in[1]};
  grad_add(grad, 0, grad_build(grad, OP_bce_grad, in, 3, NULL));
}

void bce_terms_host(const HostCall *call) {
  const double *p = call->in[0].data, *t = call->in[1].data;
  for (int64_t i = 0, n = host_elems(&call->out); i < n; i++)
    call->out.data[i] = (t[i] - 1) * fmax(log1p(-p[i]), -100) - t[i] * fmax(log(p[i]), -100);
}

void bce_terms_emit(Emit *emit, const Node *node) {
  (void)node;
  const char *p = emit_in(emit, 0), *t = emit_in(emit, 1);
  const char *one = emit_number(emit, 1), *floor = emit_number(emit, -100);
  emit_result(emit, "(%s - %s) * mla_max(mla_log(%s - %s), %s) - %s * mla_max(mla_log(%s), %s)", t, one, one,
              p, floor, t, p, floor);
}
