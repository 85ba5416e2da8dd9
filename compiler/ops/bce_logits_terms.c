// bce_logits_terms(z, t): binary cross entropy of logits, element by element, without overflow:
//   max(z, 0) - z t + log(1 + exp(-|z|))
// Its derivative is sigmoid(z) - t. The target is a constant: no gradient flows into t.
#include "compiler/ops/rules.h"

const AttrDef bce_logits_terms_attrs[] = {END_ATTRS};

bool bce_logits_terms_shape(ShapeQuery *query) {
  return expect_numbers(query, "bce_logits", 0) && expect_equal(query, "bce_logits", 0, 1) &&
         shape_is_input(query, 0);
}

void bce_logits_terms_grad(Grad *grad, const Node *node, NodeId cotangent) {
  if (!grad_needed(grad, 0)) return;
  Attr minus[] = {attr_real(-1), attr_real(0)};
  NodeId z = node->in[0], t = node->in[1];
  NodeId p = grad_build(grad, OP_sigmoid, &z, 1, NULL);
  NodeId minus_t = grad_build(grad, OP_affine, &t, 1, minus);
  NodeId slope = grad_build(grad, OP_add, (NodeId[]){p, minus_t}, 2, NULL);
  grad_add(grad, 0, grad_build(grad, OP_mul, (NodeId[]){cotangent, slope}, 2, NULL));
}

void bce_logits_terms_host(const HostCall *call) {
  const double *z = call->in[0].data, *t = call->in[1].data;
  for (int64_t i = 0, n = host_elems(&call->out); i < n; i++)
    call->out.data[i] = (z[i] < 0 ? 0 : z[i]) - z[i] * t[i] + log1p(exp(-fabs(z[i])));
}

void bce_logits_terms_emit(Emit *emit, const Node *node) {
  (void)node;
  const char *z = emit_in(emit, 0), *t = emit_in(emit, 1), *zero = emit_number(emit, 0),
             *one = emit_number(emit, 1);
  emit_result(emit, "mla_max(%s, %s) - %s * %s + mla_log(%s + mla_exp(-mla_abs(%s)))", z, zero, z, t, one, z);
}
