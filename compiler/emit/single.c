// SINGLE: one node with a kernel of its own. The operator picks the skeleton: gather, mean, rows, pairs, update or
// convolution. Here is what they share whatever the target, and what operators write their lines with.
#include "compiler/emit/writer.h"
#include <ctype.h>

void single_operands(Emit *emit, StrBuf *out) {
  const Node *node = emit->node;
  for (int i = 0; i < node->n_in; i++) {
    const Node *input = graph_node(emit->graph, node->in[i]);
    writer_line(out, 1, "const %s *in%d = buf[%d]; // %s", writer_type(input), i, i,
                shape_text(emit->arena, input->shape));
  }
  writer_line(out, 1, "%s *out = buf[%d]; // %s", writer_type(node), node->n_in,
              shape_text(emit->arena, node->shape));
}

BufferRef *single_buffers(Emit *emit, int n_more, int *n) {
  const Node *node = emit->node;
  BufferRef *refs = ARENA_ARRAY(emit->arena, BufferRef, node->n_in + n_more);
  for (int i = 0; i < node->n_in; i++) refs[i] = (BufferRef){.kind = REF_NODE, .node = node->in[i]};
  *n = node->n_in;
  return refs;
}

BufferRef single_output(const Emit *emit) {
  const Node *root = group_root(emit->graph, emit->group);
  return (BufferRef){.kind = REF_NODE, .node = (NodeId)(root - emit->graph->nodes)};
}

void single_draft(Emit *emit, const char *text, int parts) {
  KernelDraft draft = {.text = text, .stem = emit_stem(emit), .role = "", .parts = parts};
  draft.buffers = single_buffers(emit, 1, &draft.n_buffers);
  draft.buffers[draft.n_buffers++] = single_output(emit);
  emit_draft(emit, draft);
}

// ---- lines of the body ----

SingleImage single_image(Shape shape) {
  if (shape.rank == 4) return (SingleImage){shape.dim[1], shape.dim[2], shape.dim[3]};
  return (SingleImage){1, 1, shape.rank == 2 ? shape.dim[1] : 1};
}

void emit_gather(Emit *emit, const Node *node, int lanes_divide) {
  int lanes = writer_lanes(shape_channels(node->shape), writer_max_lanes(emit));
  for (int i = 0; i < node->n_in; i++) {
    lanes = writer_lanes(shape_channels(graph_node(emit->graph, node->in[i])->shape), lanes);
  }
  if (lanes_divide) lanes = writer_lanes(lanes_divide, lanes);
  emit->is_gather = true;
  emit->gather_lanes = lanes;
}

EmitAxis emit_axis(Emit *emit, int64_t n_out, int64_t n_in) {
  EmitAxis axis = {n_out, n_in, ARENA_ARRAY(emit->arena, double, n_out *n_in)};
  for (int64_t i = 0; i < n_out * n_in; i++) axis.weight[i] = 0;
  return axis;
}

void emit_line(Emit *emit, const char *format, ...) {
  va_list args;
  va_start(args, format);
  strbuf_put(&emit->body, writer_format_list(emit, format, args));
  va_end(args);
  strbuf_put(&emit->body, "\n");
}

// An expression as an operand of a product: in brackets unless it is one word.
static const char *factor(Emit *emit, const char *text) {
  for (const char *c = text; *c; c++) {
    if (!isalnum((unsigned char)*c) && *c != '_') return writer_format(emit, "(%s)", text);
  }
  return text;
}

const char *emit_load_from(Emit *emit, int i, const char *n, const char *y, const char *x,
                           const char *channel) {
  Shape shape = graph_node(emit->graph, emit->node->in[i])->shape;
  SingleImage image = single_image(shape);
  long long height = image.height, width = image.width, channels = image.channels;
  if (shape.rank != 4)
    return writer_format(emit, "mla_load(in%d + %s * %lld + %s)", i, factor(emit, n), channels, channel);
  return writer_format(emit, "mla_load(in%d + ((%s * %lld + %s) * %lld + %s) * %lld + %s)", i,
                       factor(emit, n), height, y, width, x, channels, channel);
}

const char *emit_load(Emit *emit, int i, const char *n, const char *y, const char *x) {
  return emit_load_from(emit, i, n, y, x, "c");
}

// With threads that share a row, `mate` is a thread's number among MATES.
const char *emit_each(Emit *emit, const char *index, long n, int lanes) {
  if (!emit->skeletons->has_mates)
    return writer_format(emit, "for (long %s = 0; %s < %ld; %s += %d)", index, index, n, index, lanes);
  const char *times = lanes == 1 ? "" : writer_format(emit, " * %d", lanes);
  return writer_format(emit, "for (long %s = mate%s; %s < %ld; %s += MATES%s)", index, times, index, n, index,
                       times);
}

const char *emit_total(Emit *emit, const char *value, bool is_vec) {
  if (emit->skeletons->has_mates) return writer_format(emit, "mla_row_total<MATES>(%s)", value);
  return is_vec ? writer_format(emit, "mla_total(%s)", value) : value;
}

const char *emit_largest(Emit *emit, const char *value, bool is_vec) {
  if (emit->skeletons->has_mates) return writer_format(emit, "mla_row_largest<MATES>(%s)", value);
  return is_vec ? writer_format(emit, "mla_largest(%s)", value) : value;
}

const char *emit_once(Emit *emit) {
  return emit->skeletons->has_mates ? "if (mate == 0) " : "";
}

int emit_row_lanes(Emit *emit, const Node *node) {
  return writer_lanes(shape_channels(graph_node(emit->graph, node->in[0])->shape), writer_max_lanes(emit));
}
