// Updates: the end of a step. One launch updates a run of tensors; where each lies is a table in the text. Every tensor
// has blocks of its own, the first of which stands in the table.
//
//   static const struct { long block, state, momentum, count; } table[] = {...}; // in elements of their regions
//   k: the tensor of this block
//   one vector: load gradient, parameter, velocity; store parameter, velocity
//
// Adam's mean and mean square of the gradient both lie among the momenta.
#include "compiler/emit/cuda/skeletons.h"
#include "compiler/emit/program.h"

static int64_t state_elems(const Emit *emit, const Node *node, int i) {
  return shape_elems(state_get(emit->graph->states, node->state + i)->shape, 1);
}

static int64_t put_table(Emit *emit, StrBuf *out, const UpdateRun *run, int lanes) {
  const StateTable *states = emit->graph->states;
  const Node *node = run->node;
  int64_t block = 0, step = CUDA_THREADS * lanes;
  const bool has_momentum = run->momentum != NO_STATE, has_square = run->square != NO_STATE;
  writer_line(out, 1, "static const struct { long block, state, %s%scount; } table[] = {",
              has_momentum ? "momentum, " : "", has_square ? "square, " : "");
  for (int i = 0; i < node->n_states; i++) {
    const State *state = state_get(states, node->state + i);
    StrBuf row = strbuf_new(emit->arena);
    strbuf_printf(&row, "{%lld, %lld, ", (long long)block, (long long)state->offset);
    if (has_momentum) strbuf_printf(&row, "%lld, ", (long long)state_get(states, run->momentum + i)->offset);
    if (has_square) strbuf_printf(&row, "%lld, ", (long long)state_get(states, run->square + i)->offset);
    writer_line(out, 2, "%s%lld}, // %s", row.text, (long long)state_elems(emit, node, i), state->name);
    block += (state_elems(emit, node, i) + step - 1) / step;
  }
  writer_line(out, 1, "};");
  return block;
}

// k: the last tensor that begins at or before this block, by halving.
static void put_search(StrBuf *out, int n_states) {
  int first = 1;
  while (first * 2 < n_states) first *= 2;
  writer_line(out, 1, "int k = 0;");
  if (n_states == 1) return;
  writer_line(out, 1, "for (int half = %d; half > 0; half /= 2) {", first);
  writer_line(out, 2, "if (k + half < %d && table[k + half].block <= blockIdx.x) k += half;", n_states);
  writer_line(out, 1, "}");
}

static void put_addresses(StrBuf *out, const UpdateRun *run) {
  int region = run->node->n_in;
  writer_line(out, 1, "const real *source = buf[%d + k];", run->needs_rate);
  writer_line(out, 1, "real *state = (real *)buf[%d] + table[k].state;", region);
  if (run->momentum != NO_STATE)
    writer_line(out, 1, "real *velocity = (real *)buf[%d] + table[k].momentum;", region + 1);
  if (run->square != NO_STATE)
    writer_line(out, 1, "real *square = (real *)buf[%d] + table[k].square;", region + 1);
}

// `element` are the lines for one vector at index i of the tensor.
static void put_element(StrBuf *out, const char *element, int lanes) {
  writer_line(out, 1, "long i = ((blockIdx.x - table[k].block) * %d + threadIdx.x) * %d;", CUDA_THREADS,
              lanes);
  writer_line(out, 1, "if (i + %d <= table[k].count) {", lanes);
  writer_indent(out, 2, element);
  if (lanes > 1) {
    writer_line(out, 1, "} else {");
    writer_line(out, 2, "for (; i < table[k].count; i++) {");
    writer_line(out, 3, "MLA_USE(1)");
    writer_indent(out, 3, element);
    writer_line(out, 2, "}");
  }
  writer_line(out, 1, "}");
}

void cuda_update(Emit *emit, const UpdateRun *run, const char *rates, const char *element) {
  const Node *node = run->node;
  const int lanes = writer_max_lanes(emit);
  const bool has_momentum = run->momentum != NO_STATE;
  StrBuf text = strbuf_new(emit->arena);
  writer_line(&text, 1, "MLA_USE(%d)", lanes);
  int64_t blocks = put_table(emit, &text, run, lanes);
  writer_indent(&text, 1, rates);
  put_search(&text, node->n_states);
  put_addresses(&text, run);
  put_element(&text, element, lanes);
  text = cuda_kernel(emit, node->n_in + 1 + has_momentum, CUDA_THREADS, text.text);

  const char *stem = writer_format(emit, "%s_module%d", emit_stem(emit), node->module);
  KernelDraft draft = {.text = text.text, .stem = stem, .role = "", .threads = CUDA_THREADS};
  draft.grid = cuda_blocks(blocks);
  draft.parts = (int)blocks;
  draft.buffers = single_buffers(emit, 2, &draft.n_buffers);
  MlaRegion region = region_of_state(state_get(emit->graph->states, node->state)->kind);
  draft.buffers[draft.n_buffers++] = (BufferRef){.kind = REF_REGION, .region = region};
  if (has_momentum)
    draft.buffers[draft.n_buffers++] = (BufferRef){.kind = REF_REGION, .region = MLA_MOMENTUM};
  emit_draft(emit, draft);
}

// Running statistics of one batch norm: a thread has one vector of channels.
void cuda_running(Emit *emit, const Node *node) {
  const int64_t channels = shape_channels(graph_node(emit->graph, node->in[0])->shape);
  const int lanes = writer_lanes(channels, writer_max_lanes(emit));
  const double u = node->attr[op_attr_index(node->op, "momentum")].r;
  const char *keep = emit_number(emit, 1 - u), *take = emit_number(emit, u);
  StrBuf text = strbuf_new(emit->arena);
  writer_line(&text, 1, "MLA_USE(%d)", lanes);
  writer_line(&text, 1, "const real *stats = buf[0]; // [2][%lld]", (long long)channels);
  writer_line(&text, 1, "real *mean = buf[1], *var = buf[2];");
  writer_line(&text, 1, "const real n = (real)(batch * %lld);",
              (long long)node->attr[op_attr_index(node->op, "rows_per_image")].i);
  writer_line(&text, 1, "const real unbiased = n > 1 ? n / (n - 1) : 1;");
  writer_line(&text, 1, "const long c = (blockIdx.x * %d + threadIdx.x) * %d;", CUDA_THREADS, lanes);
  writer_line(&text, 1, "if (c >= %lld) return;", (long long)channels);
  writer_line(&text, 1, "mla_store(mean + c, %s * mla_load(mean + c) + %s * mla_load(stats + c));", keep,
              take);
  writer_line(&text, 1,
              "mla_store(var + c, %s * mla_load(var + c) + %s * unbiased * mla_load(stats + %lld + c));",
              keep, take, (long long)channels);
  text = cuda_kernel(emit, 3, CUDA_THREADS, text.text);

  const char *stem = writer_format(emit, "%s_%lld", emit_stem(emit), (long long)channels);
  KernelDraft draft = {.text = text.text, .stem = stem, .role = "", .threads = CUDA_THREADS};
  draft.grid = (MlaGrid){.fixed = channels / lanes, .per_block = CUDA_THREADS};
  draft.parts = cuda_n_blocks(emit, draft.grid);
  draft.buffers = single_buffers(emit, 2, &draft.n_buffers);
  for (int i = 0; i < 2; i++)
    draft.buffers[draft.n_buffers++] = (BufferRef){.kind = REF_STATE, .state = node->state + i};
  emit_draft(emit, draft);
}
