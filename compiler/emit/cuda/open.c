// How CUDA kernels begin and how they are launched.
#include "compiler/emit/cuda/skeletons.h"

void cuda_open(StrBuf *out, int n_buffers, int threads) {
  strbuf_printf(out, "extern \"C\" __global__ void __launch_bounds__(%d)\n", threads);
  strbuf_printf(out, KERNEL_SYMBOL "(const MlaBuffers<%d> buf, const int images) {\n", n_buffers);
  writer_line(out, 1, "const long batch = images;");
}

MlaGrid cuda_grid(int64_t per_image, int threads) {
  return (MlaGrid){.per_image = per_image, .per_block = threads};
}

MlaGrid cuda_blocks(int64_t blocks) {
  return (MlaGrid){.fixed = blocks, .per_block = 1};
}

int cuda_n_blocks(const Emit *emit, MlaGrid grid) {
  int64_t n = (emit->graph->batch * grid.per_image + grid.fixed + grid.per_block - 1) / grid.per_block;
  if (grid.most > 0 && n > grid.most) n = grid.most;
  return n < 1 ? 1 : (int)n;
}

void cuda_single_draft(Emit *emit, const char *text, int threads, MlaGrid grid) {
  KernelDraft draft = {.text = text, .stem = emit_stem(emit), .role = "", .threads = threads, .grid = grid};
  draft.parts = cuda_n_blocks(emit, grid);
  draft.buffers = single_buffers(emit, 1, &draft.n_buffers);
  draft.buffers[draft.n_buffers++] = single_output(emit);
  emit_draft(emit, draft);
}
