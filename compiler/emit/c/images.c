// Kernels over whole images, or rows of features: the operator's lines see one image `n` after another. Parts
// share the images, so no sum crosses a part.
#include "compiler/emit/writer.h"

int emit_image_lanes(Emit *emit, const Node *node) {
  int lanes = writer_lanes(shape_channels(node->shape), emit->max_lanes);
  for (int i = 0; i < node->n_in; i++) {
    const Node *input = graph_node(emit->graph, node->in[i]);
    if (input->shape.rank > 0 && input->dtype == DT_REAL)
      lanes = writer_lanes(shape_channels(input->shape), lanes);
  }
  return lanes;
}

// Enough elements for a part to be worth a thread.
static int image_parts(const Emit *emit, const Node *node) {
  enum { ELEMS_PER_PART = 8192, MOST = 32 };
  int64_t most = shape_elems(node->shape, emit->graph->batch), batch = emit->graph->batch;
  for (int i = 0; i < node->n_in; i++) {
    int64_t n = shape_elems(graph_node(emit->graph, node->in[i])->shape, batch);
    if (n > most) most = n;
  }
  int64_t parts = most / ELEMS_PER_PART;
  if (parts > batch) parts = batch;
  return parts < 1 ? 1 : parts > MOST ? MOST : (int)parts;
}

void emit_images(Emit *emit, const Node *node) {
  StrBuf text = strbuf_new(emit->arena);
  frame_open(&text);
  writer_line(&text, 1, "MLA_USE(%d)", emit_image_lanes(emit, node));
  single_operands(emit, &text);
  writer_line(&text, 1, "const long begin = batch * part / parts, end = batch * (part + 1) / parts;");
  writer_line(&text, 1, "for (long n = begin; n < end; n++) {");
  writer_indent(&text, 2, emit->body.text);
  writer_line(&text, 1, "}");
  strbuf_put(&text, "}\n");
  single_draft(emit, text.text, image_parts(emit, node));
}
