// affine: scale * x + shift with constants.
#include "compiler/ops/rules.h"

enum { SCALE, SHIFT };
const AttrDef affine_attrs[] = {
    {"scale", ATTR_REAL, true, 1, "factor"}, {"shift", ATTR_REAL, true, 0, "term added"}, END_ATTRS};

bool affine_shape(ShapeQuery *query) {
  return expect_numbers(query, "arithmetic", 0) && shape_is_input(query, 0);
}

void affine_grad(Grad *grad, const Node *node, NodeId cotangent) {
  if (!grad_needed(grad, 0)) return;
  Attr attr[] = {node->attr[SCALE], attr_real(0)};
  bool is_neutral = node->attr[SCALE].r == 1;
  grad_add(grad, 0, is_neutral ? cotangent : grad_build(grad, OP_affine, &cotangent, 1, attr));
}

void affine_host(const HostCall *call) {
  double scale = call->attr[SCALE].r, shift = call->attr[SHIFT].r;
  const double *x = call->in[0].data;
  for (int64_t i = 0, n = host_elems(&call->out); i < n; i++) call->out.data[i] = scale * x[i] + shift;
}

void affine_emit(Emit *emit, const Node *node) {
  const char *x = emit_in(emit, 0);
  const char *scale = emit_number(emit, node->attr[SCALE].r), *shift = emit_number(emit, node->attr[SHIFT].r);
  if (node->attr[SHIFT].r == 0)
    emit_result(emit, "%s * %s", x, scale);
  else if (node->attr[SCALE].r == 1)
    emit_result(emit, "%s + %s", x, shift);
  else
    emit_result(emit, "%s * %s + %s", x, scale, shift);
}
