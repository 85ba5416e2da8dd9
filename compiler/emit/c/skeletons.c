// The table of the C skeletons.
#include "compiler/emit/c/skeletons.h"

const Skeletons c_skeletons = {
    .point = c_point,
    .reduce = c_reduce,
    .gather = c_gather,
    .separable = c_separable,
    .mean = c_mean,
    .rows = c_rows,
    .images = c_images,
    .pairs = c_pairs,
    .update = c_update,
    .conv_forward = c_conv_forward,
    .conv_grad_input = c_conv_grad_input,
    .conv_grad_weight = c_conv_grad_weight,
    .conv_transpose_weight = c_conv_transpose_weight,
    .linear_forward = c_linear_forward,
    .linear_grad_input = c_linear_grad_input,
    .linear_grad_weight = c_linear_grad_weight,
    .attention = c_attention,
    .attention_grad = c_attention_grad,
    .running = c_running,
};
