// Updates: the end of a step. One launch updates a run of tensors, which lie side by side, and so do their momenta; where
// each lies in the run is a table in the text. Places count from the run's beginning, so modules of equal shapes share a
// kernel. The elements of all tensors, one after another, are shared among the parts.
//
//   static const struct { long at, count; } table[] = {...}; // in elements
//   for each tensor that this part touches
//     for each vector: load gradient, parameter, velocity, EMA copy; store copy, parameter, velocity
//
// EMA copies with a launch of their own follow parameters that lie side by side as well: one walk over the whole run,
// without a table.
#include "compiler/emit/c/skeletons.h"
#include "compiler/emit/program.h"

static int update_parts(int64_t n_elems) {
  enum { ELEMS_PER_PART = 32768, MOST = 16 };
  int64_t parts = n_elems / ELEMS_PER_PART;
  return parts < 1 ? 1 : parts > MOST ? MOST : (int)parts;
}

typedef struct Walk {
  Emit *emit;
  const UpdateRun *run;
  const char *element; // the lines for one vector at index i of a tensor
  KernelDraft draft;
} Walk;

static void add_run(Walk *walk, StrBuf *out, int depth, const char *name, StateId first, bool is_read) {
  if (first == NO_STATE) return;
  writer_line(out, depth, is_read ? "const real *%s = buf[%d];" : "real *%s = (real *)buf[%d]%s;", name,
              walk->draft.n_buffers, walk->run->source == NO_STATE ? " + table[k].at" : "");
  walk->draft.buffers[walk->draft.n_buffers++] =
      (BufferRef){.kind = REF_RUN, .state = first, .n_states = walk->run->node->n_states, .is_read = is_read};
}

static void put_addresses(Walk *walk, StrBuf *out, int depth) {
  const UpdateRun *run = walk->run;
  add_run(walk, out, depth, "source", run->source, true);
  add_run(walk, out, depth, "state", run->node->state, false);
  add_run(walk, out, depth, "velocity", run->momentum, false);
  add_run(walk, out, depth, "square", run->square, false);
  add_run(walk, out, depth, "copy", run->copy, false);
}

// From index i to `stop`.
static void put_elements(const Walk *walk, StrBuf *out, int depth) {
  int lanes = walk->emit->max_lanes;
  writer_line(out, depth, "for (; i + %d <= stop; i += %d) {", lanes, lanes);
  writer_indent(out, depth + 1, walk->element);
  writer_line(out, depth, "}");
  writer_line(out, depth, "for (; i < stop; i++) {");
  writer_line(out, depth + 1, "MLA_USE(1)");
  writer_indent(out, depth + 1, walk->element);
  writer_line(out, depth, "}");
}

// Returns the elements of all tensors.
static int64_t put_table(const Walk *walk, StrBuf *out) {
  const Node *node = walk->run->node;
  int64_t total = 0;
  writer_line(out, 1, "static const struct { long at, count; } table[] = {");
  for (int i = 0; i < node->n_states; i++) {
    int64_t n = update_elems(walk->emit, node->state + i);
    writer_line(out, 2, "{%lld, %lld},", (long long)update_place(walk->emit, node->state, i), (long long)n);
    total += n;
  }
  writer_line(out, 1, "};");
  return total;
}

static void put_total(Walk *walk, StrBuf *out, int64_t total) {
  writer_line(out, 1,
              "const long total = %lld, begin = total * part / parts, end = total * (part + 1) / parts;",
              (long long)total);
  walk->draft.parts = update_parts(total);
}

static void put_tensors(Walk *walk, StrBuf *out) {
  put_total(walk, out, put_table(walk, out));
  writer_line(out, 1, "long first = 0;");
  writer_line(out, 1, "for (int k = 0; k < %d; first += table[k++].count) {", walk->run->node->n_states);
  writer_line(out, 2, "long i = begin > first ? begin - first : 0, stop = end - first;");
  writer_line(out, 2, "if (stop > table[k].count) stop = table[k].count;");
  writer_line(out, 2, "const real *source = buf[%d + k];", walk->run->needs_rate);
  put_addresses(walk, out, 2);
  put_elements(walk, out, 2);
  writer_line(out, 1, "}");
}

static void put_run(Walk *walk, StrBuf *out) {
  const Node *node = walk->run->node;
  put_total(walk, out,
            update_place(walk->emit, node->state, node->n_states - 1) +
                update_elems(walk->emit, node->state + node->n_states - 1));
  writer_line(out, 1, "long i = begin, stop = end;");
  put_addresses(walk, out, 1);
  put_elements(walk, out, 1);
}

void c_update(Emit *emit, const UpdateRun *run, const char *rates, const char *element) {
  const Node *node = run->node;
  Walk walk = {.emit = emit, .run = run, .element = element};
  walk.draft.buffers = single_buffers(emit, MAX_RUNS + 1, &walk.draft.n_buffers);
  if (run->source != NO_STATE) walk.draft.n_buffers = 0;
  StrBuf text = strbuf_new(emit->arena);
  frame_open(&text);
  writer_line(&text, 1, "MLA_USE(%d)", emit->max_lanes);
  writer_indent(&text, 1, rates);
  (run->source == NO_STATE ? put_tensors : put_run)(&walk, &text);
  strbuf_put(&text, "}\n");
  walk.draft.text = text.text;
  walk.draft.stem = update_stem(emit, node);
  walk.draft.role = "";
  emit_draft(emit, walk.draft);
}

void c_running(Emit *emit, const Node *node) {
  int64_t channels = shape_channels(graph_node(emit->graph, node->in[0])->shape);
  double u = node->attr[op_attr_index(node->op, "momentum")].r;
  const char *keep = emit_number(emit, 1 - u), *take = emit_number(emit, u);
  StrBuf text = strbuf_new(emit->arena);
  frame_open(&text);
  writer_line(&text, 1, "MLA_USE(%d)", writer_lanes(channels, emit->max_lanes));
  writer_line(&text, 1, "const real *stats = buf[0]; // [2][%lld]", (long long)channels);
  writer_line(&text, 1, "real *mean = buf[1], *var = buf[2];");
  writer_line(&text, 1, "const real n = (real)(batch * %lld);",
              (long long)node->attr[op_attr_index(node->op, "rows_per_image")].i);
  writer_line(&text, 1, "const real unbiased = n > 1 ? n / (n - 1) : 1;");
  writer_line(&text, 1, "for (long c = 0; c < %lld; c += %d) {", (long long)channels,
              writer_lanes(channels, emit->max_lanes));
  writer_line(&text, 2, "mla_store(mean + c, %s * mla_load(mean + c) + %s * mla_load(stats + c));", keep,
              take);
  writer_line(&text, 2,
              "mla_store(var + c, %s * mla_load(var + c) + %s * unbiased * mla_load(stats + %lld + c));",
              keep, take, (long long)channels);
  writer_line(&text, 1, "}");
  strbuf_put(&text, "}\n");
  const char *stem = writer_format(emit, "%s_%lld", emit_stem(emit), (long long)channels);
  KernelDraft draft = {.text = text.text, .stem = stem, .role = "", .parts = 1};
  draft.buffers = single_buffers(emit, 2, &draft.n_buffers);
  for (int i = 0; i < 2; i++)
    draft.buffers[draft.n_buffers++] = (BufferRef){.kind = REF_STATE, .state = node->state + i};
  emit_draft(emit, draft);
}
