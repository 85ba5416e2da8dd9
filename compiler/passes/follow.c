// EMA copies are moved in the optimiser's pass over the weights that they follow.
//
// needs: updates, pruned: what is left of the copies' steps is needed
// gives: optimiser steps that move copies, too (attributes copy_state, copy_momentum); fewer ema_steps
// breaks: nothing
//
// Both read the weight, so one launch does: the copy moves by the weight as it was, then the weight.
//
//   ema_step(w2, w3) on c2, c3      sgd_step(g1 .. g4) on w1 .. w4
//   -> sgd_step(g1) on w1           sgd_step(g2, g3) on w2, w3 with copies c2, c3           sgd_step(g4) on w4
//
// A weight is followed by at most one copy here, the first; others keep their step, and so does a copy of what is not trained.
#include "compiler/ir/op.h"
#include "compiler/passes/pass.h"

typedef struct Follow {
  Graph *graph;
  Arena *scratch;
  NodeId *optimiser; // [states] that moves it, NO_NODE: none
  StateId *copy;     // [states] that moves with it, NO_STATE: none
  bool *is_gone;     // [nodes] steps that others have taken over
} Follow;

static Attr *attr_of(Node *node, const char *name) {
  return &node->attr[op_attr_index(node->op, name)];
}

static double copy_momentum(const Follow *follow, StateId copy) {
  return copy == NO_STATE ? 0 : state_get(follow->graph->states, copy)->ema_momentum;
}

static void find_optimisers(Follow *follow) {
  const Graph *graph = follow->graph;
  for (StateId id = 0; id < graph->states->n; id++) follow->copy[id] = NO_STATE;
  for (NodeId id = 1; id < graph->n_nodes; id++) {
    const Node *node = graph_node(graph, id);
    if (op_info(node->op)->effect != EFFECT_WRITES_STATE || !op_is_optimiser(graph, node)) continue;
    for (int i = 0; i < node->n_states; i++) follow->optimiser[node->state + i] = id;
  }
}

// All that the ema_step follows is trained and has no copy yet.
static bool can_follow(const Follow *follow, const Node *step) {
  if (step->op != OP_ema_step) return false;
  for (int i = 0; i < step->n_states; i++) {
    const Node *source = graph_node(follow->graph, step->in[i]);
    if (source->op != OP_state || follow->optimiser[source->state] == NO_NODE ||
        follow->copy[source->state] != NO_STATE)
      return false;
  }
  return true;
}

static void take_copies(Follow *follow, NodeId id) {
  const Node *step = graph_node(follow->graph, id);
  if (!can_follow(follow, step)) return;
  for (int i = 0; i < step->n_states; i++)
    follow->copy[graph_node(follow->graph, step->in[i])->state] = step->state + i;
  follow->is_gone[id] = true;
}

// The states from `first` on that one step can move: none with a copy, or all with neighbouring copies.
static int run_length(const Follow *follow, const Node *step, int first) {
  const StateId *copy = &follow->copy[step->state];
  int end = first + 1;
  while (end < step->n_states) {
    bool goes_on = copy[first] == NO_STATE ? copy[end] == NO_STATE : copy[end] == copy[first] + (end - first);
    if (!goes_on || copy_momentum(follow, copy[end]) != copy_momentum(follow, copy[first])) break;
    end++;
  }
  return end - first;
}

static void move_beside(Node *step, const char *name, int by) {
  if (op_beside(step, name) != NO_STATE) attr_of(step, name)->i += by;
}

// A step for the states [first, first + n) of `whole` alone.
static void add_part(Follow *follow, NodeId whole, int first, int n) {
  Graph *graph = follow->graph;
  Node step = *graph_node(graph, whole);
  NodeId *in = ARENA_ARRAY(follow->scratch, NodeId, n + 1);
  in[0] = step.in[0];
  for (int i = 0; i < n; i++) in[i + 1] = step.in[first + i + 1];
  step.state += first;
  step.n_states = n;
  step.name = state_get(graph->states, step.state)->name;
  Node *part = graph_node(graph, graph_add(graph, step, in, n + 1, step.attr, op_n_attrs(step.op)));
  move_beside(part, "momentum_state", first);
  move_beside(part, "square_state", first);
  StateId copy = follow->copy[step.state];
  attr_of(part, "copy_state")->i = copy;
  attr_of(part, "copy_momentum")->r = copy_momentum(follow, copy);
}

static void cut(Follow *follow, NodeId id) {
  int n_states = graph_node(follow->graph, id)->n_states, n_copies = 0;
  for (int i = 0; i < n_states; i++)
    n_copies += follow->copy[graph_node(follow->graph, id)->state + i] != NO_STATE;
  if (n_copies == 0) return;
  for (int first = 0, n; first < n_states; first += n) {
    n = run_length(follow, graph_node(follow->graph, id), first);
    add_part(follow, id, first, n);
  }
  follow->is_gone[id] = true;
}

void pass_follow(Graph *graph, PassCtx *ctx) {
  NodeId n_nodes = graph->n_nodes;
  Follow follow = {.graph = graph,
                   .scratch = ctx->scratch,
                   .optimiser = ARENA_ARRAY(ctx->scratch, NodeId, graph->states->n),
                   .copy = ARENA_ARRAY(ctx->scratch, StateId, graph->states->n),
                   .is_gone = ARENA_ARRAY(ctx->scratch, bool, n_nodes)};
  find_optimisers(&follow);
  for (NodeId id = 1; id < n_nodes; id++) take_copies(&follow, id);
  for (NodeId id = 1; id < n_nodes; id++)
    if (op_info(graph_node(graph, id)->op)->effect == EFFECT_WRITES_STATE &&
        op_is_optimiser(graph, graph_node(graph, id)))
      cut(&follow, id);
  bool *keep = ARENA_ARRAY(ctx->scratch, bool, graph->n_nodes);
  for (NodeId id = 1; id < graph->n_nodes; id++) keep[id] = id >= n_nodes || !follow.is_gone[id];
  graph_compact(graph, keep);
}
