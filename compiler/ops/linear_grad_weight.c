// linear_grad_weight(x, g): the transposed [batch, in] times [batch, out].
#include "compiler/ops/rules.h"

enum { X, G };
const AttrDef linear_grad_weight_attrs[] = {END_ATTRS};

bool linear_grad_weight_shape(ShapeQuery *query) {
  Shape x = query->in[X], g = query->in[G];
  if (x.rank != 2 || g.rank != 2)
    return shape_fail(query, X, "linear_grad_weight expects rows of features, they are %s and %s",
                      shape_text(query->arena, x), shape_text(query->arena, g));
  query->out = (Shape){.rank = 2, .dim = {x.dim[1], g.dim[1]}};
  return true;
}

void linear_grad_weight_grad(Grad *grad, const Node *node, NodeId cotangent) {
  no_second_derivative(grad, node, cotangent);
}

void linear_grad_weight_host(const HostCall *call) {
  int64_t batch = host_rows(&call->in[X]), n_in = host_channels(&call->in[X]),
          n_out = host_channels(&call->in[G]);
  host_zero(&call->out);
  for (int64_t n = 0; n < batch; n++)
    for (int64_t i = 0; i < n_in; i++)
      for (int64_t o = 0; o < n_out; o++)
        call->out.data[i * n_out + o] += call->in[X].data[n * n_in + i] * call->in[G].data[n * n_out + o];
}

void linear_grad_weight_emit(Emit *emit, const Node *node) {
  emit_layer_grad_weight(emit, node);
}
