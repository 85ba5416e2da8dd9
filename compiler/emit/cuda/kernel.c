// How CUDA kernels begin and end and how they are launched.
#include "compiler/emit/cuda/skeletons.h"
#include <string.h>

StrBuf cuda_kernel(Emit *emit, int n_buffers, int threads, const char *body) {
  StrBuf text = strbuf_new(emit->arena);
  bool needs_batch = writer_uses(body, "batch"), is_indexed = strstr(body, " + k]") != NULL;
  strbuf_printf(&text, "extern \"C\" __global__ void __launch_bounds__(%d)\n", threads);
  strbuf_printf(&text, KERNEL_SYMBOL "(const %sMlaBuffers<%d> buf, const int%s) {\n",
                is_indexed ? "__grid_constant__ " : "", n_buffers, // or else each thread copies the addresses
                needs_batch ? " images" : "");
  if (needs_batch) writer_line(&text, 1, "const long batch = images;");
  strbuf_put(&text, body);
  strbuf_put(&text, "}\n");
  return text;
}

const char *cuda_index_type(const Emit *emit) {
  const int64_t stride = (int64_t)CUDA_MAX_BLOCKS * CUDA_THREADS * emit->space.lanes;
  return shape_elems(emit->space.shape, emit->graph->batch) + stride <= INT32_MAX ? "int" : "long";
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
