// The text of one element: what the operators of a POINT or REDUCE group write, kept in pieces (values per
// channel, body, sums) until a skeleton puts them together. Operands are numbered before any operator runs,
// so that the text depends on the group alone.
#include "compiler/emit/writer.h"
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn static void fault(const Emit *emit, const char *what) {
  fprintf(stderr, "mlaanc: internal fault in the emitter: %s (node %s, operator %s)\n", what,
          emit->node && emit->node->name ? emit->node->name : "?",
          emit->node ? op_info(emit->node->op)->name : "?");
  abort();
}

// ---- text ----

const char *writer_format_list(Emit *emit, const char *format, va_list args) {
  return arena_vprintf(emit->arena, format, args);
}

const char *writer_format(Emit *emit, const char *format, ...) {
  va_list args;
  va_start(args, format);
  const char *text = writer_format_list(emit, format, args);
  va_end(args);
  return text;
}

static bool is_word(char c) {
  return isalnum((unsigned char)c) || c == '_';
}

bool writer_uses(const char *text, const char *name) {
  size_t n = strlen(name);
  for (const char *at = strstr(text, name); at; at = strstr(at + 1, name)) {
    if ((at == text || !is_word(at[-1])) && !is_word(at[n])) return true;
  }
  return false;
}

void writer_line(StrBuf *out, int depth, const char *format, ...) {
  char line[512];
  va_list args;
  va_start(args, format);
  int n = vsnprintf(line, sizeof line, format, args);
  va_end(args);
  for (int i = 0; i < depth; i++) strbuf_put(out, "  ");
  if (n < (int)sizeof line) {
    strbuf_put(out, line);
  } else {
    char *whole = arena_alloc(out->arena, (size_t)n + 1);
    va_start(args, format);
    vsnprintf(whole, (size_t)n + 1, format, args);
    va_end(args);
    strbuf_put(out, whole);
  }
  strbuf_put(out, "\n");
}

void writer_indent(StrBuf *out, int depth, const char *text) {
  while (*text) {
    const char *end = strchr(text, '\n');
    int n = end ? (int)(end - text) : (int)strlen(text);
    if (n > 0 && text[0] == '}') depth--;
    if (n > 0) writer_line(out, depth, "%.*s", n, text);
    if (n > 0 && text[n - 1] == '{') depth++;
    text += n + (end != NULL);
  }
}

const char *writer_type(const Node *node) {
  static const char *const types[] = {[DT_REAL] = "real", [DT_INDEX] = "int", [DT_BF16] = "bf16"};
  return types[node->dtype];
}

const char *writer_at(Emit *emit, const char *base, int64_t offset, const char *index) {
  if (offset == 0) return index[0] ? writer_format(emit, "%s + %s", base, index) : base;
  return writer_format(emit, "%s + %lld%s%s", base, (long long)offset, index[0] ? " + " : "", index);
}

int writer_lanes(int64_t n, int limit) {
  int lanes = 1;
  while (lanes * 2 <= limit && n % (lanes * 2) == 0) lanes *= 2;
  return lanes;
}

int writer_max_lanes(const Emit *emit) {
  int lanes = emit->max_lanes;
  if (!emit->skeletons->is_aligned) return lanes;
  for (int i = 0; i < emit->group->n_nodes; i++) {
    const Node *node = graph_node(emit->graph, emit->group->nodes[i]);
    for (int k = 0; k < node->n_in; k++) {
      int64_t offset = 0;
      node_storage(emit->graph, node->in[k], &offset);
      while (offset % (lanes * emit->elem_bytes) != 0) lanes /= 2;
    }
  }
  return lanes;
}

// ---- the iteration space ----

// With a batch of 2, so that [channels] and [batch, channels] differ.
static int64_t extent(Shape shape) {
  return shape_elems(shape, 2);
}

Level writer_level(const Space *space, Shape shape) {
  int64_t n = extent(shape);
  if (n == extent(space->shape)) return LEVEL_FULL;
  if (n == 1) return LEVEL_SCALAR;
  if (n == space->channels) return LEVEL_CHANNEL;
  fprintf(stderr,
          "mlaanc: internal fault in the emitter: an operand of %lld elements in a space of %lld channels\n",
          (long long)n, (long long)space->channels);
  abort();
}

static bool varies_by_channel(const Emit *emit, const Space *space) {
  for (int i = 0; i < emit->group->n_nodes; i++) {
    const Node *node = graph_node(emit->graph, emit->group->nodes[i]);
    bool is_root = op_info(node->op)->fuse == FUSE_REDUCE;
    if (is_root ? extent(node->shape) > 1 : writer_level(space, node->shape) == LEVEL_CHANNEL) return true;
    for (int k = 0; k < node->n_in; k++) {
      const Node *input = graph_node(emit->graph, node->in[k]);
      if (input->dtype != DT_INDEX && writer_level(space, input->shape) == LEVEL_CHANNEL) return true;
    }
  }
  return false;
}

static void choose_flat_lanes(Space *space, int max_lanes) {
  space->lanes = max_lanes;
  while (!space->has_batch && space->lanes > space->unit) space->lanes /= 2;
  space->fold = 1;
  space->width = space->channel_lanes = space->lanes;
  space->tail = space->unit % space->lanes;
}

// Few channels are folded: `fold` rows count as one, so that full vectors fit (3 channels: 16 rows are 3
// vectors).
static void choose_channel_lanes(Space *space, int max_lanes) {
  int64_t positions = space->unit / space->channels;
  for (space->lanes = max_lanes;; space->lanes /= 2) {
    space->channel_lanes = writer_lanes(space->channels, space->lanes);
    space->fold = space->lanes / space->channel_lanes;
    if (positions % space->fold == 0) break;
  }
  space->width = space->channels * space->fold;
}

static void choose_whole_lanes(Space *space, int max_lanes) {
  space->lanes = writer_lanes(space->is_flat ? space->unit : space->channels, max_lanes);
  space->fold = 1;
  space->channel_lanes = space->lanes;
  space->width = space->is_flat ? space->lanes : space->channels;
}

static Space find_space(const Emit *emit) {
  Space space = {.shape = group_space(emit->graph, emit->group)};
  space.has_batch = space.shape.rank > 0 && space.shape.dim[0] == DIM_BATCH;
  space.unit = shape_elems(space.shape, 1);
  space.channels = shape_channels(space.shape);
  space.is_flat = !varies_by_channel(emit, &space);
  bool is_part = emit->part.given != NO_NODE; // lines around a product visit whole images
  if (emit->skeletons->is_aligned || (is_part && space.is_flat)) {
    choose_whole_lanes(&space, writer_max_lanes(emit));
  } else if (space.is_flat) {
    choose_flat_lanes(&space, emit->max_lanes);
  } else {
    choose_channel_lanes(&space, emit->max_lanes);
  }
  return space;
}

// ---- operands ----

static int index_in_group(const Emit *emit, NodeId id) {
  for (int i = 0; i < emit->group->n_nodes; i++) {
    if (emit->group->nodes[i] == id) return i;
  }
  return -1;
}

bool writer_is_computed(const Emit *emit, NodeId id) {
  return index_in_group(emit, id) >= 0;
}

const char *writer_name(const Emit *emit, NodeId id) {
  int i = index_in_group(emit, id);
  if (i < 0 || !emit->names[i]) fault(emit, "a value is used before it is computed");
  return emit->names[i];
}

// The number of an operand's buffer.
static int buffer_of(const Emit *emit, const Operand *operand) {
  return emit->part.first_buffer + (int)(operand - emit->operands);
}

static Operand *find_operand(Emit *emit, NodeId storage, int64_t offset) {
  for (int i = 0; i < emit->n_operands; i++) {
    Operand *operand = &emit->operands[i];
    if (operand->storage == storage && operand->offset == offset) return operand;
  }
  return NULL;
}

static void add_operand(Emit *emit, NodeId id) {
  int64_t offset = 0;
  NodeId storage = node_storage(emit->graph, id, &offset);
  if (id == emit->part.given || writer_is_computed(emit, storage) || find_operand(emit, storage, offset))
    return;
  const Node *node = graph_node(emit->graph, id);
  bool is_whole = emit->group->kind == GROUP_SINGLE || node->dtype == DT_INDEX;
  emit->operands[emit->n_operands] = (Operand){
      .node = id,
      .storage = storage,
      .offset = offset,
      .level = is_whole ? LEVEL_FULL : writer_level(&emit->space, node->shape),
      .name = writer_format(emit, "a%d", emit->part.first_buffer + emit->n_operands),
  };
  emit->n_operands++;
}

void writer_begin(Emit *emit, const Graph *graph, const Group *group) {
  Emit fresh = {.arena = emit->arena,
                .graph = graph,
                .group = group,
                .elem_bytes = emit->elem_bytes,
                .max_lanes = emit->max_lanes,
                .precision = emit->precision,
                .choices = emit->choices,
                .skeletons = emit->skeletons,
                .part = emit->part,
                .n_computed = emit->part.first_value,
                .n_channel_values = emit->part.first_value};
  *emit = fresh;
  emit->body = strbuf_new(emit->arena);
  emit->sums = strbuf_new(emit->arena);
  emit->names = ARENA_ARRAY(emit->arena, const char *, group->n_nodes);
  emit->roots = ARENA_ARRAY(emit->arena, Root, group->n_nodes);
  emit->drafts = ARENA_ARRAY(emit->arena, KernelDraft, MAX_GROUP_LAUNCHES);
  if (group->kind == GROUP_SINGLE || group->kind == GROUP_PRODUCT) return;
  emit->space = find_space(emit);
  int n_in = 0;
  for (int i = 0; i < group->n_nodes; i++) n_in += graph_node(graph, group->nodes[i])->n_in;
  emit->operands = ARENA_ARRAY(emit->arena, Operand, n_in + 1);
  for (int i = 0; i < group->n_nodes; i++) {
    const Node *node = graph_node(graph, group->nodes[i]);
    for (int k = 0; k < node->n_in; k++) add_operand(emit, node->in[k]);
  }
}

static void add_channel_line(Emit *emit, ChannelLine line) {
  if (emit->n_channel == emit->channel_capacity) {
    int capacity = emit->channel_capacity ? 2 * emit->channel_capacity : 8;
    ChannelLine *lines = ARENA_ARRAY(emit->arena, ChannelLine, capacity);
    if (emit->n_channel) memcpy(lines, emit->channel, sizeof *lines * (size_t)emit->n_channel);
    emit->channel = lines;
    emit->channel_capacity = capacity;
  }
  emit->channel[emit->n_channel++] = line;
}

void writer_statement(Emit *emit, const char *text) {
  add_channel_line(emit, (ChannelLine){.text = text});
}

void writer_channel_operand(Emit *emit, const char *name, const char *array) {
  add_channel_line(
      emit, (ChannelLine){.name = name,
                          .text = writer_format(emit, "const vec %s = mla_load(%s + c);\n", name, array),
                          .is_direct = true,
                          .address = array});
}

static void load_operand(Emit *emit, Operand *operand) {
  int buffer = buffer_of(emit, operand);
  operand->is_loaded = true;
  if (operand->level == LEVEL_FULL) {
    strbuf_printf(&emit->body, "const vec %s = mla_load(in%d + e);\n", operand->name, buffer);
    return;
  }
  bool is_channel = operand->level == LEVEL_CHANNEL;
  const char *value = is_channel ? writer_format(emit, "mla_load(in%d + c)", buffer)
                                 : writer_format(emit, "mla_vec(*in%d)", buffer);
  add_channel_line(emit,
                   (ChannelLine){.name = operand->name,
                                 .text = writer_format(emit, "const vec %s = %s;\n", operand->name, value),
                                 .is_direct = is_channel,
                                 .address = writer_format(emit, "in%d", buffer)});
}

// ---- the operators' side ----

Arena *emit_arena(Emit *emit) {
  return emit->arena;
}

// The fewest digits that give the same double.
const char *emit_number(Emit *emit, double value) {
  for (int digits = 6; digits < 17; digits++) {
    const char *text = writer_format(emit, "((real)%.*g)", digits, value);
    if (strtod(text + strlen("((real)"), NULL) == value) return text;
  }
  return writer_format(emit, "((real)%.17g)", value);
}

Shape emit_input_shape(Emit *emit, int i) {
  return graph_node(emit->graph, emit->node->in[i])->shape;
}

const char *emit_in(Emit *emit, int i) {
  int64_t offset = 0;
  NodeId storage = node_storage(emit->graph, emit->node->in[i], &offset);
  if (emit->is_gather) return writer_format(emit, "mla_vec(*in%d)", i);
  if (emit->part.given && emit->node->in[i] == emit->part.given) return emit->part.given_name;
  if (writer_is_computed(emit, storage)) return writer_name(emit, storage);
  Operand *operand = find_operand(emit, storage, offset);
  if (!operand->is_loaded) load_operand(emit, operand);
  return operand->name;
}

const char *emit_words(Emit *emit, int i) {
  int64_t offset = 0;
  NodeId storage = node_storage(emit->graph, emit->node->in[i], &offset);
  return writer_format(emit, "in%d", buffer_of(emit, find_operand(emit, storage, offset)));
}

const char *emit_channel(Emit *emit, const char *format, ...) {
  va_list args;
  va_start(args, format);
  const char *value = writer_format_list(emit, format, args);
  va_end(args);
  const char *name = writer_format(emit, "k%d", emit->n_channel_values++);
  add_channel_line(
      emit,
      (ChannelLine){.name = name, .text = writer_format(emit, "const vec %s = mla_vec(%s);\n", name, value)});
  return name;
}

const char *emit_rows(Emit *emit) {
  return emit->part.rows ? emit->part.rows : "n_rows";
}

const char *emit_elems(Emit *emit) {
  (void)emit;
  return "n_elems";
}

static void set_computed(Emit *emit, const char *value) {
  const Node *node = emit->node;
  const char *name = writer_format(emit, "t%d", emit->n_computed++);
  const char *line =
      writer_format(emit, "const vec %s = mla_vec(%s); // %s\n", name, value, op_info(node->op)->name);
  if (writer_level(&emit->space, node->shape) == LEVEL_FULL) {
    strbuf_put(&emit->body, line);
  } else {
    add_channel_line(emit, (ChannelLine){.name = name, .text = line});
  }
  emit->names[index_in_group(emit, (NodeId)(node - emit->graph->nodes))] = name;
}

void emit_result(Emit *emit, const char *format, ...) {
  va_list args;
  va_start(args, format);
  const char *value = writer_format_list(emit, format, args);
  va_end(args);
  if (emit->is_gather) {
    emit->result = value;
  } else {
    set_computed(emit, value);
  }
}

void emit_sum(Emit *emit, int k, const char *format, ...) {
  va_list args;
  va_start(args, format);
  const char *value = writer_format_list(emit, format, args);
  va_end(args);
  Root *root = &emit->roots[emit->n_roots - 1];
  if (k >= MAX_SUMS) fault(emit, "too many sums");
  if (k >= root->n_sums) root->n_sums = k + 1;
  strbuf_printf(&emit->sums, "s%d += %s;\n", root->first_sum + k, value);
}

void emit_reduced(Emit *emit, int k, const char *format, ...) {
  va_list args;
  va_start(args, format);
  emit->roots[emit->n_roots - 1].reduced[k] = writer_format_list(emit, format, args);
  va_end(args);
}

void emit_moved(Emit *emit, int k, const char *format, ...) {
  va_list args;
  va_start(args, format);
  emit->roots[emit->n_roots - 1].moved[k] = writer_format_list(emit, format, args);
  va_end(args);
}

const char *emit_pivot(Emit *emit, int i) {
  const char *value = emit_in(emit, i);
  NodeId id = emit->node->in[i];
  if (writer_level(&emit->space, graph_node(emit->graph, id)->shape) != LEVEL_FULL) return value;
  const char *name = writer_format(emit, "p%d", emit->n_pivots++);
  if (emit->part.given) {
    if (emit->n_pivots > 1) fault(emit, "a reduction behind a product has two pivots");
    emit->pivot = value;
    emit->pivot_lines = writer_format(emit, "%s", emit->body.text);
    return name;
  }
  const char *text = writer_format(emit, "vec %s;\n{\nconst long e = c;\n%s%s = %s;\n}\n", name,
                                   emit->body.text, name, value);
  int64_t offset = 0;
  Operand *operand = find_operand(emit, node_storage(emit->graph, id, &offset), offset);
  if (operand)
    text = writer_format(emit, "const vec %s = mla_load(in%d + c);\n", name, buffer_of(emit, operand));
  add_channel_line(emit, (ChannelLine){.name = name, .text = text});
  return name;
}

void writer_visit(Emit *emit) {
  for (int i = 0; i < emit->group->n_nodes; i++) {
    emit->node = graph_node(emit->graph, emit->group->nodes[i]);
    bool is_root = op_info(emit->node->op)->fuse == FUSE_REDUCE;
    if (is_root) emit->roots[emit->n_roots++] = (Root){.node = emit->node, .first_sum = emit->n_sums};
    op_info(emit->node->op)->emit(emit, emit->node);
    if (is_root) emit->n_sums += emit->roots[emit->n_roots - 1].n_sums;
  }
}
