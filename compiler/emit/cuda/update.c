// Updates: the end of a step. One launch updates a run of tensors, which lie side by side, and so do their momenta. Their
// gradients do not: where each tensor lies in the run is a table in the text. Every tensor has blocks of its own, the
// first of which stands in the table. Places count from the run's beginning, so modules of equal shapes share a kernel.
//
//   static const struct { int block, at, count; } table[] = {...};
//   k: the tensor of this block
//   one vector: load gradient, parameter, velocity, EMA copy; store copy, parameter, velocity
//
// EMA copies with a launch of their own follow parameters that lie side by side as well: one walk over the whole run,
// without a table.
#include "compiler/emit/cuda/skeletons.h"
#include "compiler/emit/program.h"

typedef struct Update {
  Emit *emit;
  const UpdateRun *run;
  const char *element; // the lines for one vector at index i of a tensor
  int lanes;
  KernelDraft draft;
} Update;

static void add_run(Update *update, StateId first, bool is_read) {
  update->draft.buffers[update->draft.n_buffers++] = (BufferRef){
      .kind = REF_RUN, .state = first, .n_states = update->run->node->n_states, .is_read = is_read};
}

// ---- where the tensors lie ----

static int64_t put_table(const Update *update, StrBuf *out) {
  Emit *emit = update->emit;
  const Node *node = update->run->node;
  int64_t block = 0, step = CUDA_THREADS * update->lanes;
  writer_line(out, 1, "static const struct { int block, at, count; } table[] = {");
  for (int i = 0; i < node->n_states; i++) {
    int64_t n = update_elems(emit, node->state + (StateId)i);
    writer_line(out, 2, "{%lld, %lld, %lld},", (long long)block,
                (long long)update_place(emit, node->state, i), (long long)n);
    block += (n + step - 1) / step;
  }
  writer_line(out, 1, "};");
  return block;
}

// k: the last tensor that begins at or before this block, by halving.
static void put_search(StrBuf *out, int n_states) {
  int first = 1;
  while (first * 2 < n_states) first *= 2;
  writer_line(out, 1, "int k = 0;");
  if (n_states > 1) {
    writer_line(out, 1, "for (int half = %d; half > 0; half /= 2)", first);
    writer_line(out, 2, "if (k + half < %d && table[k + half].block <= (int)blockIdx.x) k += half;",
                n_states);
  }
  writer_line(out, 1, "const int first_block = table[k].block, at = table[k].at, count = table[k].count;");
}

static void put_addresses(Update *update, StrBuf *out) {
  const UpdateRun *run = update->run;
  const char *at = run->source != NO_STATE ? "" : " + at";
  StateId runs[] = {run->node->state, run->momentum, run->square, run->copy};
  static const char *const names[] = {"state", "velocity", "square", "copy"};
  if (run->source != NO_STATE) {
    writer_line(out, 1, "const real *source = buf[%d];", update->draft.n_buffers);
    add_run(update, run->source, true);
  } else {
    writer_line(out, 1, "const real *source = buf[%d + k];", run->needs_rate);
  }
  for (int i = 0; i < MAX_RUNS; i++) {
    if (runs[i] == NO_STATE) continue;
    writer_line(out, 1, "real *%s = (real *)buf[%d]%s;", names[i], update->draft.n_buffers, at);
    add_run(update, runs[i], false);
  }
}

static void put_element(const Update *update, StrBuf *out) {
  writer_line(out, 1, "int i = (((int)blockIdx.x - first_block) * %d + (int)threadIdx.x) * %d;", CUDA_THREADS,
              update->lanes);
  writer_line(out, 1, "if (i + %d <= count) {", update->lanes);
  writer_indent(out, 2, update->element);
  if (update->lanes > 1) {
    writer_line(out, 1, "} else {");
    writer_line(out, 2, "for (; i < count; i++) {");
    writer_line(out, 3, "MLA_USE(1)");
    writer_indent(out, 3, update->element);
    writer_line(out, 2, "}");
  }
  writer_line(out, 1, "}");
}

// ---- the kernel ----

// Returns the blocks.
static int64_t put_places(const Update *update, StrBuf *out) {
  const Node *node = update->run->node;
  if (update->run->source == NO_STATE) {
    int64_t blocks = put_table(update, out);
    put_search(out, node->n_states);
    return blocks;
  }
  int last = node->n_states - 1;
  int64_t step = CUDA_THREADS * update->lanes,
          count = update_place(update->emit, node->state, last) +
                  update_elems(update->emit, node->state + (StateId)last);
  writer_line(out, 1, "const int first_block = 0, count = %lld;", (long long)count);
  return (count + step - 1) / step;
}

void cuda_update(Emit *emit, const UpdateRun *run, const char *rates, const char *element) {
  const Node *node = run->node;
  Update update = {.emit = emit, .run = run, .element = element, .lanes = writer_max_lanes(emit)};
  update.draft = (KernelDraft){.stem = update_stem(emit, node), .role = "", .threads = CUDA_THREADS};
  update.draft.buffers = single_buffers(emit, MAX_RUNS + 1, &update.draft.n_buffers);
  if (run->source != NO_STATE) update.draft.n_buffers = 0;

  StrBuf text = strbuf_new(emit->arena);
  writer_line(&text, 1, "MLA_USE(%d)", update.lanes);
  update.draft.grid = cuda_blocks(put_places(&update, &text));
  update.draft.parts = cuda_n_blocks(emit, update.draft.grid);
  writer_indent(&text, 1, rates);
  put_addresses(&update, &text);
  put_element(&update, &text);
  text = cuda_kernel(emit, update.draft.n_buffers, CUDA_THREADS, text.text);
  update.draft.text = text.text;
  emit_draft(emit, update.draft);
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
