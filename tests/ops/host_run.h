// Runs a graph with the host references, in double precision: the values of all nodes.
#pragma once
#include "tests/ops/case_file.h"
#include <math.h>

typedef struct Values {
  double **data;   // by node; states are written in place by updates
  int32_t **index; // labels
} Values;

static Shape host_shape(Shape shape, int64_t batch) {
  for (int i = 0; i < shape.rank; i++)
    if (shape.dim[i] == DIM_BATCH) shape.dim[i] = batch;
  return shape;
}

static HostTensor host_tensor(const Case *c, const Values *values, NodeId id) {
  return (HostTensor){values->data[id], values->index[id],
                      host_shape(graph_node(c->graph, id)->shape, c->batch)};
}

// The node that reads a state: its value stands for the state's memory.
static NodeId host_reader(const Case *c, StateId state) {
  for (NodeId id = 1; id < c->graph->n_nodes; id++)
    if (graph_node(c->graph, id)->op == OP_state && graph_node(c->graph, id)->state == state) return id;
  case_error(c, "a state is written that no value names", c->title);
}

static void host_node(const Case *c, const Values *values, NodeId id) {
  const Node *node = graph_node(c->graph, id);
  if (op_info(node->op)->fuse == FUSE_LEAF) return;
  HostTensor *in = ARENA_ARRAY(c->scratch, HostTensor, node->n_in + 1);
  HostTensor *states = ARENA_ARRAY(c->scratch, HostTensor, node->n_states + 1);
  HostTensor *momenta = ARENA_ARRAY(c->scratch, HostTensor, node->n_states + 1);
  HostTensor *squares = ARENA_ARRAY(c->scratch, HostTensor, node->n_states + 1);
  HostTensor *copies = ARENA_ARRAY(c->scratch, HostTensor, node->n_states + 1);
  for (int i = 0; i < node->n_in; i++) in[i] = host_tensor(c, values, node->in[i]);
  HostTensor out = host_tensor(c, values, id);
  for (int64_t i = 0, n = shape_elems(out.shape, 1); i < n; i++)
    out.data[i] = NAN; // what a rule forgets is seen
  HostCall call = {.in = in, .n_in = node->n_in, .out = out, .attr = node->attr, .batch = c->batch};
  call.states = states;
  call.momenta = momenta;
  call.squares = squares;
  call.n_states = node->n_states;
  StateId first_momentum = op_beside(node, "momentum_state"), first_square = op_beside(node, "square_state");
  StateId first_copy = op_beside(node, "copy_state");
  call.copies = first_copy >= 0 ? copies : NULL;
  for (int s = 0; s < node->n_states; s++) {
    states[s] = host_tensor(c, values, host_reader(c, node->state + s));
    if (first_momentum >= 0) momenta[s] = host_tensor(c, values, host_reader(c, first_momentum + s));
    if (first_copy >= 0) copies[s] = host_tensor(c, values, host_reader(c, first_copy + s));
    if (first_square >= 0) squares[s] = host_tensor(c, values, host_reader(c, first_square + s));
  }
  op_info(node->op)->host(&call);
}

// Room for every node; leaves filled in.
static Values host_values(const Case *c) {
  NodeId n = c->graph->n_nodes;
  Values values = {ARENA_ARRAY(c->arena, double *, n), ARENA_ARRAY(c->arena, int32_t *, n)};
  for (NodeId id = 1; id < n; id++)
    values.data[id] =
        ARENA_ARRAY(c->arena, double, shape_elems(graph_node(c->graph, id)->shape, c->batch) + 1);
  for (int i = 0; i < c->n_names; i++) {
    const Named *named = &c->names[i];
    size_t n_elems = (size_t)shape_elems(graph_node(c->graph, named->node)->shape, c->batch);
    if (named->data) memcpy(values.data[named->node], named->data, n_elems * sizeof(double));
    values.index[named->node] = named->index;
  }
  return values;
}

static void host_run(const Case *c, const Values *values, NodeId end) {
  for (NodeId id = 1; id < end; id++) host_node(c, values, id);
  arena_reset(c->scratch);
}
