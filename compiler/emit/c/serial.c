// Serial kernels: one part, plain scalar code.
#include "compiler/emit/c/skeletons.h"

void c_serial(Emit *emit) {
  StrBuf text = strbuf_new(emit->arena);
  frame_open(&text);
  writer_line(&text, 1, "MLA_USE(1)");
  single_operands(emit, &text);
  writer_indent(&text, 1, emit->body.text);
  strbuf_put(&text, "}\n");
  single_draft(emit, text.text, 1);
}
