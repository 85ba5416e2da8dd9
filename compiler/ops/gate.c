// gate(g, y): g where y > 0, else slope * g. The gradient of relu and leaky_relu, from their output: the input
// need not be kept.
#include "compiler/ops/rules.h"

enum { SLOPE };
const AttrDef gate_attrs[] = {{"slope", ATTR_REAL, false, 0, "factor where y is not above 0"}, END_ATTRS};

bool gate_shape(ShapeQuery *query) {
  return expect_equal(query, "gate", 0, 1) && shape_is_input(query, 0);
}

void gate_grad(Grad *grad, const Node *node, NodeId cotangent) {
  no_second_derivative(grad, node, cotangent);
}

void gate_host(const HostCall *call) {
  const double *g = call->in[0].data, *y = call->in[1].data, slope = call->attr[SLOPE].r;
  for (int64_t i = 0, n = host_elems(&call->out); i < n; i++)
    call->out.data[i] = y[i] > 0 ? g[i] : slope * g[i];
}

void gate_emit(Emit *emit, const Node *node) {
  const char *g = emit_in(emit, 0), *y = emit_in(emit, 1);
  double slope = node->attr[SLOPE].r;
  if (slope == 0)
    emit_result(emit, "mla_gate(%s, %s)", y, g);
  else
    emit_result(emit, "mla_gate(%s, %s) + %s * (%s - mla_gate(%s, %s))", y, g, emit_number(emit, slope), g, y,
                g);
}
