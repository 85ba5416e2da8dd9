// Convolutions and linear layers: from nodes to the writers of matrix.h.
#include "compiler/emit/around.h"
#include "compiler/emit/cuda/matrix.h"
#include "compiler/emit/cuda/skeletons.h"

static int64_t attr_of(const Node *node, const char *name) {
  return node->attr[op_attr_index(node->op, name)].i;
}

static Shape shape_of_input(const Emit *emit, const Node *node, int i) {
  return graph_node(emit->graph, node->in[i])->shape;
}

static TileMath math_of(const Emit *emit) {
  return emit->precision == MLA_PRECISION_TF32   ? TILE_TF32
         : emit->precision == MLA_PRECISION_BF16 ? TILE_BF16
                                                 : TILE_EXACT;
}

// The convolution y = conv(x, weight) that the node belongs to, from the shapes of x and y.
static MatrixLayer conv_layer(const Emit *emit, const Node *node, Shape x, Shape y, int64_t kernel_h,
                              int64_t kernel_w) {
  return (MatrixLayer){.in_h = (int)x.dim[1],
                       .in_w = (int)x.dim[2],
                       .in_c = (int)x.dim[3],
                       .out_h = (int)y.dim[1],
                       .out_w = (int)y.dim[2],
                       .out_c = (int)y.dim[3],
                       .kernel_h = (int)kernel_h,
                       .kernel_w = (int)kernel_w,
                       .stride = (int)attr_of(node, "stride"),
                       .pad = (int)attr_of(node, "pad"),
                       .groups = (int)attr_of(node, "groups"),
                       .elem_bytes = emit->elem_bytes,
                       .choices = emit->choices,
                       .batch = emit->graph->batch,
                       .math = math_of(emit)};
}

static MatrixLayer linear_layer(const Emit *emit, int64_t in, int64_t out) {
  return (MatrixLayer){.in_h = 1,
                       .in_w = 1,
                       .in_c = (int)in,
                       .out_h = 1,
                       .out_w = 1,
                       .out_c = (int)out,
                       .kernel_h = 1,
                       .kernel_w = 1,
                       .stride = 1,
                       .groups = 1,
                       .elem_bytes = emit->elem_bytes,
                       .choices = emit->choices,
                       .batch = emit->graph->batch,
                       .math = math_of(emit)};
}

// "conv2d_grad_input_3x3_16x32_32x32_s2": kernel, channels, size of y, what is unusual.
static const char *layer_stem(Emit *emit, const Node *node, const MatrixLayer *layer) {
  const char *name = op_info(node->op)->name;
  if (layer->in_h * layer->in_w * layer->kernel_h * layer->kernel_w == 1)
    return writer_format(emit, "%s_%dx%d", name, layer->in_c, layer->out_c);
  const char *stride = layer->stride == 1 ? "" : writer_format(emit, "_s%d", layer->stride);
  const char *groups = layer->groups == 1 ? "" : writer_format(emit, "_g%d", layer->groups);
  return writer_format(emit, "%s_%dx%d_%dx%d_%dx%d%s%s", name, layer->kernel_h, layer->kernel_w, layer->in_c,
                       layer->out_c, layer->out_h, layer->out_w, stride, groups);
}

typedef MatrixKernel LayerWriter(StrBuf *out, const char *symbol, const MatrixLayer *layer);

// The launch as a product of plain matrices, if each pixel is a row and the group has nothing else in it but the
// transposition of the weight. The buffers are the factors and, last, the result.
static bool is_plain_product(const Emit *emit, const Node *node, const MatrixLayer *layer) {
  int n_own = 1 + (node->n_in > 1 && writer_is_computed(emit, node->in[1]));
  return matrix_is_plain(layer) && layer->groups == 1 && emit->group->n_nodes == n_own;
}

static MlaProduct product_of(const MatrixLayer *layer, LayerWriter *write, int n_buffers) {
  int64_t pixels = (int64_t)layer->out_h * layer->out_w;
  bool is_forward = write == matrix_forward;
  return (MlaProduct){.rows = pixels,
                      .rows_by_image = true,
                      .columns = is_forward ? layer->out_c : layer->in_c,
                      .terms = is_forward ? layer->in_c : layer->out_c,
                      .right_transposed = write == matrix_plain_grad_input,
                      .left = 0,
                      .right = 1,
                      .result = n_buffers - 1};
}

static MlaProduct grad_weight_product(const MatrixLayer *layer, int n_buffers) {
  return (MlaProduct){.rows = layer->in_c,
                      .columns = layer->out_c,
                      .terms = (int64_t)layer->out_h * layer->out_w,
                      .terms_by_image = true,
                      .left_transposed = true,
                      .left = 0,
                      .right = 1,
                      .result = n_buffers - 1};
}

static void draft_plain(Emit *emit, const Node *node, MatrixLayer *layer, LayerWriter *write) {
  StrBuf text = strbuf_new(emit->arena);
  KernelDraft draft = {.stem = around_stem(emit, layer_stem(emit, node, layer)), .role = ""};
  layer->around = cuda_around(emit, &draft.buffers, &draft.n_buffers);
  MatrixKernel kernel = write(&text, KERNEL_SYMBOL, layer);
  draft.text = text.text;
  draft.threads = kernel.threads;
  draft.grid = kernel.grid;
  draft.parts = cuda_n_blocks(emit, kernel.grid);
  if (kernel.n_tickets) draft.buffers[layer->around->ticket_buffer].n_tickets = kernel.n_tickets;
  draft.use = kernel.use;
  if (write != matrix_transpose_weight && is_plain_product(emit, node, layer))
    draft.product = product_of(layer, write, draft.n_buffers);
  emit_draft(emit, draft);
}

static bool has_plain_weight(const Emit *emit, const Node *node) {
  return writer_is_computed(emit, node->in[1]);
}

static void draft_grad_weight(Emit *emit, const Node *node, MatrixLayer *layer) {
  int parts = emit->group->parts > 1 ? emit->group->parts : 1;
  StrBuf text = strbuf_new(emit->arena);
  KernelDraft draft = {.stem = around_stem(emit, layer_stem(emit, node, layer)), .role = "", .parts = parts};
  layer->around = cuda_around(emit, &draft.buffers, &draft.n_buffers);
  MatrixKernel kernel = matrix_grad_weight(&text, KERNEL_SYMBOL, layer, parts);
  if (parts > 1) draft.buffers[draft.n_buffers - 2].n_tickets = kernel.n_tickets;
  draft.text = text.text;
  draft.threads = kernel.threads;
  draft.grid = kernel.grid;
  draft.use = kernel.use;
  if (is_plain_product(emit, node, layer)) draft.product = grad_weight_product(layer, draft.n_buffers);
  emit_draft(emit, draft);
}

void cuda_conv_forward(Emit *emit, const Node *node) {
  Shape weight = shape_of_input(emit, node, 1);
  MatrixLayer layer =
      conv_layer(emit, node, shape_of_input(emit, node, 0), node->shape, weight.dim[0], weight.dim[1]);
  draft_plain(emit, node, &layer, matrix_forward);
}

void cuda_conv_grad_input(Emit *emit, const Node *node) {
  Shape weight = shape_of_input(emit, node, 1);
  MatrixLayer layer =
      conv_layer(emit, node, node->shape, shape_of_input(emit, node, 0), weight.dim[0], weight.dim[1]);
  draft_plain(emit, node, &layer, has_plain_weight(emit, node) ? matrix_plain_grad_input : matrix_grad_input);
}

void cuda_conv_grad_weight(Emit *emit, const Node *node) {
  MatrixLayer layer = conv_layer(emit, node, shape_of_input(emit, node, 0), shape_of_input(emit, node, 1),
                                 node->shape.dim[0], node->shape.dim[1]);
  draft_grad_weight(emit, node, &layer);
}

void cuda_conv_transpose_weight(Emit *emit, const Node *node) {
  Shape weight = shape_of_input(emit, node, 0);
  int64_t groups = attr_of(node, "groups");
  MatrixLayer layer = linear_layer(emit, weight.dim[2] * groups, weight.dim[3]);
  layer.kernel_h = (int)weight.dim[0];
  layer.kernel_w = (int)weight.dim[1];
  layer.groups = (int)groups;
  draft_plain(emit, node, &layer, matrix_transpose_weight);
}

void cuda_linear_forward(Emit *emit, const Node *node) {
  Shape weight = shape_of_input(emit, node, 1);
  MatrixLayer layer = linear_layer(emit, weight.dim[0], weight.dim[1]);
  draft_plain(emit, node, &layer, matrix_forward);
}

void cuda_linear_grad_input(Emit *emit, const Node *node) {
  Shape weight = shape_of_input(emit, node, 1);
  MatrixLayer layer = linear_layer(emit, weight.dim[0], weight.dim[1]);
  draft_plain(emit, node, &layer, matrix_plain_grad_input);
}

void cuda_linear_grad_weight(Emit *emit, const Node *node) {
  MatrixLayer layer = linear_layer(emit, node->shape.dim[0], node->shape.dim[1]);
  draft_grad_weight(emit, node, &layer);
}
