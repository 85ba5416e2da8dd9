// The buffers of a program: materialised values, views into them, states, regions, partial sums.
#include "compiler/emit/program.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

MlaRegion region_of_state(StateKind kind) {
  static const MlaRegion regions[N_STATE_KINDS] = {[STATE_PARAM] = MLA_PARAM,
                                                   [STATE_MOMENTUM] = MLA_MOMENTUM,
                                                   [STATE_EMA] = MLA_EMA,
                                                   [STATE_RUNNING] = MLA_RUNNING,
                                                   [STATE_CONST] = MLA_CONST};
  return regions[kind];
}

int buffer_add(ProgramBuilder *builder, MlaBuffer buffer) {
  if (builder->n_buffers == builder->buffer_capacity) {
    int capacity = builder->buffer_capacity ? 2 * builder->buffer_capacity : 256;
    MlaBuffer *buffers = ARENA_ARRAY(builder->arena, MlaBuffer, capacity);
    if (builder->n_buffers) memcpy(buffers, builder->buffers, sizeof *buffers * (size_t)builder->n_buffers);
    builder->buffers = buffers;
    builder->buffer_capacity = capacity;
  }
  builder->buffers[builder->n_buffers] = buffer;
  return builder->n_buffers++;
}

static const char *value_name(ProgramBuilder *builder, const StepBuilder *step, const Node *node) {
  const char *name = node->name ? node->name : op_info(node->op)->name;
  if (node->phase == PHASE_FORWARD) return arena_printf(builder->arena, "%s%s", step->name, name);
  return arena_printf(builder->arena, "%s%s %s", step->name, name, op_info(node->op)->name);
}

static MlaElem elem_of(const ProgramBuilder *builder, const Node *node) {
  return node->dtype == DT_INDEX ? MLA_I32 : node->dtype == DT_BF16 ? MLA_BF16 : builder->elem;
}

int buffer_of_node(ProgramBuilder *builder, StepBuilder *step, NodeId id) {
  if (id == NO_NODE) return -1;
  if (step->node_buffers[id] >= 0) return step->node_buffers[id];
  int64_t offset = 0;
  const Node *node = graph_node(step->graph, id);
  const Node *storage = graph_node(step->graph, node_storage(step->graph, id, &offset));
  MlaBuffer buffer = {.name = value_name(builder, step, node),
                      .region = MLA_WORK,
                      .elem = elem_of(builder, node),
                      .offset = storage->offset + offset,
                      .n_bytes = node_bytes(step->graph, node)};
  if (storage->op == OP_state) {
    const State *state = state_get(step->graph->states, storage->state);
    buffer.name = state->name;
    buffer.region = region_of_state(state->kind);
    buffer.offset = state->offset * builder->elem_bytes + offset;
  } else if (storage->offset < 0) {
    fprintf(stderr, "mlaanc: internal fault in the emitter: %s (%s) is read but has no memory\n", buffer.name,
            op_info(node->op)->name);
    abort();
  }
  return step->node_buffers[id] = buffer_add(builder, buffer);
}

int buffer_of_state(ProgramBuilder *builder, StateId id) {
  if (builder->state_buffers[id] >= 0) return builder->state_buffers[id];
  const State *state = state_get(builder->model->states, id);
  return builder->state_buffers[id] =
             buffer_add(builder, (MlaBuffer){
                                     .name = state->name,
                                     .region = region_of_state(state->kind),
                                     .elem = builder->elem,
                                     .offset = state->offset * builder->elem_bytes,
                                     .n_bytes = shape_elems(state->shape, 1) * builder->elem_bytes,
                                 });
}

int buffer_of_run(ProgramBuilder *builder, StateId first, int n) {
  if (n == 1) return buffer_of_state(builder, first);
  const State *state = state_get(builder->model->states, first);
  const State *last = state_get(builder->model->states, first + n - 1);
  int64_t end = last->offset + shape_elems(last->shape, 1);
  MlaBuffer run = {.name = arena_printf(builder->arena, "%s .. %s", state->name, last->name),
                   .region = region_of_state(state->kind),
                   .elem = builder->elem,
                   .offset = state->offset * builder->elem_bytes,
                   .n_bytes = (end - state->offset) * builder->elem_bytes};
  return buffer_add(builder, run);
}

static int new_tickets(ProgramBuilder *builder, int n) {
  int64_t *end = &builder->program->region_bytes[MLA_TICKETS], n_bytes = 4 * (int64_t)n;
  MlaBuffer buffer = {
      .name = "tickets", .region = MLA_TICKETS, .elem = MLA_I32, .offset = *end, .n_bytes = n_bytes};
  *end += n_bytes;
  return buffer_add(builder, buffer);
}

int buffer_of_ref(ProgramBuilder *builder, StepBuilder *step, const Group *group, BufferRef ref) {
  switch (ref.kind) {
  case REF_NODE: return buffer_of_node(builder, step, ref.node);
  case REF_STATE: return buffer_of_state(builder, ref.state);
  case REF_RUN: return buffer_of_run(builder, ref.state, ref.n_states);
  case REF_TICKETS: return new_tickets(builder, ref.n_tickets);
  case REF_PARTIAL: break;
  }
  const Node *node = graph_node(step->graph, group->nodes[group->n_nodes - 1]);
  const char *name = arena_printf(builder->arena, "%s partial sums", value_name(builder, step, node));
  return buffer_add(builder, (MlaBuffer){.name = name,
                                         .region = MLA_WORK,
                                         .elem = builder->elem,
                                         .offset = group->partial_offset,
                                         .n_bytes = group->partial_bytes});
}
