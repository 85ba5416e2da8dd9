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
    .layer_forward = c_layer_forward,
    .layer_grad_input = c_layer_grad_input,
    .layer_grad_weight = c_layer_grad_weight,
    .transpose_weight = c_transpose_weight,
    .attention = c_attention,
    .attention_grad = c_attention_grad,
    .running = c_running,
};
