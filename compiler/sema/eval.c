// Expressions. What is known when the model is compiled is computed here; what is not becomes nodes of the
// graph.
#include "compiler/sema/internal.h"

#include <math.h>
#include <string.h>

enum { MAX_NESTING = 1000, MAX_CHAIN = 4096, MAX_CANDIDATES = 512 };

// ---- names
// --------------------------------------------------------------------------------------------------------

static bool builtin_value(const char *name, Span span, Value *out) {
  for (int i = 0; i < n_layers; i++)
    if (!strcmp(layer_table[i].name, name)) {
      *out = (Value){.kind = VAL_LAYER, .span = span, .layer = &layer_table[i]};
      return true;
    }
  for (int i = 0; i < n_functions; i++)
    if (!strcmp(function_table[i].name, name)) {
      *out = (Value){.kind = VAL_FUNCTION, .span = span, .function = &function_table[i]};
      return true;
    }
  OpKind op = op_find(name);
  if (op != OP_none && op_info(op)->is_shown) {
    *out = (Value){.kind = VAL_OPERATOR, .span = span, .op = op};
    return true;
  }
  if (!strcmp(name, "fresh") || !strcmp(name, "source")) {
    *out = value_string(name, span);
    return true;
  }
  return false;
}

// A stage of the model that is trained. Outside of any body only: a `let` of the file may list stages in a table,
// whose entries are evaluated when the model is there.
static bool stage_value(Sema *sema, const Env *env, const char *name, Value *out) {
  Binding *stage = !env && sema->backbone ? env_find(sema->backbone->outside, name) : NULL;
  if (!stage || stage->value.kind != VAL_STAGE) return false;
  *out = stage->value;
  return true;
}

static int collect_names(Sema *sema, Env *env, const char **names) {
  int n = 0;
  if (!env && sema->backbone) env = sema->backbone->outside;
  for (; env; env = env->parent)
    for (Binding *b = env->first; b && n < MAX_CANDIDATES; b = b->next) names[n++] = b->name;
  for (Item *item = sema->items; item && n < MAX_CANDIDATES; item = item->next)
    if (*item->name) names[n++] = item->name;
  for (int i = 0; i < n_layers && n < MAX_CANDIDATES; i++) names[n++] = layer_table[i].name;
  for (int i = 0; i < n_functions && n < MAX_CANDIDATES; i++) names[n++] = function_table[i].name;
  for (int op = OP_none + 1; op < N_OPS && n < MAX_CANDIDATES; op++)
    if (op_info((OpKind)op)->is_shown) names[n++] = op_info((OpKind)op)->name;
  return n;
}

static const char *name_hint(const char *name) {
  static const char *const only_auxiliary[] = {"x", "image", "label", "index", "modules"};
  for (size_t i = 0; i < sizeof only_auxiliary / sizeof *only_auxiliary; i++)
    if (!strcmp(only_auxiliary[i], name)) return "it is known in auxiliaries and `final`";
  if (!strcmp(name, "classes")) return "the data is not chosen yet: `train` says which";
  OpKind op = op_find(name);
  if (op != OP_none) return "an operator of that name exists, but layers and arithmetic make it";
  return NULL;
}

static Value eval_name(Sema *sema, Env *env, const Ast *ast) {
  Binding *binding = env_find(env, ast->text);
  Value value;
  if (binding) {
    value = binding->value;
    value.span = ast->span;
    return value;
  }
  if (item_value(sema, ast->text, &value) || builtin_value(ast->text, ast->span, &value) ||
      reference_find(sema, ast->text, &value) || stage_value(sema, env, ast->text, &value)) {
    value.span = ast->span;
    return value;
  }
  const char *names[MAX_CANDIDATES];
  int n = collect_names(sema, env, names);
  sema_error(sema, ast->span, "unknown name `%s`%s", ast->text, suggestion(sema, ast->text, names, n));
  const char *hint = name_hint(ast->text);
  if (hint) sema_note(sema, NO_SPAN, "%s", hint);
  return value_error(ast->span);
}

// ---- operators on known values
// --------------------------------------------------------------------------------------

static Value number_binary(Sema *sema, const char *op, double a, double b, Span span) {
  if (!strcmp(op, "+")) return value_number(a + b, span);
  if (!strcmp(op, "-")) return value_number(a - b, span);
  if (!strcmp(op, "*")) return value_number(a * b, span);
  if (!strcmp(op, "<")) return value_truth(a < b, span);
  if (!strcmp(op, "<=")) return value_truth(a <= b, span);
  if (!strcmp(op, ">")) return value_truth(a > b, span);
  if (!strcmp(op, ">=")) return value_truth(a >= b, span);
  if (b == 0) {
    sema_error(sema, span, "division by 0");
    return value_error(span);
  }
  if (!strcmp(op, "/")) return value_number(a / b, span);
  return value_number(a - b * floor(a / b), span); // %: has the sign of b
}

static Value list_concat(Sema *sema, Value a, Value b, Span span) {
  Value joined = value_list(sema, span);
  for (int i = 0; i < a.list->n; i++) value_list_add(sema, joined.list, a.list->items[i]);
  for (int i = 0; i < b.list->n; i++) value_list_add(sema, joined.list, b.list->items[i]);
  return joined;
}

static bool is_comparable(Value a, Value b) {
  bool has_value = a.kind == VAL_NUMBER || a.kind == VAL_TRUTH || a.kind == VAL_STRING ||
                   a.kind == VAL_LIST || a.kind == VAL_BLOCK || a.kind == VAL_ITEM || a.kind == VAL_UNIT ||
                   a.kind == VAL_STAGE;
  return a.kind == b.kind && has_value;
}

static Value eval_logic(Sema *sema, Env *env, const Ast *ast) {
  bool is_and = !strcmp(ast->text, "and"), left, right;
  const char *what = is_and ? "an operand of `and`" : "an operand of `or`";
  if (!expect_truth(sema, eval(sema, env, ast->kids[0]), what, &left)) return value_error(ast->span);
  if (left != is_and) return value_truth(left, ast->span);
  if (!expect_truth(sema, eval(sema, env, ast->kids[1]), what, &right)) return value_error(ast->span);
  return value_truth(right, ast->span);
}

static Value eval_binary(Sema *sema, Env *env, const Ast *ast) {
  const char *op = ast->text;
  if (!strcmp(op, "and") || !strcmp(op, "or")) return eval_logic(sema, env, ast);
  Value a = eval(sema, env, ast->kids[0]), b = eval(sema, env, ast->kids[1]);
  if (a.kind == VAL_ERROR || b.kind == VAL_ERROR) return value_error(ast->span);
  bool is_equality = !strcmp(op, "==") || !strcmp(op, "!=");
  if (is_equality && is_comparable(a, b)) return value_truth(value_equal(a, b) == (*op == '='), ast->span);
  if (!is_equality && a.kind == VAL_NUMBER && b.kind == VAL_NUMBER)
    return number_binary(sema, op, a.number, b.number, ast->span);
  if (!strcmp(op, "+") && a.kind == VAL_LIST && b.kind == VAL_LIST) return list_concat(sema, a, b, ast->span);
  if (a.kind == VAL_LOSSES || b.kind == VAL_LOSSES) return losses_binary(sema, op, a, b, ast->span);
  return tensor_binary(sema, op, a, b, ast->span);
}

static Value eval_unary(Sema *sema, Env *env, const Ast *ast) {
  Value value = eval(sema, env, ast->kids[0]);
  bool truth;
  double number;
  if (!strcmp(ast->text, "not"))
    return expect_truth(sema, value, "the operand of `not`", &truth) ? value_truth(!truth, ast->span)
                                                                     : value_error(ast->span);
  if (value.kind == VAL_TENSOR)
    return value_tensor(tensor_affine(sema, value.node, -1, 0, ast->span), ast->span);
  if (value.kind == VAL_LOSSES)
    return losses_binary(sema, "*", value, value_number(-1, ast->span), ast->span);
  return expect_number(sema, value, "the operand of `-`", &number) ? value_number(-number, ast->span)
                                                                   : value_error(ast->span);
}

static Value eval_condition(Sema *sema, Env *env, const Ast *ast) {
  bool truth;
  if (!expect_truth(sema, eval(sema, env, ast->kids[0]), "the condition of `if`", &truth))
    return value_error(ast->span);
  return eval(sema, env, ast->kids[truth ? 1 : 2]);
}

// ---- lists, tables, stages
// ------------------------------------------------------------------------------------------

static Value eval_list(Sema *sema, Env *env, const Ast *ast) {
  Value list = value_list(sema, ast->span);
  for (int i = 0; i < ast->n_kids; i++) {
    Value item = eval(sema, env, ast->kids[i]);
    if (item.kind == VAL_ERROR)
      list.kind = VAL_ERROR;
    else if (list.kind == VAL_LIST)
      value_list_add(sema, list.list, item);
  }
  return list.kind == VAL_LIST ? list : value_error(ast->span);
}

static bool position(Sema *sema, Value key, const char *what, int n, int *out) {
  int64_t i;
  if (n == 0) {
    sema_error(sema, key.span, "%s is empty", what);
    return false;
  }
  if (!expect_whole(sema, key, arena_printf(sema->arena, "the index of %s", what), -n, n - 1, &i))
    return false;
  *out = (int)(i < 0 ? i + n : i);
  return true;
}

bool table_find(Sema *sema, const ValueTable *table, Value key, Value *out) {
  for (int i = 0; i < table->ast->n_kids; i++) {
    const Ast *entry = table->ast->kids[i];
    Value known = eval(sema, table->env, entry->kids[0]);
    bool is_found = known.kind != VAL_ERROR && value_equal(known, key);
    if (known.kind != VAL_ERROR && !is_found) continue;
    *out = is_found ? eval(sema, table->env, entry->kids[1]) : known;
    return true;
  }
  return false;
}

static Value table_lookup(Sema *sema, const ValueTable *table, Value key, Span span) {
  Value value;
  if (table_find(sema, table, key, &value)) return value;
  StrBuf keys = strbuf_new(sema->arena);
  for (int i = 0; i < table->ast->n_kids; i++)
    strbuf_printf(&keys, "%s%s", i ? ", " : "",
                  value_text(sema, eval(sema, table->env, table->ast->kids[i]->kids[0])));
  sema_error(sema, key.span, "the table has no entry for %s; it has %s", value_describe(sema, key),
             table->ast->n_kids ? keys.text : "none");
  sema_note(sema, table->ast->span, "the table is made here");
  return value_error(span);
}

static Value eval_index(Sema *sema, Env *env, const Ast *ast) {
  Value value = eval(sema, env, ast->kids[0]), key = eval(sema, env, ast->kids[1]);
  int i;
  if (value.kind == VAL_ERROR || key.kind == VAL_ERROR) return value_error(ast->span);
  if (value.kind == VAL_LIST) {
    if (!position(sema, key, "the list", value.list->n, &i)) return value_error(ast->span);
    return value.list->items[i];
  }
  if (value.kind == VAL_TABLE) return table_lookup(sema, value.table, key, ast->span);
  if (value.kind == VAL_STAGE) {
    const Stage *stage = &sema->backbone->stages[value.index];
    if (!position(sema, key, stage->name, stage->n_units, &i)) {
      sema_note(sema, stage->span, "%s has %d block%s", stage->name, stage->n_units,
                stage->n_units == 1 ? "" : "s");
      return value_error(ast->span);
    }
    return unit_value(stage->first_unit + i, ast->span);
  }
  if (value.kind == VAL_UNIT)
    sema_error(
        sema, ast->span,
        "%s is a block, the smallest piece that can be named: nothing inside it can be split or copied",
        unit_word(sema, value.index));
  else
    sema_error(sema, ast->kids[0]->span, "%s has no elements", value_describe(sema, value));
  return value_error(ast->span);
}

// ---- networks
// -----------------------------------------------------------------------------------------------------

static bool is_callable(Value value) {
  return value.kind == VAL_FUNCTION || value.kind == VAL_LAYER || value.kind == VAL_OPERATOR ||
         value.kind == VAL_BLOCK || (value.kind == VAL_ITEM && value.reference->item->kind == AST_AUXILIARY);
}

// A parameter called `width` does not hide the function: what is called is looked up among what can be
// called.
static Value eval_callee(Sema *sema, Env *env, const Ast *ast) {
  Value value = eval(sema, env, ast), builtin;
  bool is_known_value = value.kind == VAL_NUMBER || value.kind == VAL_TRUTH || value.kind == VAL_STRING;
  if (ast->kind == AST_NAME && is_known_value && builtin_value(ast->text, ast->span, &builtin))
    return builtin;
  return value;
}

static Value eval_call(Sema *sema, Env *env, const Ast *ast) {
  return call_value(sema, env, eval_callee(sema, env, ast->kids[0]), ast->kids[1], NULL, ast->span);
}

Value eval_pipe_element(Sema *sema, Env *env, Value left, const Ast *element, Span span) {
  if (left.kind == VAL_ERROR) return left;
  if (left.kind == VAL_LAYER || left.kind == VAL_OPERATOR || left.kind == VAL_BLOCK || left.kind == VAL_LIST)
    left = value_network(network_of(sema, left), left.span);
  if (left.kind == VAL_ERROR) return left;
  if (left.kind != VAL_TENSOR && left.kind != VAL_NETWORK) {
    NodeId node;
    if (left.kind != VAL_STAGE && left.kind != VAL_UNIT)
      sema_error(sema, left.span, "the left of `|` must be a tensor or a network, this is %s",
                 value_describe(sema, left));
    else
      expect_tensor(sema, left, "the left of `|`", &node);
    return value_error(span);
  }
  if (element->kind == AST_CALL) {
    Value callee = eval_callee(sema, env, element->kids[0]);
    if (is_callable(callee) && !(callee.kind == VAL_FUNCTION && callee.function->only_auxiliary))
      return call_value(sema, env, callee, element->kids[1], &left, element->span);
  }
  Value value = eval(sema, env, element);
  if (is_callable(value)) return call_value(sema, env, value, NULL, &left, element->span);
  Network *network = network_of(sema, value);
  if (!network) return value_error(span);
  if (left.kind == VAL_TENSOR) return network_apply(sema, network, left, element->span);
  return value_network(network_chain(sema, (Network *[]){left.network, network}, 2, span), span);
}

static Value eval_chain(Sema *sema, Env *env, const Ast *ast) {
  int64_t n;
  Value count = eval(sema, env, ast->kids[0]);
  if (!expect_whole(sema, count, "the length of a chain", 0, MAX_CHAIN, &n)) return value_error(ast->span);
  Network **members = ARENA_ARRAY(sema->arena, Network *, n + 1);
  for (int i = 0; i < n; i++) {
    Env *inner = env_new(sema, env);
    env_set(sema, inner, "position", value_number(i, ast->span));
    if (!(members[i] = network_of(sema, eval(sema, inner, ast->kids[1])))) return value_error(ast->span);
  }
  return value_network(network_chain(sema, members, (int)n, ast->span), ast->span);
}

static Value eval_kind(Sema *sema, Env *env, const Ast *ast) {
  switch (ast->kind) {
  case AST_NUMBER: return value_number(ast->number, ast->span);
  case AST_STRING: return value_string(ast->text, ast->span);
  case AST_TRUTH: return value_truth(ast->number != 0, ast->span);
  case AST_NAME: return eval_name(sema, env, ast);
  case AST_LIST: return eval_list(sema, env, ast);
  case AST_UNARY: return eval_unary(sema, env, ast);
  case AST_BINARY: return eval_binary(sema, env, ast);
  case AST_CONDITION: return eval_condition(sema, env, ast);
  case AST_PIPE: return eval_pipe_element(sema, env, eval(sema, env, ast->kids[0]), ast->kids[1], ast->span);
  case AST_CALL: return eval_call(sema, env, ast);
  case AST_INDEX: return eval_index(sema, env, ast);
  case AST_CHAIN: return eval_chain(sema, env, ast);
  case AST_TABLE: {
    ValueTable *table = ARENA_NEW(sema->arena, ValueTable);
    *table = (ValueTable){ast, env};
    return (Value){.kind = VAL_TABLE, .span = ast->span, .table = table};
  }
  default: return value_error(ast->span); // what a syntax error left
  }
}

Value eval(Sema *sema, Env *env, const Ast *ast) {
  if (sema->nesting >= MAX_NESTING) {
    sema_error(sema, ast->span, "this expression is nested too deeply");
    return value_error(ast->span);
  }
  sema->nesting++;
  Value value = eval_kind(sema, env, ast);
  sema->nesting--;
  return value;
}
