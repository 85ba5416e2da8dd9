// Gives every value its bytes.
//
// needs: scheduled groups
// gives: Node.offset, Group.partial_offset, Graph.work_bytes and live_bound; State.offset, StateTable.arena_elems
// breaks: nothing
//
// A value lives from the launch that writes it to the last that reads it. An element-wise result takes over
// the buffer of an input that dies there where the kernel may overwrite it; such a chain of values is one
// buffer. Buffers are then packed (ir/pack.h). Nothing can be smaller than the largest sum of live bytes, which is
// reported beside it.
//
// Who uses bytes again must wait for all who used them before, though it needs nothing of theirs. Where the work of
// `overlap` modules shall run at the same time, modules take turns in as many lanes, and no byte belongs to two lanes.
#include "compiler/ir/kernel.h"
#include "compiler/ir/op.h"
#include "compiler/ir/pack.h"
#include "compiler/passes/pass.h"

enum { ALIGNMENT = 64 };

typedef struct Buffer { // bytes for a chain of values, or for partial sums
  int64_t n_bytes, offset;
  int first, last; // launches, inclusive; -1: before the step
  int lane;        // only buffers of one lane share bytes
} Buffer;

typedef struct Plan {
  Graph *graph;
  Arena *scratch;
  int n_lanes;
  int *death;      // [nodes] last launch that reads a value; n_groups: needed after the step
  int *buffer_of;  // [nodes]
  int *partial_of; // [groups]
  Buffer *buffers;
  int n_buffers;
} Plan;

static int64_t align(int64_t n, int64_t to) {
  return (n + to - 1) / to * to;
}

// ---- life times ----

static void find_deaths(Plan *plan) {
  const Graph *graph = plan->graph;
  for (int g = 0; g < graph->n_groups; g++) {
    const Group *group = &graph->groups[g];
    for (int i = 0; i < group->n_outputs; i++) plan->death[group->outputs[i]] = g;
    for (int i = 0; i < group->n_inputs; i++) plan->death[node_storage(graph, group->inputs[i], NULL)] = g;
  }
  for (int l = 0; l < graph->n_losses; l++) {
    plan->death[node_storage(graph, graph->losses[l].value, NULL)] = graph->n_groups;
    plan->death[node_storage(graph, graph->losses[l].term, NULL)] = graph->n_groups;
  }
  if (graph->output != NO_NODE) plan->death[node_storage(graph, graph->output, NULL)] = graph->n_groups;
}

static int lane_of(const Plan *plan, int g) {
  int module = g < 0 ? 0 : plan->graph->groups[g].module;
  return module < 0 ? 0 : module % plan->n_lanes;
}

static int new_buffer(Plan *plan, int64_t n_bytes, int first, int last) {
  plan->buffers[plan->n_buffers] = (Buffer){align(n_bytes, ALIGNMENT), 0, first, last, lane_of(plan, first)};
  return plan->n_buffers++;
}

// A buffer whose value dies at launch g and may be overwritten by `output`; -1: none.
static int dying_buffer(const Plan *plan, int g, NodeId output) {
  const Group *group = &plan->graph->groups[g];
  for (int i = 0; i < group->n_inputs; i++) {
    NodeId value = node_storage(plan->graph, group->inputs[i], NULL);
    if (graph_node(plan->graph, value)->op == OP_state || plan->death[value] != g) continue;
    int buffer = plan->buffer_of[value];
    bool is_free = plan->buffers[buffer].last == g; // no other result of this launch has taken it
    if (is_free && plan->buffers[buffer].lane == lane_of(plan, g) &&
        group_may_overwrite(plan->graph, group, output, value))
      return buffer;
  }
  return -1;
}

static void make_buffers(Plan *plan) {
  const Graph *graph = plan->graph;
  for (NodeId id = 1; id < graph->n_nodes; id++) {
    const Node *node = graph_node(graph, id);
    if (node->op == OP_input)
      plan->buffer_of[id] = new_buffer(plan, node_bytes(graph, node), -1, plan->death[id]);
  }
  for (int g = 0; g < graph->n_groups; g++) {
    const Group *group = &graph->groups[g];
    for (int i = 0; i < group->n_outputs; i++) {
      NodeId output = group->outputs[i];
      int buffer = dying_buffer(plan, g, output), death = plan->death[output];
      if (buffer < 0) buffer = new_buffer(plan, node_bytes(graph, graph_node(graph, output)), g, death);
      plan->buffers[buffer].last = death;
      plan->buffer_of[output] = buffer;
    }
    plan->partial_of[g] = group->partial_bytes ? new_buffer(plan, group->partial_bytes, g, g) : -1;
  }
}

// ---- placing ----

// Lanes lie one behind the other, each packed by itself. Launch -1 is instant 0.
static void place(Plan *plan) {
  Graph *graph = plan->graph;
  Interval *items = ARENA_ARRAY(plan->scratch, Interval, plan->n_buffers);
  Buffer **buffers = ARENA_ARRAY(plan->scratch, Buffer *, plan->n_buffers);
  graph->work_bytes = graph->live_bound = 0;
  for (int lane = 0; lane < plan->n_lanes; lane++) {
    int n = 0;
    for (int b = 0; b < plan->n_buffers; b++) {
      Buffer *buffer = &plan->buffers[b];
      if (buffer->lane != lane) continue;
      items[n] = (Interval){buffer->n_bytes, buffer->first + 1, buffer->last + 1, 0};
      buffers[n++] = buffer;
    }
    graph->live_bound += pack_bound(items, n, plan->scratch);
    int64_t top = pack_intervals(items, n, plan->scratch);
    for (int i = 0; i < n; i++) buffers[i]->offset = graph->work_bytes + items[i].offset;
    graph->work_bytes += top;
  }
}

// ---- results ----

// The largest sum of bytes alive in a module's launches.
static void find_module_live(Plan *plan) {
  Graph *graph = plan->graph;
  int64_t *change = ARENA_ARRAY(plan->scratch, int64_t, graph->n_groups + 3), live = 0; // from launch -1 on
  graph->module_live = ARENA_ARRAY(graph->arena, int64_t, graph->n_modules);
  for (int b = 0; b < plan->n_buffers; b++) {
    change[plan->buffers[b].first + 1] += plan->buffers[b].n_bytes;
    change[plan->buffers[b].last + 2] -= plan->buffers[b].n_bytes;
  }
  live = change[0];
  for (int g = 0; g < graph->n_groups; g++) {
    int module = graph->groups[g].module;
    live += change[g + 1];
    if (module >= 0 && live > graph->module_live[module]) graph->module_live[module] = live;
  }
}

static void write_offsets(Plan *plan) {
  Graph *graph = plan->graph;
  for (NodeId id = 1; id < graph->n_nodes; id++)
    if (plan->buffer_of[id] >= 0) graph->nodes[id].offset = plan->buffers[plan->buffer_of[id]].offset;
  for (int g = 0; g < graph->n_groups; g++)
    if (plan->partial_of[g] >= 0) graph->groups[g].partial_offset = plan->buffers[plan->partial_of[g]].offset;
}

// Used states lie in the order of the table, each kind in an arena of its own; so a run of parameters and the
// run of their momenta have one layout.
static void place_states(StateTable *states) {
  for (int kind = 0; kind < N_STATE_KINDS; kind++) states->arena_elems[kind] = 0;
  for (StateId id = 0; id < states->n; id++) {
    State *state = state_get(states, id);
    if (!state->is_used) {
      state->offset = -1;
      continue;
    }
    if (state->same != NO_STATE) { // an earlier one
      state->offset = state_get(states, state->same)->offset;
      continue;
    }
    state->offset = states->arena_elems[state->kind];
    states->arena_elems[state->kind] = align(state->offset + shape_elems(state->shape, 1), STATE_ALIGNMENT);
  }
}

void pass_plan_memory(Graph *graph, PassCtx *ctx) {
  Plan plan = {.graph = graph,
               .scratch = ctx->scratch,
               .n_lanes = ctx->overlap > 1 ? ctx->overlap : 1,
               .death = ARENA_ARRAY(ctx->scratch, int, graph->n_nodes),
               .buffer_of = ARENA_ARRAY(ctx->scratch, int, graph->n_nodes),
               .partial_of = ARENA_ARRAY(ctx->scratch, int, graph->n_groups),
               .buffers =
                   ARENA_ARRAY(ctx->scratch, Buffer, (size_t)graph->n_nodes + 2 * (size_t)graph->n_groups)};
  for (NodeId id = 0; id < graph->n_nodes; id++) plan.buffer_of[id] = plan.death[id] = -1;
  find_deaths(&plan);
  make_buffers(&plan);
  place(&plan);
  write_offsets(&plan);
  find_module_live(&plan);
  place_states(graph->states);
  graph->is_planned = true;
}
