// The mean over the batch of what the operator's lines compute of image `n`: one part, plain scalar code.
#include "compiler/emit/c/skeletons.h"

void c_mean(Emit *emit, const Node *node, const char *term) {
  StrBuf text = strbuf_new(emit->arena);
  frame_open(&text);
  writer_line(&text, 1, "MLA_USE(1)");
  single_operands(emit, &text);
  writer_line(&text, 1, "real total = 0;");
  writer_line(&text, 1, "for (long n = 0; n < batch; n++) {");
  writer_indent(&text, 2, emit->body.text);
  writer_line(&text, 2, "total += %s;", term);
  writer_line(&text, 1, "}");
  writer_line(&text, 1, "out[0] = total / (real)batch;");
  strbuf_put(&text, "}\n");
  single_draft(emit, text.text, 1);
  (void)node;
}
