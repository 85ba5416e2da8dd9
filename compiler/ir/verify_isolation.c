// Isolation, checked from the result: which losses can a parameter's gradient depend on, and which may it?
//
// A loss starts its backward pass at its seed, and forward values do not depend on seeds. So the losses
// behind a gradient are the seeds among its ancestors, whatever pass_differentiate thought it was doing. They
// are collected for all nodes in one sweep, as one bit a loss.
#include "compiler/ir/op.h"
#include "compiler/ir/verify.h"

enum { WORD_BITS = 64 };

typedef struct Seeds {
  const Graph *graph;
  Arena *arena;
  int *reach; // [losses]
  int n_words;
  uint64_t *words; // [nodes][n_words]
} Seeds;

// ---- what the taps declare ----

typedef struct TapSearch {
  const Graph *graph;
  bool *is_seen;
  NodeId *stack;
  int n_stack;
} TapSearch;

static void push(TapSearch *search, NodeId id) {
  if (search->is_seen[id]) return;
  search->is_seen[id] = true;
  search->stack[search->n_stack++] = id;
}

int loss_reach(const Graph *graph, const Loss *loss) {
  Arena *arena = arena_new();
  TapSearch search = {graph, ARENA_ARRAY(arena, bool, graph->n_nodes),
                      ARENA_ARRAY(arena, NodeId, graph->n_nodes), 0};
  int reach = 1;
  push(&search, loss->value);
  while (search.n_stack > 0) {
    const Node *node = graph_node(graph, search.stack[--search.n_stack]);
    if (node->op == OP_tap) {
      int tap = (int)node->attr[op_attr_index(OP_tap, "reach")].i;
      if (tap > reach) reach = tap;
    } else if (node->op != OP_stop) {
      for (int i = 0; i < node->n_in; i++) push(&search, node->in[i]);
    }
  }
  arena_free(arena);
  return reach;
}

static int *all_reaches(const Graph *graph, Arena *arena) {
  int *reach = ARENA_ARRAY(arena, int, graph->n_losses);
  for (int l = 0; l < graph->n_losses; l++) {
    const Loss *loss = &graph->losses[l];
    int declared = loss_reach(graph, loss);
    reach[l] = loss->reach > declared ? loss->reach : declared;
  }
  return reach;
}

static bool may_train(const Loss *loss, int reach, const State *state) {
  if (state->is_aux) return loss->module == state->module;
  return state->module <= loss->module && state->module > loss->module - reach;
}

// ---- what the gradients depend on ----

static uint64_t *seeds_of(const Seeds *seeds, NodeId id) {
  return seeds->words + (size_t)id * (size_t)seeds->n_words;
}

static void collect(Seeds *seeds, NodeId id) {
  const Node *node = graph_node(seeds->graph, id);
  uint64_t *mine = seeds_of(seeds, id);
  for (int i = 0; i < node->n_in; i++)
    for (int w = 0; w < seeds->n_words; w++) mine[w] |= seeds_of(seeds, node->in[i])[w];
  if (node->seed_of)
    mine[(node->seed_of - 1) / WORD_BITS] |= UINT64_C(1) << ((node->seed_of - 1) % WORD_BITS);
}

static const char *check_gradient(const Seeds *seeds, StateId id, NodeId gradient) {
  const Graph *graph = seeds->graph;
  const State *state = state_get(graph->states, id);
  if (gradient == NO_NODE) return NULL;
  for (int l = 0; l < graph->n_losses; l++) {
    const Loss *loss = &graph->losses[l];
    bool depends = seeds_of(seeds, gradient)[l / WORD_BITS] >> (l % WORD_BITS) & 1;
    if (!depends || may_train(loss, seeds->reach[l], state)) continue;
    return arena_printf(
        seeds->arena,
        "isolation: %s parameter %s of module %d takes gradient from loss %s of module %d (node %%%u)",
        state->is_aux ? "auxiliary" : "backbone", state->name, state->module, loss->name, loss->module,
        gradient);
  }
  return NULL;
}

static const char *check_update(const Seeds *seeds, const Node *update) {
  const char *wrong = NULL;
  for (int i = 0; i < update->n_states && !wrong; i++)
    wrong = check_gradient(seeds, update->state + i, update->in[i + 1]);
  return wrong;
}

const char *verify_isolation(const Graph *graph, Arena *arena) {
  if (graph->n_losses == 0) return NULL;
  Seeds seeds = {graph, arena, all_reaches(graph, arena), (graph->n_losses + WORD_BITS - 1) / WORD_BITS,
                 NULL};
  seeds.words = ARENA_ARRAY(arena, uint64_t, (size_t)graph->n_nodes * (size_t)seeds.n_words);
  for (NodeId id = 1; id < graph->n_nodes; id++) collect(&seeds, id);
  const char *wrong = NULL;
  for (StateId id = 0; id < graph->n_grads && !wrong; id++)
    wrong = check_gradient(&seeds, id, graph->grads[id]);
  for (NodeId id = 1; id < graph->n_nodes && !wrong; id++)
    if (op_is_optimiser(graph, graph_node(graph, id))) wrong = check_update(&seeds, graph_node(graph, id));
  return wrong;
}
