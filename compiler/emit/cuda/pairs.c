// Pairs of rows: what a loss over all pairs of images of the batch needs. The matrix of dot products is never stored (its
// extent is the batch's, twice): a block has one row `a`, keeps its products with all rows in shared memory and hands them
// to the operator's lines. A gradient then adds up the rows, weighted with what the lines left there.
//
//   for each row b of this thread: dot[b] = row a * row b
//   the operator's lines, one thread
//   for each vector of features of this thread: out[a] = sum over b of dot[b] * row b
#include "compiler/emit/cuda/skeletons.h"

typedef struct Pairs {
  Emit *emit;
  StrBuf *out;
  int input; // whose rows are paired
  long features;
  int lanes;
} Pairs;

static void put_dots(const Pairs *pairs) {
  StrBuf *out = pairs->out;
  writer_line(out, 1, "for (long b = threadIdx.x; b < batch; b += %d) {", CUDA_THREADS);
  writer_line(out, 2, "const real *here = in%d + a * %ld, *there = in%d + b * %ld;", pairs->input,
              pairs->features, pairs->input, pairs->features);
  writer_line(out, 2, "vec sum = {0};");
  writer_line(out, 2, "for (long c = 0; c < %ld; c += %d) sum += mla_load(here + c) * mla_load(there + c);",
              pairs->features, pairs->lanes);
  writer_line(out, 2, "dot[b] = mla_total(sum);");
  writer_line(out, 1, "}");
  writer_line(out, 1, "__syncthreads();");
}

static void put_body(const Pairs *pairs) {
  writer_line(pairs->out, 1, "if (threadIdx.x == 0) {");
  writer_indent(pairs->out, 2, pairs->emit->body.text);
  writer_line(pairs->out, 1, "}");
}

static void put_sums(const Pairs *pairs) {
  StrBuf *out = pairs->out;
  writer_line(out, 1, "__syncthreads();");
  writer_line(out, 1, "for (long c = threadIdx.x * %d; c < %ld; c += %d) {", pairs->lanes, pairs->features,
              CUDA_THREADS * pairs->lanes);
  writer_line(out, 2, "vec sum = {0};");
  writer_line(out, 2, "for (long b = 0; b < batch; b++) sum += dot[b] * mla_load(in%d + b * %ld + c);",
              pairs->input, pairs->features);
  writer_line(out, 2, "mla_store(out + a * %ld + c, sum);", pairs->features);
  writer_line(out, 1, "}");
}

void cuda_pairs(Emit *emit, const Node *node, int rows, bool is_combined) {
  StrBuf text = strbuf_new(emit->arena);
  long features = (long)shape_channels(emit_input_shape(emit, rows));
  Pairs pairs = {emit, &text, rows, features, writer_lanes(features, writer_max_lanes(emit))};
  writer_line(&text, 1, "MLA_USE(%d)", pairs.lanes);
  single_operands(emit, &text);
  writer_line(&text, 1, "__shared__ real dot[%lld]; // for batches of up to so many images",
              (long long)emit->graph->batch);
  writer_line(&text, 1, "const long a = blockIdx.x;");
  put_dots(&pairs);
  put_body(&pairs);
  if (is_combined) put_sums(&pairs);
  text = cuda_kernel(emit, node->n_in + 1, CUDA_THREADS, text.text);
  cuda_single_draft(emit, text.text, CUDA_THREADS, cuda_grid(1, 1));
}
