// `statistics N of UNITS`: how often the running statistics of a module's batch norms move in a step. The
// batch gives them one value b however often the module runs, so N moves with momentum u,
//   r <- (1 - u) r + u b,
// are one with momentum 1 - (1 - u)^N.
#include "compiler/sema/internal.h"

#include <math.h>

enum { MOST_REPEATS = 10000 };

void statistics_begin(Sema *sema, Build *build) {
  build->repeats = ARENA_ARRAY(sema->arena, int, build->n_units + 1);
  for (int u = 0; u < build->n_units; u++) build->repeats[u] = 1;
}

// Only units of the present module count: an auxiliary is written once for all modules.
static void repeat_units(Build *build, int first, int n_units, int n) {
  for (int u = first; u < first + n_units; u++)
    if (build->units[u].module == build->module) build->repeats[u] = n;
}

static bool repeat_named(Sema *sema, Value value, int n) {
  Build *build = sema->build;
  if (value.kind == VAL_LIST) {
    bool ok = true;
    for (int i = 0; i < value.list->n && ok; i++) ok = repeat_named(sema, value.list->items[i], n);
    return ok;
  }
  if (value.kind == VAL_UNIT) {
    repeat_units(build, value.index, 1, n);
    return true;
  }
  if (value.kind == VAL_STAGE) {
    repeat_units(build, build->stages[value.index].first_unit, build->stages[value.index].n_units, n);
    return true;
  }
  if (value.kind != VAL_ERROR)
    sema_error(sema, value.span, "the statistics of a stage or of blocks like %s are meant, this is %s",
               unit_word(sema, 0), value_describe(sema, value));
  return false;
}

void statistics_statement(Sema *sema, Body *body, const Ast *statement) {
  int64_t n;
  bool ok = expect_whole(sema, eval(sema, body->env, statement->kids[0]),
                         "how often statistics move in a step", 0, MOST_REPEATS, &n);
  if (ok && !statement->kids[1])
    repeat_units(sema->build, 0, sema->build->n_units, (int)n);
  else if (ok)
    ok = repeat_named(sema, eval(sema, body->env, statement->kids[1]), (int)n);
  body->is_failed |= !ok;
}

void statistics_apply(Build *build) {
  Graph *graph = build->graph;
  int momentum = op_attr_index(OP_bn_stats, "momentum");
  for (NodeId id = 1; id < build->n_unit_nodes; id++) {
    Node *node = graph_node(graph, id);
    int n = build->repeats[build->node_units[id]];
    if (node->op == OP_bn_stats && n != 1) node->attr[momentum].r = 1 - pow(1 - node->attr[momentum].r, n);
  }
}
