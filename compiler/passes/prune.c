// Removes what nothing needs.
//
// needs: updates, on a training graph
// gives: every node leads to a loss, the output or an update; State.is_used
// breaks: nothing
//
// Needed are the losses, the output and the optimiser; running statistics if the evaluation graph reads them;
// an EMA copy's update if the copy is read. So the running buffers of auxiliaries, and copies of blocks that
// no loss sees, go.
#include "compiler/ir/op.h"
#include "compiler/passes/pass.h"

typedef struct Prune {
  const Graph *graph;
  bool *keep;       // [nodes]
  bool *state_read; // [states] by a node that stays
} Prune;

static void keep(Prune *prune, NodeId id) {
  if (id == NO_NODE || prune->keep[id]) return;
  prune->keep[id] = true;
  const Node *node = graph_node(prune->graph, id);
  if (node->op == OP_state) prune->state_read[node->state] = true;
  for (int i = 0; i < node->n_in; i++) keep(prune, node->in[i]);
}

static Prune prune_new(const Graph *graph, Arena *scratch) {
  return (Prune){graph, ARENA_ARRAY(scratch, bool, graph->n_nodes),
                 ARENA_ARRAY(scratch, bool, graph->states->n)};
}

static void keep_results(Prune *prune) {
  const Graph *graph = prune->graph;
  keep(prune, graph->output);
  for (int l = 0; l < graph->n_losses; l++) {
    keep(prune, graph->losses[l].value);
    keep(prune, graph->losses[l].term);
  }
}

static bool writes_any(const Node *update, const bool *states) {
  for (StateId s = 0; s < update->n_states; s++)
    if (states[update->state + s]) return true;
  return false;
}

// `eval_read`: states that evaluation reads.
static void keep_updates(Prune *prune, const bool *eval_read) {
  const Graph *graph = prune->graph;
  bool is_changed = true;
  while (is_changed) { // a copy of a copy is kept only by the later one
    is_changed = false;
    for (NodeId id = 1; id < graph->n_nodes; id++) {
      const Node *node = graph_node(graph, id);
      if (op_info(node->op)->effect != EFFECT_WRITES_STATE || prune->keep[id]) continue;
      if (!op_is_optimiser(graph, node) && !writes_any(node, prune->state_read) &&
          !writes_any(node, eval_read))
        continue;
      keep(prune, id);
      is_changed = true;
    }
  }
}

static void mark_used(StateTable *states, StateId id) {
  while (!states->items[id].is_used) {
    State *state = &states->items[id];
    state->is_used = true;
    if (state->init == INIT_COPY && state->source != NO_STATE)
      id = state->source; // its start value is needed
  }
}

static void mark_written(StateTable *states, const Node *update, StateId first) {
  for (StateId s = 0; first != NO_STATE && s < update->n_states; s++) mark_used(states, first + s);
}

// Names of a state's bytes are used as it is.
static void mark_names(StateTable *states) {
  for (StateId id = 0; id < states->n; id++) {
    StateId same = states->items[id].same;
    if (same != NO_STATE && states->items[same].is_used) mark_used(states, id);
  }
}

static void mark_states(const Prune *prune, const bool *eval_read) {
  const Graph *graph = prune->graph;
  for (StateId id = 0; id < graph->states->n; id++)
    if (prune->state_read[id] || eval_read[id]) mark_used(graph->states, id);
  for (NodeId id = 1; id < graph->n_nodes; id++) {
    const Node *node = graph_node(graph, id);
    if (!prune->keep[id] || op_info(node->op)->effect != EFFECT_WRITES_STATE) continue;
    mark_written(graph->states, node, node->state);
    mark_written(graph->states, node, op_beside(node, "momentum_state"));
    mark_written(graph->states, node, op_beside(node, "square_state"));
  }
  mark_names(graph->states);
}

void pass_prune(Graph *graph, PassCtx *ctx) {
  bool *eval_read = ARENA_ARRAY(ctx->scratch, bool, graph->states->n);
  const Graph *eval = ctx->model ? ctx->model->eval : NULL;
  if (eval && eval->states == graph->states) {
    Prune evaluation = prune_new(eval, ctx->scratch);
    keep_results(&evaluation);
    eval_read = evaluation.state_read;
  }
  Prune prune = prune_new(graph, ctx->scratch);
  keep_results(&prune);
  keep_updates(&prune, eval_read);
  mark_states(&prune, eval_read);
  graph_compact(graph, prune.keep);
}
