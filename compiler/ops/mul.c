// mul: a * b, one of them possibly spread.
#include "compiler/ops/broadcast.h"

const AttrDef mul_attrs[] = {END_ATTRS};

bool mul_shape(ShapeQuery *query) {
  return operands_shape(query, "mul");
}

void mul_grad(Grad *grad, const Node *node, NodeId cotangent) {
  for (int i = 0; i < 2; i++) {
    if (!grad_needed(grad, i)) continue;
    Shape operand = graph_node(grad_graph(grad), node->in[i])->shape;
    NodeId product = grad_build(grad, OP_mul, (NodeId[]){cotangent, node->in[1 - i]}, 2, NULL);
    grad_add(grad, i, operand_gradient(grad, operand, product));
  }
}

void mul_host(const HostCall *call) {
  for (int64_t i = 0, n = host_elems(&call->out); i < n; i++)
    call->out.data[i] = host_spread(&call->in[0], i) * host_spread(&call->in[1], i);
}

void mul_emit(Emit *emit, const Node *node) {
  (void)node;
  const char *a = emit_in(emit, 0), *b = emit_in(emit, 1);
  emit_result(emit, "%s * %s", a, b);
}
