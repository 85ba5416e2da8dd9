// Cutting the backbone into modules.
#include "compiler/sema/internal.h"

#include <string.h>

static int end_of_stage(const Build *build, int stage) {
  return build->stages[stage].first_unit + build->stages[stage].n_units - 1;
}

// ---- the rules
// ----------------------------------------------------------------------------------------------------

// Collects the units that end modules, in the order written.
static bool collect_ends(Sema *sema, Value value, Value *ends, int *n, int capacity) {
  if (value.kind == VAL_ERROR) return false;
  if (value.kind == VAL_LIST) {
    for (int i = 0; i < value.list->n; i++)
      if (!collect_ends(sema, value.list->items[i], ends, n, capacity)) return false;
    return true;
  }
  if (value.kind == VAL_STAGE)
    value = (Value){.kind = VAL_UNIT, .span = value.span, .index = end_of_stage(sema->backbone, value.index)};
  if (value.kind != VAL_UNIT) {
    sema_error(sema, value.span, "a split comes behind a block like %s, this is %s", unit_word(sema, 0),
               value_describe(sema, value));
    return false;
  }
  if (*n < capacity)
    ends[(*n)++] = value;
  else
    sema_error(sema, value.span, "more splits than blocks");
  return *n < capacity;
}

static bool check_order(Sema *sema, const Value *ends, int n) {
  const Build *backbone = sema->backbone;
  for (int i = 0; i < n; i++) {
    if (i > 0 && ends[i].index <= ends[i - 1].index) {
      sema_error(sema, ends[i].span, "the split behind %s does not come after the one behind %s",
                 unit_word(sema, ends[i].index), unit_word(sema, ends[i - 1].index));
      return false;
    }
    if (ends[i].index == backbone->n_units - 1) {
      sema_error(sema, ends[i].span, "a split behind %s would leave nothing for the last module",
                 unit_word(sema, ends[i].index));
      return false;
    }
  }
  return true;
}

static bool split_at(Sema *sema, const Ast *at) {
  Build *backbone = sema->backbone;
  int n = 0, capacity = backbone->n_units + 1;
  Value *ends = ARENA_ARRAY(sema->arena, Value, capacity);
  for (int i = 0; i < at->n_kids; i++)
    if (!collect_ends(sema, eval(sema, backbone->outside, at->kids[i]), ends, &n, capacity)) return false;
  if (!check_order(sema, ends, n)) return false;
  int module = 0;
  for (int u = 0; u < backbone->n_units; u++) {
    backbone->units[u].module = module;
    if (module < n && ends[module].index == u) module++;
  }
  backbone->n_modules = n + 1;
  return true;
}

// Units are dealt evenly, the first modules take the remainder; the tail goes with the last.
static bool split_into(Sema *sema, const Item *model, const Ast *into) {
  Build *backbone = sema->backbone;
  int64_t n_modules;
  int n_units = unit_count_splittable(backbone);
  if (into->kids[1] && strcmp(into->kids[1]->text, "blocks") != 0) {
    sema_error(sema, into->kids[1]->span, "modules are dealt `at blocks`, not at `%s`", into->kids[1]->text);
    return false;
  }
  Value count = eval(sema, backbone->outside, into->kids[0]);
  double wanted;
  if (!expect_number(sema, count, "the number of modules", &wanted)) return false;
  if (wanted > n_units) {
    sema_error(sema, count.span, "%g modules cannot be made of the %d blocks of %s", wanted, n_units,
               model->name);
    sema_note(sema, NO_SPAN, "its blocks are %s to %s", unit_word(sema, 0), unit_word(sema, n_units - 1));
    return false;
  }
  if (!expect_whole(sema, count, "the number of modules", 1, n_units, &n_modules)) return false;
  int each = n_units / (int)n_modules, more = n_units % (int)n_modules, unit = 0;
  for (int m = 0; m < n_modules; m++)
    for (int i = 0; i < each + (m < more); i++) backbone->units[unit++].module = m;
  for (; unit < backbone->n_units; unit++) backbone->units[unit].module = (int)n_modules - 1;
  backbone->n_modules = (int)n_modules;
  return true;
}

bool split_resolve(Sema *sema, const Item *model) {
  sema->backbone->n_modules = 1;
  if (!sema->split) return true;
  const Ast *rule = sema->split->ast->kids[2];
  return rule->kind == AST_INTO ? split_into(sema, model, rule) : split_at(sema, rule);
}

// ---- the modules of a graph
// ---------------------------------------------------------------------------------------

static const char *module_name(Sema *sema, const Build *build, int module) {
  int first = -1, last = -1;
  for (int u = 0; u < build->n_units; u++) {
    if (build->units[u].module != module) continue;
    if (first < 0) first = u;
    last = u;
  }
  if (first == last) return arena_printf(sema->arena, "module %d (%s)", module, unit_word(sema, first));
  const char *between = last == first + 1 ? ", " : " .. ";
  return arena_printf(sema->arena, "module %d (%s%s%s)", module, unit_word(sema, first), between,
                      unit_word(sema, last));
}

static void number_modules(Build *build) {
  Graph *graph = build->graph;
  for (NodeId id = 1; id < graph->n_nodes; id++) {
    Node *node = graph_node(graph, id);
    node->module = build->units[node->module].module;
  }
  for (StateId id = 0; id < graph->states->n && !build->is_replay; id++) {
    State *state = state_get(graph->states, id);
    state->module = build->units[state->module].module;
  }
}

void split_apply(Sema *sema, Build *build, const Build *like, Span span) {
  Graph *graph = build->graph;
  build->n_modules = like ? like->n_modules : 1;
  for (int u = 0; u < build->n_units; u++) build->units[u].module = like ? like->units[u].module : 0;
  graph->n_modules = build->n_modules;
  graph->modules = ARENA_ARRAY(sema->arena, Module, build->n_modules);
  for (int m = 0; m < build->n_modules; m++)
    graph->modules[m] = (Module){.name = module_name(sema, build, m), .span = span};
  for (int u = 0; u < build->n_units; u++)
    graph->modules[build->units[u].module].output = build->units[u].output;
  for (int m = 1; m < build->n_modules; m++) graph->modules[m].input = graph->modules[m - 1].output;
  number_modules(build);
}

static bool may_cross(const Graph *graph, const Node *reader, NodeId read) {
  const Node *node = graph_node(graph, read);
  if (node->op == OP_input || node->op == OP_state || node->module == reader->module) return true;
  return node->module == reader->module - 1 && graph->modules[node->module].output == read;
}

bool split_check_borders(Sema *sema, const Build *build) {
  const Graph *graph = build->graph;
  for (NodeId id = 1; id < graph->n_nodes; id++) {
    const Node *node = graph_node(graph, id);
    for (int i = 0; i < node->n_in; i++) {
      if (may_cross(graph, node, node->in[i])) continue;
      const Node *read = graph_node(graph, node->in[i]);
      sema_error(sema, node->span, "%s reads a value from inside %s: a split lies between them",
                 graph->modules[node->module].name, graph->modules[read->module].name);
      sema_note(sema, read->span, "the value is made here; only a module's output is handed to the next");
      sema_note(sema, graph->modules[0].span, "the split is made here");
      return false;
    }
  }
  return true;
}
