// The shape of a convolution or linear layer, which is all that the writers of its kernels must know of it.
#pragma once

// x [batch, in_h, in_w, in_c], weight [kernel_h, kernel_w, in_c / groups, out_c], y [batch, out_h, out_w, out_c].
// A linear layer is a convolution of images of one pixel.
typedef struct LayerShape {
  int in_h, in_w, in_c, out_h, out_w, out_c;
  int kernel_h, kernel_w, stride, pad, groups;
} LayerShape;
