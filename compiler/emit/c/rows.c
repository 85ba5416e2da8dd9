// Kernels over rows of channels (every position of every image, or every row of features) or over whole images, each by
// itself. The operator's lines see one row `r` of input 0, or one image `n`, after another. Parts share them, so no
// sum crosses a part.
#include "compiler/emit/c/skeletons.h"

static int64_t largest_operand(const Emit *emit, const Node *node) {
  int64_t batch = emit->graph->batch, most = shape_elems(node->shape, batch);
  for (int i = 0; i < node->n_in; i++) {
    int64_t n = shape_elems(graph_node(emit->graph, node->in[i])->shape, batch);
    if (n > most) most = n;
  }
  return most;
}

// Enough elements for a part to be worth a thread.
static int row_parts(const Emit *emit, const Node *node, int64_t rows) {
  enum { ELEMS_PER_PART = 8192, MOST = 32 };
  int64_t parts = largest_operand(emit, node) / ELEMS_PER_PART;
  if (parts > rows) parts = rows;
  return parts < 1 ? 1 : parts > MOST ? MOST : (int)parts;
}

static void put_rows(Emit *emit, const Node *node, const char *row, int64_t rows_per_image) {
  StrBuf text = strbuf_new(emit->arena);
  frame_open(&text);
  writer_line(&text, 1, "MLA_USE(%d)", emit_row_lanes(emit, node));
  single_operands(emit, &text);
  writer_line(&text, 1,
              "const long rows = batch * %lld, begin = rows * part / parts, end = rows * (part + 1) / parts;",
              (long long)rows_per_image);
  writer_line(&text, 1, "for (long %s = begin; %s < end; %s++) {", row, row, row);
  writer_indent(&text, 2, emit->body.text);
  writer_line(&text, 1, "}");
  strbuf_put(&text, "}\n");
  single_draft(emit, text.text, row_parts(emit, node, emit->graph->batch * rows_per_image));
}

void c_rows(Emit *emit, const Node *node) {
  put_rows(emit, node, "r", shape_rows(graph_node(emit->graph, node->in[0])->shape, 1));
}

void c_images(Emit *emit, const Node *node) {
  put_rows(emit, node, "n", 1);
}
