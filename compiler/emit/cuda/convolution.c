// Convolutions and linear layers: from nodes to the writers of matrix.h.
#include "compiler/emit/around.h"
#include "compiler/emit/cuda/matrix.h"
#include "compiler/emit/cuda/skeletons.h"
#include "compiler/emit/layer.h"

static TileMath math_of(const Emit *emit) {
  return emit->precision == MLA_PRECISION_TF32   ? TILE_TF32
         : emit->precision == MLA_PRECISION_BF16 ? TILE_BF16
                                                 : TILE_EXACT;
}

static MatrixLayer matrix_of(const Emit *emit, const Layer *layer) {
  return (MatrixLayer){.shape = layer->shape,
                       .elem_bytes = emit->elem_bytes,
                       .choices = emit->choices,
                       .batch = emit->graph->batch,
                       .math = math_of(emit)};
}

typedef MatrixKernel LayerWriter(StrBuf *out, const char *symbol, const MatrixLayer *layer);

// The launch as a product of plain matrices, if each pixel is a row and the group has nothing else in it but the
// transposition of the weight. The buffers are the factors and, last, the result.
static bool is_plain_product(const Emit *emit, const Node *node, const MatrixLayer *layer) {
  int n_own = 1 + (node->n_in > 1 && writer_is_computed(emit, node->in[1]));
  return matrix_is_plain(layer) && layer->shape.groups == 1 && emit->group->n_nodes == n_own;
}

static MlaProduct product_of(const MatrixLayer *layer, LayerWriter *write, int n_buffers) {
  int64_t pixels = (int64_t)layer->shape.out_h * layer->shape.out_w;
  bool is_forward = write == matrix_forward;
  return (MlaProduct){.rows = pixels,
                      .rows_by_image = true,
                      .columns = is_forward ? layer->shape.out_c : layer->shape.in_c,
                      .terms = is_forward ? layer->shape.in_c : layer->shape.out_c,
                      .right_transposed = write == matrix_plain_grad_input,
                      .left = 0,
                      .right = 1,
                      .result = n_buffers - 1};
}

static MlaProduct grad_weight_product(const MatrixLayer *layer, int n_buffers) {
  return (MlaProduct){.rows = layer->shape.in_c,
                      .columns = layer->shape.out_c,
                      .terms = (int64_t)layer->shape.out_h * layer->shape.out_w,
                      .terms_by_image = true,
                      .left_transposed = true,
                      .left = 0,
                      .right = 1,
                      .result = n_buffers - 1};
}

static void draft_plain(Emit *emit, const Node *node, const Layer *of, LayerWriter *write) {
  MatrixLayer layer = matrix_of(emit, of);
  StrBuf text = strbuf_new(emit->arena);
  KernelDraft draft = {.stem = around_stem(emit, layer_stem(emit, node, of)), .role = ""};
  layer.around = cuda_around(emit, &draft.buffers, &draft.n_buffers);
  MatrixKernel kernel = write(&text, KERNEL_SYMBOL, &layer);
  draft.text = text.text;
  draft.threads = kernel.threads;
  draft.grid = kernel.grid;
  draft.parts = cuda_n_blocks(emit, kernel.grid);
  if (kernel.n_tickets) draft.buffers[layer.around->ticket_buffer].n_tickets = kernel.n_tickets;
  draft.use = kernel.use;
  if (write != matrix_transpose_weight && is_plain_product(emit, node, &layer))
    draft.product = product_of(&layer, write, draft.n_buffers);
  emit_draft(emit, draft);
}

static void draft_grad_weight(Emit *emit, const Node *node, const Layer *of) {
  MatrixLayer layer = matrix_of(emit, of);
  int parts = emit->group->parts > 1 ? emit->group->parts : 1;
  StrBuf text = strbuf_new(emit->arena);
  KernelDraft draft = {.stem = around_stem(emit, layer_stem(emit, node, of)), .role = "", .parts = parts};
  layer.around = cuda_around(emit, &draft.buffers, &draft.n_buffers);
  MatrixKernel kernel = matrix_grad_weight(&text, KERNEL_SYMBOL, &layer, parts);
  if (parts > 1) draft.buffers[draft.n_buffers - 2].n_tickets = kernel.n_tickets;
  draft.text = text.text;
  draft.threads = kernel.threads;
  draft.grid = kernel.grid;
  draft.use = kernel.use;
  if (is_plain_product(emit, node, &layer)) draft.product = grad_weight_product(&layer, draft.n_buffers);
  emit_draft(emit, draft);
}

void cuda_layer_forward(Emit *emit, const Node *node) {
  Layer layer = layer_of(emit, node, LAYER_FORWARD);
  draft_plain(emit, node, &layer, matrix_forward);
}

void cuda_layer_grad_input(Emit *emit, const Node *node) {
  Layer layer = layer_of(emit, node, LAYER_GRAD_INPUT);
  bool has_plain_weight = layer.is_linear || writer_is_computed(emit, node->in[1]);
  draft_plain(emit, node, &layer, has_plain_weight ? matrix_plain_grad_input : matrix_grad_input);
}

void cuda_layer_grad_weight(Emit *emit, const Node *node) {
  Layer layer = layer_of(emit, node, LAYER_GRAD_WEIGHT);
  draft_grad_weight(emit, node, &layer);
}

void cuda_transpose_weight(Emit *emit, const Node *node) {
  Layer layer = layer_of_weight(emit, node);
  draft_plain(emit, node, &layer, matrix_transpose_weight);
}
