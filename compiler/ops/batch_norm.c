// batch_norm(x, mean, var, gamma, beta): gamma * (x - mean) / sqrt(var + eps) + beta.
//
// Gradient: where mean and var are the statistics of x itself (training), the derivative runs through them as
// well and is built as one piece from bn_grad_sums and bn_grad_input; with statistics that are constants
// (evaluation) the sums over the batch drop out. Either way mean and var themselves get no cotangent.
#include "compiler/ops/batch_norm.h"

enum { X, MEAN, VAR, GAMMA, BETA };
const AttrDef batch_norm_attrs[] = {BN_ATTRS, END_ATTRS};

bool batch_norm_shape(ShapeQuery *query) {
  return bn_operands(query, "batch_norm", MEAN) && shape_is_input(query, X);
}

static bool has_batch_statistics(const Graph *graph, const Node *node) {
  const Node *mean = graph_node(graph, node->in[MEAN]);
  if (mean->op != OP_part) return false;
  const Node *stats = graph_node(graph, mean->in[0]);
  return stats->op == OP_bn_stats && stats->in[0] == node->in[X];
}

void batch_norm_grad(Grad *grad, const Node *node, NodeId g) {
  if (!grad_needed(grad, X) && !grad_needed(grad, GAMMA) && !grad_needed(grad, BETA)) return;
  const NodeId *in = node->in;
  Attr first = attr_int(0), second = attr_int(1), zero = attr_real(0);
  bool is_batch = has_batch_statistics(grad_graph(grad), node);
  NodeId sums = grad_build(grad, OP_bn_grad_sums, (NodeId[]){g, in[X], in[MEAN], in[VAR]}, 4, node->attr);
  NodeId sum_gx = grad_build(grad, OP_part, &sums, 1, &first);
  NodeId sum_g = grad_build(grad, OP_part, &sums, 1, &second);
  if (grad_needed(grad, GAMMA)) grad_add(grad, GAMMA, sum_gx);
  if (grad_needed(grad, BETA)) grad_add(grad, BETA, sum_g);
  if (!grad_needed(grad, X)) return;
  if (!is_batch) sum_gx = sum_g = grad_build(grad, OP_fill, NULL, 0, &zero);
  NodeId operands[] = {g, in[X], in[MEAN], in[VAR], in[GAMMA], sum_gx, sum_g};
  grad_add(grad, X, grad_build(grad, OP_bn_grad_input, operands, 7, node->attr));
}

void batch_norm_host(const HostCall *call) {
  const HostTensor *in = call->in;
  for (int64_t i = 0, n = host_elems(&call->out); i < n; i++) {
    double xhat = (in[X].data[i] - host_spread(&in[MEAN], i)) * bn_inverse_deviation(&in[VAR], i, call->attr);
    call->out.data[i] = host_spread(&in[GAMMA], i) * xhat + host_spread(&in[BETA], i);
  }
}

void batch_norm_emit(Emit *emit, const Node *node) {
  const char *x = emit_in(emit, X), *mean = emit_in(emit, MEAN), *var = emit_in(emit, VAR);
  const char *gamma = emit_in(emit, GAMMA), *beta = emit_in(emit, BETA);
  const char *eps = emit_number(emit, node->attr[BN_EPS].r);
  const char *scale = emit_channel(emit, "%s * mla_rsqrt(%s + %s)", gamma, var, eps);
  const char *shift = emit_channel(emit, "%s - %s * %s", beta, mean, scale);
  emit_result(emit, "%s * %s + %s", x, scale, shift);
}
