// Runs a graph with the host references, in double: node by node, or kernel by kernel over the bytes of a
// plan.
#pragma once
#include "compiler/ir/kernel.h"
#include "tests/passes/nets.h"

#include <math.h>

typedef struct Machine {
  Arena *arena, *scratch;
  const Graph *graph;
  int64_t batch;
  double *image, learning_rate;
  int32_t *label;
  double **states;     // [states]
  HostTensor *values;  // [nodes] of the latest run
  unsigned char *work; // the plan's arena; NULL: every value has memory of its own
} Machine;

static inline double next_random(uint64_t *state) { // in (-1, 1)
  *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (double)(int64_t)(*state >> 11) / 4503599627370496.0 - 1;
}

static inline Shape machine_shape(const Machine *machine, Shape shape) {
  for (int i = 0; i < shape.rank; i++)
    if (shape.dim[i] == DIM_BATCH) shape.dim[i] = machine->batch;
  return shape;
}

// A value that depends on the state's name alone, so that two graphs of one network start equal.
static inline void machine_init_state(Machine *machine, StateId id) {
  const State *state = state_get(machine->graph->states, id);
  int64_t n = shape_elems(state->shape, 1);
  uint64_t seed = 1;
  for (const char *c = state->name; *c; c++) seed = seed * 31 + (unsigned char)*c;
  machine->states[id] = ARENA_ARRAY(machine->arena, double, n);
  double scale = state->shape.rank == 4 ? 0.4 : 0.2;
  for (int i = 0; i < 4; i++) next_random(&seed);
  for (int64_t i = 0; i < n; i++) {
    double value = scale * next_random(&seed);
    if (strstr(state->name, "gamma")) value += 1;
    if (strstr(state->name, "running_var")) value = 1 + value;
    machine->states[id][i] = state->kind == STATE_MOMENTUM ? 0 : value;
  }
}

static inline Machine *machine_new(Arena *arena, const Graph *graph, int64_t batch) {
  Machine *machine = ARENA_NEW(arena, Machine);
  *machine =
      (Machine){.arena = arena, .scratch = arena_new(), .graph = graph, .batch = batch, .learning_rate = 0.1};
  machine->states = ARENA_ARRAY(arena, double *, graph->states->n);
  for (StateId id = 0; id < graph->states->n; id++) machine_init_state(machine, id);
  int64_t n = shape_elems(graph_node(graph, graph->image)->shape, batch);
  uint64_t seed = 7;
  machine->image = ARENA_ARRAY(arena, double, n);
  for (int64_t i = 0; i < n; i++) machine->image[i] = next_random(&seed);
  machine->label = ARENA_ARRAY(arena, int32_t, batch);
  for (int64_t i = 0; i < batch; i++) machine->label[i] = (int32_t)(3 * i + 1) % 10;
  machine->values = ARENA_ARRAY(arena, HostTensor, graph->n_nodes);
  return machine;
}

static inline void machine_close(Machine *machine) {
  arena_free(machine->scratch);
}

static inline HostTensor machine_leaf(const Machine *machine, NodeId id) {
  const Node *node = graph_node(machine->graph, id);
  HostTensor leaf = {.shape = machine_shape(machine, node->shape)};
  if (node->op == OP_state)
    leaf.data = machine->states[node->state];
  else if (id == machine->graph->label)
    leaf.index = machine->label;
  else
    leaf.data = id == machine->graph->image ? machine->image : (double *)&machine->learning_rate;
  return leaf;
}

static inline HostTensor machine_state(const Machine *machine, StateId id) {
  return (HostTensor){.data = machine->states[id], .shape = state_get(machine->graph->states, id)->shape};
}

static inline void machine_eval(Machine *machine, NodeId id) {
  const Node *node = graph_node(machine->graph, id);
  HostTensor *in = ARENA_ARRAY(machine->scratch, HostTensor, node->n_in);
  for (int i = 0; i < node->n_in; i++) in[i] = machine->values[node->in[i]];
  HostTensor out = {.shape = machine_shape(machine, node->shape)};
  out.data = ARENA_ARRAY(machine->scratch, double, shape_elems(out.shape, 1));
  HostCall call = {.in = in, .n_in = node->n_in, .out = out, .attr = node->attr, .batch = machine->batch};
  bool is_update = op_info(node->op)->effect == EFFECT_WRITES_STATE;
  if (is_update) {
    call.n_states = node->n_states;
    call.states = ARENA_ARRAY(machine->scratch, HostTensor, node->n_states);
    call.momenta = ARENA_ARRAY(machine->scratch, HostTensor, node->n_states);
    StateId momentum = op_beside(node, "momentum_state"), copy = op_beside(node, "copy_state");
    if (copy != NO_STATE) call.copies = ARENA_ARRAY(machine->scratch, HostTensor, node->n_states);
    for (int s = 0; s < node->n_states; s++) {
      call.states[s] = machine_state(machine, node->state + s);
      if (momentum != NO_STATE) call.momenta[s] = machine_state(machine, momentum + s);
      if (copy != NO_STATE) call.copies[s] = machine_state(machine, copy + s);
    }
  }
  op_info(node->op)->host(&call);
  machine->values[id] = out;
}

// Node by node. Updates last, those of parameters at the very end.
static inline void machine_run(Machine *machine, bool with_updates) {
  const Graph *graph = machine->graph;
  for (int round = 0; round < 3; round++)
    for (NodeId id = 1; id < graph->n_nodes; id++) {
      const Node *node = graph_node(graph, id);
      bool is_update = op_info(node->op)->effect == EFFECT_WRITES_STATE;
      int due = !is_update ? 0 : op_is_optimiser(graph, node) ? 2 : 1;
      if (due != round || (is_update && !with_updates)) continue;
      if (op_info(node->op)->fuse == FUSE_LEAF)
        machine->values[id] = machine_leaf(machine, id);
      else
        machine_eval(machine, id);
    }
}

// ---- over the bytes of the plan: a value that was overwritten too early is read as what overwrote it ----

static inline HostTensor machine_load(Machine *machine, NodeId id) {
  const Graph *graph = machine->graph;
  int64_t offset;
  NodeId storage = node_storage(graph, id, &offset);
  const Node *node = graph_node(graph, storage);
  HostTensor tensor = {.shape = machine_shape(machine, graph_node(graph, id)->shape)};
  unsigned char *bytes =
      node->op == OP_state ? (unsigned char *)machine->states[node->state] : machine->work + node->offset;
  if (node->dtype == DT_INDEX)
    tensor.index = (const int32_t *)(const void *)bytes;
  else
    tensor.data = (double *)(void *)(bytes + offset);
  return tensor;
}

static inline void machine_kernel(Machine *machine, const Group *group) {
  for (int i = 0; i < group->n_inputs; i++)
    machine->values[group->inputs[i]] = machine_load(machine, group->inputs[i]);
  for (int i = 0; i < group->n_nodes; i++) machine_eval(machine, group->nodes[i]);
  memset(machine->work + group->partial_offset, 0x7f, (size_t)group->partial_bytes);
  for (int i = 0; i < group->n_outputs; i++) {
    const Node *node = graph_node(machine->graph, group->outputs[i]);
    int64_t n = shape_elems(node->shape, machine->batch);
    memcpy(machine->work + node->offset, machine->values[group->outputs[i]].data, sizeof(double) * (size_t)n);
  }
}

// The plan must be for elements of 8 bytes and at least this batch.
static inline void machine_run_plan(Machine *machine) {
  const Graph *graph = machine->graph;
  machine->work = ARENA_ARRAY(machine->arena, unsigned char, graph->work_bytes);
  memset(machine->work, 0x7f, (size_t)graph->work_bytes);
  for (NodeId id = 1; id < graph->n_nodes; id++) {
    const Node *node = graph_node(graph, id);
    if (node->op != OP_input) continue;
    HostTensor leaf = machine_leaf(machine, id);
    int64_t n = shape_elems(leaf.shape, 1);
    if (node->dtype == DT_INDEX)
      memcpy(machine->work + node->offset, leaf.index, sizeof(int32_t) * (size_t)n);
    else
      memcpy(machine->work + node->offset, leaf.data, sizeof(double) * (size_t)n);
  }
  for (int g = 0; g < graph->n_groups; g++) machine_kernel(machine, &graph->groups[g]);
}

static inline double machine_scalar(Machine *machine, NodeId id) {
  return machine->work ? machine_load(machine, id).data[0] : machine->values[id].data[0];
}
