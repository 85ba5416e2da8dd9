// SINGLE: one node with a kernel of its own. The operator picks the skeleton: gather, serial, update or
// convolution. Here is what they share, and the serial skeleton: one part, plain scalar code.
#include "compiler/emit/writer.h"

void single_operands(Emit *emit, StrBuf *out) {
  const Node *node = emit->node;
  for (int i = 0; i < node->n_in; i++) {
    const Node *input = graph_node(emit->graph, node->in[i]);
    const char *type = input->dtype == DT_INDEX ? "int" : "real";
    writer_line(out, 1, "const %s *in%d = buf[%d]; // %s", type, i, i, shape_text(emit->arena, input->shape));
  }
  writer_line(out, 1, "real *out = buf[%d]; // %s", node->n_in, shape_text(emit->arena, node->shape));
}

BufferRef *single_buffers(Emit *emit, int n_more, int *n) {
  const Node *node = emit->node;
  BufferRef *refs = ARENA_ARRAY(emit->arena, BufferRef, node->n_in + n_more);
  for (int i = 0; i < node->n_in; i++) refs[i] = (BufferRef){.kind = REF_NODE, .node = node->in[i]};
  *n = node->n_in;
  return refs;
}

BufferRef single_output(const Emit *emit) {
  return (BufferRef){.kind = REF_NODE, .node = emit->group->nodes[0]};
}

void single_draft(Emit *emit, const char *text, int parts) {
  KernelDraft draft = {.text = text, .stem = emit_stem(emit), .role = "", .parts = parts};
  draft.buffers = single_buffers(emit, 1, &draft.n_buffers);
  draft.buffers[draft.n_buffers++] = single_output(emit);
  emit_draft(emit, draft);
}

void emit_serial(Emit *emit, const Node *node) {
  (void)node;
  emit->is_serial = true;
}

void emit_serial_end(Emit *emit) {
  StrBuf text = strbuf_new(emit->arena);
  frame_open(&text);
  writer_line(&text, 1, "MLA_USE(1)");
  single_operands(emit, &text);
  writer_indent(&text, 1, emit->body.text);
  strbuf_put(&text, "}\n");
  single_draft(emit, text.text, 1);
}
