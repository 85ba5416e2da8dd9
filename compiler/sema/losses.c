// Losses: what `loss` records, and the arithmetic of applied auxiliaries. An auxiliary applied to a tensor has
// the value VAL_LOSSES, the list of its losses: numbers multiply their weights, + joins lists. So what an
// auxiliary is made of is trained and reported as if its losses had been written out.
#include "compiler/sema/internal.h"

#include <string.h>

// ---- names
// --------------------------------------------------------------------------------------------------------

// The loss without its constant factors.
static NodeId unweighted(const Graph *graph, NodeId value) {
  for (;;) {
    const Node *node = graph_node(graph, value);
    if (node->op != OP_affine || node->attr[op_attr_index(OP_affine, "shift")].r != 0) return value;
    value = node->in[0];
  }
}

// The operator's name; `bce` for the mean of `bce_terms`.
static const char *operator_name(Sema *sema, NodeId value) {
  const Graph *graph = sema->build->graph;
  const Node *node = graph_node(graph, unweighted(graph, value));
  const char *name = op_info(node->op)->name;
  if (node->op != OP_mean) return name;
  const char *inner = op_info(graph_node(graph, node->in[0])->op)->name, *suffix = strstr(inner, "_terms");
  return suffix ? arena_strndup(sema->arena, inner, (size_t)(suffix - inner)) : name;
}

static const LossTerm *find_name(const LossList *list, const char *name) {
  for (int i = 0; i < list->n; i++)
    if (!strcmp(list->items[i].name, name)) return &list->items[i];
  return NULL;
}

static void push(Sema *sema, LossList *list, NodeId value, const char *base, Span span) {
  if (list->n == list->capacity) {
    list->capacity = list->capacity ? 2 * list->capacity : 8;
    LossTerm *items = ARENA_ARRAY(sema->arena, LossTerm, list->capacity);
    if (list->n) memcpy(items, list->items, sizeof *items * (size_t)list->n);
    list->items = items;
  }
  const char *name = base;
  for (int n = 2; find_name(list, name); n++) name = arena_printf(sema->arena, "%s.%d", base, n);
  list->items[list->n++] = (LossTerm){value, base, name, span};
}

// ---- sums of losses
// -----------------------------------------------------------------------------------------------

static bool expect_scalar(Sema *sema, Value value, NodeId *node) {
  if (!expect_tensor(sema, value, "a loss", node)) return false;
  Shape shape = tensor_shape(sema, *node);
  if (shape.rank == 0) return true;
  sema_error(sema, value.span, "a loss must be a scalar, this is %s", shape_text(sema->arena, shape));
  sema_note(sema, NO_SPAN, "mean(...) and sum(...) make a scalar of a tensor");
  return false;
}

// A sum with one more member, multiplied by `factor`.
static bool join(Sema *sema, LossList *list, Value value, double factor, Span span) {
  LossList single = {0}, *more = value.losses;
  NodeId node;
  if (value.kind != VAL_LOSSES) {
    if (!expect_scalar(sema, value, &node)) return false;
    push(sema, &single, node, operator_name(sema, node), value.span);
    more = &single;
  }
  for (int i = 0; i < more->n; i++) {
    const LossTerm *term = &more->items[i];
    NodeId weighted = factor == 1 ? term->value : tensor_affine(sema, term->value, factor, 0, span);
    push(sema, list, weighted, term->base, term->span);
  }
  return true;
}

static bool scale(Sema *sema, LossList *list, const LossList *from, const char *operator, Value factor,
                  Span span) {
  for (int i = 0; i < from->n; i++) {
    const LossTerm *term = &from->items[i];
    Value product = tensor_binary(sema, operator, value_tensor(term->value, term->span), factor, span);
    NodeId node;
    if (product.kind == VAL_ERROR || !expect_scalar(sema, product, &node)) return false;
    push(sema, list, node, term->base, term->span);
  }
  return true;
}

Value losses_binary(Sema *sema, const char *operator, Value a, Value b, Span span) {
  LossList *list = ARENA_NEW(sema->arena, LossList);
  bool ok = false, is_product = !strcmp(operator, "*");
  if (is_product && a.kind != VAL_LOSSES) { // the number last
    Value losses = b;
    b = a;
    a = losses;
  }
  if (!strcmp(operator, "+") || !strcmp(operator, "-"))
    ok = join(sema, list, a, 1, span) && join(sema, list, b, *operator== '+' ? 1 : - 1, span);
  else if ((is_product || !strcmp(operator, "/")) && a.kind == VAL_LOSSES && b.kind != VAL_LOSSES)
    ok = scale(sema, list, a.losses, operator, b, span);
  else
    sema_error(sema, span, "`%s` does not combine %s with %s", operator, value_describe(sema, a),
               value_describe(sema, b));
  return ok ? (Value){.kind = VAL_LOSSES, .span = span, .losses = list} : value_error(span);
}

// ---- what `loss` does
// ---------------------------------------------------------------------------------------------

static bool name_is_free(Sema *sema, const LossList *list, const Ast *name) {
  const LossTerm *other = find_name(list, name->text);
  if (!other) return true;
  sema_error(sema, name->span, "two losses of one module are called %s", name->text);
  sema_note(sema, other->span, "the other one");
  return false;
}

bool losses_add(Sema *sema, LossList *list, Value value, const Ast *name, Span span) {
  LossList parts = {0};
  if (value.kind == VAL_ERROR || !join(sema, &parts, value, 1, span)) return false;
  bool is_sum = value.kind == VAL_LOSSES;
  if (!is_sum && name && !name_is_free(sema, list, name)) return false;
  for (int i = 0; i < parts.n; i++) {
    const LossTerm *part = &parts.items[i];
    const char *base = !name    ? part->base
                       : is_sum ? arena_printf(sema->arena, "%s.%s", name->text, part->base)
                                : name->text;
    push(sema, list, part->value, base, is_sum ? part->span : span);
  }
  return true;
}

void losses_statement(Sema *sema, Body *body, const Ast *loss) {
  Value value = eval(sema, body->env, loss->kids[0]);
  value.span = loss->kids[0]->span;
  if (!losses_add(sema, body->losses, value, loss->kids[1], loss->span)) body->is_failed = true;
}

void losses_publish(Sema *sema, const LossList *list) {
  Build *build = sema->build;
  Loss *losses = ARENA_ARRAY(sema->arena, Loss, build->n_losses + list->n + 1);
  if (build->n_losses) memcpy(losses, build->losses, sizeof *losses * (size_t)build->n_losses);
  build->losses = losses;
  for (int i = 0; i < list->n; i++) {
    const LossTerm *term = &list->items[i];
    build->losses[build->n_losses++] = (Loss){.value = term->value,
                                              .term = unweighted(build->graph, term->value),
                                              .module = build->module,
                                              .name = term->name,
                                              .span = term->span};
  }
}
