// conv2d(x, weight): cross-correlation. The output's extents follow from the weight [kh, kw, in/groups, out].
#include "compiler/ops/conv.h"

enum { X, WEIGHT };
const AttrDef conv2d_attrs[] = {CONV_ATTRS, END_ATTRS};

static bool channels_fit(ShapeQuery *query, int64_t groups) {
  Shape x = query->in[X], weight = query->in[WEIGHT];
  long long in_c = (long long)x.dim[3], out_c = (long long)weight.dim[3],
            expected = (long long)(weight.dim[2] * groups);
  if (out_c % groups)
    return shape_fail(query, -1, "conv2d: %lld output channels cannot be divided into %lld groups", out_c,
                      (long long)groups);
  if (in_c % groups)
    return shape_fail(query, X, "conv2d: the %lld channels of x cannot be divided into %lld groups", in_c,
                      (long long)groups);
  if (in_c != expected)
    return shape_fail(query, X, "conv2d expects %lld input channels (its weight is %s), x has %lld", expected,
                      shape_text(query->arena, weight), in_c);
  return true;
}

bool conv2d_shape(ShapeQuery *query) {
  const Attr *attr = query->attr;
  int64_t stride = attr[CONV_STRIDE].i, pad = attr[CONV_PAD].i, groups = attr[CONV_GROUPS].i;
  if (!expect_image(query, "conv2d", X) || !expect_range(query, "conv2d", "stride", stride, 1) ||
      !expect_range(query, "conv2d", "pad", pad, 0) || !expect_range(query, "conv2d", "groups", groups, 1))
    return false;
  Shape x = query->in[X], weight = query->in[WEIGHT];
  if (weight.rank != 4)
    return shape_fail(query, WEIGHT, "conv2d expects a weight [kh, kw, in/groups, out], it is %s",
                      shape_text(query->arena, weight));
  if (!channels_fit(query, groups)) return false;
  int64_t room_h = x.dim[1] + 2 * pad - weight.dim[0], room_w = x.dim[2] + 2 * pad - weight.dim[1];
  if (room_h < 0 || room_w < 0)
    return shape_fail(query, X,
                      "conv2d: a %lld x %lld kernel with pad %lld does not fit in x, which is %lld x %lld",
                      (long long)weight.dim[0], (long long)weight.dim[1], (long long)pad, (long long)x.dim[1],
                      (long long)x.dim[2]);
  query->out = image_shape(room_h / stride + 1, room_w / stride + 1, weight.dim[3]);
  return true;
}

void conv2d_grad(Grad *grad, const Node *node, NodeId g) {
  Shape x = graph_node(grad_graph(grad), node->in[X])->shape,
        weight = graph_node(grad_graph(grad), node->in[WEIGHT])->shape;
  Attr stride = node->attr[CONV_STRIDE], pad = node->attr[CONV_PAD], groups = node->attr[CONV_GROUPS];
  if (grad_needed(grad, X)) {
    NodeId transposed = grad_build(grad, OP_transpose_weight, &node->in[WEIGHT], 1, &groups);
    Attr attr[] = {stride, pad, groups, attr_int(x.dim[1]), attr_int(x.dim[2])};
    grad_add(grad, X, grad_build(grad, OP_conv2d_grad_input, (NodeId[]){g, transposed}, 2, attr));
  }
  if (grad_needed(grad, WEIGHT)) {
    Attr attr[] = {stride, pad, groups, attr_int(weight.dim[0]), attr_int(weight.dim[1])};
    grad_add(grad, WEIGHT, grad_build(grad, OP_conv2d_grad_weight, (NodeId[]){node->in[X], g}, 2, attr));
  }
}

static void add_tap(const ConvDims *d, const HostCall *call, int64_t y, int64_t x, int64_t w) {
  for (int64_t oc = 0; oc < d->out_c; oc++) {
    const double *input = call->in[X].data + x + conv_first_in(d, oc),
                 *weight = call->in[WEIGHT].data + w + oc;
    double sum = 0;
    for (int64_t ic = 0; ic < d->in_c / d->groups; ic++) sum += input[ic] * weight[ic * d->out_c];
    call->out.data[y + oc] += sum;
  }
}

void conv2d_host(const HostCall *call) {
  ConvDims dims = conv_dims(call->in[X].shape, call->out.shape, call->in[WEIGHT].shape, call->attr);
  host_zero(&call->out);
  conv_visit(&dims, call, add_tap);
}

void conv2d_emit(Emit *emit, const Node *node) {
  emit_layer_forward(emit, node);
}
