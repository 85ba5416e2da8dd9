#include "tests/support/rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GUARD = 256, MAX_RIG_NODES = 4096, GUARD_BYTE = 0xA5 };

void rig_begin(Rig *rig, Arena *arena, bool unfused, int64_t batch, int elem_bytes) {
  *rig = (Rig){.arena = arena, .unfused = unfused, .group_capacity = MAX_RIG_NODES};
  rig->graph = graph_new(arena, state_table_new(arena));
  rig->graph->batch = batch;
  rig->graph->elem_bytes = elem_bytes;
  rig->graph->groups = ARENA_ARRAY(arena, Group, MAX_RIG_NODES);
  rig->low = ARENA_ARRAY(arena, double, MAX_RIG_NODES);
  rig->high = ARENA_ARRAY(arena, double, MAX_RIG_NODES);
  rig->model = (Model){.name = "rig", .train = rig->graph, .states = rig->graph->states};
  rig->model.recipe.batch = batch;
}

static NodeId add_leaf(Rig *rig, Node node, double low, double high) {
  node.state = node.op == OP_state ? node.state : NO_STATE;
  node.group = -1;
  Attr kind = {.i = 0};
  NodeId id = graph_add(rig->graph, node, NULL, 0, &kind, node.op == OP_input);
  rig->low[id] = low;
  rig->high[id] = high;
  return id;
}

NodeId rig_leaf(Rig *rig, Shape shape, double low, double high) {
  return add_leaf(rig, (Node){.op = OP_input, .shape = shape, .name = "leaf"}, low, high);
}

NodeId rig_labels(Rig *rig, int classes) {
  Node node = {.op = OP_input, .dtype = DT_INDEX, .shape = {.rank = 1, .dim = {DIM_BATCH}}, .name = "label"};
  return add_leaf(rig, node, 0, classes);
}

NodeId rig_scalar(Rig *rig, double low, double high) {
  return rig_leaf(rig, (Shape){.rank = 0}, low, high);
}

StateId rig_state(Rig *rig, StateKind kind, Shape shape) {
  State state = {.kind = kind, .shape = shape, .is_used = true, .source = NO_STATE};
  state.name = arena_printf(rig->arena, "state%d", rig->graph->states->n);
  return state_add(rig->graph->states, state);
}

NodeId rig_read(Rig *rig, StateId state) {
  Shape shape = state_get(rig->graph->states, state)->shape;
  return add_leaf(rig, (Node){.op = OP_state, .shape = shape, .state = state, .name = "state"}, 0, 0);
}

NodeId rig_op(Rig *rig, OpKind op, const NodeId *in, int n_in, const double *attr, int n_attr) {
  const AttrDef *defs = op_info(op)->attrs;
  int n = op_n_attrs(op);
  Attr *attrs = ARENA_ARRAY(rig->arena, Attr, n);
  for (int i = 0; i < n; i++) {
    double value = i < n_attr ? attr[i] : defs[i].fallback;
    if (defs[i].kind == ATTR_REAL) {
      attrs[i].r = value;
    } else {
      attrs[i].i = (int64_t)value;
    }
  }
  Node like = {.name = arena_printf(rig->arena, "layer%u", (unsigned)rig->graph->n_nodes)};
  return op_build(rig->graph, &like, op, in, n_in, attrs);
}

static bool contains(const NodeId *list, int n, NodeId id) {
  for (int i = 0; i < n; i++) {
    if (list[i] == id) return true;
  }
  return false;
}

static void add_group(Rig *rig, GroupKind kind, const NodeId *nodes, int n_nodes, const NodeId *outputs,
                      int n_outputs) {
  Graph *graph = rig->graph;
  Group *group = &graph->groups[graph->n_groups];
  *group = (Group){.kind = kind, .n_nodes = n_nodes, .n_outputs = n_outputs};
  group->nodes = arena_copy(rig->arena, nodes, sizeof *nodes * (size_t)n_nodes);
  group->outputs = arena_copy(rig->arena, outputs, sizeof *outputs * (size_t)n_outputs);
  int n_in = 0;
  for (int i = 0; i < n_nodes; i++) n_in += graph_node(graph, nodes[i])->n_in;
  group->inputs = ARENA_ARRAY(rig->arena, NodeId, n_in + 1);
  for (int i = 0; i < n_nodes; i++) {
    Node *node = graph_node(graph, nodes[i]);
    node->group = graph->n_groups;
    for (int k = 0; k < node->n_in; k++) {
      bool is_known =
          contains(nodes, n_nodes, node->in[k]) || contains(group->inputs, group->n_inputs, node->in[k]);
      if (!is_known) group->inputs[group->n_inputs++] = node->in[k];
    }
  }
  group->parts = group_parts(graph, group);
  group->partial_bytes = kernel_partial_bytes(graph, group);
  graph->n_groups++;
}

void rig_group(Rig *rig, GroupKind kind, const NodeId *nodes, int n_nodes, const NodeId *outputs,
               int n_outputs) {
  if (!rig->unfused) {
    add_group(rig, kind, nodes, n_nodes, outputs, n_outputs);
    return;
  }
  for (int i = 0; i < n_nodes; i++) {
    bool is_update = op_info(graph_node(rig->graph, nodes[i])->op)->effect == EFFECT_WRITES_STATE;
    add_group(rig, GROUP_SINGLE, &nodes[i], 1, &nodes[i], !is_update);
  }
}

static int64_t place(int64_t *top, int64_t n_bytes) {
  int64_t offset = *top + GUARD;
  *top = (offset + n_bytes + 63) / 64 * 64;
  return offset;
}

void rig_plan(Rig *rig) {
  Graph *graph = rig->graph;
  int64_t top = 0;
  for (NodeId id = 1; id < graph->n_nodes; id++) graph_node(graph, id)->offset = -1;
  for (NodeId id = 1; id < graph->n_nodes; id++) {
    Node *node = graph_node(graph, id);
    if (node->op == OP_input) node->offset = place(&top, node_bytes(graph, node));
  }
  for (int g = 0; g < graph->n_groups; g++) {
    Group *group = &graph->groups[g];
    for (int i = 0; i < group->n_outputs; i++) {
      Node *node = graph_node(graph, group->outputs[i]);
      node->offset = place(&top, node_bytes(graph, node));
    }
    if (group->partial_bytes) group->partial_offset = place(&top, group->partial_bytes);
  }
  graph->work_bytes = top + GUARD;
  StateTable *states = graph->states;
  for (StateId id = 0; id < states->n; id++) {
    State *state = state_get(states, id);
    state->offset = states->arena_elems[state->kind];
    states->arena_elems[state->kind] += shape_elems(state->shape, 1);
  }
}

// ---- running ----

static int64_t region_start(const MlaProgram *program, MlaRegion region) {
  int64_t start = 0;
  for (int i = 0; i < (int)region; i++) start += (program->region_bytes[i] + 63) / 64 * 64 + GUARD;
  return start;
}

// The same number whatever the precision: a float.
static double random_value(uint64_t seed, double low, double high) {
  uint64_t x = seed * 0x9E3779B97F4A7C15ULL;
  x ^= x >> 31;
  x *= 0xBF58476D1CE4E5B9ULL;
  x ^= x >> 29;
  double unit = (double)(x >> 40) / (double)(1 << 24);
  return (double)(float)(low + (high - low) * unit);
}

static void put_value(MlaElem elem, unsigned char *at, int64_t i, double value) {
  if (elem == MLA_F64) ((double *)(void *)at)[i] = value;
  if (elem == MLA_F32) ((float *)(void *)at)[i] = (float)value;
  if (elem == MLA_I32) ((int32_t *)(void *)at)[i] = (int32_t)value;
}

double rig_value(const MlaProgram *program, const unsigned char *memory, MlaRegion region, int64_t offset,
                 int64_t i) {
  const unsigned char *at = memory + region_start(program, region) + offset;
  return program->elem == MLA_F64 ? ((const double *)(const void *)at)[i]
                                  : (double)((const float *)(const void *)at)[i];
}

static void fill_leaves(const Rig *rig, const MlaProgram *program, unsigned char *memory) {
  const Graph *graph = rig->graph;
  for (NodeId id = 1; id < graph->n_nodes; id++) {
    const Node *node = graph_node(graph, id);
    if (node->op != OP_input) continue;
    int64_t n = shape_elems(node->shape, graph->batch);
    for (int64_t i = 0; i < n; i++) {
      MlaElem elem = node->dtype == DT_INDEX ? MLA_I32 : program->elem;
      put_value(elem, memory + node->offset, i,
                random_value(id * 1000003u + (uint64_t)i, rig->low[id], rig->high[id]));
    }
  }
  for (int region = MLA_PARAM; region < MLA_N_REGIONS; region++) {
    int64_t n = program->region_bytes[region] / (program->elem == MLA_F64 ? 8 : 4);
    for (int64_t i = 0; i < n; i++) {
      put_value(program->elem, memory + region_start(program, (MlaRegion)region), i,
                random_value((uint64_t)(region * 77777 + i), 0.1, 1));
    }
  }
}

static void run_launch(const MlaProgram *program, const MlaLaunch *launch, const RigKernel *fn,
                       unsigned char *memory, int64_t batch, bool reversed) {
  void **buf = calloc((size_t)launch->n_buffers + 1, sizeof *buf);
  for (int i = 0; buf && i < launch->n_buffers; i++) {
    const MlaBuffer *buffer = &program->buffers[launch->buffers[i]];
    buf[i] = memory + region_start(program, buffer->region) + buffer->offset;
  }
  if (launch->kernel < 0) {
    launch->host(launch->host_call, buf, batch);
  } else {
    void *scratch = malloc((size_t)program->kernels[launch->kernel].scratch_bytes + 64);
    for (int p = 0; p < launch->parts; p++) {
      memset(scratch, 0xFF, (size_t)program->kernels[launch->kernel].scratch_bytes);
      fn[launch->kernel](buf, batch, scratch, reversed ? launch->parts - 1 - p : p, launch->parts);
    }
    free(scratch);
  }
  free(buf);
}

static bool guards_hold(const MlaProgram *program, const unsigned char *memory, int64_t n_bytes,
                        const char *launch) {
  bool *is_used = calloc((size_t)n_bytes, 1);
  bool holds = is_used != NULL;
  for (int i = 0; holds && i < program->n_buffers; i++) {
    const MlaBuffer *buffer = &program->buffers[i];
    memset(is_used + region_start(program, buffer->region) + buffer->offset, 1, (size_t)buffer->n_bytes);
  }
  for (int region = MLA_PARAM; holds && region < MLA_N_REGIONS; region++)
    memset(is_used + region_start(program, (MlaRegion)region), 1, (size_t)program->region_bytes[region]);
  for (int64_t i = 0; holds && i < n_bytes; i++) {
    if (is_used[i] || memory[i] == GUARD_BYTE) continue;
    fprintf(stderr, "byte %lld beside a buffer was overwritten, seen after %s\n", (long long)i, launch);
    holds = false;
  }
  free(is_used);
  return holds;
}

unsigned char *rig_run(const Rig *rig, const MlaProgram *program, const RigKernel *fn, int64_t batch,
                       bool reversed) {
  int64_t n_bytes = region_start(program, MLA_N_REGIONS);
  unsigned char *memory = aligned_alloc(64, (size_t)(n_bytes + MLA_READ_BEHIND + 63) / 64 * 64);
  if (!memory) return NULL;
  memset(memory, GUARD_BYTE, (size_t)n_bytes);
  fill_leaves(rig, program, memory);
  for (int i = 0; i < program->train.n_launches; i++)
    run_launch(program, &program->train.launches[i], fn, memory, batch, reversed);
  if (guards_hold(program, memory, n_bytes, "all launches")) return memory;
  free(memory);
  return NULL;
}
