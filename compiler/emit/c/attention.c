// Attention and its gradient: an image's head at a time, in scratch. A head's q, k, v (and g) are packed into
// matrices whose rows are whole vectors, keys and values also transposed; then everything is products of small
// matrices, ROWS queries at a time, so that of the tokens x tokens probabilities only ROWS rows exist.
//
//   for each head of each image of this part
//     pack; for each block of queries
//       scores = q k^T; softmax of each row
//       forward:  out = scores v
//       gradient: change = g v^T, then change = scores * (change - rowsum(scores * change));
//                 dq = change k; dk += change^T q; dv += scores^T g
//
// A head is computed by one worker in a fixed order. Padding: tokens up to PADDED have zero keys and values and get
// probability 0, channels up to WIDE are zero.
#include "compiler/emit/c/skeletons.h"

enum { ROWS = 16, TILE_VECTORS = 2, MOST_PARTS = 32 };

typedef struct Attention {
  int64_t n_tokens, padded, depth, wide, channels, n_heads;
  int lanes, tile_rows; // accumulators fit 32 registers where vectors have 64 bytes, 16 elsewhere
} Attention;

static int64_t round_up(int64_t n, int64_t step) {
  return (n + step - 1) / step * step;
}

static Attention attention_of(const Emit *emit, const Node *node, int x) {
  Shape shape = graph_node(emit->graph, node->in[x])->shape;
  Attention a = {.n_tokens = shape.dim[1],
                 .channels = shape.dim[3] / 3,
                 .n_heads = node->attr[op_attr_index(node->op, "heads")].i,
                 .lanes = emit->max_lanes,
                 .tile_rows = emit->max_lanes * emit->elem_bytes == 64 ? 8 : 4};
  a.depth = a.channels / a.n_heads;
  a.padded = round_up(a.n_tokens, a.lanes);
  a.wide = round_up(a.depth, a.lanes);
  return a;
}

// ---- the product of two matrices, as a function of its own ----

// One tile of rows x vectors, each element a named accumulator.
static void put_tile(StrBuf *out, int depth, int rows, int vectors) {
  for (int r = 0; r < rows; r++)
    for (int v = 0; v < vectors; v++)
      writer_line(out, depth,
                  "vec s%d%d = adds ? mla_load(c + (i + %d) * c_row + j + %d * LANES) : (vec){0};", r, v, r,
                  v);
  writer_line(out, depth, "for (long k = 0; k < n; k++) {");
  writer_line(out, depth + 1, "const real *ak = a + i * a_row + k * a_step, *bk = b + k * b_row + j;");
  for (int v = 0; v < vectors; v++)
    writer_line(out, depth + 1, "const vec b%d = mla_load(bk + %d * LANES);", v, v);
  for (int r = 0; r < rows; r++)
    for (int v = 0; v < vectors; v++)
      writer_line(out, depth + 1, "s%d%d += ak[%d * a_row] * b%d;", r, v, r, v);
  writer_line(out, depth, "}");
  for (int r = 0; r < rows; r++)
    for (int v = 0; v < vectors; v++)
      writer_line(out, depth, "mla_store(c + (i + %d) * c_row + j + %d * LANES, s%d%d);", r, v, r, v);
}

static void put_columns(StrBuf *out, int tile_rows, int vectors) {
  writer_line(out, 1, "for (; j + %d * LANES <= columns; j += %d * LANES) {", vectors, vectors);
  writer_line(out, 2, "long i = 0;");
  for (int rows = tile_rows; rows >= 1; rows /= 2) {
    writer_line(out, 2, "for (; i + %d <= rows; i += %d) {", rows, rows);
    put_tile(out, 3, rows, vectors);
    writer_line(out, 2, "}");
  }
  writer_line(out, 1, "}");
}

static void put_product(StrBuf *out, const Attention *a) {
  strbuf_printf(
      out, "// c[rows][columns] = (or +=) a[rows][n] b[n][columns]; element (i, k) of a is a[i * a_row + k * "
           "a_step].\n");
  strbuf_put(
      out,
      "static void " KERNEL_SYMBOL
      "_product(const real *a, long a_row, long a_step, const real *b, long b_row, real *c, long c_row,\n"
      "    long rows, long columns, long n, long adds) {\n");
  writer_line(out, 1, "MLA_USE(%d)", a->lanes);
  writer_line(out, 1, "enum { LANES = %d };", a->lanes);
  writer_line(out, 1, "long j = 0;");
  for (int vectors = TILE_VECTORS; vectors >= 1; vectors--) put_columns(out, a->tile_rows, vectors);
  strbuf_put(out, "}\n");
}

// ---- the pieces of a kernel ----

static void put_constants(Emit *emit, StrBuf *out, const Attention *a) {
  frame_open(out);
  writer_line(out, 1, "MLA_USE(%d)", a->lanes);
  writer_line(
      out, 1,
      "enum { TOKENS = %lld, PADDED = %lld, DEPTH = %lld, WIDE = %lld, CHANNELS = %lld, HEADS = %lld };",
      (long long)a->n_tokens, (long long)a->padded, (long long)a->depth, (long long)a->wide,
      (long long)a->channels, (long long)a->n_heads);
  writer_line(out, 1, "enum { LANES = %d, ROWS = %d };", a->lanes, ROWS);
  single_operands(emit, out);
}

// `real *NAME` of rows x columns in scratch. Zeroed once: packing never writes the padding.
static void put_matrix(StrBuf *out, int64_t *n_elems, const char *name, int64_t rows, int64_t columns) {
  writer_line(out, 1, "real *%s = (real *)scratch + %lld; // [%lld][%lld]", name, (long long)*n_elems,
              (long long)rows, (long long)columns);
  *n_elems += rows * columns;
}

static void put_loop(StrBuf *out, int64_t n_elems) {
  writer_line(out, 1, "for (long i = 0; i < %lld; i++) ((real *)scratch)[i] = 0;", (long long)n_elems);
  writer_line(out, 1, "const long items = batch * HEADS, end = items * (part + 1) / parts;");
  writer_line(out, 1, "for (long item = items * part / parts; item < end; item++) {");
  writer_line(out, 2, "const long image = item / HEADS, first = item %% HEADS * DEPTH;");
}

// Row i of q, k, v (parts 0, 1, 2) of the head, in a tensor of x's shape.
static void put_rows(StrBuf *out, const char *tensor, const char *name) {
  writer_line(out, 2, "real *%s = (real *)%s + image * TOKENS * 3 * CHANNELS + first;", name, tensor);
}

static void put_pack(StrBuf *out, const char *text) {
  writer_line(out, 2, "for (long i = 0; i < TOKENS; i++) {");
  writer_line(out, 3, "const real *row = qkv + i * 3 * CHANNELS;");
  writer_line(out, 3, "for (long c = 0; c < DEPTH; c++) {");
  writer_indent(out, 4, text);
  writer_line(out, 3, "}");
  writer_line(out, 2, "}");
}

static void put_call(StrBuf *out, const char *arguments) {
  writer_line(out, 3, KERNEL_SYMBOL "_product(%s);", arguments);
}

// A score that exp makes 0, for the padding.
static const char softmax_lines[] =
    "for (long r = 0; r < n; r++) {\n"
    "real *row = scores + r * PADDED, each[LANES];\n"
    "for (long j = TOKENS; j < PADDED; j++) row[j] = (real)-1e30;\n"
    "vec most = mla_load(row), total = {0};\n"
    "for (long j = LANES; j < PADDED; j += LANES) most = mla_max(most, mla_load(row + j));\n"
    "mla_store(each, most);\n"
    "real top = each[0];\n"
    "for (long j = 1; j < LANES; j++) top = each[j] > top ? each[j] : top;\n"
    "for (long j = 0; j < PADDED; j += LANES) {\n"
    "const vec p = mla_exp(mla_load(row + j) - top);\n"
    "total += p;\n"
    "mla_store(row + j, p);\n"
    "}\n"
    "const real share = 1 / mla_total(total);\n"
    "for (long j = 0; j < PADDED; j += LANES) mla_store(row + j, mla_load(row + j) * share);\n"
    "}\n";

static const char softmax_grad_lines[] =
    "for (long r = 0; r < n; r++) {\n"
    "const real *row = scores + r * PADDED;\n"
    "real *to = change + r * PADDED;\n"
    "vec sum = {0};\n"
    "for (long j = 0; j < PADDED; j += LANES) sum += mla_load(row + j) * mla_load(to + j);\n"
    "const real dot = mla_total(sum);\n"
    "for (long j = 0; j < PADDED; j += LANES) mla_store(to + j, mla_load(row + j) * (mla_load(to + j) - "
    "dot));\n"
    "}\n";

static void put_scores(StrBuf *out) {
  writer_line(out, 2, "for (long i = 0; i < TOKENS; i += ROWS) {");
  writer_line(out, 3, "const long n = TOKENS - i < ROWS ? TOKENS - i : ROWS;");
  put_call(out, "q + i * WIDE, WIDE, 1, keys, PADDED, scores, PADDED, n, PADDED, DEPTH, 0");
  writer_indent(out, 3, softmax_lines);
}

// The root of d in the precision of the kernel.
static void put_scale(Emit *emit, StrBuf *out, const Attention *a) {
  writer_line(out, 1, "const real scale = 1 / mla_sqrt(%s);", emit_number(emit, (double)a->depth));
}

static void draft_attention(Emit *emit, const Attention *a, const char *text, int64_t scratch_elems) {
  int64_t items = emit->graph->batch * a->n_heads;
  KernelDraft draft = {.text = text,
                       .stem = writer_format(emit, "%s_%lldx%lld_h%lld", op_info(emit->node->op)->name,
                                             (long long)a->n_tokens, (long long)a->channels,
                                             (long long)a->n_heads),
                       .role = "",
                       .scratch_bytes = scratch_elems * emit->elem_bytes,
                       .parts = items > MOST_PARTS ? MOST_PARTS : (int)items};
  draft.buffers = single_buffers(emit, 1, &draft.n_buffers);
  draft.buffers[draft.n_buffers++] = single_output(emit);
  emit_draft(emit, draft);
}

// ---- the two kernels ----

void c_attention(Emit *emit, const Node *node) {
  Attention a = attention_of(emit, node, 0);
  StrBuf out = strbuf_new(emit->arena);
  int64_t n_elems = 0;
  put_product(&out, &a);
  put_constants(emit, &out, &a);
  put_matrix(&out, &n_elems, "q", a.n_tokens, a.wide);
  put_matrix(&out, &n_elems, "keys", a.depth, a.padded);
  put_matrix(&out, &n_elems, "v", a.n_tokens, a.wide);
  put_matrix(&out, &n_elems, "scores", ROWS, a.padded);
  put_matrix(&out, &n_elems, "result", ROWS, a.wide);
  put_scale(emit, &out, &a);
  put_loop(&out, n_elems);
  put_rows(&out, "in0", "qkv");
  put_pack(&out, "q[i * WIDE + c] = row[c] * scale;\n"
                 "keys[c * PADDED + i] = row[CHANNELS + c];\n"
                 "v[i * WIDE + c] = row[2 * CHANNELS + c];\n");
  put_scores(&out);
  put_call(&out, "scores, PADDED, 1, v, WIDE, result, WIDE, n, WIDE, TOKENS, 0");
  writer_line(&out, 3, "for (long r = 0; r < n; r++) {");
  writer_line(&out, 4, "real *to = out + (image * TOKENS + i + r) * CHANNELS + first;");
  writer_line(&out, 4, "for (long c = 0; c < DEPTH; c++) to[c] = result[r * WIDE + c];");
  strbuf_put(&out, "      }\n    }\n  }\n}\n");
  draft_attention(emit, &a, out.text, n_elems);
}

static void put_grad_matrices(StrBuf *out, int64_t *n_elems, const Attention *a) {
  static const char *const rows[] = {"q", "k", "g", "dq", "dk", "dv"};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    put_matrix(out, n_elems, rows[i], a->n_tokens, a->wide);
  put_matrix(out, n_elems, "keys", a->depth, a->padded);
  put_matrix(out, n_elems, "values", a->depth, a->padded);
  put_matrix(out, n_elems, "scores", ROWS, a->padded);
  put_matrix(out, n_elems, "change", ROWS, a->padded);
}

static void put_grad_products(StrBuf *out) {
  put_call(out, "g + i * WIDE, WIDE, 1, values, PADDED, change, PADDED, n, PADDED, DEPTH, 0");
  put_call(out, "scores, 1, PADDED, g + i * WIDE, WIDE, dv, WIDE, TOKENS, WIDE, n, i > 0");
  writer_indent(out, 3, softmax_grad_lines);
  put_call(out, "change, PADDED, 1, k, WIDE, dq + i * WIDE, WIDE, n, WIDE, TOKENS, 0");
  put_call(out, "change, 1, PADDED, q + i * WIDE, WIDE, dk, WIDE, TOKENS, WIDE, n, i > 0");
  writer_line(out, 2, "}");
}

static void put_unpack(StrBuf *out) {
  put_rows(out, "out", "to");
  writer_line(out, 2, "for (long i = 0; i < TOKENS; i++, to += 3 * CHANNELS) {");
  writer_line(out, 3, "for (long c = 0; c < DEPTH; c++) to[c] = dq[i * WIDE + c] * scale;");
  writer_line(out, 3, "for (long c = 0; c < DEPTH; c++) to[CHANNELS + c] = dk[i * WIDE + c];");
  writer_line(out, 3, "for (long c = 0; c < DEPTH; c++) to[2 * CHANNELS + c] = dv[i * WIDE + c];");
  strbuf_put(out, "    }\n  }\n}\n");
}

void c_attention_grad(Emit *emit, const Node *node) {
  Attention a = attention_of(emit, node, 1);
  StrBuf out = strbuf_new(emit->arena);
  int64_t n_elems = 0;
  put_product(&out, &a);
  put_constants(emit, &out, &a);
  put_grad_matrices(&out, &n_elems, &a);
  put_scale(emit, &out, &a);
  put_loop(&out, n_elems);
  put_rows(&out, "in1", "qkv");
  writer_line(&out, 2, "const real *flow = in0 + image * TOKENS * CHANNELS + first;");
  put_pack(&out, "q[i * WIDE + c] = row[c] * scale;\n"
                 "k[i * WIDE + c] = keys[c * PADDED + i] = row[CHANNELS + c];\n"
                 "values[c * PADDED + i] = row[2 * CHANNELS + c];\n"
                 "g[i * WIDE + c] = flow[i * CHANNELS + c];\n");
  put_scores(&out);
  put_grad_products(&out);
  put_unpack(&out);
  draft_attention(emit, &a, out.text, n_elems);
}
