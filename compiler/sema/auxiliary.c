// The auxiliary, evaluated once at every split; auxiliaries applied to a tensor inside it; the losses of the
// last module.
#include "compiler/sema/internal.h"

NodeId auxiliary_tap(Sema *sema, int reach, Span span) {
  Build *build = sema->build;
  if (build->taps[reach]) return build->taps[reach];
  Attr *attrs = tensor_attrs(sema, OP_tap);
  attr_set(OP_tap, attrs, "reach", reach);
  NodeId output = build->graph->modules[build->module].output;
  if (span.file == 0) span = graph_node(build->graph, output)->span;
  return build->taps[reach] = tensor_op(sema, OP_tap, &output, 1, attrs, NULL, span);
}

// ---- one evaluation
// -------------------------------------------------------------------------------------------------

// What a body at the present module sees, x being `x`.
static Env *names_at(Sema *sema, Value x, Span span) {
  Build *build = sema->build;
  const Graph *graph = build->graph;
  Env *env = env_new(sema, build->outside);
  env_set(sema, env, graph_node(graph, graph->image)->name, value_tensor(graph->image, span));
  env_set(sema, env, "label", value_tensor(graph->label, span));
  env_set(sema, env, "index", value_number(build->module, span));
  env_set(sema, env, "modules", value_number(build->n_modules, span));
  env_set(sema, env, "x", x);
  return env_new(sema, env);
}

static void begin(Sema *sema, int module, const char *path) {
  Build *build = sema->build;
  build->is_aux = true;
  build->module = module;
  build->taps = ARENA_ARRAY(sema->arena, NodeId, build->n_modules + 1);
  sema->scope = scope_new(sema, (Place){.path = path});
}

static void end(Sema *sema) {
  sema->build->is_aux = false;
  sema->scope = NULL;
}

static Value output_of_module(Sema *sema, Span span) {
  return value_tensor(auxiliary_tap(sema, 1, NO_SPAN), span);
}

// Evaluates the body of an auxiliary for one tensor.
static bool evaluate(Sema *sema, Item *auxiliary, const Args *args, Value x, LossList *losses) {
  const Ast *name = auxiliary->ast->kids[0];
  const char *what = arena_printf(sema->arena, "auxiliary %s", auxiliary->name);
  Body body = {.kind = BODY_AUXILIARY, .env = names_at(sema, x, name->span), .losses = losses};
  if (!args_bind_formals(sema, args, what, auxiliary->ast->kids[1], auxiliary->name, body.env)) return false;
  auxiliary->state = ITEM_RUNNING;
  body_run(sema, &body, auxiliary->ast->kids[2]);
  auxiliary->state = ITEM_DONE;
  return !body.is_failed;
}

static bool evaluate_at(Sema *sema, Item *auxiliary, const Args *args, int module) {
  const Module *m = &sema->build->graph->modules[module];
  Frame frame = {m->span, arena_printf(sema->arena, "in auxiliary %s behind %s", auxiliary->name, m->name),
                 NULL, false};
  LossList losses = {0};
  sema->frame = &frame;
  begin(sema, module, arena_printf(sema->arena, "aux%d", module));
  Value x = output_of_module(sema, auxiliary->ast->kids[0]->span);
  bool ok = evaluate(sema, auxiliary, args, x, &losses);
  losses_publish(sema, &losses);
  end(sema);
  sema->frame = NULL;
  return ok;
}

// ---- an auxiliary applied to a tensor
// -----------------------------------------------------------------------------

static bool may_apply(Sema *sema, const Item *auxiliary, Span span) {
  if (!sema->build || !sema->build->is_aux) {
    sema_error(sema, span,
               "auxiliary %s is applied in an auxiliary or in `final`: its losses belong to a module",
               auxiliary->name);
    return false;
  }
  if (auxiliary->state != ITEM_RUNNING) return true;
  sema_error(sema, span, "auxiliary %s applies itself", auxiliary->name);
  return false;
}

// The tensor that it is applied to: the piped one, or the first argument, which is taken from `args`.
static bool take_tensor(Sema *sema, const Item *auxiliary, Args *args, const Value *piped, Value *x) {
  NodeId node;
  *x = piped ? *piped : args->positional[0];
  if (!piped) {
    args->positional++;
    args->n_positional--;
  }
  const char *what = arena_printf(sema->arena, "what auxiliary %s is applied to", auxiliary->name);
  return expect_tensor(sema, *x, what, &node);
}

Value auxiliary_apply(Sema *sema, Value callee, Args *args, const Value *piped, Span span) {
  Value x;
  Item *auxiliary = callee.reference->item;
  if (!may_apply(sema, auxiliary, span) || !take_tensor(sema, auxiliary, args, piped, &x))
    return value_error(span);
  Value reference = reference_call(sema, callee, args, span);
  if (reference.kind == VAL_ERROR) return reference;
  Frame frame = {span, arena_printf(sema->arena, "in auxiliary %s, applied here", auxiliary->name),
                 sema->frame, false};
  LossList *losses = ARENA_NEW(sema->arena, LossList);
  Scope *outer = sema->scope;
  const char *name = scope_name(sema, outer, auxiliary->name, true);
  sema->frame = &frame;
  sema->scope = scope_new(sema, place_inside(sema, outer->place, name));
  bool ok = evaluate(sema, auxiliary, reference_args(sema, reference.reference), x, losses);
  sema->scope = outer;
  sema->frame = frame.outer;
  return ok ? (Value){.kind = VAL_LOSSES, .span = span, .losses = losses} : value_error(span);
}

// ---- the last module
// ----------------------------------------------------------------------------------------------

void auxiliary_default_loss(Sema *sema, Build *build, Span span) {
  sema->build = build;
  begin(sema, build->n_modules - 1, "final");
  NodeId in[] = {auxiliary_tap(sema, 1, span), build->graph->label};
  NodeId loss = tensor_op(sema, OP_cross_entropy, in, 2, tensor_attrs(sema, OP_cross_entropy), NULL, span);
  LossList losses = {0};
  losses_add(sema, &losses, value_tensor(loss, span), NULL, span);
  losses_publish(sema, &losses);
  end(sema);
  sema->build = NULL;
}

static bool evaluate_final(Sema *sema, const Item *final, const Item *model) {
  Build *build = sema->build;
  if (!final) {
    auxiliary_default_loss(sema, build, model->ast->kids[0]->span);
    sema->build = build;
    return true;
  }
  LossList losses = {0};
  begin(sema, build->n_modules - 1, "final");
  build->is_final = true;
  Span span = final->ast->span;
  Body body = {
      .kind = BODY_AUXILIARY, .env = names_at(sema, output_of_module(sema, span), span), .losses = &losses};
  body_run(sema, &body, final->ast->kids[0]);
  losses_publish(sema, &losses);
  build->is_final = false;
  end(sema);
  return !body.is_failed;
}

// The auxiliary with its arguments; with one module none is needed.
static const Reference *choose(Sema *sema, bool *is_failed) {
  if (sema->backbone->n_modules == 1 && !sema->wanted_auxiliary) return NULL;
  const Reference *auxiliary =
      reference_choose(sema, AST_AUXILIARY, sema->wanted_auxiliary,
                       "name the one to use with `train { auxiliary NAME }`", is_failed);
  if (sema->backbone->n_modules == 1 || auxiliary || *is_failed) return auxiliary;
  sema_error(sema, sema->split->ast->span,
             "%d modules need an `auxiliary`, which gives each but the last its losses",
             sema->backbone->n_modules);
  *is_failed = true;
  return NULL;
}

bool auxiliary_elaborate(Sema *sema, const Item *model) {
  bool is_failed = false;
  const Reference *auxiliary = choose(sema, &is_failed);
  if (is_failed) return false;
  Item *final = item_only(sema, AST_FINAL, "keep one", &is_failed);
  if (is_failed) return false;
  Build *build = sema->build = sema->backbone;
  const Args *args = auxiliary ? reference_args(sema, auxiliary) : NULL;
  bool ok = true;
  statistics_begin(sema, build);
  for (int m = 0; m + 1 < build->n_modules && ok; m++) ok = evaluate_at(sema, auxiliary->item, args, m);
  if (final) final->is_used = true;
  if (!evaluate_final(sema, final, model)) ok = false;
  statistics_apply(build);
  build->graph->losses = build->losses;
  build->graph->n_losses = build->n_losses;
  sema->build = NULL;
  return ok;
}
