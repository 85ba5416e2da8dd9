// A convolution or a linear layer as its kernels see it, whatever the target: the nodes of a launch told by what they are
// to the layer y = layer(x, weight). A linear layer is a convolution of images of one pixel.
#pragma once
#include "compiler/emit/writer.h"

typedef enum LayerKernel { LAYER_FORWARD, LAYER_GRAD_INPUT, LAYER_GRAD_WEIGHT } LayerKernel;

// x [batch, in_h, in_w, in_c], weight [kernel_h, kernel_w, in_c / groups, out_c], y [batch, out_h, out_w, out_c].
typedef struct Layer {
  const Node *x, *weight, *y; // each itself or its gradient; NULL: not at hand
  int in_h, in_w, in_c, out_h, out_w, out_c;
  int kernel_h, kernel_w, stride, pad, groups;
  bool is_linear;
} Layer;

Layer layer_of(const Emit *emit, const Node *node, LayerKernel kernel);
Layer layer_of_weight(const Emit *emit, const Node *node); // of transpose_weight: images of one pixel
// "conv2d_grad_input_3x3_16x32_32x32_s2": kernel, channels, size of y, what is unusual.
const char *layer_stem(Emit *emit, const Node *node, const Layer *layer);
