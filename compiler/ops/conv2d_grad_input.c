// conv2d_grad_input(g, transposed weight): the gradient of conv2d with respect to x. The weight is laid out
// [kh, kw, out/groups, in] (transpose_weight), so that the channels of the result are contiguous.
#include "compiler/ops/conv.h"

enum { G, TRANSPOSED };
const AttrDef conv2d_grad_input_attrs[] = {CONV_ATTRS,
                                           {"in_h", ATTR_INT, true, 0, "height of x"},
                                           {"in_w", ATTR_INT, true, 0, "width of x"},
                                           END_ATTRS};

bool conv2d_grad_input_shape(ShapeQuery *query) {
  Shape g = query->in[G], weight = query->in[TRANSPOSED];
  int64_t groups = query->attr[CONV_GROUPS].i;
  if (!expect_image(query, "conv2d_grad_input", G)) return false;
  if (weight.rank != 4 || weight.dim[2] * groups != g.dim[3])
    return shape_fail(query, TRANSPOSED,
                      "conv2d_grad_input: a transposed weight %s does not fit a gradient %s",
                      shape_text(query->arena, weight), shape_text(query->arena, g));
  query->out = image_shape(query->attr[CONV_IN_H].i, query->attr[CONV_IN_W].i, weight.dim[3]);
  return true;
}

void conv2d_grad_input_grad(Grad *grad, const Node *node, NodeId cotangent) {
  no_second_derivative(grad, node, cotangent);
}

// `w` is where the tap's matrix begins in either layout: both have as many elements.
static void add_tap(const ConvDims *d, const HostCall *call, int64_t y, int64_t x, int64_t w) {
  int64_t in_per_group = d->in_c / d->groups, out_per_group = d->out_c / d->groups;
  for (int64_t oc = 0; oc < d->out_c; oc++) {
    int64_t first = conv_first_in(d, oc);
    const double *weight = call->in[TRANSPOSED].data + w + oc % out_per_group * d->in_c + first;
    double *result = call->out.data + x + first, g = call->in[G].data[y + oc];
    for (int64_t ic = 0; ic < in_per_group; ic++) result[ic] += g * weight[ic];
  }
}

void conv2d_grad_input_host(const HostCall *call) {
  Shape transposed = call->in[TRANSPOSED].shape;
  ConvDims dims = conv_dims(call->out.shape, call->in[G].shape, transposed, call->attr);
  host_zero(&call->out);
  conv_visit(&dims, call, add_tap);
}

void conv2d_grad_input_emit(Emit *emit, const Node *node) {
  emit_layer_grad_input(emit, node);
}
