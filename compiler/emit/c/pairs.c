// Pairs of rows: what a loss over all pairs of images of the batch needs. The matrix of dot products is never
// stored (its extent is the batch's, twice): a part takes its rows, a few at a time, computes their products
// with all rows into scratch, and hands each row of products to the operator's lines. A gradient then adds up
// the rows, weighted with what the lines left there.
//
//   for each tile of rows a of this part
//     for four rows b at a time: dot products, vectors along the features
//     the operator's lines, once for each a
//     out[a] = sum over b of dot[b] * row b, four rows at a time
//
// Sums run over the features and over b in a fixed order, whoever computes them.
#include "compiler/emit/c/skeletons.h"

enum { TILE = 4 };

typedef struct Pairs {
  Emit *emit;
  StrBuf *out;
  int input; // whose rows are paired
  long features;
  int lanes;
} Pairs;

// `const real *y0 = ..., *y3`: rows b..b+3; behind the last row the last again.
static void put_others(const Pairs *pairs) {
  for (int j = 0; j < TILE; j++)
    writer_line(pairs->out, 3, "const real *y%d = in%d + (b + %d < batch ? b + %d : batch - 1) * %ld;", j,
                pairs->input, j, j, pairs->features);
}

static void put_dots(const Pairs *pairs, int rows) {
  StrBuf *out = pairs->out;
  writer_line(out, 2, "for (long b = 0; b < batch; b += %d) {", TILE);
  put_others(pairs);
  for (int i = 0; i < rows; i++)
    writer_line(out, 3, "vec s%d0 = {0}, s%d1 = {0}, s%d2 = {0}, s%d3 = {0};", i, i, i, i);
  writer_line(out, 3, "for (long c = 0; c < %ld; c += %d) {", pairs->features, pairs->lanes);
  for (int j = 0; j < TILE; j++) writer_line(out, 4, "const vec v%d = mla_load(y%d + c);", j, j);
  for (int i = 0; i < rows; i++) {
    writer_line(out, 4, "const vec u%d = mla_load(in%d + (first + %d) * %ld + c);", i, pairs->input, i,
                pairs->features);
    for (int j = 0; j < TILE; j++) writer_line(out, 4, "s%d%d += u%d * v%d;", i, j, i, j);
  }
  writer_line(out, 3, "}");
  for (int i = 0; i < rows; i++)
    for (int j = 0; j < TILE; j++)
      writer_line(out, 3, "dots[%d * stride + b + %d] = mla_total(s%d%d);", i, j, i, j);
  writer_line(out, 2, "}");
}

static void put_body(const Pairs *pairs, int rows) {
  writer_line(pairs->out, 2, "for (long a = first; a < first + %d; a++) {", rows);
  writer_line(pairs->out, 3, "real *dot = dots + (a - first) * stride;");
  writer_indent(pairs->out, 3, pairs->emit->body.text);
  writer_line(pairs->out, 2, "}");
}

static void put_sums(const Pairs *pairs, int rows) {
  StrBuf *out = pairs->out;
  long features = pairs->features;
  writer_line(out, 2, "for (long i = 0; i < %d; i++) {", rows);
  writer_line(out, 3, "for (long b = batch; b < stride; b++) dots[i * stride + b] = 0;");
  writer_line(out, 3, "for (long c = 0; c < %ld; c++) out[(first + i) * %ld + c] = 0;", features, features);
  writer_line(out, 2, "}");
  writer_line(out, 2, "for (long b = 0; b < batch; b += %d) {", TILE);
  put_others(pairs);
  for (int i = 0; i < rows; i++) {
    writer_line(out, 3, "const real *k%d = dots + %d * stride + b;", i, i);
    writer_line(out, 3, "real *to%d = out + (first + %d) * %ld;", i, i, features);
    writer_line(out, 3, "const real k%d0 = k%d[0], k%d1 = k%d[1], k%d2 = k%d[2], k%d3 = k%d[3];", i, i, i, i,
                i, i, i, i);
  }
  writer_line(out, 3, "for (long c = 0; c < %ld; c += %d) {", features, pairs->lanes);
  for (int j = 0; j < TILE; j++) writer_line(out, 4, "const vec v%d = mla_load(y%d + c);", j, j);
  for (int i = 0; i < rows; i++)
    writer_line(out, 4,
                "mla_store(to%d + c, mla_load(to%d + c) + k%d0 * v0 + k%d1 * v1 + k%d2 * v2 + k%d3 * v3);", i,
                i, i, i, i, i);
  writer_line(out, 3, "}");
  writer_line(out, 2, "}");
}

static void put_tile(const Pairs *pairs, int rows, bool is_combined) {
  writer_line(pairs->out, 1, "for (; first + %d <= end; first += %d) {", rows, rows);
  put_dots(pairs, rows);
  put_body(pairs, rows);
  if (is_combined) put_sums(pairs, rows);
  writer_line(pairs->out, 1, "}");
}

static int pair_parts(int64_t batch, int64_t features) {
  enum { MACS_PER_PART = 262144, MOST = 32 };
  int64_t parts = batch * batch * features / MACS_PER_PART, most = (batch + TILE - 1) / TILE;
  if (parts > most) parts = most;
  return parts < 1 ? 1 : parts > MOST ? MOST : (int)parts;
}

void c_pairs(Emit *emit, const Node *node, int rows, bool is_combined) {
  StrBuf text = strbuf_new(emit->arena);
  long features = (long)shape_channels(emit_input_shape(emit, rows));
  Pairs pairs = {emit, &text, rows, features, writer_lanes(features, emit->max_lanes)};
  int64_t batch = emit->graph->batch;
  frame_open(&text);
  writer_line(&text, 1, "MLA_USE(%d)", pairs.lanes);
  single_operands(emit, &text);
  writer_line(&text, 1, "const long end = batch * (part + 1) / parts, stride = (batch + %d) / %d * %d;",
              TILE - 1, TILE, TILE);
  writer_line(&text, 1, "real *dots = scratch; // [%d][stride]", TILE);
  writer_line(&text, 1, "long first = batch * part / parts;");
  put_tile(&pairs, TILE, is_combined);
  put_tile(&pairs, 1, is_combined);
  strbuf_put(&text, "}\n");

  KernelDraft draft = {
      .text = text.text, .stem = emit_stem(emit), .role = "", .parts = pair_parts(batch, features)};
  draft.scratch_bytes = TILE * ((batch + TILE - 1) / TILE * TILE) * emit->elem_bytes;
  draft.buffers = single_buffers(emit, 1, &draft.n_buffers);
  draft.buffers[draft.n_buffers++] = single_output(emit);
  emit_draft(emit, draft);
  (void)node;
}
