// EMA copies that stay equal for ever are kept once.
//
// needs: nothing; goes before pass_update, so that one step moves what is kept
// gives: State.same of the later ones of equal copies; their readers read the first
// breaks: nothing
//
// Two copies are equal in every step if they follow one parameter with one momentum and both start as it:
//
//   aux0.ema1 = ema(stage2[0], 0.995)     aux1.ema1 = ema(stage2[0], 0.995)      reads of aux1.ema1.* -> aux0.ema1.*
//
// What is computed with them differs all the same: each copy has its own input, and so its own batch statistics. The later one keeps its
// name: it lies in the bytes of the first.
#include "compiler/ir/op.h"
#include "compiler/passes/pass.h"

// The state whose bytes `id` has.
static StateId kept(const StateTable *states, StateId id) {
  const State *state = state_get(states, id);
  return state->same == NO_STATE ? id : state->same;
}

static bool are_equal(const StateTable *states, const State *a, const State *b) {
  return kept(states, a->source) == kept(states, b->source) && a->ema_momentum == b->ema_momentum;
}

static bool starts_as_source(const State *state) {
  return state->kind == STATE_EMA && state->init == INIT_COPY;
}

// Copies of one source hang in a chain, the latest first.
static void find_equal(StateTable *states, Arena *scratch) {
  StateId *last = ARENA_ARRAY(scratch, StateId, states->n),
          *before = ARENA_ARRAY(scratch, StateId, states->n);
  for (StateId id = 0; id < states->n; id++) last[id] = before[id] = NO_STATE;
  for (StateId id = 0; id < states->n; id++) {
    State *state = state_get(states, id);
    if (!starts_as_source(state)) continue;
    StateId source = kept(states, state->source), other = last[source];
    while (other != NO_STATE && !are_equal(states, state_get(states, other), state)) other = before[other];
    state->same = other;
    if (other != NO_STATE) continue;
    before[id] = last[source];
    last[source] = id;
  }
}

void pass_copies(Graph *graph, PassCtx *ctx) {
  find_equal(graph->states, ctx->scratch);
  for (NodeId id = 1; id < graph->n_nodes; id++) {
    Node *node = graph_node(graph, id);
    if (node->op == OP_state) node->state = kept(graph->states, node->state);
  }
}
