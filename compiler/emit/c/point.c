// POINT: an element-wise expression over rows x channels, several outputs. One pass over memory:
//
//   values per channel (batch norm's scale and shift)
//   for each row of this part
//     for each vector of the row: load, compute, store
//
// Outputs may lie in the bytes of inputs, so nothing is declared restrict; an element is read before it is
// written.
#include "compiler/emit/c/skeletons.h"

static void put_element(Emit *emit, StrBuf *out, int depth) {
  writer_indent(out, depth, emit->body.text);
  frame_stores(emit, out, depth);
}

void point_rows(Emit *emit, StrBuf *out) {
  const Space *space = &emit->space;
  long long width = space->width;
  bool is_one_vector = space->width == space->lanes;
  if (is_one_vector) frame_channel_loads(emit, out, 1, emit->body.text);
  writer_line(out, 1, "for (long r = begin; r < end; r++) {");
  if (is_one_vector) {
    writer_line(out, 2, "const long e = r * %lld;", width);
    put_element(emit, out, 2);
  } else {
    writer_line(out, 2, "for (long c = 0; c < %lld; c += %d) {", width, space->lanes);
    writer_line(out, 3, "const long e = r * %lld + c;", width);
    frame_channel_loads(emit, out, 3, emit->body.text);
    put_element(emit, out, 3);
    writer_line(out, 2, "}");
  }
  writer_line(out, 1, "}");
}

// The elements behind the last full vector, one by one.
static void put_tail(Emit *emit, StrBuf *out) {
  if (emit->space.tail == 0) return;
  writer_line(out, 1, "if (part == parts - 1) {");
  writer_line(out, 2, "MLA_USE(1)");
  frame_channel_lines(emit, out, 2);
  writer_line(out, 2, "for (long e = rows * %lld; e < %s; e++) {", (long long)emit->space.width,
              frame_elems(emit));
  put_element(emit, out, 3);
  writer_line(out, 2, "}");
  writer_line(out, 1, "}");
}

void c_point(Emit *emit) {
  writer_visit(emit);
  frame_narrow_stores(emit, "part == 0");
  StrBuf rest = strbuf_new(emit->arena), text = strbuf_new(emit->arena);
  frame_range(emit, &rest);
  int64_t kept = frame_channel_values(emit, &rest, emit->body.text);
  point_rows(emit, &rest);
  put_tail(emit, &rest);

  frame_open(&text);
  writer_line(&text, 1, "MLA_USE(%d)", emit->space.lanes);
  frame_outputs(emit, &text, frame_operands(emit, &text));
  frame_counts(emit, &text, rest.text);
  strbuf_put(&text, rest.text);
  strbuf_put(&text, "}\n");

  KernelDraft draft = {.text = text.text, .stem = emit_stem(emit), .role = "", .parts = emit->group->parts};
  draft.scratch_bytes = kept * emit->elem_bytes;
  draft.buffers = frame_buffers(emit, true, 0, &draft.n_buffers);
  frame_add_outputs(emit, draft.buffers, &draft.n_buffers);
  emit_draft(emit, draft);
}
