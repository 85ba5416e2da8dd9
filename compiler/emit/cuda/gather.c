// Gather kernels: every element of the result is computed from elements of the inputs at positions that the operator
// names (pooling, resizing, slices, concatenation). A thread computes one vector, channels from c at (n, y, x).
#include "compiler/emit/cuda/skeletons.h"

static void put_position(Emit *emit, StrBuf *out) {
  SingleImage image = single_image(emit->node->shape);
  long long vectors = image.channels / emit->gather_lanes, width = image.width, height = image.height;
  int64_t n_elems = shape_elems(emit->node->shape, emit->graph->batch);
  const char *type = n_elems <= INT32_MAX ? "int" : "long"; // divisions of 64 bits are slow
  writer_line(out, 1, "const %s i = (%s)blockIdx.x * %d + threadIdx.x;", type, type, CUDA_THREADS);
  writer_line(out, 1, "if (i >= batch * %lld) return;", height * width * vectors);
  writer_line(out, 1, "const long c = i %% %lld * %d, x = i / %lld %% %lld;", vectors, emit->gather_lanes,
              vectors, width);
  writer_line(out, 1, "const long y = i / %lld %% %lld, n = i / %lld;", vectors * width, height,
              vectors * width * height);
  writer_line(out, 1, "real *to = out + (long)i * %d;", emit->gather_lanes);
}

void cuda_gather(Emit *emit) {
  SingleImage image = single_image(emit->node->shape);
  StrBuf text = strbuf_new(emit->arena);
  writer_line(&text, 1, "MLA_USE(%d)", emit->gather_lanes);
  single_operands(emit, &text);
  put_position(emit, &text);
  writer_indent(&text, 1, emit->body.text);
  writer_line(&text, 1, "mla_store(to, mla_vec(%s));", emit->result);
  text = cuda_kernel(emit, emit->node->n_in + 1, CUDA_THREADS, text.text);
  int64_t vectors = image.height * image.width * image.channels / emit->gather_lanes;
  cuda_single_draft(emit, text.text, CUDA_THREADS, cuda_grid(vectors, CUDA_THREADS));
}
