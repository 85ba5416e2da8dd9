// class_token(x, token): the [channels] vector `token` as the first token of every image, then the tokens of x.
#include "compiler/ops/rules.h"

enum { X, TOKEN };
const AttrDef class_token_attrs[] = {END_ATTRS};

bool class_token_shape(ShapeQuery *query) {
  Shape x = query->in[X], token = query->in[TOKEN];
  if (!expect_tokens(query, "class_token", X)) return false;
  if (token.rank != 1 || token.dim[0] != x.dim[3])
    return shape_fail(query, X, "class_token expects %lld channels (its token is %s), x has %lld",
                      (long long)token.dim[0], shape_text(query->arena, token), (long long)x.dim[3]);
  query->out = image_shape(x.dim[1] + 1, 1, x.dim[3]);
  return true;
}

static NodeId tokens_of(Grad *grad, NodeId g, int64_t first, int64_t count) {
  Attr attr[] = {attr_int(first), attr_int(0), attr_int(count), attr_int(1)};
  return grad_build(grad, OP_slice, &g, 1, attr);
}

void class_token_grad(Grad *grad, const Node *node, NodeId g) {
  int64_t n_tokens = graph_node(grad_graph(grad), node->in[X])->shape.dim[1];
  if (grad_needed(grad, X)) grad_add(grad, X, tokens_of(grad, g, 1, n_tokens));
  if (!grad_needed(grad, TOKEN)) return;
  NodeId first = tokens_of(grad, g, 0, 1);
  grad_add(grad, TOKEN, grad_build(grad, OP_channel_sum, &first, 1, NULL));
}

void class_token_host(const HostCall *call) {
  const int64_t *dim = call->out.shape.dim;
  size_t token = sizeof(double) * (size_t)dim[3], others = token * (size_t)(dim[1] - 1);
  for (int64_t n = 0; n < dim[0]; n++) {
    memcpy(host_at(&call->out, n, 0, 0, 0), call->in[TOKEN].data, token);
    memcpy(host_at(&call->out, n, 1, 0, 0), host_at(&call->in[X], n, 0, 0, 0), others);
  }
}

void class_token_emit(Emit *emit, const Node *node) {
  emit_gather(emit, node, 0);
  emit_line(emit, "vec value;");
  emit_line(emit, "if (y == 0) {");
  emit_line(emit, "value = mla_load(in%d + c);", TOKEN);
  emit_line(emit, "} else {");
  emit_line(emit, "value = %s;", emit_load(emit, X, "n", "(y - 1)", "x"));
  emit_line(emit, "}");
  emit_result(emit, "value");
}
