// Attention and its gradient. Queries and keys meet in squares of ROWS x ROWS: the probabilities of a head exist only one
// square at a time, and LANES neighbouring threads of one warp share a query.
//
//   forward, a block for ROWS queries of a head:
//     for each ROWS keys: scores = q k^T; most, total and the sums of values so far are brought to the new maximum
//   gradient, a block for a head:
//     for each ROWS queries
//       for each ROWS keys: most, total, dot = sum of probability * (g v^T), as in forward
//       for each ROWS keys: p = probabilities again, ds = p * (g v^T - dot)
//                           dq += ds k; dk += ds^T q; dv += p^T g
//
// A sum is one thread's, in the order of the tokens; maxima and sums over a query's lanes are butterflies, the same bits
// in every lane. dk and dv are added up in the result, always by the same thread of the same block.
#include "compiler/emit/cuda/matrix.h"

enum { THREADS = 256, MOST_ROWS = 32, LEAST_ROWS = 4, WARP = 32, STATIC_SHARED = 48 << 10 };

typedef struct Squares {
  int rows, lanes, wide; // wide: channels of a head, a multiple of the lanes
} Squares;

static int lanes_of(int rows) {
  return THREADS / rows < WARP ? THREADS / rows : WARP;
}

static int64_t wide_of(const AttentionLayer *layer, int lanes) {
  return (layer->channels / layer->heads + lanes - 1) / lanes * lanes;
}

// The largest square whose parts fit in static shared memory: `n_tensors` of [rows][wide + 1], `n_squares` of scores.
static Squares squares_of(const AttentionLayer *layer, int n_tensors, int n_squares) {
  int rows = LEAST_ROWS;
  while (rows < MOST_ROWS && rows < layer->tokens) rows *= 2;
  for (;; rows /= 2) {
    int lanes = lanes_of(rows);
    int64_t wide = wide_of(layer, lanes);
    int64_t elems = rows * (n_tensors * (wide + 1) + n_squares * (rows + 1));
    if (elems * layer->elem_bytes <= STATIC_SHARED || rows == 1) return (Squares){rows, lanes, (int)wide};
  }
}

static void put_constants(StrBuf *out, const AttentionLayer *layer, const Squares *squares) {
  writer_line(out, 1, "constexpr int TOKENS = %lld, CHANNELS = %lld, HEADS = %lld, DEPTH = CHANNELS / HEADS;",
              (long long)layer->tokens, (long long)layer->channels, (long long)layer->heads);
  writer_line(
      out, 1,
      "// ROWS queries meet ROWS keys; LANES threads share a query, each has some keys and some channels.");
  writer_line(out, 1, "constexpr int ROWS = %d, LANES = %d, THREADS = ROWS * LANES, WIDE = %d;",
              squares->rows, squares->lanes, squares->wide);
  writer_line(out, 1,
              "constexpr int KEYS_EACH = ROWS > LANES ? ROWS / LANES : 1, CHANNELS_EACH = WIDE / LANES;");
  writer_line(out, 1, "const int thread = threadIdx.x, row = thread / LANES, lane = thread %% LANES;");
}

static void open_kernel(StrBuf *out, const char *symbol, const Squares *squares, int n_buffers) {
  strbuf_printf(
      out,
      "extern \"C\" __global__ void __launch_bounds__(%d) %s(const MlaBuffers<%d> buf, const int batch) {\n",
      squares->rows * squares->lanes, symbol, n_buffers);
}

// Rows from..from + ROWS of a tensor into shared memory; zero beyond the tokens and channels.
static const char *fill(StrBuf *out, const char *name, const char *from, const char *source) {
  return arena_printf(out->arena,
                      "#pragma unroll 2\n"
                      "for (int i = thread; i < ROWS * WIDE; i += THREADS) {\n"
                      "const int token = %s + i / WIDE, c = i %% WIDE;\n"
                      "%s[i / WIDE][c] = token < TOKENS && c < DEPTH ? %s : (real)0;\n"
                      "}\n",
                      from, name, source);
}

static void put_keys(StrBuf *out, int depth) {
  writer_line(out, depth, "__syncthreads(); // the keys before are done with");
  writer_indent(out, depth, fill(out, "k", "key", "qkv[(long)token * 3 * CHANNELS + CHANNELS + c]"));
  writer_indent(out, depth, fill(out, "v", "key", "qkv[(long)token * 3 * CHANNELS + 2 * CHANNELS + c]"));
  writer_line(out, depth, "__syncthreads();");
}

// Products of this thread's row of `a` with its keys' rows of `b`.
static const char *products(StrBuf *out, const char *name, const char *a, const char *b) {
  return arena_printf(
      out->arena,
      "real %s[KEYS_EACH] = {};\n"
      "for (int c = 0; c < DEPTH; c++) {\n"
      "#pragma unroll\n"
      "for (int j = 0; j < KEYS_EACH; j++) %s[j] += %s[row][c] * %s[(lane + j * LANES) %% ROWS][c];\n"
      "}\n",
      name, name, a, b);
}

// A key that is not there has a score that exp makes 0.
static const char mask_scores[] =
    "#pragma unroll\n"
    "for (int j = 0; j < KEYS_EACH; j++) {\n"
    "if (lane + j * LANES >= ROWS || key + lane + j * LANES >= TOKENS) score[j] = (real)-1e30;\n"
    "}\n";

// A new maximum makes everything summed so far smaller by `fade`.
static const char raise_maximum[] = "real top = most;\n"
                                    "#pragma unroll\n"
                                    "for (int j = 0; j < KEYS_EACH; j++) top = mla_max(top, score[j]);\n"
                                    "#pragma unroll\n"
                                    "for (int step = 1; step < LANES; step *= 2) top = mla_max(top, "
                                    "__shfl_xor_sync(0xffffffffu, top, step));\n"
                                    "const real fade = mla_exp(most - top);\n"
                                    "most = top;\n";

static const char *add_lanes(StrBuf *out, const char *name) {
  return arena_printf(
      out->arena,
      "#pragma unroll\n"
      "for (int step = 1; step < LANES; step *= 2) %s += __shfl_xor_sync(0xffffffffu, %s, step);\n",
      name, name);
}

// ---- forward ----

static void put_forward_loop(StrBuf *out) {
  writer_line(out, 1, "real sum[CHANNELS_EACH] = {}, most = (real)-1e30, total = 0;");
  writer_line(out, 1, "for (int key = 0; key < TOKENS; key += ROWS) {");
  put_keys(out, 2);
  writer_line(out, 2, "// Scores of this row with this thread's keys.");
  writer_indent(out, 2, products(out, "score", "q", "k"));
  writer_indent(out, 2, mask_scores);
  writer_line(out, 2, "// Softmax so far.");
  writer_indent(out, 2, raise_maximum);
  writer_line(out, 2, "real part = 0;");
  strbuf_put(out, "#pragma unroll\n");
  writer_line(out, 2, "for (int j = 0; j < KEYS_EACH; j++) {");
  writer_line(out, 3, "const real e = mla_exp(score[j] - top);");
  writer_line(out, 3, "part += e;");
  writer_line(out, 3, "if (lane + j * LANES < ROWS) p[row][lane + j * LANES] = e;");
  writer_line(out, 2, "}");
  writer_indent(out, 2, add_lanes(out, "part"));
  writer_line(out, 2, "total = total * fade + part;");
  writer_line(out, 2, "__syncwarp(); // a row's lanes are of one warp");
  writer_line(out, 2, "// Values of this thread's channels.");
  strbuf_put(out, "#pragma unroll\n");
  writer_line(out, 2, "for (int c = 0; c < CHANNELS_EACH; c++) sum[c] *= fade;");
  writer_line(out, 2, "for (int j = 0; j < ROWS; j++) {");
  writer_line(out, 3, "const real weight = p[row][j];");
  strbuf_put(out, "#pragma unroll\n");
  writer_line(out, 3, "for (int c = 0; c < CHANNELS_EACH; c++) sum[c] += weight * v[j][lane + c * LANES];");
  writer_line(out, 2, "}");
  writer_line(out, 1, "}");
}

MatrixKernel matrix_attention(StrBuf *out, const char *symbol, const AttentionLayer *layer) {
  Squares squares = squares_of(layer, 3, 1);
  int64_t blocks = (layer->tokens + squares.rows - 1) / squares.rows;
  open_kernel(out, symbol, &squares, 2);
  writer_line(out, 1, "const real *x = (const real *)buf.at[0]; // [batch, TOKENS, 1, 3 CHANNELS]: q, k, v");
  writer_line(out, 1, "real *y = (real *)buf.at[1]; // [batch, TOKENS, 1, CHANNELS]");
  put_constants(out, layer, &squares);
  writer_line(out, 1, "// A block has ROWS queries of one head of one image.");
  writer_line(out, 1, "constexpr int QUERY_BLOCKS = (TOKENS + ROWS - 1) / ROWS;");
  writer_line(
      out, 1,
      "const int first = blockIdx.x %% QUERY_BLOCKS * ROWS, head = blockIdx.x / QUERY_BLOCKS %% HEADS;");
  writer_line(out, 1, "const int image = blockIdx.x / (QUERY_BLOCKS * HEADS);");
  writer_line(out, 1, "if (image >= batch) return;");
  writer_line(out, 1,
              "__shared__ real q[ROWS][WIDE + 1], k[ROWS][WIDE + 1], v[ROWS][WIDE + 1], p[ROWS][ROWS + 1];");
  writer_line(out, 1, "const real *qkv = x + (long)image * TOKENS * 3 * CHANNELS + head * DEPTH;");
  writer_line(out, 1, "const real scale = 1 / mla_sqrt((real)DEPTH);");
  writer_indent(out, 1, fill(out, "q", "first", "qkv[(long)token * 3 * CHANNELS + c] * scale"));
  put_forward_loop(out);
  writer_line(out, 1, "if (first + row >= TOKENS) return;");
  writer_line(out, 1, "real *to = y + ((long)image * TOKENS + first + row) * CHANNELS + head * DEPTH;");
  strbuf_put(out, "#pragma unroll\n");
  writer_line(out, 1, "for (int c = 0; c < CHANNELS_EACH; c++) {");
  writer_line(out, 2, "if (lane + c * LANES < DEPTH) to[lane + c * LANES] = sum[c] / total;");
  strbuf_put(out, "  }\n}\n");
  return (MatrixKernel){.threads = squares.rows * squares.lanes,
                        .grid = {.per_image = blocks * layer->heads, .per_block = 1}};
}

// ---- gradient ----

// First over the keys: the maximum and the sum of each query, and what its probabilities make of g v^T.
static void put_statistics(StrBuf *out) {
  writer_line(out, 2, "real most = (real)-1e30, total = 0, dot = 0;");
  writer_line(out, 2, "for (int key = 0; key < TOKENS; key += ROWS) {");
  put_keys(out, 3);
  writer_indent(out, 3, products(out, "score", "q", "k"));
  writer_indent(out, 3, products(out, "change", "g", "v"));
  writer_indent(out, 3, mask_scores);
  writer_indent(out, 3, raise_maximum);
  writer_line(out, 3, "real part = 0, part_dot = 0;");
  strbuf_put(out, "#pragma unroll\n");
  writer_line(out, 3, "for (int j = 0; j < KEYS_EACH; j++) {");
  writer_line(out, 4, "const real e = mla_exp(score[j] - top);");
  writer_line(out, 4, "part += e;");
  writer_line(out, 4, "part_dot += e * change[j];");
  writer_line(out, 3, "}");
  writer_indent(out, 3, add_lanes(out, "part"));
  writer_indent(out, 3, add_lanes(out, "part_dot"));
  writer_line(out, 3, "total = total * fade + part;");
  writer_line(out, 3, "dot = dot * fade + part_dot;");
  writer_line(out, 2, "}");
  writer_line(out, 2, "dot /= total;");
}

// Sums over the queries of this block's square, added to row `key + row` of dk and dv.
static void put_key_gradients(StrBuf *out) {
  writer_line(out, 3, "// dk and dv of key `row`: the queries before are in the result already.");
  writer_line(out, 3, "if (key + row < TOKENS) {");
  writer_line(out, 4, "real *to = dqkv + (long)(key + row) * 3 * CHANNELS;");
  strbuf_put(out, "#pragma unroll\n");
  writer_line(out, 4, "for (int c = 0; c < CHANNELS_EACH; c++) {");
  writer_line(out, 5, "const int channel = lane + c * LANES;");
  writer_line(out, 5, "if (channel >= DEPTH) continue;");
  writer_line(out, 5,
              "real dk = first ? to[CHANNELS + channel] : (real)0, dv = first ? to[2 * CHANNELS + channel] : "
              "(real)0;");
  writer_line(out, 5, "for (int i = 0; i < ROWS; i++) {");
  writer_line(out, 6, "dk += ds[i][row] * q[i][channel];");
  writer_line(out, 6, "dv += p[i][row] * g[i][channel];");
  writer_line(out, 5, "}");
  writer_line(out, 5, "to[CHANNELS + channel] = dk;");
  writer_line(out, 5, "to[2 * CHANNELS + channel] = dv;");
  writer_line(out, 4, "}");
  writer_line(out, 3, "}");
}

// Then over the keys again, now with the probabilities themselves.
static void put_gradients(StrBuf *out) {
  writer_line(out, 2, "real dq[CHANNELS_EACH] = {};");
  writer_line(out, 2, "for (int key = 0; key < TOKENS; key += ROWS) {");
  put_keys(out, 3);
  writer_indent(out, 3, products(out, "score", "q", "k"));
  writer_indent(out, 3, products(out, "change", "g", "v"));
  writer_indent(out, 3, mask_scores);
  strbuf_put(out, "#pragma unroll\n");
  writer_line(out, 3, "for (int j = 0; j < KEYS_EACH; j++) {");
  writer_line(out, 4, "if (lane + j * LANES >= ROWS) continue;");
  writer_line(out, 4, "const real share = mla_exp(score[j] - most) / total;");
  writer_line(out, 4, "p[row][lane + j * LANES] = share;");
  writer_line(out, 4, "ds[row][lane + j * LANES] = share * (change[j] - dot);");
  writer_line(out, 3, "}");
  writer_line(out, 3, "__syncthreads();");
  writer_line(out, 3, "for (int j = 0; j < ROWS; j++) {");
  writer_line(out, 4, "const real weight = ds[row][j];");
  strbuf_put(out, "#pragma unroll\n");
  writer_line(out, 4, "for (int c = 0; c < CHANNELS_EACH; c++) dq[c] += weight * k[j][lane + c * LANES];");
  writer_line(out, 3, "}");
  put_key_gradients(out);
  writer_line(out, 2, "}");
}

static void put_query_gradients(StrBuf *out) {
  writer_line(out, 2, "if (first + row < TOKENS) {");
  writer_line(out, 3, "real *to = dqkv + (long)(first + row) * 3 * CHANNELS;");
  strbuf_put(out, "#pragma unroll\n");
  writer_line(out, 3, "for (int c = 0; c < CHANNELS_EACH; c++) {");
  writer_line(out, 4, "if (lane + c * LANES < DEPTH) to[lane + c * LANES] = dq[c] * scale;");
  writer_line(out, 3, "}");
  writer_line(out, 2, "}");
}

MatrixKernel matrix_attention_grad(StrBuf *out, const char *symbol, const AttentionLayer *layer) {
  Squares squares = squares_of(layer, 4, 2);
  open_kernel(out, symbol, &squares, 3);
  writer_line(out, 1, "const real *flow = (const real *)buf.at[0]; // [batch, TOKENS, 1, CHANNELS]");
  writer_line(out, 1, "const real *x = (const real *)buf.at[1]; // [batch, TOKENS, 1, 3 CHANNELS]: q, k, v");
  writer_line(out, 1, "real *dx = (real *)buf.at[2]; // as x");
  put_constants(out, layer, &squares);
  writer_line(out, 1, "// A block has one head of one image.");
  writer_line(out, 1, "const int head = blockIdx.x %% HEADS, image = blockIdx.x / HEADS;");
  writer_line(out, 1, "if (image >= batch) return;");
  writer_line(out, 1,
              "__shared__ real q[ROWS][WIDE + 1], g[ROWS][WIDE + 1], k[ROWS][WIDE + 1], v[ROWS][WIDE + 1];");
  writer_line(out, 1, "__shared__ real p[ROWS][ROWS + 1], ds[ROWS][ROWS + 1];");
  writer_line(out, 1, "const real *qkv = x + (long)image * TOKENS * 3 * CHANNELS + head * DEPTH;");
  writer_line(out, 1, "const real *gy = flow + (long)image * TOKENS * CHANNELS + head * DEPTH;");
  writer_line(out, 1, "real *dqkv = dx + (long)image * TOKENS * 3 * CHANNELS + head * DEPTH;");
  writer_line(out, 1, "const real scale = 1 / mla_sqrt((real)DEPTH);");
  writer_line(out, 1, "for (int first = 0; first < TOKENS; first += ROWS) {");
  writer_line(out, 2, "__syncthreads(); // the queries before are done with");
  writer_indent(out, 2, fill(out, "q", "first", "qkv[(long)token * 3 * CHANNELS + c] * scale"));
  writer_indent(out, 2, fill(out, "g", "first", "gy[(long)token * CHANNELS + c]"));
  put_statistics(out);
  put_gradients(out);
  put_query_gradients(out);
  strbuf_put(out, "  }\n}\n");
  return (MatrixKernel){.threads = squares.rows * squares.lanes,
                        .grid = {.per_image = layer->heads, .per_block = 1}};
}

// ---- the skeletons ----

typedef MatrixKernel AttentionWriter(StrBuf *out, const char *symbol, const AttentionLayer *layer);

static void draft_attention(Emit *emit, const Node *node, int x, AttentionWriter *write) {
  Shape shape = graph_node(emit->graph, node->in[x])->shape;
  AttentionLayer layer = {.tokens = shape.dim[1],
                          .channels = shape.dim[3] / 3,
                          .heads = node->attr[op_attr_index(node->op, "heads")].i,
                          .elem_bytes = emit->elem_bytes};
  StrBuf text = strbuf_new(emit->arena);
  MatrixKernel kernel = write(&text, KERNEL_SYMBOL, &layer);
  KernelDraft draft = {.text = text.text,
                       .stem = writer_format(emit, "%s_%lldx%lld_h%lld", op_info(node->op)->name,
                                             (long long)layer.tokens, (long long)layer.channels,
                                             (long long)layer.heads),
                       .role = "",
                       .parts = 1,
                       .threads = kernel.threads,
                       .grid = kernel.grid};
  draft.buffers = single_buffers(emit, 1, &draft.n_buffers);
  draft.buffers[draft.n_buffers++] = single_output(emit);
  emit_draft(emit, draft);
}

void cuda_attention(Emit *emit, const Node *node) {
  draft_attention(emit, node, 0, matrix_attention);
}

void cuda_attention_grad(Emit *emit, const Node *node) {
  draft_attention(emit, node, 1, matrix_attention_grad);
}
