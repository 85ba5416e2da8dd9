#include "compiler/emit/layer.h"

static int attr_of(const Node *node, const char *name) {
  return (int)node->attr[op_attr_index(node->op, name)].i;
}

static LayerShape shape_of_linear(int64_t in, int64_t out) {
  return (LayerShape){.in_h = 1,
                      .in_w = 1,
                      .in_c = (int)in,
                      .out_h = 1,
                      .out_w = 1,
                      .out_c = (int)out,
                      .kernel_h = 1,
                      .kernel_w = 1,
                      .stride = 1,
                      .groups = 1};
}

static LayerShape shape_of_convolution(const Layer *layer, const Node *node) {
  const int64_t *x = layer->x->shape.dim, *y = layer->y->shape.dim, *weight = layer->weight->shape.dim;
  return (LayerShape){.in_h = (int)x[1],
                      .in_w = (int)x[2],
                      .in_c = (int)x[3],
                      .out_h = (int)y[1],
                      .out_w = (int)y[2],
                      .out_c = (int)y[3],
                      .kernel_h = (int)weight[0],
                      .kernel_w = (int)weight[1],
                      .stride = attr_of(node, "stride"),
                      .pad = attr_of(node, "pad"),
                      .groups = attr_of(node, "groups")};
}

// The result stands for what it is the gradient of, and an input for what it is the cotangent of.
Layer layer_of(const Emit *emit, const Node *node, LayerKernel kernel) {
  const Node *first = graph_node(emit->graph, node->in[0]), *second = graph_node(emit->graph, node->in[1]);
  Layer layer = {.x = first, .weight = second, .y = node};
  if (kernel == LAYER_GRAD_INPUT) layer.x = node, layer.y = first;
  if (kernel == LAYER_GRAD_WEIGHT) layer.weight = node, layer.y = second;
  layer.is_linear = layer.weight->shape.rank == 2;
  layer.shape = layer.is_linear ? shape_of_linear(layer.weight->shape.dim[0], layer.weight->shape.dim[1])
                                : shape_of_convolution(&layer, node);
  return layer;
}

Layer layer_of_weight(const Emit *emit, const Node *node) {
  Layer layer = {.weight = graph_node(emit->graph, node->in[0])};
  const int64_t *weight = layer.weight->shape.dim;
  int groups = attr_of(node, "groups");
  layer.shape = shape_of_linear(weight[2] * groups, weight[3]);
  layer.shape.kernel_h = (int)weight[0], layer.shape.kernel_w = (int)weight[1];
  layer.shape.groups = groups;
  return layer;
}

const char *layer_stem(Emit *emit, const Node *node, const Layer *layer) {
  const char *name = op_info(node->op)->name;
  const LayerShape *s = &layer->shape;
  if (s->in_h * s->in_w * s->kernel_h * s->kernel_w == 1)
    return writer_format(emit, "%s_%dx%d", name, s->in_c, s->out_c);
  const char *stride = s->stride == 1 ? "" : writer_format(emit, "_s%d", s->stride);
  const char *groups = s->groups == 1 ? "" : writer_format(emit, "_g%d", s->groups);
  return writer_format(emit, "%s_%dx%d_%dx%d_%dx%d%s%s", name, s->kernel_h, s->kernel_w, s->in_c, s->out_c,
                       s->out_h, s->out_w, stride, groups);
}
