// Values of compile-time expressions, the names they are bound to, and what is said when one has the wrong
// kind.
#include "compiler/sema/internal.h"

#include <math.h>
#include <string.h>

Value value_error(Span span) {
  return (Value){.kind = VAL_ERROR, .span = span};
}
Value value_number(double number, Span span) {
  return (Value){.kind = VAL_NUMBER, .span = span, .number = number};
}
Value value_truth(bool truth, Span span) {
  return (Value){.kind = VAL_TRUTH, .span = span, .number = truth};
}
Value value_string(const char *text, Span span) {
  return (Value){.kind = VAL_STRING, .span = span, .text = text};
}

// NO_NODE stands for a tensor whose making failed and was reported.
Value value_tensor(NodeId node, Span span) {
  if (node == NO_NODE) return value_error(span);
  return (Value){.kind = VAL_TENSOR, .span = span, .node = node};
}

Value value_network(Network *network, Span span) {
  if (!network) return value_error(span);
  return (Value){.kind = VAL_NETWORK, .span = span, .network = network};
}

Value value_list(Sema *sema, Span span) {
  return (Value){.kind = VAL_LIST, .span = span, .list = ARENA_NEW(sema->arena, ValueList)};
}

void value_list_add(Sema *sema, ValueList *list, Value item) {
  if (list->n == list->capacity) {
    list->capacity = list->capacity ? 2 * list->capacity : 8;
    Value *items = ARENA_ARRAY(sema->arena, Value, list->capacity);
    if (list->n) memcpy(items, list->items, sizeof *items * (size_t)list->n);
    list->items = items;
  }
  list->items[list->n++] = item;
}

const char *value_describe(Sema *sema, Value value) {
  Arena *arena = sema->arena;
  switch (value.kind) {
  case VAL_ERROR: return "an error";
  case VAL_NUMBER: return arena_printf(arena, "the number %g", value.number);
  case VAL_TRUTH: return value.number != 0 ? "true" : "false";
  case VAL_STRING: return arena_printf(arena, "the string \"%s\"", value.text);
  case VAL_LIST: return arena_printf(arena, "a list of %d", value.list->n);
  case VAL_TABLE: return "a table";
  case VAL_TENSOR:
    return arena_printf(arena, "a tensor %s", shape_text(arena, tensor_shape(sema, value.node)));
  case VAL_NETWORK: return arena_printf(arena, "the network %s", network_word(sema, value.network));
  case VAL_STAGE: return arena_printf(arena, "the stage %s of the model", stage_word(sema, value.index));
  case VAL_UNIT: return arena_printf(arena, "the block %s of the model", unit_word(sema, value.index));
  case VAL_FUNCTION: return arena_printf(arena, "the function %s", value.function->name);
  case VAL_LAYER: return arena_printf(arena, "the layer %s", value.layer->name);
  case VAL_OPERATOR: return arena_printf(arena, "the operator %s", op_info(value.op)->name);
  case VAL_BLOCK: return arena_printf(arena, "the block %s", value.block->name);
  case VAL_ITEM:
    return arena_printf(arena, "the %s %s",
                        value.reference->item->kind == AST_DATA ? "data set"
                                                                : ast_kind_word(value.reference->item->kind),
                        reference_text(sema, value.reference));
  case VAL_LOSSES: return "a sum of losses";
  case VAL_LATER: return "an expression";
  }
  return "a value";
}

static bool list_equal(const ValueList *a, const ValueList *b) {
  if (a->n != b->n) return false;
  for (int i = 0; i < a->n; i++)
    if (!value_equal(a->items[i], b->items[i])) return false;
  return true;
}

bool value_equal(Value a, Value b) {
  if (a.kind != b.kind) return false;
  switch (a.kind) {
  case VAL_NUMBER:
  case VAL_TRUTH: return a.number == b.number;
  case VAL_STRING: return strcmp(a.text, b.text) == 0;
  case VAL_LIST: return list_equal(a.list, b.list);
  case VAL_STAGE:
  case VAL_UNIT: return a.index == b.index;
  case VAL_BLOCK: return a.block == b.block;
  case VAL_ITEM: return reference_equal(a.reference, b.reference);
  default: return false;
  }
}

static bool wrong_kind(Sema *sema, Value value, const char *what, const char *wanted) {
  if (value.kind != VAL_ERROR)
    sema_error(sema, value.span, "%s must be %s, this is %s", what, wanted, value_describe(sema, value));
  return false;
}

bool expect_number(Sema *sema, Value value, const char *what, double *out) {
  if (value.kind != VAL_NUMBER) return wrong_kind(sema, value, what, "a number");
  *out = value.number;
  return true;
}

bool expect_whole(Sema *sema, Value value, const char *what, int64_t least, int64_t most, int64_t *out) {
  double number;
  if (!expect_number(sema, value, what, &number)) return false;
  bool is_whole = number == floor(number) && fabs(number) < 9e15;
  if (!is_whole || number < (double)least || number > (double)most) {
    sema_error(sema, value.span, "%s must be a whole number from %lld to %lld, this is %g", what,
               (long long)least, (long long)most, number);
    return false;
  }
  *out = (int64_t)number;
  return true;
}

bool expect_truth(Sema *sema, Value value, const char *what, bool *out) {
  if (value.kind != VAL_TRUTH) return wrong_kind(sema, value, what, "true or false");
  *out = value.number != 0;
  return true;
}

bool expect_string(Sema *sema, Value value, const char *what, const char **out) {
  if (value.kind != VAL_STRING) return wrong_kind(sema, value, what, "a string");
  *out = value.text;
  return true;
}

bool expect_tensor(Sema *sema, Value value, const char *what, NodeId *out) {
  if (value.kind == VAL_STAGE || value.kind == VAL_UNIT) {
    const char *word = value.kind == VAL_STAGE ? stage_word(sema, value.index) : unit_word(sema, value.index);
    sema_error(sema, value.span, "%s must be a tensor; %s is a part of the model and has no value here", what,
               word);
    sema_note(sema, NO_SPAN,
              "x is this module's output; copy, ema and share apply later parts of the model to it");
    return false;
  }
  if (value.kind != VAL_TENSOR) {
    wrong_kind(sema, value, what, "a tensor");
    if (value.kind == VAL_ITEM && value.reference->item->kind == AST_AUXILIARY)
      sema_note(sema, NO_SPAN, "an auxiliary is applied to a tensor: %s(x), or x | %s",
                value.reference->item->name, value.reference->item->name);
    return false;
  }
  *out = value.node;
  return true;
}

// ---- names
// --------------------------------------------------------------------------------------------------------

Env *env_new(Sema *sema, Env *parent) {
  Env *env = ARENA_NEW(sema->arena, Env);
  env->parent = parent;
  return env;
}

void env_set(Sema *sema, Env *env, const char *name, Value value) {
  for (Binding *b = env->first; b; b = b->next)
    if (!strcmp(b->name, name)) {
      b->value = value;
      return;
    }
  Binding *binding = ARENA_NEW(sema->arena, Binding);
  *binding = (Binding){.name = name, .value = value, .next = env->first};
  env->first = binding;
}

Binding *env_find(Env *env, const char *name) {
  for (; env; env = env->parent)
    for (Binding *b = env->first; b; b = b->next)
      if (!strcmp(b->name, name)) return b;
  return NULL;
}
