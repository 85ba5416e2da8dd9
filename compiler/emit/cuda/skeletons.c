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
    .layer_forward = cuda_layer_forward,
    .layer_grad_input = cuda_layer_grad_input,
    .layer_grad_weight = cuda_layer_grad_weight,
    .transpose_weight = cuda_transpose_weight,
    .attention = cuda_attention,
    .attention_grad = cuda_attention_grad,
    .prepare = cuda_prepare,
    .log = cuda_log,
};
