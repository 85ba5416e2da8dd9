// conv2d_grad_weight(x, g): the gradient of conv2d with respect to its weight.
#include "compiler/ops/conv.h"

enum { X, G };
const AttrDef conv2d_grad_weight_attrs[] = {CONV_ATTRS,
                                            {"kernel_h", ATTR_INT, true, 0, "height of the weight"},
                                            {"kernel_w", ATTR_INT, true, 0, "width of the weight"},
                                            END_ATTRS};

bool conv2d_grad_weight_shape(ShapeQuery *query) {
  const Attr *attr = query->attr;
  if (!expect_image(query, "conv2d_grad_weight", X) || !expect_image(query, "conv2d_grad_weight", G))
    return false;
  int64_t in_c = query->in[X].dim[3] / attr[CONV_GROUPS].i, out_c = query->in[G].dim[3];
  query->out = (Shape){.rank = 4, .dim = {attr[CONV_KERNEL_H].i, attr[CONV_KERNEL_W].i, in_c, out_c}};
  return true;
}

void conv2d_grad_weight_grad(Grad *grad, const Node *node, NodeId cotangent) {
  no_second_derivative(grad, node, cotangent);
}

static void add_tap(const ConvDims *d, const HostCall *call, int64_t y, int64_t x, int64_t w) {
  for (int64_t oc = 0; oc < d->out_c; oc++) {
    const double *input = call->in[X].data + x + conv_first_in(d, oc);
    double *result = call->out.data + w + oc, g = call->in[G].data[y + oc];
    for (int64_t ic = 0; ic < d->in_c / d->groups; ic++) result[ic * d->out_c] += g * input[ic];
  }
}

void conv2d_grad_weight_host(const HostCall *call) {
  ConvDims dims = conv_dims(call->in[X].shape, call->in[G].shape, call->out.shape, call->attr);
  host_zero(&call->out);
  conv_visit(&dims, call, add_tap);
}

void conv2d_grad_weight_emit(Emit *emit, const Node *node) {
  emit_layer_grad_weight(emit, node);
}
