#include "compiler/emit/around.h"

typedef bool IsPart(const Graph *graph, const Group *group, NodeId id);

static bool is_point(const Graph *graph, NodeId id) {
  return op_info(graph_node(graph, id)->op)->fuse == FUSE_POINT;
}

// A part of the group as a group of its own.
static Group *part_of(Emit *emit, IsPart *is_part) {
  const Group *whole = emit->group;
  Group *part = ARENA_NEW(emit->arena, Group);
  *part = (Group){.kind = GROUP_POINT, .parts = whole->parts, .module = whole->module, .phase = whole->phase};
  part->nodes = ARENA_ARRAY(emit->arena, NodeId, whole->n_nodes);
  part->outputs = ARENA_ARRAY(emit->arena, NodeId, whole->n_outputs);
  for (int i = 0; i < whole->n_nodes; i++) {
    NodeId id = whole->nodes[i];
    FuseKind fuse = op_info(graph_node(emit->graph, id)->op)->fuse;
    if (fuse == FUSE_SINGLE || !is_part(emit->graph, whole, id)) continue;
    part->nodes[part->n_nodes++] = id;
    if (fuse == FUSE_REDUCE) part->kind = GROUP_REDUCE;
  }
  if (is_part == group_is_behind) {
    for (int i = 0; i < whole->n_outputs; i++)
      if (whole->outputs[i] != whole->product) part->outputs[part->n_outputs++] = whole->outputs[i];
  }
  return part;
}

static Emit *write_part(Emit *emit, const Group *part, Part names) {
  Emit *lines = ARENA_NEW(emit->arena, Emit);
  *lines = (Emit){.arena = emit->arena,
                  .elem_bytes = emit->elem_bytes,
                  .max_lanes = emit->max_lanes,
                  .skeletons = emit->skeletons,
                  .part = names};
  writer_begin(lines, emit->graph, part);
  writer_visit(lines);
  return lines;
}

static NodeId only_tensor(const Emit *emit, const Group *part) {
  const Node *operand = graph_node(emit->graph, group_root(emit->graph, emit->group)->in[0]);
  for (int i = 0; i < part->n_nodes; i++) {
    const Node *node = graph_node(emit->graph, part->nodes[i]);
    for (int k = 0; k < node->n_in; k++) {
      const Node *input = graph_node(emit->graph, node->in[k]);
      if (!group_is_before(emit->graph, emit->group, node->in[k]) &&
          shape_equal(input->shape, operand->shape))
        return node->in[k];
    }
  }
  return NO_NODE;
}

Emit *around_before(Emit *emit, int first_buffer) {
  if (emit->group->kind != GROUP_PRODUCT) return NULL;
  const Group *part = part_of(emit, group_is_before);
  if (part->n_nodes == 0) return NULL;
  return write_part(emit, part,
                    (Part){.given = only_tensor(emit, part),
                           .given_name = "fetched",
                           .first_buffer = first_buffer,
                           .rows = "operand_rows"});
}

Emit *around_behind(Emit *emit, int first_buffer) {
  if (emit->group->kind != GROUP_PRODUCT) return NULL;
  const Group *part = part_of(emit, group_is_behind);
  if (part->n_nodes == 0) return NULL;
  return write_part(emit, part,
                    (Part){.given = emit->group->product,
                           .given_name = "product",
                           .first_buffer = first_buffer,
                           .first_value = emit->group->n_nodes,
                           .rows = "result_rows"});
}

bool around_is_stored(const Group *group, NodeId id) {
  for (int i = 0; i < group->n_outputs; i++)
    if (group->outputs[i] == id) return true;
  return false;
}

void around_operands(Emit *emit, const Emit *lines, StrBuf *out, BufferRef *refs, int *n) {
  for (int i = 0; i < lines->n_operands; i++) {
    const Node *node = graph_node(emit->graph, lines->operands[i].node);
    writer_line(out, 1, "const %s *in%d = buf[%d]; // %s", writer_type(node), *n, *n,
                shape_text(emit->arena, node->shape));
    refs[(*n)++] = (BufferRef){.kind = REF_NODE, .node = lines->operands[i].node};
  }
}

void around_outputs(Emit *emit, const Emit *lines, StrBuf *out, BufferRef *refs, int *n) {
  int k = 0;
  for (int i = 0; i < lines->group->n_outputs; i++) {
    NodeId id = lines->group->outputs[i];
    if (!is_point(emit->graph, id)) continue;
    writer_line(out, 1, "real *out%d = buf[%d]; // %s", k++, *n,
                shape_text(emit->arena, graph_node(emit->graph, id)->shape));
    refs[(*n)++] = (BufferRef){.kind = REF_NODE, .node = id};
  }
}

void around_rows(const Emit *lines, StrBuf *out, const char *used) {
  const Space *space = &lines->space;
  if (writer_uses(used, lines->part.rows))
    writer_line(out, 1, "const real %s = (real)((long)batch * %lld);", lines->part.rows,
                (long long)(space->unit / space->channels));
}

const char *around_all_lines(Emit *emit, const Emit *lines) {
  StrBuf all = strbuf_new(emit->arena);
  for (int i = 0; i < lines->n_channel; i++) strbuf_put(&all, lines->channel[i].text);
  strbuf_put(&all, lines->body.text);
  strbuf_put(&all, lines->sums.text);
  for (int k = 0; k < lines->n_sums; k++)
    if (lines->roots[0].reduced[k]) strbuf_put(&all, lines->roots[0].reduced[k]);
  return all.text;
}

const char *around_stem(Emit *emit, const char *stem) {
  const char *before = "", *behind = "";
  for (int i = 0; i < emit->group->n_nodes && emit->group->kind == GROUP_PRODUCT; i++) {
    NodeId id = emit->group->nodes[i];
    const OpInfo *info = op_info(graph_node(emit->graph, id)->op);
    if (info->fuse == FUSE_SINGLE && id != group_gathered(emit->graph, emit->group)) continue;
    if (group_is_before(emit->graph, emit->group, id)) before = writer_format(emit, "%s_", info->name);
    if (group_is_behind(emit->graph, emit->group, id)) behind = writer_format(emit, "_%s", info->name);
  }
  return writer_format(emit, "%s%s%s", before, stem, behind);
}
