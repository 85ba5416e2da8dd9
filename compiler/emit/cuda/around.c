// The operators before and behind a product write their lines as for a kernel of their own; here they are run over these
// parts of the group, with the tensor that the product fetches (or the vec that it has summed) at hand under a name.
#include "compiler/emit/cuda/around.h"
#include "compiler/emit/around.h"
#include "compiler/emit/cuda/skeletons.h"

static bool is_point(const Graph *graph, NodeId id) {
  return op_info(graph_node(graph, id)->op)->fuse == FUSE_POINT;
}

static AroundLines lines_of(Emit *emit, const Emit *lines, const char *used) {
  StrBuf channel = strbuf_new(emit->arena);
  const char **kept = ARENA_ARRAY(emit->arena, const char *, lines->n_channel + 1);
  AroundLines result = {.kept = kept, .element = lines->body.text};
  for (int i = 0; i < lines->n_channel; i++) {
    strbuf_put(&channel, lines->channel[i].text);
    const char *name = lines->channel[i].name;
    if (name && writer_uses(used, name)) kept[result.n_kept++] = name;
  }
  if (lines->n_channel) result.channel = channel.text;
  return result;
}

// ---- before the product ----

static void write_before(Emit *emit, Around *around, StrBuf *buffers, BufferRef *refs, int *n) {
  const Emit *lines = around_before(emit, *n);
  if (!lines) return;
  refs[0].node = lines->part.given;
  around_operands(emit, lines, buffers, refs, n);
  around_rows(lines, buffers, around_all_lines(emit, lines));
  around->before = lines_of(emit, lines, lines->body.text);
  around->operand = writer_name(lines, group_root(emit->graph, emit->group)->in[0]);
  if (writer_max_lanes(lines) < around->most_lanes) around->most_lanes = writer_max_lanes(lines);
}

// ---- behind it ----

static void put_stores(Emit *emit, const Emit *lines, StrBuf *body) {
  int k = 0;
  strbuf_put(body, lines->body.text);
  for (int i = 0; i < lines->group->n_outputs; i++) {
    NodeId id = lines->group->outputs[i];
    if (!is_point(emit->graph, id)) continue;
    strbuf_printf(body, "mla_store(out%d + e, %s);\n", k++, writer_name(lines, id));
  }
  strbuf_put(body, lines->sums.text);
}

// ---- sums of all parts ----

// Rows of part p, whose tiles are p, p + PARTS, ...: the last tile of all may lack some.
static void put_part_rows(StrBuf *out) {
  writer_line(out, 1,
              "const int tiles = (n_rows + BLOCK_M - 1) / BLOCK_M, lacking = tiles * BLOCK_M - n_rows;");
  writer_line(out, 1,
              "const real part_rows = (real)((tiles + PARTS - 1 - p) / PARTS * BLOCK_M - "
              "((tiles - 1) %% PARTS == p ? lacking : 0));");
}

static const char *totals_text(Emit *emit, const Emit *lines) {
  const Root *root = &lines->roots[0];
  long long channels = root_channels(root), pivots = lines->n_sums * channels;
  StrBuf text = strbuf_new(emit->arena), *out = &text;
  if (lines->pivot) writer_line(out, 0, "const vec p0 = partial[%lld + c];", pivots);
  for (int k = 0; k < lines->n_sums; k++) writer_line(out, 0, "vec total%d = 0;", k);
  writer_line(out, 0, "for (int p = thread / COLUMNS; p < PARTS; p += THREADS / COLUMNS) {");
  writer_line(out, 1, "const real *from = partial + (long)p * %lld + c;", pivots + channels);
  for (int k = 0; k < lines->n_sums; k++)
    writer_line(out, 1, "const vec sum%d = from[%lld];", k, k * channels);
  if (lines->pivot) {
    put_part_rows(out);
    writer_line(out, 1, "const vec moved = from[%lld] - p0;", pivots);
  }
  for (int k = 0; k < lines->n_sums; k++)
    writer_line(out, 1, "total%d += %s;", k, lines->pivot ? root->moved[k] : writer_format(emit, "sum%d", k));
  writer_line(out, 0, "}");
  for (int k = 0; k < lines->n_sums; k++)
    writer_line(out, 0, "const vec sum%d = mla_column_sum(total%d, shared, COLUMNS);", k, k);
  return text.text;
}

static const char *results_text(Emit *emit, const Emit *lines) {
  const Root *root = &lines->roots[0];
  StrBuf text = strbuf_new(emit->arena);
  for (int i = 0; i < lines->n_channel && root_uses_channels(lines, root); i++)
    strbuf_put(&text, lines->channel[i].text);
  for (int k = 0; k < root->n_sums; k++)
    writer_line(&text, 0, "mla_store(%s, mla_vec(%s));",
                writer_at(emit, "result", k * root_channels(root), "c"), root_value((Emit *)emit, root, k));
  return text.text;
}

static void write_sums(Emit *emit, const Emit *lines, Around *around, StrBuf *buffers, BufferRef *refs,
                       int *n) {
  const Root *root = &lines->roots[0];
  around->n_sums = lines->n_sums;
  around->parts = emit->group->parts;
  around->channels = root_channels(root);
  around->row = (lines->n_sums + 1) * around->channels;
  around->pivot = lines->pivot;
  around->pivot_lines = lines->pivot_lines;
  around->totals = totals_text(emit, lines);
  around->results = results_text(emit, lines);
  writer_line(buffers, 1, "real *partial = buf[%d]; // [%d parts][%d of %lld channels]", *n, around->parts,
              lines->n_sums + 1, (long long)around->channels);
  refs[(*n)++] = (BufferRef){.kind = REF_PARTIAL};
  around->ticket_buffer = *n;
  writer_line(buffers, 1, "unsigned *tickets = buf[%d]; // of each block's columns", *n);
  refs[(*n)++] = (BufferRef){.kind = REF_TICKETS};
  writer_line(buffers, 1, "real *result = buf[%d]; // %s", *n, shape_text(emit->arena, root->node->shape));
  refs[(*n)++] = (BufferRef){.kind = REF_NODE, .node = (NodeId)(root->node - emit->graph->nodes)};
}

static void write_behind(Emit *emit, Around *around, StrBuf *buffers, BufferRef *refs, int *n) {
  Emit *lines = around_behind(emit, *n);
  if (!lines) return;
  StrBuf body = strbuf_new(emit->arena);
  around_operands(emit, lines, buffers, refs, n);
  around_rows(lines, buffers, around_all_lines(emit, lines));
  put_stores(emit, lines, &body);
  around_outputs(emit, lines, buffers, refs, n);
  around->behind = lines_of(emit, lines, body.text);
  around->behind.element = body.text;
  if (writer_max_lanes(lines) < around->most_lanes) around->most_lanes = writer_max_lanes(lines);
  if (lines->n_sums) write_sums(emit, lines, around, buffers, refs, n);
}

// The product's own result; of a weight's gradient in parts also these and their tickets. Returns its number.
static int add_result(const Emit *emit, BufferRef *refs, int *n) {
  if (!product_has_rows(group_root(emit->graph, emit->group)->op) && emit->group->parts > 1) {
    refs[(*n)++] = (BufferRef){.kind = REF_PARTIAL};
    refs[(*n)++] = (BufferRef){.kind = REF_TICKETS};
  }
  refs[*n] = single_output(emit);
  return (*n)++;
}

const Around *cuda_around(Emit *emit, BufferRef **refs, int *n) {
  const Group *group = emit->group;
  const Node *node = group_root(emit->graph, group);
  *refs = ARENA_ARRAY(emit->arena, BufferRef, group->n_inputs + group->n_outputs + 6);
  *n = 0;
  for (int i = 0; i < node->n_in; i++) (*refs)[(*n)++] = (BufferRef){.kind = REF_NODE, .node = node->in[i]};
  if (group->kind != GROUP_PRODUCT) {
    add_result(emit, *refs, n);
    return NULL;
  }
  if (writer_is_computed(emit, node->in[1])) // a transposed weight: the weight itself
    (*refs)[1].node = graph_node(emit->graph, node->in[1])->in[0];
  StrBuf buffers = strbuf_new(emit->arena);
  Around *around = ARENA_NEW(emit->arena, Around);
  *around = (Around){.most_lanes = emit->max_lanes, .result_buffer = -1};
  write_before(emit, around, &buffers, *refs, n);
  write_behind(emit, around, &buffers, *refs, n);
  if (around_is_stored(group, group->product)) around->result_buffer = add_result(emit, *refs, n);
  around->buffers = buffers.text;
  around->n_buffers = *n;
  return around;
}
