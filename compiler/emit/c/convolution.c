// Convolutions and linear layers: from nodes to the writers of compiler/emit/c/conv.h.
#include "compiler/emit/around.h"
#include "compiler/emit/c/conv_around.h"
#include "compiler/emit/c/conv_choice.h"
#include "compiler/emit/c/skeletons.h"

static ConvSpec spec_of(const Emit *emit, const Layer *layer) {
  return (ConvSpec){
      .shape = layer->shape,
      .elem_bytes = emit->elem_bytes,
      .vector_bytes = emit->elem_bytes * emit->max_lanes,
      .batch = emit->graph->batch,
      .x_is_bf16 = layer->x && layer->x->dtype == DT_BF16,
      .y_is_bf16 = layer->y && layer->y->dtype == DT_BF16,
      .is_paired =
          emit->precision == MLA_PRECISION_BF16 && layer->shape.groups == 1, // in groups they stay exact
  };
}

typedef ConvKernel ConvWriter(StrBuf *out, const char *symbol, const ConvSpec *spec);

static void draft_plain(Emit *emit, const Node *node, const char *stem, ConvSpec *spec, ConvWriter *write,
                        int use) {
  StrBuf text = strbuf_new(emit->arena);
  KernelDraft draft = {.stem = around_stem(emit, stem), .role = "", .use = use};
  spec->around = conv_around(emit, spec, &text, &draft.buffers, &draft.n_buffers);
  ConvKernel kernel = write(&text, KERNEL_SYMBOL, spec);
  draft.text = text.text;
  draft.scratch_bytes = kernel.scratch_bytes;
  draft.parts = kernel.parts;
  if (!spec->around || spec->around->result >= 0) draft.buffers[draft.n_buffers++] = single_output(emit);
  emit_draft(emit, draft);
  int64_t pixels = shape_rows(node->shape, 1);
  if (spec->around) conv_around_finish(emit, draft.stem, pixels);
}

// A product that can be cut in several ways.
static void draft_cut(Emit *emit, const Node *node, LayerKernel kernel, ConvWriter *write) {
  Layer layer = layer_of(emit, node, kernel);
  ConvSpec spec = spec_of(emit, &layer);
  int use = 0;
  spec.cut = conv_choice(emit, &spec, kernel, &use);
  draft_plain(emit, node, layer_stem(emit, node, &layer), &spec, write, use);
}

// With one part the partial sum is the gradient itself.
static void draft_grad_weight(Emit *emit, const char *stem, ConvSpec *spec) {
  int n_partials = emit->group->parts, use = 0;
  spec->cut = conv_choice(emit, spec, LAYER_GRAD_WEIGHT, &use);
  StrBuf text = strbuf_new(emit->arena);
  KernelDraft draft = {.stem = around_stem(emit, stem), .role = "", .use = use};
  spec->around = conv_around(emit, spec, &text, &draft.buffers, &draft.n_buffers);
  ConvKernel kernel = conv_write_grad_weight(&text, KERNEL_SYMBOL, spec, n_partials);
  draft.text = text.text;
  draft.scratch_bytes = kernel.scratch_bytes;
  draft.parts = kernel.parts;
  BufferRef partial = {.kind = REF_PARTIAL};
  draft.buffers[draft.n_buffers++] = n_partials > 1 ? partial : single_output(emit);
  emit_draft(emit, draft);
  if (n_partials <= 1) return;

  StrBuf sum = strbuf_new(emit->arena);
  kernel = conv_write_grad_weight_finish(&sum, KERNEL_SYMBOL, spec, n_partials);
  KernelDraft finish = {
      .text = sum.text, .stem = writer_format(emit, "%s_finish", draft.stem), .role = "finish"};
  finish.scratch_bytes = kernel.scratch_bytes;
  finish.parts = kernel.parts;
  finish.buffers = ARENA_ARRAY(emit->arena, BufferRef, 2);
  finish.buffers[0] = partial;
  finish.buffers[1] = single_output(emit);
  finish.n_buffers = 2;
  emit_draft(emit, finish);
}

void c_layer_forward(Emit *emit, const Node *node) {
  draft_cut(emit, node, LAYER_FORWARD, conv_write_forward);
}

void c_layer_grad_input(Emit *emit, const Node *node) {
  const bool is_linear = layer_of(emit, node, LAYER_GRAD_INPUT).is_linear;
  draft_cut(emit, node, LAYER_GRAD_INPUT, is_linear ? conv_write_linear_grad_input : conv_write_grad_input);
}

void c_layer_grad_weight(Emit *emit, const Node *node) {
  Layer layer = layer_of(emit, node, LAYER_GRAD_WEIGHT);
  ConvSpec spec = spec_of(emit, &layer);
  draft_grad_weight(emit, layer_stem(emit, node, &layer), &spec);
}

void c_transpose_weight(Emit *emit, const Node *node) {
  Layer layer = layer_of_weight(emit, node);
  ConvSpec spec = spec_of(emit, &layer);
  draft_plain(emit, node, layer_stem(emit, node, &layer), &spec, conv_write_transpose_weight, 0);
}
