// The shape of a layer from what the tests' tables say of it.
#pragma once
#include "compiler/emit/layer_shape.h"

static inline LayerShape layer_case(int h, int w, int in_c, int out_c, int kernel_h, int kernel_w, int stride,
                                    int pad, int groups) {
  return (LayerShape){.in_h = h,
                      .in_w = w,
                      .in_c = in_c,
                      .out_h = (h + 2 * pad - kernel_h) / stride + 1,
                      .out_w = (w + 2 * pad - kernel_w) / stride + 1,
                      .out_c = out_c,
                      .kernel_h = kernel_h,
                      .kernel_w = kernel_w,
                      .stride = stride,
                      .pad = pad,
                      .groups = groups};
}
