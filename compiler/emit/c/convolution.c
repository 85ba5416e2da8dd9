// Convolutions and linear layers: from nodes to the writers of compiler/emit/c/conv.h. A linear layer is a
// convolution of images of one pixel.
#include "compiler/emit/around.h"
#include "compiler/emit/c/conv_around.h"
#include "compiler/emit/c/conv_choice.h"
#include "compiler/emit/c/conv_pairs.h"
#include "compiler/emit/c/skeletons.h"

static int64_t attr_of(const Node *node, const char *name) {
  return node->attr[op_attr_index(node->op, name)].i;
}

// The convolution y = conv(x, weight) that the node belongs to, from the shapes of x and y.
static ConvSpec conv_spec(const Emit *emit, const Node *node, Shape x, Shape y, int64_t kernel_h,
                          int64_t kernel_w) {
  return (ConvSpec){
      .in_h = (int)x.dim[1],
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
      .vector_bytes = emit->elem_bytes * emit->max_lanes,
      .batch = emit->graph->batch,
  };
}

static ConvSpec linear_spec(const Emit *emit, int64_t in, int64_t out) {
  return (ConvSpec){
      .in_h = 1,
      .in_w = 1,
      .in_c = (int)in,
      .out_h = 1,
      .out_w = 1,
      .out_c = (int)out,
      .kernel_h = 1,
      .kernel_w = 1,
      .stride = 1,
      .pad = 0,
      .groups = 1,
      .elem_bytes = emit->elem_bytes,
      .vector_bytes = emit->elem_bytes * emit->max_lanes,
      .batch = emit->graph->batch,
  };
}

// "conv2d_grad_input_3x3_16x32_32x32_s2": kernel, channels, size of y, what is unusual.
static const char *conv_stem(Emit *emit, const Node *node, const ConvSpec *spec) {
  const char *name = op_info(node->op)->name;
  if (spec->in_h * spec->in_w * spec->kernel_h * spec->kernel_w == 1) {
    return writer_format(emit, "%s_%dx%d", name, spec->in_c, spec->out_c);
  }
  const char *stride = spec->stride == 1 ? "" : writer_format(emit, "_s%d", spec->stride);
  const char *groups = spec->groups == 1 ? "" : writer_format(emit, "_g%d", spec->groups);
  return writer_format(emit, "%s_%dx%d_%dx%d_%dx%d%s%s", name, spec->kernel_h, spec->kernel_w, spec->in_c,
                       spec->out_c, spec->out_h, spec->out_w, stride, groups);
}

// Products of bf16 come in pairs; convolutions in groups stay exact.
static bool is_paired(const Emit *emit, const ConvSpec *spec) {
  return emit->precision == MLA_PRECISION_BF16 && spec->groups == 1;
}

static bool is_bf16(const Node *node) {
  return node->dtype == DT_BF16;
}

static const Node *input(const Emit *emit, const Node *node, int i) {
  return graph_node(emit->graph, node->in[i]);
}

typedef ConvKernel ConvWriter(StrBuf *out, const char *symbol, const ConvSpec *spec);

static void draft_plain(Emit *emit, const Node *node, ConvSpec *spec, ConvWriter *write, int use) {
  StrBuf text = strbuf_new(emit->arena);
  KernelDraft draft = {.stem = around_stem(emit, conv_stem(emit, node, spec)), .role = "", .use = use};
  spec->around = conv_around(emit, &text, &draft.buffers, &draft.n_buffers);
  ConvKernel kernel = write(&text, KERNEL_SYMBOL, spec);
  draft.text = text.text;
  draft.scratch_bytes = kernel.scratch_bytes;
  draft.parts = kernel.parts;
  if (!spec->around || spec->around->result >= 0) draft.buffers[draft.n_buffers++] = single_output(emit);
  emit_draft(emit, draft);
  int64_t pixels = shape_rows(node->shape, 1);
  if (spec->around) conv_around_finish(emit, draft.stem, pixels);
}

// A product that can be cut in several ways, if it is exact.
static void draft_cut(Emit *emit, const Node *node, ConvSpec spec, ConvDirection direction,
                      ConvWriter *write) {
  int use = 0;
  if (!is_paired(emit, &spec)) spec.cut = conv_choice(emit, &spec, direction, &use);
  draft_plain(emit, node, &spec, write, use);
}

// With one part the partial sum is the gradient itself.
static void draft_grad_weight(Emit *emit, const Node *node, ConvSpec *spec) {
  int n_partials = emit->group->parts, use = 0;
  if (!is_paired(emit, spec)) spec->cut = conv_choice(emit, spec, CONV_GRAD_WEIGHT, &use);
  StrBuf text = strbuf_new(emit->arena);
  const char *stem = conv_stem(emit, node, spec);
  ConvKernel kernel = is_paired(emit, spec)
                          ? conv_write_grad_weight_pairs(&text, KERNEL_SYMBOL, spec, n_partials)
                          : conv_write_grad_weight(&text, KERNEL_SYMBOL, spec, n_partials);
  KernelDraft draft = {.text = text.text,
                       .stem = stem,
                       .role = "",
                       .use = use,
                       .scratch_bytes = kernel.scratch_bytes,
                       .parts = kernel.parts};
  draft.buffers = single_buffers(emit, 1, &draft.n_buffers);
  BufferRef partial = {.kind = REF_PARTIAL};
  draft.buffers[draft.n_buffers++] = n_partials > 1 ? partial : single_output(emit);
  emit_draft(emit, draft);
  if (n_partials <= 1) return;

  StrBuf sum = strbuf_new(emit->arena);
  kernel = conv_write_grad_weight_finish(&sum, KERNEL_SYMBOL, spec, n_partials);
  KernelDraft finish = {.text = sum.text, .stem = writer_format(emit, "%s_finish", stem), .role = "finish"};
  finish.scratch_bytes = kernel.scratch_bytes;
  finish.parts = kernel.parts;
  finish.buffers = ARENA_ARRAY(emit->arena, BufferRef, 2);
  finish.buffers[0] = partial;
  finish.buffers[1] = single_output(emit);
  finish.n_buffers = 2;
  emit_draft(emit, finish);
}

static Shape shape_of_input(const Emit *emit, const Node *node, int i) {
  return graph_node(emit->graph, node->in[i])->shape;
}

void c_conv_forward(Emit *emit, const Node *node) {
  Shape weight = shape_of_input(emit, node, 1);
  ConvSpec spec =
      conv_spec(emit, node, shape_of_input(emit, node, 0), node->shape, weight.dim[0], weight.dim[1]);
  spec.x_is_bf16 = is_bf16(input(emit, node, 0)), spec.y_is_bf16 = is_bf16(node);
  draft_cut(emit, node, spec, CONV_FORWARD,
            is_paired(emit, &spec) ? conv_write_forward_pairs : conv_write_forward);
}

void c_conv_grad_input(Emit *emit, const Node *node) {
  Shape weight = shape_of_input(emit, node, 1);
  ConvSpec spec =
      conv_spec(emit, node, node->shape, shape_of_input(emit, node, 0), weight.dim[0], weight.dim[1]);
  spec.x_is_bf16 = is_bf16(node), spec.y_is_bf16 = is_bf16(input(emit, node, 0));
  draft_cut(emit, node, spec, CONV_GRAD_INPUT,
            is_paired(emit, &spec) ? conv_write_grad_input_pairs : conv_write_grad_input);
}

void c_conv_grad_weight(Emit *emit, const Node *node) {
  ConvSpec spec = conv_spec(emit, node, shape_of_input(emit, node, 0), shape_of_input(emit, node, 1),
                            node->shape.dim[0], node->shape.dim[1]);
  spec.x_is_bf16 = is_bf16(input(emit, node, 0)), spec.y_is_bf16 = is_bf16(input(emit, node, 1));
  draft_grad_weight(emit, node, &spec);
}

void c_conv_transpose_weight(Emit *emit, const Node *node) {
  Shape weight = shape_of_input(emit, node, 0);
  int64_t groups = attr_of(node, "groups");
  ConvSpec spec = linear_spec(emit, weight.dim[2] * groups, weight.dim[3]);
  spec.kernel_h = (int)weight.dim[0];
  spec.kernel_w = (int)weight.dim[1];
  spec.groups = (int)groups;
  draft_plain(emit, node, &spec, conv_write_transpose_weight, 0);
}

void c_linear_forward(Emit *emit, const Node *node) {
  Shape weight = shape_of_input(emit, node, 1);
  ConvSpec spec = linear_spec(emit, weight.dim[0], weight.dim[1]);
  spec.x_is_bf16 = is_bf16(input(emit, node, 0)), spec.y_is_bf16 = is_bf16(node);
  draft_cut(emit, node, spec, CONV_FORWARD,
            is_paired(emit, &spec) ? conv_write_forward_pairs : conv_write_forward);
}

void c_linear_grad_input(Emit *emit, const Node *node) {
  Shape weight = shape_of_input(emit, node, 1);
  ConvSpec spec = linear_spec(emit, weight.dim[0], weight.dim[1]);
  spec.x_is_bf16 = is_bf16(node), spec.y_is_bf16 = is_bf16(input(emit, node, 0));
  draft_cut(emit, node, spec, CONV_GRAD_INPUT,
            is_paired(emit, &spec) ? conv_write_linear_grad_input_pairs : conv_write_linear_grad_input);
}

void c_linear_grad_weight(Emit *emit, const Node *node) {
  ConvSpec spec = linear_spec(emit, node->shape.dim[0], node->shape.dim[1]);
  spec.x_is_bf16 = is_bf16(input(emit, node, 0)), spec.y_is_bf16 = is_bf16(input(emit, node, 1));
  draft_grad_weight(emit, node, &spec);
}
