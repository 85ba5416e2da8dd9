// The mean over the batch of what the operator's lines compute of image `n`: one block, its threads share the images.
#include "compiler/emit/cuda/skeletons.h"

void cuda_mean(Emit *emit, const Node *node, const char *term) {
  StrBuf text = strbuf_new(emit->arena);
  writer_line(&text, 1, "MLA_USE(1)");
  writer_line(&text, 1, "__shared__ real shared[%d];", CUDA_THREADS);
  single_operands(emit, &text);
  writer_line(&text, 1, "real total = 0;");
  const int mates = cuda_mates(emit, node, &text);
  const char *first = mates == 1 ? "threadIdx.x" : "threadIdx.x / MATES";
  writer_line(&text, 1, "for (long n = %s; n < batch; n += %d) {", first, CUDA_THREADS / mates);
  writer_indent(&text, 2, emit->body.text);
  writer_line(&text, 2, "%stotal += %s;", mates == 1 ? "" : "if (mate == 0) ", term);
  writer_line(&text, 1, "}");
  writer_line(&text, 1, "total = mla_block_sum(total, shared);");
  writer_line(&text, 1, "if (threadIdx.x == 0) out[0] = total / (real)batch;");
  text = cuda_kernel(emit, node->n_in + 1, CUDA_THREADS, text.text);
  cuda_single_draft(emit, text.text, CUDA_THREADS, cuda_blocks(1));
}
