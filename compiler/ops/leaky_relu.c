// leaky_relu: x where x > 0, else slope * x. A slope from 0 on leaves the sign as it is, so that the gradient is a
// gate on the output. A NaN stays one.
#include "compiler/ops/rules.h"

enum { SLOPE };
const AttrDef leaky_relu_attrs[] = {{"slope", ATTR_REAL, false, 0.01, "factor below 0"}, END_ATTRS};

bool leaky_relu_shape(ShapeQuery *query) {
  double slope = query->attr[SLOPE].r;
  if (!(slope >= 0)) return shape_fail(query, -1, "leaky_relu: slope must be at least 0, it is %g", slope);
  return expect_numbers(query, "leaky_relu", 0) && shape_is_input(query, 0);
}

void leaky_relu_grad(Grad *grad, const Node *node, NodeId cotangent) {
  if (!grad_needed(grad, 0)) return;
  NodeId in[] = {cotangent, grad_output(grad)};
  grad_add(grad, 0, grad_build(grad, OP_gate, in, 2, node->attr));
}

void leaky_relu_host(const HostCall *call) {
  const double *x = call->in[0].data, slope = call->attr[SLOPE].r;
  for (int64_t i = 0, n = host_elems(&call->out); i < n; i++)
    call->out.data[i] = x[i] > 0 ? x[i] : slope * x[i];
}

void leaky_relu_emit(Emit *emit, const Node *node) {
  const char *x = emit_in(emit, 0), *zero = emit_number(emit, 0);
  emit_result(emit, "mla_max(%s, %s) + %s * mla_min(%s, %s)", x, zero, emit_number(emit, node->attr[SLOPE].r),
              x, zero);
}
