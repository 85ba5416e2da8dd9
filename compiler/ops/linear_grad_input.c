// linear_grad_input(g, weight): [batch, out] times the transposed [in, out].
#include "compiler/ops/rules.h"

enum { G, WEIGHT };
const AttrDef linear_grad_input_attrs[] = {END_ATTRS};

bool linear_grad_input_shape(ShapeQuery *query) {
  Shape g = query->in[G], weight = query->in[WEIGHT];
  if (g.rank != 2 || weight.rank != 2 || g.dim[1] != weight.dim[1])
    return shape_fail(query, G, "linear_grad_input: a gradient %s does not fit a weight %s",
                      shape_text(query->arena, g), shape_text(query->arena, weight));
  query->out = (Shape){.rank = 2, .dim = {g.dim[0], weight.dim[0]}};
  return true;
}

void linear_grad_input_grad(Grad *grad, const Node *node, NodeId cotangent) {
  no_second_derivative(grad, node, cotangent);
}

void linear_grad_input_host(const HostCall *call) {
  int64_t batch = host_rows(&call->out), n_in = host_channels(&call->out),
          n_out = host_channels(&call->in[G]);
  host_zero(&call->out);
  for (int64_t n = 0; n < batch; n++)
    for (int64_t i = 0; i < n_in; i++)
      for (int64_t o = 0; o < n_out; o++)
        call->out.data[n * n_in + i] +=
            call->in[G].data[n * n_out + o] * call->in[WEIGHT].data[i * n_out + o];
}

void linear_grad_input_emit(Emit *emit, const Node *node) {
  emit_layer_grad_input(emit, node);
}
