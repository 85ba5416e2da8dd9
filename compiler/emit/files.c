// The files that kernels are written to: by what a person looks for. A kernel serves layers of many modules, so it cannot
// stand with a module; it stands with its kind. A group's first operator that has a file of its own decides, so that a
// convolution stays one, whatever was fused into it.
#include "compiler/emit/program.h"

static const struct {
  OpKind op;
  const char *file;
} files[] = {
    {OP_conv2d, "convolution"},
    {OP_conv2d_grad_input, "convolution"},
    {OP_conv2d_grad_weight, "convolution"},
    {OP_transpose_weight, "convolution"},
    {OP_linear, "linear"},
    {OP_linear_grad_input, "linear"},
    {OP_linear_grad_weight, "linear"},
    {OP_attention, "attention"},
    {OP_attention_grad, "attention"},
    {OP_max_pool, "pooling"},
    {OP_max_pool_grad, "pooling"},
    {OP_avg_pool, "pooling"},
    {OP_avg_pool_grad, "pooling"},
    {OP_adaptive_avg_pool, "pooling"},
    {OP_adaptive_avg_pool_grad, "pooling"},
    {OP_resize, "pooling"},
    {OP_resize_grad, "pooling"},
    {OP_slice, "copies"},
    {OP_slice_grad, "copies"},
    {OP_concat, "copies"},
    {OP_channels, "copies"},
    {OP_class_token, "copies"},
    {OP_contrast_rows, "losses"},
    {OP_contrast, "losses"},
    {OP_contrast_grad, "losses"},
    {OP_similarity_terms, "losses"},
    {OP_similarity_grad, "losses"},
    {OP_cross_entropy, "losses"},
    {OP_cross_entropy_grad, "losses"},
    {OP_bce_terms, "losses"},
    {OP_bce_grad, "losses"},
    {OP_bce_logits_terms, "losses"},
};

static const char *file_of_op(OpKind op) {
  if (op_info(op)->effect == EFFECT_WRITES_STATE) return "updates";
  for (size_t i = 0; i < sizeof files / sizeof *files; i++)
    if (files[i].op == op) return files[i].file;
  return NULL;
}

const char *kernel_file(const Graph *graph, const Group *group) {
  if (group->kind == GROUP_PRODUCT) return file_of_op(group_root(graph, group)->op);
  for (int i = 0; i < group->n_nodes; i++) {
    const char *file = file_of_op(graph_node(graph, group->nodes[i])->op);
    if (file) return file;
  }
  return group->kind == GROUP_POINT ? "elementwise" : group->kind == GROUP_REDUCE ? "sums" : "rows";
}
