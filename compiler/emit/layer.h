// A convolution or a linear layer as its kernels see it, whatever the target: the nodes of a launch told by what they are
// to the layer y = layer(x, weight).
#pragma once
#include "compiler/emit/layer_shape.h"
#include "compiler/emit/writer.h"

typedef enum LayerKernel { LAYER_FORWARD, LAYER_GRAD_INPUT, LAYER_GRAD_WEIGHT } LayerKernel;

typedef struct Layer {
  const Node *x, *weight, *y; // each itself or its gradient; NULL: not at hand
  LayerShape shape;
  bool is_linear;
} Layer;

Layer layer_of(const Emit *emit, const Node *node, LayerKernel kernel);
Layer layer_of_weight(const Emit *emit, const Node *node); // of transpose_weight: images of one pixel
// "conv2d_grad_input_3x3_16x32_32x32_s2": kernel, channels, size of y, what is unusual.
const char *layer_stem(Emit *emit, const Node *node, const Layer *layer);
