// Kernels over rows of channels (every position of every image, or every row of features) or over whole images, each by
// itself. A row is shared by neighbouring threads of a warp, so that they read side by side: as many as have two vectors
// of it each. Blocks are small, so that few rows still find many multiprocessors.
#include "compiler/emit/cuda/skeletons.h"

enum { ROW_THREADS = 128, MOST_MATES = 32 };

static int64_t longest_row(const Emit *emit, const Node *node) {
  int64_t most = shape_channels(node->shape);
  for (int i = 0; i < node->n_in; i++) {
    int64_t n = shape_channels(graph_node(emit->graph, node->in[i])->shape);
    if (n > most) most = n;
  }
  return most;
}

int cuda_mates(Emit *emit, const Node *node, StrBuf *out) {
  if (!writer_uses(emit->body.text, "MATES")) return 1;
  const int64_t vectors = longest_row(emit, node) / emit_row_lanes(emit, node);
  int mates = 1;
  while (mates < MOST_MATES && vectors >= 4 * mates) mates *= 2;
  writer_line(out, 1, "constexpr int MATES = %d; // threads that share a row", mates);
  writer_line(out, 1, "const int mate = threadIdx.x %% MATES;");
  return mates;
}

static void put_rows(Emit *emit, const Node *node, const char *row, int64_t rows_per_image) {
  StrBuf text = strbuf_new(emit->arena);
  writer_line(&text, 1, "MLA_USE(%d)", emit_row_lanes(emit, node));
  single_operands(emit, &text);
  const int mates = cuda_mates(emit, node, &text);
  const char *thread = writer_format(emit, "(long)blockIdx.x * %d + threadIdx.x", ROW_THREADS);
  writer_line(&text, 1, mates == 1 ? "const long %s = %s;" : "const long %s = (%s) / MATES;", row, thread);
  writer_line(&text, 1, "if (%s >= batch * %lld) return;", row, (long long)rows_per_image);
  writer_indent(&text, 1, emit->body.text);
  text = cuda_kernel(emit, node->n_in + 1, ROW_THREADS, text.text);
  cuda_single_draft(emit, text.text, ROW_THREADS, cuda_grid(rows_per_image * mates, ROW_THREADS));
}

void cuda_rows(Emit *emit, const Node *node) {
  put_rows(emit, node, "r", shape_rows(graph_node(emit->graph, node->in[0])->shape, 1));
}

void cuda_images(Emit *emit, const Node *node) {
  put_rows(emit, node, "n", 1);
}
