// The table of the CUDA skeletons.
#include "compiler/emit/cuda/matrix.h"
#include "compiler/emit/cuda/skeletons.h"

const Skeletons cuda_skeletons = {
    .is_aligned = true,
    .has_mates = true,
    .point = cuda_point,
    .reduce = cuda_reduce,
    .gather = cuda_gather,
    .mean = cuda_mean,
    .rows = cuda_rows,
    .images = cuda_images,
    .pairs = cuda_pairs,
    .update = cuda_update,
    .running = cuda_running,
    .conv_forward = cuda_conv_forward,
    .conv_grad_input = cuda_conv_grad_input,
    .conv_grad_weight = cuda_conv_grad_weight,
    .conv_transpose_weight = cuda_conv_transpose_weight,
    .linear_forward = cuda_linear_forward,
    .linear_grad_input = cuda_linear_grad_input,
    .linear_grad_weight = cuda_linear_grad_weight,
    .attention = cuda_attention,
    .attention_grad = cuda_attention_grad,
    .prepare = cuda_prepare,
    .log = cuda_log,
};
