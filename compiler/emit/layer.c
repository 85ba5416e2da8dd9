#include "compiler/emit/layer.h"

static int attr_of(const Node *node, const char *name) {
  return (int)node->attr[op_attr_index(node->op, name)].i;
}

static void set_linear(Layer *layer, int64_t in, int64_t out) {
  layer->in_h = layer->in_w = layer->out_h = layer->out_w = 1;
  layer->in_c = (int)in, layer->out_c = (int)out;
  layer->kernel_h = layer->kernel_w = layer->stride = layer->groups = 1;
  layer->pad = 0;
}

static void set_convolution(Layer *layer, const Node *node) {
  const int64_t *x = layer->x->shape.dim, *y = layer->y->shape.dim, *weight = layer->weight->shape.dim;
  layer->in_h = (int)x[1], layer->in_w = (int)x[2], layer->in_c = (int)x[3];
  layer->out_h = (int)y[1], layer->out_w = (int)y[2], layer->out_c = (int)y[3];
  layer->kernel_h = (int)weight[0], layer->kernel_w = (int)weight[1];
  layer->stride = attr_of(node, "stride");
  layer->pad = attr_of(node, "pad");
  layer->groups = attr_of(node, "groups");
}

// The result stands for what it is the gradient of, and an input for what it is the cotangent of.
Layer layer_of(const Emit *emit, const Node *node, LayerKernel kernel) {
  const Node *first = graph_node(emit->graph, node->in[0]), *second = graph_node(emit->graph, node->in[1]);
  Layer layer = {.x = first, .weight = second, .y = node};
  if (kernel == LAYER_GRAD_INPUT) layer.x = node, layer.y = first;
  if (kernel == LAYER_GRAD_WEIGHT) layer.weight = node, layer.y = second;
  layer.is_linear = layer.weight->shape.rank == 2;
  if (layer.is_linear)
    set_linear(&layer, layer.weight->shape.dim[0], layer.weight->shape.dim[1]);
  else
    set_convolution(&layer, node);
  return layer;
}

Layer layer_of_weight(const Emit *emit, const Node *node) {
  Layer layer = {.weight = graph_node(emit->graph, node->in[0])};
  const int64_t *weight = layer.weight->shape.dim;
  int groups = attr_of(node, "groups");
  set_linear(&layer, weight[2] * groups, weight[3]);
  layer.kernel_h = (int)weight[0], layer.kernel_w = (int)weight[1];
  layer.groups = groups;
  return layer;
}

const char *layer_stem(Emit *emit, const Node *node, const Layer *layer) {
  const char *name = op_info(node->op)->name;
  if (layer->in_h * layer->in_w * layer->kernel_h * layer->kernel_w == 1)
    return writer_format(emit, "%s_%dx%d", name, layer->in_c, layer->out_c);
  const char *stride = layer->stride == 1 ? "" : writer_format(emit, "_s%d", layer->stride);
  const char *groups = layer->groups == 1 ? "" : writer_format(emit, "_g%d", layer->groups);
  return writer_format(emit, "%s_%dx%d_%dx%d_%dx%d%s%s", name, layer->kernel_h, layer->kernel_w, layer->in_c,
                       layer->out_c, layer->out_h, layer->out_w, stride, groups);
}
