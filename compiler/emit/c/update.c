// Updates: the end of a step. One launch updates a run of tensors; where each lies is a table in the text.
// The elements of all tensors, one after another, are shared among the parts.
//
//   static const struct { long state, momentum, count; } table[] = {...}; // in elements of their regions
//   for each tensor that this part touches
//     for each vector: load gradient, parameter, velocity; store parameter, velocity
//
// Adam's mean and mean square of the gradient both lie among the momenta.
#include "compiler/emit/c/skeletons.h"
#include "compiler/emit/program.h"

static int64_t run_elems(const Emit *emit, const Node *node) {
  int64_t n = 0;
  for (int i = 0; i < node->n_states; i++)
    n += shape_elems(state_get(emit->graph->states, node->state + i)->shape, 1);
  return n;
}

static int update_parts(const Emit *emit, const Node *node) {
  enum { ELEMS_PER_PART = 32768, MOST = 16 };
  int64_t parts = run_elems(emit, node) / ELEMS_PER_PART;
  return parts < 1 ? 1 : parts > MOST ? MOST : (int)parts;
}

static void put_table(Emit *emit, StrBuf *out, const UpdateRun *run) {
  const StateTable *states = emit->graph->states;
  bool has_square = run->square != NO_STATE;
  writer_line(out, 1, "static const struct { long state, momentum, %scount; } table[] = {",
              has_square ? "square, " : "");
  for (int i = 0; i < run->node->n_states; i++) {
    const State *state = state_get(states, run->node->state + i);
    const char *square =
        has_square ? writer_format(emit, "%lld, ", (long long)state_get(states, run->square + i)->offset)
                   : "";
    long long momentum =
        run->momentum == NO_STATE ? 0 : (long long)state_get(states, run->momentum + i)->offset;
    writer_line(out, 2, "{%lld, %lld, %s%lld}, // %s", (long long)state->offset, momentum, square,
                (long long)shape_elems(state->shape, 1), state->name);
  }
  writer_line(out, 1, "};");
}

// The walk over tensors; `element` are the lines for one vector at index i of the tensor.
static void put_walk(Emit *emit, StrBuf *out, const UpdateRun *run, const char *element) {
  writer_line(out, 1,
              "const long total = %lld, begin = total * part / parts, end = total * (part + 1) / parts;",
              (long long)run_elems(emit, run->node));
  writer_line(out, 1, "long first = 0;");
  writer_line(out, 1, "for (int k = 0; k < %d; first += table[k++].count) {", run->node->n_states);
  writer_line(out, 2, "long i = begin > first ? begin - first : 0, stop = end - first;");
  writer_line(out, 2, "if (stop > table[k].count) stop = table[k].count;");
  writer_line(out, 2, "const real *source = buf[%d + k];", run->needs_rate);
  writer_line(out, 2, "real *state = (real *)buf[%d] + table[k].state;", run->node->n_in);
  if (run->momentum != NO_STATE)
    writer_line(out, 2, "real *velocity = (real *)buf[%d] + table[k].momentum;", run->node->n_in + 1);
  if (run->square != NO_STATE)
    writer_line(out, 2, "real *square = (real *)buf[%d] + table[k].square;", run->node->n_in + 1);
  writer_line(out, 2, "for (; i + %d <= stop; i += %d) {", emit->max_lanes, emit->max_lanes);
  writer_indent(out, 3, element);
  writer_line(out, 2, "}");
  writer_line(out, 2, "for (; i < stop; i++) {");
  writer_line(out, 3, "MLA_USE(1)");
  writer_indent(out, 3, element);
  writer_line(out, 2, "}");
  writer_line(out, 1, "}");
}

void c_update(Emit *emit, const UpdateRun *run, const char *rates, const char *element) {
  const Node *node = run->node;
  StrBuf text = strbuf_new(emit->arena);
  frame_open(&text);
  writer_line(&text, 1, "MLA_USE(%d)", emit->max_lanes);
  put_table(emit, &text, run);
  writer_indent(&text, 1, rates);
  put_walk(emit, &text, run, element);
  strbuf_put(&text, "}\n");

  const char *stem = writer_format(emit, "%s_module%d", emit_stem(emit), node->module);
  KernelDraft draft = {.text = text.text, .stem = stem, .role = "", .parts = update_parts(emit, node)};
  draft.buffers = single_buffers(emit, 2, &draft.n_buffers);
  MlaRegion region = region_of_state(state_get(emit->graph->states, node->state)->kind);
  draft.buffers[draft.n_buffers++] = (BufferRef){.kind = REF_REGION, .region = region};
  if (run->momentum != NO_STATE)
    draft.buffers[draft.n_buffers++] = (BufferRef){.kind = REF_REGION, .region = MLA_MOMENTUM};
  emit_draft(emit, draft);
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
