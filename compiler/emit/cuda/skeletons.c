// The table of the CUDA skeletons.
#include "compiler/emit/cuda/skeletons.h"
#include <stdio.h>
#include <stdlib.h>

_Noreturn static void missing(Emit *emit, const Node *node) {
  (void)emit;
  fprintf(stderr, "mlaanc: no CUDA kernel for %s yet\n", op_info(node->op)->name);
  exit(1);
}

const Skeletons cuda_skeletons = {
    .is_aligned = true,
    .point = cuda_point,
    .reduce = cuda_reduce,
    .gather = cuda_gather,
    .mean = cuda_mean,
    .rows = cuda_rows,
    .images = cuda_images,
    .pairs = cuda_pairs,
    .update = cuda_update,
    .running = cuda_running,
    .conv_forward = missing,
    .conv_grad_input = missing,
    .conv_grad_weight = missing,
    .conv_transpose_weight = missing,
    .linear_forward = missing,
    .linear_grad_input = missing,
    .linear_grad_weight = missing,
    .attention = missing,
    .attention_grad = missing,
};
