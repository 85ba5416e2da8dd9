// The entry: what a module but the first does with the tensor handed to it, before its first unit. It belongs to
// the network: the nodes and weights are the backbone's and of the module that is entered.
//
// Which units begin modules is known only after the split, which needs the units. So a backbone with an entry is
// elaborated twice: once to find the units and cut them, and again, `like` the first, with the entries.
#include "compiler/sema/internal.h"

bool entry_insert(Sema *sema, const Item *model, const Args *args, StateTable **states) {
  bool is_failed = false;
  Build *plain = sema->backbone;
  if (plain->n_modules == 1 && !sema->wanted_entry) return true;
  const Reference *entry = reference_choose(sema, AST_ENTRY, sema->wanted_entry,
                                            "name the one to use with `train { entry NAME }`", &is_failed);
  if (!entry || plain->n_modules == 1) return !is_failed;
  sema->entry = entry;
  *states = state_table_new(sema->arena);
  Build *build = model_elaborate(sema, model, args, *states, true, false, plain);
  if (!build) return false;
  split_apply(sema, build, plain, plain->graph->modules[0].span);
  sema->backbone = build;
  return true;
}

// ---- one evaluation
// -------------------------------------------------------------------------------------------------

static Env *names_of(Sema *sema, int module, Value x) {
  const Graph *graph = sema->build->graph;
  Env *env = env_new(sema, sema->backbone->outside);
  env_set(sema, env, graph_node(graph, graph->image)->name, value_tensor(graph->image, x.span));
  env_set(sema, env, "index", value_number(module, x.span));
  env_set(sema, env, "modules", value_number(sema->build->like->n_modules, x.span));
  env_set(sema, env, "x", x);
  return env_new(sema, env);
}

static Value evaluate(Sema *sema, int module, Value x) {
  const Ast *ast = sema->entry->item->ast, *name = ast->kids[0];
  const char *what = arena_printf(sema->arena, "entry %s", name->text);
  Body body = {.kind = BODY_ENTRY, .env = names_of(sema, module, x)};
  if (!args_bind_formals(sema, reference_args(sema, sema->entry), what, ast->kids[1], name->text, body.env))
    return value_error(x.span);
  body_run(sema, &body, ast->kids[2]);
  if (body.is_returned || body.is_failed) return body.result;
  sema_error(sema, name->span, "entry %s returns nothing", name->text);
  return value_error(x.span);
}

// The first unit of the module goes on with it as with what it was handed.
static Value expect_same_shape(Sema *sema, Value result, Value handed) {
  NodeId node;
  if (!expect_tensor(sema, result, "what an entry returns", &node)) return value_error(handed.span);
  Shape returned = tensor_shape(sema, node), wanted = tensor_shape(sema, handed.node);
  if (shape_equal(returned, wanted)) return result;
  sema_error(sema, result.span, "entry %s returns %s, but the module it opens takes %s",
             sema->entry->item->name, shape_text(sema->arena, returned), shape_text(sema->arena, wanted));
  sema_note(sema, tensor_node(sema, handed.node)->span, "this is what the module is handed");
  return value_error(handed.span);
}

static bool begins_module(const Build *build, int unit) {
  const Unit *units = build->like->units;
  return unit > 0 && unit < build->like->n_units && units[unit].module != units[unit - 1].module;
}

Value entry_pass(Sema *sema, Value handed) {
  Build *build = sema->build;
  int unit = build->n_units - 1;
  if (handed.kind != VAL_TENSOR || !sema->entry || !build->like || !begins_module(build, unit)) return handed;
  const Module *module = &build->like->graph->modules[build->like->units[unit].module];
  build->entered = (int)(module - build->like->graph->modules);
  Frame frame = {module->span,
                 arena_printf(sema->arena, "in entry %s of %s", sema->entry->item->name, module->name),
                 sema->frame, false};
  Scope *outer = sema->scope;
  Place place = {.path = arena_printf(sema->arena, "entry%d", build->entered), .is_replay = build->is_replay};
  sema->frame = &frame;
  sema->scope = scope_new(sema, place);
  build->is_entry = true;
  build->handed = handed.node;
  Value result = expect_same_shape(sema, evaluate(sema, build->entered, handed), handed);
  build->is_entry = false;
  sema->scope = outer;
  sema->frame = frame.outer;
  return result;
}

// ---- previous
// -------------------------------------------------------------------------------------------------------

static NodeId output_of(const Build *build, int module) {
  NodeId output = NO_NODE;
  for (int u = 0; u < build->n_units; u++)
    if (build->like->units[u].module == module) output = build->units[u].output;
  return output;
}

Value entry_previous(Sema *sema, Value argument, bool is_given, Span span) {
  int64_t n = 1;
  if (!sema->build || !sema->build->is_entry) {
    sema_error(sema, span, "previous is only known in an `entry`");
    return value_error(span);
  }
  if (is_given && !expect_whole(sema, argument, "the argument of previous", 1, 100000, &n))
    return value_error(span);
  int entered = sema->build->entered;
  if (n > entered) {
    sema_error(sema, span,
               "previous(%lld) reaches further back than there are modules: module %d has %d before it",
               (long long)n, entered, entered);
    sema_note(sema, NO_SPAN, "previous(min(%lld, index)) reaches as far as there are", (long long)n);
    return value_error(span);
  }
  if (n == 1) return value_tensor(sema->build->handed, span);
  NodeId output = output_of(sema->build, entered - (int)n);
  return value_tensor(tensor_op(sema, OP_stop, &output, 1, NULL, NULL, span), span);
}
