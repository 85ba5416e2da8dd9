// Gather kernels: every element of the result is computed from elements of the inputs at positions that the
// operator names (pooling, resizing, slices, concatenation). Parts share the image rows of the result:
//
//   for each (image n, row y) of this part, each x, each vector of channels from c
//     the operator's lines; store
#include "compiler/emit/c/skeletons.h"

// Enough work for a part to be worth a thread.
static int gather_parts(const Emit *emit) {
  enum { ELEMS_PER_PART = 8192, MOST = 32 };
  int64_t parts = shape_elems(emit->node->shape, emit->graph->batch) / ELEMS_PER_PART;
  int64_t rows = emit->graph->batch * single_image(emit->node->shape).height;
  if (parts > rows) parts = rows;
  return parts < 1 ? 1 : parts > MOST ? MOST : (int)parts;
}

static void put_loops(Emit *emit, StrBuf *out) {
  SingleImage image = single_image(emit->node->shape);
  long long height = image.height, width = image.width, channels = image.channels;
  writer_line(
      out, 1,
      "const long lines = batch * %lld, begin = lines * part / parts, end = lines * (part + 1) / parts;",
      height);
  writer_line(out, 1, "for (long line = begin; line < end; line++) {");
  writer_line(out, 2, "const long n = line / %lld, y = line %% %lld;", height, height);
  writer_line(out, 2, "for (long x = 0; x < %lld; x++) {", width);
  writer_line(out, 3, "for (long c = 0; c < %lld; c += %d) {", channels, emit->gather_lanes);
  writer_line(out, 4, "%s *to = out + (line * %lld + x) * %lld + c;", writer_type(emit->node), width,
              channels);
  writer_indent(out, 4, emit->body.text);
  writer_line(out, 4, "mla_store(to, mla_vec(%s));", emit->result);
  writer_line(out, 3, "}");
  writer_line(out, 2, "}");
  writer_line(out, 1, "}");
}

void c_gather(Emit *emit) {
  StrBuf text = strbuf_new(emit->arena);
  frame_open(&text);
  writer_line(&text, 1, "MLA_USE(%d)", emit->gather_lanes);
  single_operands(emit, &text);
  put_loops(emit, &text);
  strbuf_put(&text, "}\n");
  single_draft(emit, text.text, gather_parts(emit));
}
