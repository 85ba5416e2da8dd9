// Kernels over rows of channels: every position of every image, or every row of features, by itself. The
// operator's lines see one row `r` of input 0 after another. Parts share the rows, so no sum crosses a part.
#include "compiler/emit/writer.h"

int emit_row_lanes(Emit *emit, const Node *node) {
  return writer_lanes(shape_channels(graph_node(emit->graph, node->in[0])->shape), emit->max_lanes);
}

// Enough elements for a part to be worth a thread.
static int row_parts(const Emit *emit, Shape shape) {
  enum { ELEMS_PER_PART = 8192, MOST = 32 };
  int64_t parts = shape_elems(shape, emit->graph->batch) / ELEMS_PER_PART;
  int64_t rows = shape_rows(shape, emit->graph->batch);
  if (parts > rows) parts = rows;
  return parts < 1 ? 1 : parts > MOST ? MOST : (int)parts;
}

void emit_by_rows(Emit *emit, const Node *node) {
  Shape shape = graph_node(emit->graph, node->in[0])->shape;
  StrBuf text = strbuf_new(emit->arena);
  frame_open(&text);
  writer_line(&text, 1, "MLA_USE(%d)", emit_row_lanes(emit, node));
  single_operands(emit, &text);
  writer_line(&text, 1,
              "const long rows = batch * %lld, begin = rows * part / parts, end = rows * (part + 1) / parts;",
              (long long)shape_rows(shape, 1));
  writer_line(&text, 1, "for (long r = begin; r < end; r++) {");
  writer_indent(&text, 2, emit->body.text);
  writer_line(&text, 1, "}");
  strbuf_put(&text, "}\n");
  single_draft(emit, text.text, row_parts(emit, shape));
}
