// What the kernels of POINT and REDUCE groups share: the opening of the function, the range of rows of a
// part, and the values per channel. Those are computed once before the rows are visited; where a row is one
// vector they stay in variables, else they are kept in scratch (folded rows: repeated).
#include "compiler/emit/writer.h"
#include <string.h>

static const char *times_batch(Emit *emit, int64_t n) {
  if (!emit->space.has_batch) return writer_format(emit, "%lld", (long long)n);
  return writer_format(emit, "batch * %lld", (long long)n);
}

const char *frame_rows(Emit *emit) {
  const Space *space = &emit->space;
  if (space->tail == 0) return times_batch(emit, space->unit / space->width);
  return writer_format(emit, "%s / %lld", times_batch(emit, space->unit), (long long)space->width);
}

const char *frame_elems(Emit *emit) {
  return times_batch(emit, emit->space.unit);
}

void frame_open(StrBuf *out) {
  strbuf_put(out,
             "void " KERNEL_SYMBOL "(void *const *buf, long batch, void *scratch, int part, int parts) {\n");
}

int frame_operands(Emit *emit, StrBuf *out) {
  for (int i = 0; i < emit->n_operands; i++) {
    const Node *node = graph_node(emit->graph, emit->operands[i].node);
    writer_line(out, 1, "const %s *in%d = buf[%d]; // %s", writer_type(node), i, i,
                shape_text(emit->arena, node->shape));
  }
  return emit->n_operands;
}

void frame_counts(Emit *emit, StrBuf *out, const char *used) {
  const Space *space = &emit->space;
  if (writer_uses(used, "n_rows")) {
    writer_line(out, 1, "const real n_rows = (real)(%s);", times_batch(emit, space->unit / space->channels));
  }
  if (writer_uses(used, "n_elems"))
    writer_line(out, 1, "const real n_elems = (real)(%s);", frame_elems(emit));
}

void frame_range(Emit *emit, StrBuf *out) {
  writer_line(out, 1, "const long rows = %s, begin = rows * part / parts, end = rows * (part + 1) / parts;",
              frame_rows(emit));
}

bool frame_is_local(const Emit *emit) {
  return emit->space.is_flat || (emit->space.fold == 1 && emit->space.width == emit->space.lanes);
}

void frame_channel_lines(Emit *emit, StrBuf *out, int depth) {
  for (int i = 0; i < emit->n_channel; i++) writer_indent(out, depth, emit->channel[i].text);
}

static bool is_kept(const Emit *emit, const ChannelLine *line, const char *used) {
  if (!line->name || !writer_uses(used, line->name)) return false;
  return !line->is_direct || emit->space.fold > 1;
}

static void put_copies(Emit *emit, StrBuf *out, const char *used) {
  const Space *space = &emit->space;
  const char *index = space->fold > 1 ? "i" : "c";
  int depth = 3, slot = 0;
  if (space->fold > 1) {
    writer_line(out, depth++, "for (long i = c; i < %lld; i += %lld) {", (long long)space->width,
                (long long)space->channels);
  }
  for (int i = 0; i < emit->n_channel; i++) {
    if (!is_kept(emit, &emit->channel[i], used)) continue;
    const char *to = writer_at(emit, "kept", slot++ * space->width, index);
    writer_line(out, depth, "mla_store(%s, %s);", to, emit->channel[i].name);
  }
  if (space->fold > 1) writer_line(out, --depth, "}");
}

int64_t frame_channel_values(Emit *emit, StrBuf *out, const char *used) {
  const Space *space = &emit->space;
  if (emit->n_channel == 0) return 0;
  if (frame_is_local(emit)) {
    if (!space->is_flat) writer_line(out, 1, "const long c = 0;");
    frame_channel_lines(emit, out, 1);
    return 0;
  }
  int n_kept = 0;
  for (int i = 0; i < emit->n_channel; i++) n_kept += is_kept(emit, &emit->channel[i], used);
  bool has_statement = false;
  for (int i = 0; i < emit->n_channel; i++) has_statement |= !emit->channel[i].name;
  if (n_kept == 0 && !has_statement) return 0;
  if (n_kept) writer_line(out, 1, "real *kept = scratch; // [%d][%lld]", n_kept, (long long)space->width);
  writer_line(out, 1, "{");
  writer_line(out, 2, "MLA_USE(%d)", space->channel_lanes);
  writer_line(out, 2, "for (long c = 0; c < %lld; c += %d) {", (long long)space->channels,
              space->channel_lanes);
  frame_channel_lines(emit, out, 3);
  if (n_kept) put_copies(emit, out, used);
  writer_line(out, 2, "}");
  writer_line(out, 1, "}");
  return n_kept * space->width;
}

void frame_channel_loads(Emit *emit, StrBuf *out, int depth, const char *used) {
  if (frame_is_local(emit)) return;
  int slot = 0;
  const char *index = emit->space.width == emit->space.lanes ? "" : "c"; // one vector: no loop over c
  for (int i = 0; i < emit->n_channel; i++) {
    const ChannelLine *line = &emit->channel[i];
    if (!line->name || !writer_uses(used, line->name)) continue;
    const char *from = line->address;
    int64_t offset = 0;
    if (is_kept(emit, line, used)) {
      from = "kept";
      offset = slot++ * emit->space.width;
    }
    writer_line(out, depth, "const vec %s = mla_load(%s);", line->name, writer_at(emit, from, offset, index));
  }
}

static bool is_element_wise(const Emit *emit, NodeId id) {
  return op_info(graph_node(emit->graph, id)->op)->fuse != FUSE_REDUCE;
}

void frame_stores(Emit *emit, StrBuf *out, int depth) {
  int k = 0;
  for (int i = 0; i < emit->group->n_outputs; i++) {
    NodeId id = emit->group->outputs[i];
    if (!is_element_wise(emit, id)) continue;
    int at = k++;
    if (writer_level(&emit->space, graph_node(emit->graph, id)->shape) != LEVEL_FULL) continue;
    writer_line(out, depth, "mla_store(out%d + e, %s);", at, writer_name(emit, id));
  }
}

int frame_outputs(Emit *emit, StrBuf *out, int first_buffer) {
  int k = 0;
  for (int i = 0; i < emit->group->n_outputs; i++) {
    NodeId id = emit->group->outputs[i];
    if (!is_element_wise(emit, id)) continue;
    const Node *node = graph_node(emit->graph, id);
    writer_line(out, 1, "%s *out%d = buf[%d]; // %s", writer_type(node), k, first_buffer + k,
                shape_text(emit->arena, node->shape));
    k++;
  }
  return k;
}

void frame_narrow_stores(Emit *emit, const char *when) {
  int k = 0;
  for (int i = 0; i < emit->group->n_outputs; i++) {
    NodeId id = emit->group->outputs[i];
    if (!is_element_wise(emit, id)) continue;
    Level level = writer_level(&emit->space, graph_node(emit->graph, id)->shape);
    const char *name = writer_name(emit, id);
    if (level == LEVEL_CHANNEL) {
      writer_statement(emit, writer_format(emit, "if (%s) mla_store(out%d + c, %s);\n", when, k, name));
    } else if (level == LEVEL_SCALAR) {
      writer_statement(emit, writer_format(emit, "if (%s) *out%d = mla_first(%s);\n", when, k, name));
    }
    k++;
  }
}

BufferRef *frame_buffers(Emit *emit, bool with_operands, int n_more, int *n) {
  BufferRef *refs = ARENA_ARRAY(emit->arena, BufferRef, emit->n_operands + emit->group->n_outputs + n_more);
  *n = 0;
  for (int i = 0; with_operands && i < emit->n_operands; i++) {
    refs[(*n)++] = (BufferRef){.kind = REF_NODE, .node = emit->operands[i].node};
  }
  return refs;
}

void frame_add_outputs(Emit *emit, BufferRef *refs, int *n) {
  for (int i = 0; i < emit->group->n_outputs; i++) {
    NodeId id = emit->group->outputs[i];
    if (is_element_wise(emit, id)) refs[(*n)++] = (BufferRef){.kind = REF_NODE, .node = id};
  }
}
