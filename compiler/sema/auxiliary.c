// The auxiliary, evaluated once at every split, and the losses of the last module.
#include "compiler/sema/internal.h"

#include <string.h>

NodeId auxiliary_tap(Sema *sema, int reach, Span span) {
  Build *build = sema->build;
  if (build->taps[reach]) return build->taps[reach];
  Attr *attrs = tensor_attrs(sema, OP_tap);
  attr_set(OP_tap, attrs, "reach", reach);
  NodeId output = build->graph->modules[build->module].output;
  if (span.file == 0) span = graph_node(build->graph, output)->span;
  return build->taps[reach] = tensor_op(sema, OP_tap, &output, 1, attrs, NULL, span);
}

// ---- losses
// -------------------------------------------------------------------------------------------------------

// The loss without its constant factors.
static NodeId unweighted(const Graph *graph, NodeId value) {
  for (;;) {
    const Node *node = graph_node(graph, value);
    if (node->op != OP_affine || node->attr[op_attr_index(OP_affine, "shift")].r != 0) return value;
    value = node->in[0];
  }
}

// The operator's name; `bce` for the mean of `bce_terms`.
static const char *loss_base_name(Sema *sema, const Graph *graph, NodeId term) {
  const Node *node = graph_node(graph, term);
  const char *name = op_info(node->op)->name;
  if (node->op != OP_mean) return name;
  const char *inner = op_info(graph_node(graph, node->in[0])->op)->name, *suffix = strstr(inner, "_terms");
  return suffix ? arena_strndup(sema->arena, inner, (size_t)(suffix - inner)) : name;
}

static const char *unique_loss_name(Sema *sema, const char *base) {
  const Build *build = sema->build;
  const char *name = base;
  for (int n = 2, i = 0; i < build->n_losses; i++) {
    if (build->losses[i].module != build->module || strcmp(build->losses[i].name, name) != 0) continue;
    name = arena_printf(sema->arena, "%s.%d", base, n++);
    i = -1;
  }
  return name;
}

static void push_loss(Sema *sema, NodeId value, const char *name, Span span) {
  Build *build = sema->build;
  if (build->n_losses == build->loss_capacity) {
    build->loss_capacity = build->loss_capacity ? 2 * build->loss_capacity : 32;
    Loss *losses = ARENA_ARRAY(sema->arena, Loss, build->loss_capacity);
    if (build->n_losses) memcpy(losses, build->losses, sizeof *losses * (size_t)build->n_losses);
    build->losses = losses;
  }
  NodeId term = unweighted(build->graph, value);
  if (!name) name = unique_loss_name(sema, loss_base_name(sema, build->graph, term));
  build->losses[build->n_losses++] =
      (Loss){.value = value, .term = term, .module = build->module, .name = name, .span = span};
}

static bool name_is_free(Sema *sema, const Ast *name) {
  const Build *build = sema->build;
  for (int i = 0; name && i < build->n_losses; i++)
    if (build->losses[i].module == build->module && !strcmp(build->losses[i].name, name->text)) {
      sema_error(sema, name->span, "two losses of one module are called %s", name->text);
      sema_note(sema, build->losses[i].span, "the other one");
      return false;
    }
  return true;
}

void auxiliary_loss(Sema *sema, Body *body, const Ast *loss) {
  const Ast *name = loss->kids[1];
  Value value = eval(sema, body->env, loss->kids[0]);
  NodeId node;
  body->is_failed =
      body->is_failed || !expect_tensor(sema, value, "a loss", &node) || !name_is_free(sema, name);
  if (body->is_failed) return;
  Shape shape = tensor_shape(sema, node);
  if (shape.rank != 0) {
    sema_error(sema, loss->kids[0]->span, "a loss must be a scalar, this is %s",
               shape_text(sema->arena, shape));
    sema_note(sema, NO_SPAN, "mean(...) and sum(...) make a scalar of a tensor");
    body->is_failed = true;
    return;
  }
  push_loss(sema, node, name ? name->text : NULL, loss->span);
}

// ---- one evaluation
// -------------------------------------------------------------------------------------------------

static Env *names_at(Sema *sema, int module, Span span) {
  Build *build = sema->build;
  const Graph *graph = build->graph;
  Env *env = env_new(sema, build->outside);
  env_set(sema, env, graph_node(graph, graph->image)->name, value_tensor(graph->image, span));
  env_set(sema, env, "label", value_tensor(graph->label, span));
  env_set(sema, env, "index", value_number(module, span));
  env_set(sema, env, "modules", value_number(build->n_modules, span));
  env_set(sema, env, "x", value_tensor(auxiliary_tap(sema, 1, NO_SPAN), span));
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

static bool evaluate_at(Sema *sema, const Item *auxiliary, const Args *args, int module) {
  Build *build = sema->build;
  const Module *m = &build->graph->modules[module];
  Frame frame = {m->span, arena_printf(sema->arena, "in auxiliary %s behind %s", auxiliary->name, m->name),
                 NULL, false};
  const char *what = arena_printf(sema->arena, "auxiliary %s", auxiliary->name);
  sema->frame = &frame;
  begin(sema, module, arena_printf(sema->arena, "aux%d", module));
  Body body = {.kind = BODY_AUXILIARY, .env = names_at(sema, module, auxiliary->ast->kids[0]->span)};
  bool ok = args_bind_formals(sema, args, what, auxiliary->ast->kids[1], auxiliary->name, body.env);
  if (ok) body_run(sema, &body, auxiliary->ast->kids[2]);
  end(sema);
  sema->frame = NULL;
  return ok && !body.is_failed;
}

void auxiliary_default_loss(Sema *sema, Build *build, Span span) {
  sema->build = build;
  begin(sema, build->n_modules - 1, "final");
  NodeId in[] = {auxiliary_tap(sema, 1, span), build->graph->label};
  NodeId loss = tensor_op(sema, OP_cross_entropy, in, 2, NULL, NULL, span);
  if (loss != NO_NODE) push_loss(sema, loss, NULL, span);
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
  begin(sema, build->n_modules - 1, "final");
  build->is_final = true;
  Body body = {.kind = BODY_AUXILIARY, .env = names_at(sema, build->n_modules - 1, final->ast->span)};
  body_run(sema, &body, final->ast->kids[0]);
  build->is_final = false;
  end(sema);
  return !body.is_failed;
}

static Item *choose(Sema *sema, bool *is_failed) {
  Item *auxiliary = item_choose(sema, AST_AUXILIARY, sema->wanted_auxiliary, sema->wanted_auxiliary_span,
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
  Item *auxiliary = choose(sema, &is_failed);
  if (is_failed) return false;
  Item *final = item_choose(sema, AST_FINAL, NULL, NO_SPAN, "keep one", &is_failed);
  if (is_failed) return false;
  Build *build = sema->build = sema->backbone;
  if (auxiliary && sema->backbone->n_modules > 1) auxiliary->is_used = true;
  Args *args = args_evaluate(sema, NULL, sema->auxiliary_args);
  if (!sema->auxiliary_args && auxiliary) args->span = auxiliary->ast->kids[0]->span;
  bool ok = true;
  for (int m = 0; m + 1 < build->n_modules && ok; m++) ok = evaluate_at(sema, auxiliary, args, m);
  if (final) final->is_used = true;
  if (!evaluate_final(sema, final, model)) ok = false;
  build->graph->losses = build->losses;
  build->graph->n_losses = build->n_losses;
  sema->build = NULL;
  return ok;
}
