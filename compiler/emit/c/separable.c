// Separable kernels: an element is a weighted sum over rows and, of these, over columns (pooling, resizing and their
// gradients). Rows are added first, for a whole line of the result; what a position reads and with which weights
// stands in tables. Parts share the image rows of the result:
//
//   for each (image n, row y) of this part
//     across[x, c] = sum over rows k of row_weight * in0[n, row_first[y] + k, x, c]
//     for each x, each vector of channels from c
//       out[line, x, c] = sum over columns k of col_weight * across[col_first[x] + k, c]
#include "compiler/emit/c/skeletons.h"
#include <string.h>

static double axis_weight(const EmitAxis *axis, bool is_gradient, int64_t to, int64_t from) {
  return is_gradient ? axis->weight[from * axis->n_in + to] : axis->weight[to * axis->n_in + from];
}

// Weights of an axis, each run of them once.
typedef struct Weights {
  double *items;
  int64_t n;
} Weights;

static int64_t run_at(Weights *weights, const double *run, int64_t n) {
  const size_t n_bytes = (size_t)n * sizeof *run;
  for (int64_t at = 0; at + n <= weights->n; at++)
    if (memcmp(weights->items + at, run, n_bytes) == 0) return at;
  memcpy(weights->items + weights->n, run, n_bytes);
  weights->n += n;
  return weights->n - n;
}

static void put_list(StrBuf *out, const char *type, const char *name, const char *list, const StrBuf *items) {
  writer_line(out, 1, "static const %s %s_%s[] = {%.*s};", type, name, list, (int)items->length - 2,
              items->text);
}

// AXIS_first[to]: the first position read; from weight AXIS_at[to] on, AXIS_n[to] of them are its and its neighbours'.
static void put_tables(StrBuf *out, const char *name, const EmitAxis *axis, bool is_gradient) {
  const int64_t n_to = is_gradient ? axis->n_in : axis->n_out,
                n_from = is_gradient ? axis->n_out : axis->n_in;
  StrBuf first = strbuf_new(out->arena), at = strbuf_new(out->arena), n = strbuf_new(out->arena),
         weight = strbuf_new(out->arena);
  Weights weights = {.items = ARENA_ARRAY(out->arena, double, n_to *n_from + 1)};
  double *row = ARENA_ARRAY(out->arena, double, n_from);
  for (int64_t to = 0; to < n_to; to++) {
    int64_t begin = 0, end = n_from;
    for (int64_t from = 0; from < n_from; from++) row[from] = axis_weight(axis, is_gradient, to, from);
    while (begin < end && row[end - 1] == 0) end--;
    while (begin < end && row[begin] == 0) begin++;
    strbuf_printf(&first, "%lld, ", (long long)begin);
    strbuf_printf(&at, "%lld, ", (long long)run_at(&weights, row + begin, end - begin));
    strbuf_printf(&n, "%lld, ", (long long)(end - begin));
  }
  if (weights.n == 0) weights.items[weights.n++] = 0;
  for (int64_t i = 0; i < weights.n; i++) strbuf_printf(&weight, "%.17g, ", weights.items[i]);
  put_list(out, "int", name, "first", &first);
  put_list(out, "int", name, "at", &at);
  put_list(out, "int", name, "n", &n);
  put_list(out, "real", name, "weight", &weight);
}

static void put_sum(StrBuf *out, int depth, const char *axis, const char *from, long long stride) {
  writer_line(out, depth, "vec sum = {0};");
  writer_line(out, depth, "for (long k = 0; k < n_%ss; k++)", axis);
  writer_line(out, depth + 1, "sum += mla_vec(%ss[k]) * mla_load(%s + k * %lld);", axis, from, stride);
}

static void put_line(Emit *emit, StrBuf *out, SingleImage in, SingleImage to, int lanes) {
  const long long row = in.width * in.channels, channels = to.channels;
  const int line_lanes = writer_lanes(row, emit->max_lanes);
  writer_line(out, 2, "const long n = line / %lld, y = line %% %lld;", (long long)to.height,
              (long long)to.height);
  const char *type = writer_type(graph_node(emit->graph, emit->node->in[0]));
  writer_line(out, 2, "const %s *from = in0 + (n * %lld + row_first[y]) * %lld;", type, (long long)in.height,
              row);
  writer_line(out, 2, "const real *rows = row_weight + row_at[y];");
  writer_line(out, 2, "const long n_rows = row_n[y];");
  writer_line(out, 2, "for (long e = 0; e < %lld; e += %d) {", row, line_lanes);
  writer_line(out, 3, "MLA_USE(%d)", line_lanes);
  put_sum(out, 3, "row", "from + e", row);
  writer_line(out, 3, "mla_store(across + e, sum);");
  writer_line(out, 2, "}");
  writer_line(out, 2, "for (long x = 0; x < %lld; x++) {", (long long)to.width);
  writer_line(out, 3, "MLA_USE(%d)", lanes);
  writer_line(out, 3, "const real *cols = col_weight + col_at[x], *start = across + col_first[x] * %lld;",
              channels);
  writer_line(out, 3, "const long n_cols = col_n[x];");
  writer_line(out, 3, "for (long c = 0; c < %lld; c += %d) {", channels, lanes);
  put_sum(out, 4, "col", "start + c", channels);
  writer_line(out, 4, "mla_store(out + (line * %lld + x) * %lld + c, sum);", (long long)to.width, channels);
  writer_line(out, 3, "}");
  writer_line(out, 2, "}");
}

// Enough work for a part to be worth a thread.
static int separable_parts(const Emit *emit, Shape in, Shape to) {
  enum { ELEMS_PER_PART = 16384, MOST = 32 };
  const int64_t batch = emit->graph->batch, rows = batch * single_image(to).height;
  int64_t parts = (shape_elems(in, batch) + shape_elems(to, batch)) / ELEMS_PER_PART;
  if (parts > rows) parts = rows;
  return parts < 1 ? 1 : parts > MOST ? MOST : (int)parts;
}

static SingleImage image_in(const Emit *emit) {
  return single_image(graph_node(emit->graph, emit->node->in[0])->shape);
}

// From line `begin` to `end` of `out`, which follows from `in0`.
static void put_lines(Emit *emit, StrBuf *out) {
  const SingleImage in = image_in(emit), to = single_image(emit->node->shape);
  writer_line(out, 1, "real *across = scratch; // [%lld][%lld]", (long long)in.width, (long long)in.channels);
  writer_line(out, 1, "for (long line = begin; line < end; line++) {");
  put_line(emit, out, in, to, writer_lanes(to.channels, writer_max_lanes(emit)));
  writer_line(out, 1, "}");
}

void c_separable_images(Emit *emit, EmitAxis rows, EmitAxis columns, bool is_gradient) {
  StrBuf *out = &emit->body;
  const SingleImage in = image_in(emit);
  put_tables(out, "row", &rows, is_gradient);
  put_tables(out, "col", &columns, is_gradient);
  const Node *from = graph_node(emit->graph, emit->node->in[0]);
  writer_line(out, 1, "const %s *in0 = (const %s *)buf[0] + first * %lld; // %s", writer_type(from),
              writer_type(from), (long long)(in.height * in.width * in.channels),
              shape_text(emit->arena, from->shape));
  writer_line(out, 1, "%s *out = staged; // %s", emit->part.staged_type,
              shape_text(emit->arena, emit->node->shape));
  writer_line(out, 1, "const long begin = 0, end = n_images * %lld;",
              (long long)single_image(emit->node->shape).height);
  put_lines(emit, out);
}

void c_separable(Emit *emit, EmitAxis rows, EmitAxis columns, bool is_gradient) {
  const Node *node = emit->node;
  const Shape shape = graph_node(emit->graph, node->in[0])->shape;
  const SingleImage in = image_in(emit);
  StrBuf text = strbuf_new(emit->arena);
  frame_open(&text);
  put_tables(&text, "row", &rows, is_gradient);
  put_tables(&text, "col", &columns, is_gradient);
  single_operands(emit, &text);
  writer_line(
      &text, 1,
      "const long lines = batch * %lld, begin = lines * part / parts, end = lines * (part + 1) / parts;",
      (long long)single_image(node->shape).height);
  put_lines(emit, &text);
  strbuf_put(&text, "}\n");
  KernelDraft draft = {.text = text.text, .stem = emit_stem(emit), .role = ""};
  draft.parts = separable_parts(emit, shape, node->shape);
  draft.scratch_bytes = in.width * in.channels * emit->elem_bytes;
  draft.buffers = single_buffers(emit, 1, &draft.n_buffers);
  draft.buffers[draft.n_buffers++] = single_output(emit);
  emit_draft(emit, draft);
}
