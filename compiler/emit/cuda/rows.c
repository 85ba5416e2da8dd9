// Kernels over rows of channels (every position of every image, or every row of features) or over whole images, each by
// itself: a thread takes one. Blocks are small, so that few rows still find many multiprocessors.
#include "compiler/emit/cuda/skeletons.h"

enum { ROW_THREADS = 64 };

static void put_rows(Emit *emit, const Node *node, const char *row, int64_t rows_per_image) {
  StrBuf text = strbuf_new(emit->arena);
  writer_line(&text, 1, "MLA_USE(%d)", emit_row_lanes(emit, node));
  single_operands(emit, &text);
  writer_line(&text, 1, "const long %s = (long)blockIdx.x * %d + threadIdx.x;", row, ROW_THREADS);
  writer_line(&text, 1, "if (%s >= batch * %lld) return;", row, (long long)rows_per_image);
  writer_indent(&text, 1, emit->body.text);
  text = cuda_kernel(emit, node->n_in + 1, ROW_THREADS, text.text);
  cuda_single_draft(emit, text.text, ROW_THREADS, cuda_grid(rows_per_image, ROW_THREADS));
}

void cuda_rows(Emit *emit, const Node *node) {
  put_rows(emit, node, "r", shape_rows(graph_node(emit->graph, node->in[0])->shape, 1));
}

void cuda_images(Emit *emit, const Node *node) {
  put_rows(emit, node, "n", 1);
}
