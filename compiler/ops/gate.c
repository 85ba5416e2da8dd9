// gate(g, y): g where y > 0, else 0. The gradient of relu, from its output: the input need not be kept.
#include "compiler/ops/rules.h"

const AttrDef gate_attrs[] = {END_ATTRS};

bool gate_shape(ShapeQuery *query) {
  return expect_equal(query, "gate", 0, 1) && shape_is_input(query, 0);
}

void gate_grad(Grad *grad, const Node *node, NodeId cotangent) {
  no_second_derivative(grad, node, cotangent);
}

void gate_host(const HostCall *call) {
  const double *g = call->in[0].data, *y = call->in[1].data;
  for (int64_t i = 0, n = host_elems(&call->out); i < n; i++) call->out.data[i] = y[i] > 0 ? g[i] : 0;
}

void gate_emit(Emit *emit, const Node *node) {
  (void)node;
  const char *g = emit_in(emit, 0), *y = emit_in(emit, 1);
  emit_result(emit, "mla_gate(%s, %s)", y, g);
}
