// What can be written but cannot be meant: a loss that trains nothing, weights that nothing trains, weights
// that two modules train, definitions that nothing uses.
#include "compiler/sema/internal.h"

#include <string.h>

// Which nodes a loss's gradient reaches: its inputs, transitively, but not through `stop`, and through a tap
// only as far as its reach, which ends on the backbone. `marked` is shared by all losses.
typedef struct Walk {
  const Graph *graph;
  bool *is_reached;
  int n_trained; // states reached by this loss
} Walk;

static bool is_trained_state(const Graph *graph, const Node *node) {
  return node->op == OP_state && state_get(graph->states, node->state)->kind == STATE_PARAM;
}

// Marks what the gradient of `from` reaches; nodes are visited from the last to the first, so one sweep is
// enough.
static bool reaches_weights(Walk *walk, NodeId from, int first_module) {
  const Graph *graph = walk->graph;
  bool *here = ARENA_ARRAY(graph->arena, bool, graph->n_nodes);
  bool is_trained = false;
  here[from] = true;
  for (NodeId id = from; id > 0; id--) {
    if (!here[id]) continue;
    const Node *node = graph_node(graph, id);
    walk->is_reached[id] = true;
    if (!node->is_aux && node->module < first_module) continue;
    is_trained |= is_trained_state(graph, node);
    if (node->op == OP_stop || node->op == OP_bn_stats) continue;
    for (int i = 0; i < node->n_in; i++) {
      const Node *input = graph_node(graph, node->in[i]);
      if (input->is_aux || input->module >= first_module || input->op == OP_state) here[node->in[i]] = true;
    }
  }
  return is_trained;
}

// The module furthest back that a loss reaches: the longest tap below it.
static int first_module_of(const Graph *graph, const Loss *loss) {
  bool *here = ARENA_ARRAY(graph->arena, bool, graph->n_nodes);
  int first = loss->module + 1; // no tap: no backbone
  here[loss->value] = true;
  for (NodeId id = loss->value; id > 0; id--) {
    if (!here[id]) continue;
    const Node *node = graph_node(graph, id);
    if (node->op == OP_stop) continue;
    if (node->op == OP_tap) {
      int reached = loss->module + 1 - (int)node->attr[op_attr_index(OP_tap, "reach")].i;
      if (reached < first) first = reached;
      continue;
    }
    for (int i = 0; i < node->n_in; i++) here[node->in[i]] = true;
  }
  return first;
}

static bool check_losses(Sema *sema, Walk *walk) {
  const Graph *graph = walk->graph;
  bool ok = true;
  for (int i = 0; i < graph->n_losses; i++) {
    const Loss *loss = &graph->losses[i];
    if (reaches_weights(walk, loss->value, first_module_of(graph, loss))) continue;
    sema_error(sema, loss->span, "this loss trains nothing: no gradient flows from it to a weight");
    ok = false;
  }
  return ok;
}

static NodeId reader_of(const Graph *graph, StateId state) {
  for (NodeId id = 1; id < graph->n_nodes; id++)
    if (graph_node(graph, id)->op == OP_state && graph_node(graph, id)->state == state) return id;
  return NO_NODE;
}

static Span origin_of(const Sema *sema, StateId state) {
  const Build *build = sema->backbone;
  if (state < build->origin_capacity && build->origins[state].file) return build->origins[state];
  return state_get(build->graph->states, state)->span;
}

static bool report_untrained(Sema *sema, const Graph *graph, StateId id, int n_more) {
  const State *state = state_get(graph->states, id);
  const char *others =
      n_more ? arena_printf(sema->arena, " and %d other%s", n_more, n_more == 1 ? "" : "s") : "";
  if (state->is_aux) {
    sema_error(sema, origin_of(sema, id), "nothing trains this: no loss depends on it (weights %s%s)",
               state->name, others);
    return false;
  }
  sema_error(sema, graph->modules[state->module].span, "nothing trains %s: no loss reaches it (weights %s%s)",
             graph->modules[state->module].name, state->name, others);
  sema_note(sema, origin_of(sema, id), "it begins here");
  return false;
}

// One report a module and kind: the first untrained weight stands for the others.
static bool check_untrained(Sema *sema, const Walk *walk) {
  const Graph *graph = walk->graph;
  StateId first_id = NO_STATE;
  const State *first = NULL;
  int n = 0;
  for (StateId id = 0; id < graph->states->n; id++) {
    const State *state = state_get(graph->states, id);
    if (state->kind != STATE_PARAM) continue;
    NodeId reader = reader_of(graph, id);
    if (reader != NO_NODE && walk->is_reached[reader]) continue;
    if (first && (state->module != first->module || state->is_aux != first->is_aux)) continue;
    if (first)
      n++;
    else
      first_id = id;
    first = state_get(graph->states, first_id);
  }
  return !first || report_untrained(sema, graph, first_id, n);
}

static bool feeds_only_stops(const Graph *graph, NodeId state_reader) {
  for (NodeId id = state_reader + 1; id < graph->n_nodes; id++) {
    const Node *node = graph_node(graph, id);
    for (int i = 0; i < node->n_in; i++)
      if (node->in[i] == state_reader && node->op != OP_stop) return false;
  }
  return true;
}

// A weight lives in one module, and in its backbone or its auxiliary.
static bool check_owners(Sema *sema, const Graph *graph) {
  for (NodeId id = 1; id < graph->n_nodes; id++) {
    const Node *node = graph_node(graph, id);
    if (!is_trained_state(graph, node)) continue;
    const State *state = state_get(graph->states, node->state);
    if ((state->module == node->module && state->is_aux == node->is_aux) || feeds_only_stops(graph, id))
      continue;
    sema_error(sema, node->span,
               "the weights of one network would be trained by two modules: %s belongs to %s, this is %s",
               state->name, graph->modules[state->module].name, graph->modules[node->module].name);
    sema_note(sema, origin_of(sema, node->state), "it was first applied here");
    return false;
  }
  return true;
}

bool check_training(Sema *sema) {
  const Graph *graph = sema->backbone->graph;
  Walk walk = {.graph = graph, .is_reached = ARENA_ARRAY(sema->arena, bool, graph->n_nodes)};
  return check_owners(sema, graph) && check_losses(sema, &walk) && check_untrained(sema, &walk);
}

void check_unused(Sema *sema) {
  for (Item *item = sema->items; item && !sema->split; item = item->next) {
    bool is_chosen_from = (item->kind == AST_AUXILIARY && !sema->wanted_auxiliary) ||
                          (item->kind == AST_ENTRY && !sema->wanted_entry);
    if (is_chosen_from && item->depth == 0 && !item->is_used)
      sema_error(sema, item->ast->kids[0]->span, "%s %s is not used: there is no `split`",
                 ast_kind_word(item->kind), item->name);
  }
}
