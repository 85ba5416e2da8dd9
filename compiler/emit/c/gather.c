// Gather kernels: every element of the result is computed from elements of the inputs at positions that the
// operator names (pooling, resizing, slices, concatenation). Parts share the image rows of the result:
//
//   for each (image n, row y) of this part, each x, each vector of channels from c
//     the operator's lines; store
#include "compiler/emit/writer.h"
#include <ctype.h>

// A tensor as images: [batch, features] is one pixel an image.
typedef struct Image {
  int64_t height, width, channels;
} Image;

static Image image_of(Shape shape) {
  if (shape.rank == 4) return (Image){shape.dim[1], shape.dim[2], shape.dim[3]};
  return (Image){1, 1, shape.rank == 2 ? shape.dim[1] : 1};
}

void emit_gather(Emit *emit, const Node *node, int lanes_divide) {
  int lanes = writer_lanes(shape_channels(node->shape), emit->max_lanes);
  for (int i = 0; i < node->n_in; i++) {
    lanes = writer_lanes(shape_channels(graph_node(emit->graph, node->in[i])->shape), lanes);
  }
  if (lanes_divide) lanes = writer_lanes(lanes_divide, lanes);
  emit->is_gather = true;
  emit->gather_lanes = lanes;
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
  Image image = image_of(shape);
  long long height = image.height, width = image.width, channels = image.channels;
  if (shape.rank != 4)
    return writer_format(emit, "mla_load(in%d + %s * %lld + %s)", i, factor(emit, n), channels, channel);
  return writer_format(emit, "mla_load(in%d + ((%s * %lld + %s) * %lld + %s) * %lld + %s)", i,
                       factor(emit, n), height, y, width, x, channels, channel);
}

const char *emit_load(Emit *emit, int i, const char *n, const char *y, const char *x) {
  return emit_load_from(emit, i, n, y, x, "c");
}

// Enough work for a part to be worth a thread.
static int gather_parts(const Emit *emit) {
  enum { ELEMS_PER_PART = 8192, MOST = 32 };
  int64_t parts = shape_elems(emit->node->shape, emit->graph->batch) / ELEMS_PER_PART;
  int64_t rows = emit->graph->batch * image_of(emit->node->shape).height;
  if (parts > rows) parts = rows;
  return parts < 1 ? 1 : parts > MOST ? MOST : (int)parts;
}

static void put_loops(Emit *emit, StrBuf *out) {
  Image image = image_of(emit->node->shape);
  long long height = image.height, width = image.width, channels = image.channels;
  writer_line(
      out, 1,
      "const long lines = batch * %lld, begin = lines * part / parts, end = lines * (part + 1) / parts;",
      height);
  writer_line(out, 1, "for (long line = begin; line < end; line++) {");
  writer_line(out, 2, "const long n = line / %lld, y = line %% %lld;", height, height);
  writer_line(out, 2, "for (long x = 0; x < %lld; x++) {", width);
  writer_line(out, 3, "for (long c = 0; c < %lld; c += %d) {", channels, emit->gather_lanes);
  writer_line(out, 4, "real *to = out + (line * %lld + x) * %lld + c;", width, channels);
  writer_indent(out, 4, emit->body.text);
  writer_line(out, 4, "mla_store(to, mla_vec(%s));", emit->result);
  writer_line(out, 3, "}");
  writer_line(out, 2, "}");
  writer_line(out, 1, "}");
}

void emit_gather_end(Emit *emit) {
  StrBuf text = strbuf_new(emit->arena);
  frame_open(&text);
  writer_line(&text, 1, "MLA_USE(%d)", emit->gather_lanes);
  single_operands(emit, &text);
  put_loops(emit, &text);
  strbuf_put(&text, "}\n");
  single_draft(emit, text.text, gather_parts(emit));
}
