// linear(x, weight): [batch, in] times [in, out].
#include "compiler/ops/rules.h"

enum { X, WEIGHT };
const AttrDef linear_attrs[] = {END_ATTRS};

bool linear_shape(ShapeQuery *query) {
  Shape x = query->in[X], weight = query->in[WEIGHT];
  if (x.rank != 2)
    return shape_fail(query, X, "linear expects [batch, features], x is %s%s", shape_text(query->arena, x),
                      x.rank == 4 ? ": flatten or pool it first" : "");
  if (weight.rank != 2 || weight.dim[0] != x.dim[1])
    return shape_fail(query, X, "linear expects %lld features (its weight is %s), x has %lld",
                      (long long)weight.dim[0], shape_text(query->arena, weight), (long long)x.dim[1]);
  query->out = (Shape){.rank = 2, .dim = {x.dim[0], weight.dim[1]}};
  return true;
}

void linear_grad(Grad *grad, const Node *node, NodeId g) {
  if (grad_needed(grad, X))
    grad_add(grad, X, grad_build(grad, OP_linear_grad_input, (NodeId[]){g, node->in[WEIGHT]}, 2, NULL));
  if (grad_needed(grad, WEIGHT))
    grad_add(grad, WEIGHT, grad_build(grad, OP_linear_grad_weight, (NodeId[]){node->in[X], g}, 2, NULL));
}

void linear_host(const HostCall *call) {
  int64_t batch = host_rows(&call->out), n_in = host_channels(&call->in[X]),
          n_out = host_channels(&call->out);
  host_zero(&call->out);
  for (int64_t n = 0; n < batch; n++)
    for (int64_t i = 0; i < n_in; i++)
      for (int64_t o = 0; o < n_out; o++)
        call->out.data[n * n_out + o] +=
            call->in[X].data[n * n_in + i] * call->in[WEIGHT].data[i * n_out + o];
}

void linear_emit(Emit *emit, const Node *node) {
  emit_layer_forward(emit, node);
}
