// References: a model, a data set, an auxiliary or an entry as a value, with the arguments it was given so far. Where one of
// them is named, any name or expression with such a value will do.
#include "compiler/sema/internal.h"

#include <string.h>

enum { MAX_NAMES = 512, MAX_ALIASES = 8 };

static const char *kind_word(AstKind kind) {
  return kind == AST_MODEL   ? "a model"
         : kind == AST_DATA  ? "a data set"
         : kind == AST_ENTRY ? "an entry"
                             : "an auxiliary";
}

static bool is_referable(AstKind kind) {
  return kind == AST_MODEL || kind == AST_DATA || kind == AST_AUXILIARY || kind == AST_ENTRY;
}

// ---- values
// -------------------------------------------------------------------------------------------------------

static int n_parameters(const Item *item) {
  return item->kind == AST_DATA ? 0 : item->ast->kids[1]->n_kids;
}

static const Ast *parameter_name(const Item *item, int i) {
  return item->ast->kids[1]->kids[i]->kids[0];
}

Value reference_of(Sema *sema, Item *item, Span span) {
  Reference *reference = ARENA_NEW(sema->arena, Reference);
  int n = n_parameters(item);
  *reference = (Reference){.item = item,
                           .args = ARENA_ARRAY(sema->arena, Value, n + 1),
                           .given = ARENA_ARRAY(sema->arena, bool, n + 1),
                           .span = item->ast->kids[0]->span};
  item->is_used = true;
  return (Value){.kind = VAL_ITEM, .span = span, .reference = reference};
}

bool reference_find(Sema *sema, const char *name, Value *out) {
  for (Item *item = sema->items; item; item = item->next) {
    if (!is_referable(item->kind) || strcmp(item->name, name) != 0) continue;
    *out = reference_of(sema, item, item->ast->kids[0]->span);
    return true;
  }
  return false;
}

Value reference_call(Sema *sema, Value callee, const Args *args, Span span) {
  const Reference *before = callee.reference;
  Item *item = before->item;
  int n = n_parameters(item);
  const char **names = ARENA_ARRAY(sema->arena, const char *, n + 1);
  bool *required = ARENA_ARRAY(sema->arena, bool, n + 1); // what is missing is asked for when it is evaluated
  for (int i = 0; i < n; i++) names[i] = parameter_name(item, i)->text;
  Value value = reference_of(sema, item, span);
  Reference *made = (Reference *)value.reference;
  made->span = args->span;
  const char *what = arena_printf(sema->arena, "%s %s", ast_kind_word(item->kind), item->name);
  if (!args_bind(sema, args, what, names, required, n, made->args, made->given)) return value_error(span);
  for (int i = 0; i < n; i++) {
    if (made->given[i] || !before->given[i]) continue;
    made->args[i] = before->args[i];
    made->given[i] = true;
  }
  return value;
}

bool reference_equal(const Reference *a, const Reference *b) {
  if (a->item != b->item) return false;
  for (int i = 0; i < n_parameters(a->item); i++)
    if (a->given[i] != b->given[i] || (a->given[i] && !value_equal(a->args[i], b->args[i]))) return false;
  return true;
}

const char *reference_text(Sema *sema, const Reference *reference) {
  StrBuf text = strbuf_new(sema->arena);
  strbuf_put(&text, reference->item->name);
  int n_given = 0;
  for (int i = 0; i < n_parameters(reference->item); i++)
    if (reference->given[i])
      strbuf_printf(&text, "%s%s: %s", n_given++ ? ", " : "(", parameter_name(reference->item, i)->text,
                    value_text(sema, reference->args[i]));
  if (n_given) strbuf_put(&text, ")");
  return text.text;
}

Args *reference_args(Sema *sema, const Reference *reference) {
  Args *args = args_none(sema, reference->span);
  int n = n_parameters(reference->item);
  args->named = ARENA_ARRAY(sema->arena, Value, n + 1);
  args->names = ARENA_ARRAY(sema->arena, const Ast *, n + 1);
  for (int i = 0; i < n; i++) {
    if (!reference->given[i]) continue;
    args->names[args->n_named] = parameter_name(reference->item, i);
    args->named[args->n_named++] = reference->args[i];
  }
  return args;
}

// ---- where one is named
// -------------------------------------------------------------------------------------------

static Item *item_called(Sema *sema, const char *name) {
  for (Item *item = sema->items; item; item = item->next)
    if (*item->name && !strcmp(item->name, name)) return item;
  return NULL;
}

// An item of the kind, or a `let` that is written as another name of one.
static bool leads_to(Sema *sema, AstKind kind, const Item *item, int n_aliases) {
  if (item->kind == kind) return true;
  if ((item->kind != AST_LET && item->kind != AST_PARAM) || n_aliases == MAX_ALIASES) return false;
  const Ast *value = item->ast->kids[1];
  while (value->kind == AST_CALL) value = value->kids[0];
  const Item *other = value->kind == AST_NAME ? item_called(sema, value->text) : NULL;
  return other && leads_to(sema, kind, other, n_aliases + 1);
}

static Value report_missing(Sema *sema, AstKind kind, const Ast *name) {
  const char *names[MAX_NAMES] = {NULL};
  int n = 0;
  for (Item *item = sema->items; item && n < MAX_NAMES; item = item->next)
    if (leads_to(sema, kind, item, 0)) names[n++] = item->name;
  sema_error(sema, name->span, "there is no %s %s%s", ast_kind_word(kind), name->text,
             suggestion(sema, name->text, names, n));
  if (n) sema_note(sema, NO_SPAN, "there %s %s", n == 1 ? "is" : "are", word_list(sema, names, n));
  return value_error(name->span);
}

static Value value_named(Sema *sema, AstKind kind, const Ast *name) {
  Value value;
  if (!item_value(sema, name->text, &value) && !reference_find(sema, name->text, &value))
    return report_missing(sema, kind, name);
  value.span = name->span;
  return value;
}

static bool expect_kind(Sema *sema, AstKind kind, const Ast *ast, Value value) {
  if (value.kind == VAL_ERROR) return false;
  if (value.kind == VAL_ITEM && value.reference->item->kind == kind) return true;
  bool is_name = ast->kind == AST_NAME;
  const Item *item = is_name ? item_called(sema, ast->text) : NULL;
  const char *found = item && is_referable(item->kind) ? kind_word(item->kind) : value_describe(sema, value);
  sema_error(sema, ast->span, "%s is %s, %s is needed here", is_name ? ast->text : "this", found,
             kind_word(kind));
  if (item) sema_note(sema, item->ast->kids[0]->span, "%s is defined here", item->name);
  return false;
}

static Value read_value(Sema *sema, AstKind kind, const Ast *ast) {
  if (ast->kind == AST_NAME) return value_named(sema, kind, ast);
  if (ast->kind != AST_CALL || ast->kids[0]->kind != AST_NAME) return eval(sema, NULL, ast);
  Value callee = value_named(sema, kind, ast->kids[0]);
  if (!expect_kind(sema, kind, ast->kids[0], callee)) return value_error(ast->span);
  return reference_call(sema, callee, args_evaluate(sema, NULL, ast->kids[1]), ast->span);
}

const Reference *reference_read(Sema *sema, AstKind kind, const Ast *ast) {
  Value value = read_value(sema, kind, ast);
  return expect_kind(sema, kind, ast, value) ? value.reference : NULL;
}

const Reference *reference_choose(Sema *sema, AstKind kind, const Ast *wanted, const char *how,
                                  bool *is_failed) {
  const Reference *reference = NULL;
  if (wanted) {
    reference = reference_read(sema, kind, wanted);
    *is_failed |= !reference;
    return reference;
  }
  Item *only = item_only(sema, kind, how, is_failed);
  return only ? reference_of(sema, only, only->ast->kids[0]->span).reference : NULL;
}
