#include "compiler/emit/c/conv_around.h"
#include "compiler/emit/around.h"
#include "compiler/emit/c/conv_parts.h"
#include "compiler/emit/c/skeletons.h"

static const char *operators_text(Emit *emit, const Emit *lines) {
  StrBuf text = strbuf_new(emit->arena);
  for (int i = 0; i < lines->group->n_nodes; i++)
    strbuf_printf(&text, "%s%s", i ? ", " : "",
                  op_info(graph_node(emit->graph, lines->group->nodes[i])->op)->name);
  return text.text;
}

// The rows of the images: an image is a whole number of them.
static void put_range(const Emit *lines, StrBuf *out) {
  const long long rows = lines->space.unit / lines->space.width;
  writer_line(out, 1, "const long begin = first * %lld, end = (first + n_images) * %lld;", rows, rows);
}

// `given` is at hand for element e.
static void put_given(Emit *lines, const char *from) {
  StrBuf body = strbuf_new(lines->arena);
  strbuf_printf(&body, "const vec %s = mla_load(%s + e);\n%s", lines->part.given_name, from,
                lines->body.text);
  lines->body = body;
}

// ---- before ----

// Operands of products of pairs are staged as such.
static const char *staged_type(const ConvSpec *spec) {
  return conv_type(spec->is_paired);
}

static void open_before(Emit *emit, const ConvSpec *spec, StrBuf *out, const char *operators, NodeId fetched,
                        ConvAround *around) {
  const Node *node = graph_node(emit->graph, fetched);
  around->has_before = true;
  around->fetched = shape_elems(node->shape, 1);
  around->fetched_is_bf16 = node->dtype == DT_BF16;
  strbuf_printf(out, "// Before the product: %s of some images.\n", operators);
  strbuf_printf(out,
                "static void " KERNEL_SYMBOL
                "_before(void *const *buf, long batch, long first, long n_images, "
                "%s *staged, void *scratch) {\n",
                staged_type(spec));
}

// The operator writes its lines as for a kernel of its own; here they fill the staged images.
static void write_gathered(Emit *emit, const ConvSpec *spec, StrBuf *out, BufferRef *refs,
                           ConvAround *around) {
  const NodeId id = group_gathered(emit->graph, emit->group);
  if (id == NO_NODE) return;
  const Node *node = graph_node(emit->graph, id);
  const Skeletons skeletons = {.separable = c_separable_images};
  Emit lines = {.arena = emit->arena,
                .elem_bytes = emit->elem_bytes,
                .max_lanes = emit->max_lanes,
                .skeletons = &skeletons,
                .part = {.staged_type = staged_type(spec)}};
  writer_begin(&lines, emit->graph, emit->group);
  lines.node = node;
  op_info(node->op)->emit(&lines, node);
  refs[0].node = node->in[0];
  open_before(emit, spec, out, op_info(node->op)->name, node->in[0], around);
  writer_line(out, 1, "(void)batch;");
  strbuf_put(out, lines.body.text);
  strbuf_put(out, "}\n");
  const Shape in = graph_node(emit->graph, node->in[0])->shape;
  around->spare = in.dim[2] * in.dim[3];
}

static void write_before(Emit *emit, const ConvSpec *spec, StrBuf *out, BufferRef *refs, int *n,
                         ConvAround *around) {
  Emit *lines = around_before(emit, *n);
  if (!lines) {
    write_gathered(emit, spec, out, refs, around);
    return;
  }
  const Node *given = graph_node(emit->graph, lines->part.given);
  refs[0].node = lines->part.given;
  const char *operand = writer_name(lines, group_root(emit->graph, emit->group)->in[0]);
  open_before(emit, spec, out, operators_text(emit, lines), lines->part.given, around);
  writer_line(out, 1, "MLA_USE(%d)", lines->space.lanes);
  writer_line(out, 1, "const %s *x = buf[0]; // %s", writer_type(given),
              shape_text(emit->arena, given->shape));
  around_operands(emit, lines, out, refs, n);
  around_rows(lines, out, around_all_lines(emit, lines));
  put_range(lines, out);
  around->spare = frame_channel_values(lines, out, lines->body.text);
  writer_line(out, 1, "%s *to = staged - begin * %lld;", staged_type(spec), (long long)lines->space.width);
  put_given(lines, "x");
  strbuf_printf(&lines->body, "mla_store(to + e, %s);\n", operand);
  point_rows(lines, out);
  strbuf_put(out, "}\n");
}

// ---- behind ----

// The first row of a part's result is what its sums are about.
static void put_pivots(Emit *lines, StrBuf *out) {
  const Space *space = &lines->space;
  const long long at = lines->n_sums * space->width;
  writer_line(out, 1, "real *pivots = sums + %lld;", at);
  writer_line(out, 1, "if (is_first) {");
  writer_line(out, 2, "MLA_USE(%d)", space->channel_lanes);
  writer_line(out, 2, "for (long c = 0; c < %lld; c += %d) {", (long long)space->channels,
              space->channel_lanes);
  frame_channel_lines(lines, out, 3);
  writer_line(out, 3, "const long e = first * %lld + c;", (long long)space->unit);
  writer_line(out, 3, "const vec product = mla_load(from + e);");
  writer_indent(out, 3, lines->pivot_lines);
  writer_line(out, 3, "mla_store(pivots + c, %s);", lines->pivot);
  writer_line(out, 2, "}");
  writer_line(out, 1, "}");
  writer_channel_operand(lines, "p0", "pivots");
}

static void put_behind_body(Emit *lines, StrBuf *out, ConvAround *around) {
  const char *used = writer_format(lines, "%s%s", lines->body.text, lines->sums.text);
  int64_t kept = frame_channel_values(lines, out, used);
  if (kept > around->spare) around->spare = kept;
  put_given(lines, "from");
  if (lines->n_sums)
    reduce_blocks(lines, out, used);
  else
    point_rows(lines, out);
}

// Whole tensors among the operands, whose first buffer is `first`.
static void note_beside(const Emit *lines, int first, ConvAround *around) {
  for (int i = 0; i < lines->n_operands; i++) {
    if (lines->operands[i].level != LEVEL_FULL || around->n_beside == CONV_MAX_BESIDE) continue;
    around->beside_is_bf16[around->n_beside] =
        graph_node(lines->graph, lines->operands[i].node)->dtype == DT_BF16;
    around->beside[around->n_beside++] = first + i;
  }
}

static void write_behind(Emit *emit, StrBuf *out, BufferRef *refs, int *n, ConvAround *around) {
  Emit *lines = around_behind(emit, *n);
  if (!lines) return;
  strbuf_printf(out, "// Behind the product: %s of some images.\n", operators_text(emit, lines));
  strbuf_put(out, "static void " KERNEL_SYMBOL
                  "_behind(void *const *buf, long batch, long first, long n_images, const real *made, ");
  strbuf_put(out, lines->n_sums ? "real *sums, long is_first, void *scratch) {\n" : "void *scratch) {\n");
  writer_line(out, 1, "MLA_USE(%d)", lines->space.lanes);
  note_beside(lines, *n, around);
  around_operands(emit, lines, out, refs, n);
  around_outputs(emit, lines, out, refs, n);
  around_rows(lines, out, around_all_lines(emit, lines));
  put_range(lines, out);
  writer_line(out, 1, "const real *from = made - begin * %lld;", (long long)lines->space.width);
  if (lines->pivot) put_pivots(lines, out);
  put_behind_body(lines, out, around);
  strbuf_put(out, "}\n");
  around->has_behind = true;
  if (lines->n_sums == 0) return;
  around->parts = emit->group->parts;
  around->n_sums = lines->n_sums * lines->space.width + lines->space.channels;
}

// ---- sums ----

// A part's sums and its pivots, as the finish reads them.
static void write_close(Emit *emit, StrBuf *out, BufferRef *refs, int *n) {
  const Emit *lines = around_behind(emit, *n);
  if (!lines || lines->n_sums == 0) return;
  const long long width = lines->space.width, channels = lines->space.channels;
  strbuf_put(out, "static void " KERNEL_SYMBOL "_close(void *const *buf, int part, const real *sums) {\n");
  writer_line(out, 1, "real *partial = (real *)buf[%d] + part * %lld; // [%d parts][%d of %lld channels]", *n,
              (lines->n_sums + 1) * channels, emit->group->parts, lines->n_sums + 1, channels);
  writer_line(out, 1, "for (long c = 0; c < %lld; c++) {", channels);
  for (int k = 0; k < lines->n_sums; k++) {
    writer_line(out, 2, "real total%d = 0;", k);
    writer_line(out, 2, "for (long i = c; i < %lld; i += %lld) total%d += sums[%lld + i];", width, channels,
                k, k * width);
    writer_line(out, 2, "partial[%lld + c] = total%d;", k * channels, k);
  }
  writer_line(out, 2, "partial[%lld + c] = sums[%lld + c];", lines->n_sums * channels, lines->n_sums * width);
  writer_line(out, 1, "}");
  strbuf_put(out, "}\n");
  refs[(*n)++] = (BufferRef){.kind = REF_PARTIAL};
}

const ConvAround *conv_around(Emit *emit, const ConvSpec *spec, StrBuf *text, BufferRef **refs, int *n) {
  const Group *group = emit->group;
  const Node *node = group_root(emit->graph, group);
  *refs = ARENA_ARRAY(emit->arena, BufferRef, group->n_inputs + group->n_outputs + 6);
  *n = 0;
  for (int i = 0; i < node->n_in; i++) (*refs)[(*n)++] = (BufferRef){.kind = REF_NODE, .node = node->in[i]};
  if (group->kind != GROUP_PRODUCT) return NULL;
  ConvAround *around = ARENA_NEW(emit->arena, ConvAround);
  write_before(emit, spec, text, *refs, n, around);
  write_behind(emit, text, *refs, n, around);
  write_close(emit, text, *refs, n);
  around->result = around_is_stored(group, group->product) ? *n : -1;
  return around;
}

// ---- the finish ----

static void put_total(Emit *lines, StrBuf *out, int64_t pixels) {
  const Root *root = &lines->roots[0];
  const long long channels = lines->space.channels, row = (lines->n_sums + 1) * channels;
  const int parts = lines->group->parts;
  if (lines->pivot)
    writer_line(out, 2, "const vec p0 = mla_load(partial + %lld + c);", lines->n_sums * channels);
  for (int k = 0; k < lines->n_sums; k++) writer_line(out, 2, "vec total%d = {0};", k);
  writer_line(out, 2, "for (long p = 0; p < %d; p++) {", parts);
  writer_line(out, 3, "const real *from = partial + p * %lld + c;", row);
  for (int k = 0; k < lines->n_sums; k++)
    writer_line(out, 3, "const vec sum%d = mla_load(from + %lld);", k, k * channels);
  if (lines->pivot) {
    writer_line(out, 3, "const long n_images = " CONV_SHARE("(p + 1)") " - " CONV_SHARE("p") ";", parts - 1,
                parts, parts - 1, parts);
    writer_line(out, 3, "const real part_rows = (real)(n_images * %lld);", (long long)pixels);
    writer_line(out, 3, "const vec moved = mla_load(from + %lld) - p0;", lines->n_sums * channels);
  }
  for (int k = 0; k < lines->n_sums; k++)
    writer_line(out, 3, "total%d += %s;", k,
                lines->pivot ? root->moved[k] : writer_format(lines, "sum%d", k));
  writer_line(out, 2, "}");
}

void conv_around_finish(Emit *emit, const char *stem, int64_t pixels) {
  Emit *lines = around_behind(emit, 0);
  if (!lines || lines->n_sums == 0) return;
  const Root *root = &lines->roots[0];
  const bool with_operands = root_uses_channels(lines, root);
  StrBuf text = strbuf_new(emit->arena);
  BufferRef *refs = ARENA_ARRAY(emit->arena, BufferRef, lines->n_operands + 2);
  int n = 0;
  frame_open(&text);
  if (with_operands) around_operands(emit, lines, &text, refs, &n);
  writer_line(&text, 1, "MLA_USE(%d)", lines->space.channel_lanes);
  writer_line(&text, 1, "const real *partial = buf[%d]; // [%d][%d of %lld channels]", n, emit->group->parts,
              lines->n_sums + 1, (long long)lines->space.channels);
  refs[n++] = (BufferRef){.kind = REF_PARTIAL};
  writer_line(&text, 1, "real *result = buf[%d]; // %s", n, shape_text(emit->arena, root->node->shape));
  refs[n++] = (BufferRef){.kind = REF_NODE, .node = (NodeId)(root->node - emit->graph->nodes)};
  around_rows(lines, &text, around_all_lines(emit, lines));
  writer_line(&text, 1, "for (long c = 0; c < %lld; c += %d) {", (long long)lines->space.channels,
              lines->space.channel_lanes);
  put_total(lines, &text, pixels);
  if (with_operands) frame_channel_lines(lines, &text, 2);
  for (int k = 0; k < lines->n_sums; k++) writer_line(&text, 2, "const vec sum%d = total%d;", k, k);
  for (int k = 0; k < root->n_sums; k++)
    writer_line(&text, 2, "mla_store(%s, mla_vec(%s));",
                writer_at(emit, "result", k * root_channels(root), "c"), root_value(lines, root, k));
  strbuf_put(&text, "  }\n}\n");
  KernelDraft draft = {
      .text = text.text, .stem = writer_format(emit, "%s_finish", stem), .role = "finish", .parts = 1};
  draft.buffers = refs;
  draft.n_buffers = n;
  emit_draft(emit, draft);
}
