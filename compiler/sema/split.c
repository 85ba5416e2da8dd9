// Cutting the backbone into modules.
#include "compiler/sema/internal.h"

#include <string.h>

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
  if (value.kind == VAL_STAGE) value = unit_value(unit_end_of_stage(sema->backbone, value.index), value.span);
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

// Cuts behind the units of a list; `wanted` modules must come of it (0: however many).
static bool cut(Sema *sema, Value places, int wanted) {
  Build *backbone = sema->backbone;
  int n = 0, capacity = backbone->n_units + 1, module = 0;
  Value *ends = ARENA_ARRAY(sema->arena, Value, capacity);
  if (!collect_ends(sema, places, ends, &n, capacity) || !check_order(sema, ends, n)) return false;
  if (wanted && n + 1 != wanted) {
    sema_error(sema, places.span, "%d place%s to split at make%s %d modules, not %d", n, n == 1 ? "" : "s",
               n == 1 ? "s" : "", n + 1, wanted);
    sema_note(sema, sema->split->ast->kids[1]->kids[0]->span, "the number of modules is given here");
    return false;
  }
  for (int u = 0; u < backbone->n_units; u++) {
    backbone->units[u].module = module;
    if (module < n && ends[module].index == u) module++;
  }
  backbone->n_modules = n + 1;
  ValueList list = {.items = ends, .n = n};
  Span span = sema->split->ast->kids[1]->span;
  parameter_note(sema, "split", (Value){.kind = VAL_LIST, .span = span, .list = &list}, span);
  return true;
}

static bool split_at(Sema *sema, const Ast *at) {
  Value places = value_list(sema, at->span);
  for (int i = 0; i < at->n_kids; i++)
    value_list_add(sema, places.list, eval(sema, sema->backbone->outside, at->kids[i]));
  return cut(sema, places, 0);
}

static bool expect_modules(Sema *sema, Value count, int *out) {
  double wanted;
  int64_t whole;
  int n_units = unit_count_splittable(sema->backbone);
  if (!expect_number(sema, count, "the number of modules", &wanted)) return false;
  if (wanted > n_units) {
    sema_error(sema, count.span, "%g modules cannot be made of the %d blocks of %s", wanted, n_units,
               sema->model->item->name);
    sema_note(sema, NO_SPAN, "its blocks are %s to %s", unit_word(sema, 0), unit_word(sema, n_units - 1));
    return false;
  }
  if (!expect_whole(sema, count, "the number of modules", 1, n_units, &whole)) return false;
  *out = (int)whole;
  return true;
}

// The first modules take the remainder; the tail goes with the last.
Value split_even(Sema *sema, Value count, Span span) {
  int n_modules, n_units = unit_count_splittable(sema->backbone);
  if (!expect_modules(sema, count, &n_modules)) return value_error(span);
  int each = n_units / n_modules, more = n_units % n_modules, end = -1;
  Value places = value_list(sema, span);
  for (int m = 0; m + 1 < n_modules; m++) {
    end += each + (m < more);
    value_list_add(sema, places.list, unit_value(end, span));
  }
  return places;
}

// Looks up the trained model, then the number of modules; what the table does not list is dealt evenly.
static Value listed_places(Sema *sema, Value table, Value count) {
  Value model = {.kind = VAL_ITEM, .span = table.span, .reference = sema->model}, places = table;
  if (places.kind == VAL_TABLE) table_find(sema, table.table, model, &places);
  if (places.kind == VAL_TABLE && !table_find(sema, places.table, count, &places))
    return split_even(sema, count, count.span);
  if (places.kind == VAL_LIST || places.kind == VAL_ERROR) return places;
  sema_error(sema, table.span, "modules are dealt at a table of places, this is %s",
             value_describe(sema, places));
  sema_note(sema, NO_SPAN, "`at blocks` deals them evenly");
  return value_error(table.span);
}

static bool split_into(Sema *sema, const Ast *into) {
  const Ast *at = into->kids[1];
  Env *env = sema->backbone->outside;
  Value count = eval(sema, env, into->kids[0]);
  int n_modules;
  if (!expect_modules(sema, count, &n_modules)) return false;
  if (!at || (at->kind == AST_NAME && !strcmp(at->text, "blocks")))
    return cut(sema, split_even(sema, count, count.span), n_modules);
  Value table = eval(sema, env, at);
  if (table.kind != VAL_ERROR) return cut(sema, listed_places(sema, table, count), n_modules);
  sema_note(sema, NO_SPAN, "modules are dealt `at blocks` or at a table of places");
  return false;
}

// One module for now: which split fits is known only when splits have been planned (see Model.memory_limit).
static bool split_within(Sema *sema, const Ast *within) {
  static const char *const units[] = {"KiB", "MiB", "GiB"};
  const Ast *unit = within->kids[1];
  double size, bytes = 1;
  int u = 0;
  while (u < 3 && strcmp(unit->text, units[u]) != 0) u++;
  if (u == 3) {
    sema_error(sema, unit->span, "memory is given in KiB, MiB or GiB, not %s", unit->text);
    return false;
  }
  Value value = eval(sema, sema->backbone->outside, within->kids[0]);
  if (!expect_number(sema, value, "the memory to stay within", &size)) return false;
  for (int i = 0; i <= u; i++) bytes *= 1024;
  if (size * bytes >= 1 && size * bytes < 1e18) {
    sema->memory_limit = (int64_t)(size * bytes);
    return true;
  }
  sema_error(sema, value.span, "the memory to stay within must be from 1 to 10^18 bytes, not %g %s", size,
             unit->text);
  return false;
}

static bool expect_word(Sema *sema, const Ast *word, const char *wanted) {
  if (!strcmp(word->text, wanted)) return true;
  sema_error(sema, word->span, "modules are dealt `at` blocks or `balanced by` what they take, not `%s`",
             word->text);
  return false;
}

// As for `within`: what modules take is known when splits have been planned.
static bool split_balanced(Sema *sema, const Ast *rule) {
  static const char *const measures[] = {
      [BALANCE_BYTES] = "bytes", [BALANCE_FLOPS] = "flops", [BALANCE_PARAMETERS] = "parameters"};
  const Ast *measure = rule->kids[3];
  if (!expect_word(sema, rule->kids[1], "balanced") || !expect_word(sema, rule->kids[2], "by")) return false;
  Balance balance = BALANCE_BYTES;
  while (balance <= BALANCE_PARAMETERS && strcmp(measure->text, measures[balance]) != 0) balance++;
  if (balance > BALANCE_PARAMETERS) {
    sema_error(sema, measure->span, "modules are balanced by bytes, flops or parameters, not by %s",
               measure->text);
    return false;
  }
  int n_modules;
  if (!expect_modules(sema, eval(sema, sema->backbone->outside, rule->kids[0]), &n_modules)) return false;
  if (n_modules > 1) sema->balance = balance, sema->n_balanced = n_modules;
  return true;
}

bool split_resolve(Sema *sema) {
  sema->backbone->n_modules = 1;
  if (!sema->split && sema->options->memory_limit > 0) {
    sema_error(sema, sema->model->item->ast->kids[0]->span,
               "memory is saved by splitting, and there is no `split` of %s", sema->model->item->name);
    sema_note(sema, NO_SPAN, "--set train.recompute=on saves some end to end; `plan` says how much");
    return false;
  }
  if (!sema->split) return true;
  const Ast *rule = sema->split->ast->kids[1], *places = override_take(sema, "split");
  if (places) return cut(sema, eval(sema, sema->backbone->outside, places), 0);
  sema->memory_limit = sema->options->memory_limit;
  if (sema->memory_limit > 0) return true;
  if (rule->kind == AST_WITHIN) return split_within(sema, rule);
  if (rule->kind == AST_BALANCED) return split_balanced(sema, rule);
  return rule->kind == AST_INTO ? split_into(sema, rule) : split_at(sema, rule);
}

void split_places(Sema *sema, Model *model) {
  model->memory_limit = sema->memory_limit;
  model->balance = sema->balance;
  model->n_balanced = sema->n_balanced;
  model->n_places = unit_count_splittable(sema->backbone) - 1;
  const char **places = ARENA_ARRAY(sema->arena, const char *, model->n_places + 1);
  for (int i = 0; i < model->n_places; i++) places[i] = unit_word(sema, i);
  model->places = places;
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

static void number_modules(Sema *sema, Build *build) {
  Graph *graph = build->graph;
  build->n_unit_nodes = graph->n_nodes;
  build->node_units = ARENA_ARRAY(sema->arena, int, graph->n_nodes);
  for (NodeId id = 1; id < graph->n_nodes; id++) {
    Node *node = graph_node(graph, id);
    build->node_units[id] = node->module;
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
  number_modules(sema, build);
}

static bool may_cross(const Graph *graph, const Node *reader, NodeId read) {
  const Node *node = graph_node(graph, read);
  if (node->op == OP_input || node->op == OP_state || node->module == reader->module) return true;
  bool is_output = node->module < reader->module && graph->modules[node->module].output == read;
  return is_output && (node->module == reader->module - 1 || reader->op == OP_stop);
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
