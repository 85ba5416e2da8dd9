// Calls: of functions, layers, operators, blocks and networks.
#include "compiler/sema/internal.h"

#include <string.h>

static bool is_tensor_argument(Value value) {
  return value.kind == VAL_TENSOR;
}

// The tensors that lead the arguments, the piped one first; the rest of `args` stays.
typedef struct Tensors {
  NodeId *nodes;
  int n;
} Tensors;

static Tensors take_tensors(Sema *sema, Args *args, const Value *piped) {
  Tensors tensors = {ARENA_ARRAY(sema->arena, NodeId, args->n_positional + 1), 0};
  if (piped && piped->kind == VAL_TENSOR) tensors.nodes[tensors.n++] = piped->node;
  while (args->n_positional > 0 && is_tensor_argument(args->positional[0])) {
    tensors.nodes[tensors.n++] = args->positional[0].node;
    args->positional++;
    args->n_positional--;
  }
  return tensors;
}

static bool any_error(const Args *args) {
  for (int i = 0; i < args->n_positional; i++)
    if (args->positional[i].kind == VAL_ERROR) return true;
  for (int i = 0; i < args->n_named; i++)
    if (args->named[i].kind == VAL_ERROR) return true;
  return false;
}

// The network on the left of `|` is joined with the new one; without one, the new one alone.
static Value join_network(Sema *sema, const Value *piped, Network *network, Span span) {
  if (!network) return value_error(span);
  if (!piped) return value_network(network, span);
  Network *left = network_of(sema, *piped);
  if (!left) return value_error(span);
  return value_network(network_chain(sema, (Network *[]){left, network}, 2, span), span);
}

// An argument that stands where a tensor is missing is called what it is.
static bool only_tensors_missing(Sema *sema, const char *name, const Args *args, int n_missing) {
  NodeId node;
  if (n_missing <= 0 || args->n_positional == 0) return true;
  return expect_tensor(sema, args->positional[0], arena_printf(sema->arena, "an input of %s", name), &node);
}

static bool count_fits(Sema *sema, const char *name, int least, int most, int n, Span span) {
  if (n >= least && n <= most) return true;
  const char *upto = most == least ? ""
                     : most == ANY ? " or more"
                                   : arena_printf(sema->arena, " to %d", most);
  sema_error(sema, span, "%s takes %d%s tensor%s, this gives it %d", name, least, upto, most == 1 ? "" : "s",
             n);
  return false;
}

// ---- operators
// ----------------------------------------------------------------------------------------------------

static bool bind_attrs(Sema *sema, OpKind op, const Args *args, Attr *attrs) {
  const OpInfo *info = op_info(op);
  int n = op_n_attrs(op);
  const char **names = ARENA_ARRAY(sema->arena, const char *, n + 1);
  bool *required = ARENA_ARRAY(sema->arena, bool, n + 1), *given = ARENA_ARRAY(sema->arena, bool, n + 1);
  Value *values = ARENA_ARRAY(sema->arena, Value, n + 1);
  for (int i = 0; i < n; i++) {
    names[i] = info->attrs[i].name;
    required[i] = info->attrs[i].is_required;
  }
  if (!args_bind(sema, args, info->name, names, required, n, values, given)) return false;
  for (int i = 0; i < n; i++) {
    if (!given[i]) continue;
    const char *what = arena_printf(sema->arena, "%s's %s", info->name, names[i]);
    int64_t whole = 0;
    double real = 0;
    bool truth = false;
    switch (info->attrs[i].kind) {
    case ATTR_INT:
      if (!expect_whole(sema, values[i], what, -65536, 65536, &whole)) return false;
      attrs[i].i = whole;
      break;
    case ATTR_REAL:
      if (!expect_number(sema, values[i], what, &real)) return false;
      attrs[i].r = real;
      break;
    case ATTR_BOOL:
      if (!expect_truth(sema, values[i], what, &truth)) return false;
      attrs[i].i = truth;
      break;
    }
  }
  return true;
}

static Value call_operator(Sema *sema, OpKind op, Args *args, const Value *piped, Span span) {
  const OpInfo *info = op_info(op);
  Tensors tensors = take_tensors(sema, args, piped);
  Attr *attrs = tensor_attrs(sema, op);
  int n_missing = info->min_in - tensors.n;
  if (info->min_in == 1 && op_n_attrs(op) > 0) n_missing = 0;
  if (!any_error(args) && !only_tensors_missing(sema, info->name, args, n_missing)) return value_error(span);
  if (any_error(args) || !bind_attrs(sema, op, args, attrs)) return value_error(span);
  if (tensors.n == 0 && info->min_in == 1) {
    Network *network = network_new(sema, NET_OPERATOR, span);
    if (!network) return value_error(span);
    network->op = op;
    network->attrs = attrs;
    return join_network(sema, piped, network, span);
  }
  if (!count_fits(sema, info->name, info->min_in, info->max_in, tensors.n, span)) return value_error(span);
  if (!sema->build) return value_error(span);
  if (op == OP_concat) return value_tensor(tensor_join(sema, tensors.nodes, tensors.n, attrs, span), span);
  return value_tensor(tensor_op(sema, op, tensors.nodes, tensors.n, attrs, NULL, span), span);
}

// ---- layers
// -------------------------------------------------------------------------------------------------------

static Network *layer_network(Sema *sema, const LayerInfo *layer, const Args *args, Span span) {
  const char *names[MAX_ARGUMENTS];
  bool required[MAX_ARGUMENTS];
  int n = signature_parse(sema, layer->signature, names, required);
  Network *network = network_new(sema, NET_LAYER, span);
  if (!network) return NULL;
  network->layer = layer;
  return args_bind(sema, args, layer->name, names, required, n, network->args, network->given) ? network
                                                                                               : NULL;
}

// A layer that makes a tensor of nothing, or of several tensors: applied where it stands.
static Value apply_now(Sema *sema, const Network *network, const Tensors *tensors, Span span) {
  const LayerInfo *layer = network->layer;
  const char *name = scope_name(sema, sema->scope, layer->name, false);
  LayerCall call = {.sema = sema,
                    .layer = layer,
                    .span = span,
                    .place = place_inside(sema, sema->scope->place, name),
                    .name = name,
                    .args = (Value *)network->args,
                    .given = network->given};
  for (int i = 0; i < tensors->n && i < 2; i++) call.in[i] = tensors->nodes[i];
  return value_tensor(layer->apply(&call), span);
}

static Value call_layer(Sema *sema, const LayerInfo *layer, Args *args, const Value *piped, Span span) {
  Tensors tensors = take_tensors(sema, args, piped);
  int n_missing = layer->n_in - tensors.n;
  if (layer->n_in == 1 && *layer->signature) n_missing = 0;
  if (any_error(args) || !only_tensors_missing(sema, layer->name, args, n_missing)) return value_error(span);
  Network *network = layer_network(sema, layer, args, span);
  if (!network) return value_error(span);
  if (tensors.n == 0 && layer->n_in == 1) return join_network(sema, piped, network, span);
  if (!count_fits(sema, layer->name, layer->n_in, layer->n_in, tensors.n, span)) return value_error(span);
  if (layer->n_in == 1) return network_apply(sema, network, value_tensor(tensors.nodes[0], span), span);
  return apply_now(sema, network, &tensors, span);
}

// ---- blocks and networks
// ------------------------------------------------------------------------------------------

static Value call_block(Sema *sema, Item *block, const Args *args, const Value *piped, Span span) {
  if (any_error(args)) return value_error(span);
  block->is_used = true;
  Network *network = network_new(sema, NET_BLOCK, span);
  if (!network) return value_error(span);
  network->block = block;
  network->env = env_new(sema, NULL);
  const char *what = arena_printf(sema->arena, "block %s", block->name);
  for (int i = 0; i < args->n_positional && block->ast->kids[1]->n_kids < args->n_positional; i++)
    if (is_tensor_argument(args->positional[i])) {
      sema_error(sema, args->positional[i].span, "%s is not called with the tensor it works on", what);
      sema_note(sema, NO_SPAN, "write x | %s(...), or %s(...)(x)", block->name, block->name);
      return value_error(span);
    }
  if (!args_bind_formals(sema, args, what, block->ast->kids[1], NULL, network->env)) {
    sema_note(sema, block->ast->kids[0]->span, "%s is defined here", what);
    return value_error(span);
  }
  if (piped && piped->kind == VAL_TENSOR) return network_apply(sema, network, *piped, span);
  return join_network(sema, piped, network, span);
}

static Value call_network(Sema *sema, Value callee, const Args *args, Span span) {
  Network *network = network_of(sema, callee);
  if (!network || any_error(args)) return value_error(span);
  if (args->n_positional != 1 || args->n_named) {
    sema_error(sema, args->span, "a network is applied to one tensor, this gives it %d arguments",
               args->n_positional + args->n_named);
    return value_error(span);
  }
  return network_apply(sema, network, args->positional[0], span);
}

static Value call_function(Sema *sema, Env *env, const FunctionInfo *function, const Ast *call_args,
                           const Value *piped, Span span) {
  const char *names[MAX_ARGUMENTS];
  bool required[MAX_ARGUMENTS];
  int n = signature_parse(sema, function->signature, names, required);
  bool is_late = function->is_last_late;
  Args *args = args_evaluate_but(sema, env, call_args, is_late ? n - 1 : -1, is_late ? names[n - 1] : NULL);
  if (!call_args) args->span = span;
  FunctionCall call = {.sema = sema, .env = env, .span = span};
  if (piped) {
    Value *positional = ARENA_ARRAY(sema->arena, Value, args->n_positional + 1);
    positional[0] = *piped;
    for (int i = 0; i < args->n_positional; i++) positional[i + 1] = args->positional[i];
    args->positional = positional;
    args->n_positional++;
  }
  if (!args_bind(sema, args, function->name, names, required, n, call.arg, call.given))
    return value_error(span);
  if (function->only_auxiliary && !(sema->build && sema->build->is_aux)) {
    sema_error(sema, span, "%s is only known in an auxiliary or `final`", function->name);
    return value_error(span);
  }
  return function->call(&call);
}

// With a tensor an auxiliary gives its losses; otherwise arguments make another reference.
static Value call_item(Sema *sema, Value callee, Args *args, const Value *piped, Span span) {
  const Item *item = callee.reference->item;
  bool is_applied = piped || args->n_positional > 0;
  if (is_applied && item->kind == AST_AUXILIARY) return auxiliary_apply(sema, callee, args, piped, span);
  if (is_applied && item->kind == AST_ENTRY) {
    sema_error(sema, span, "entry %s is not applied: it runs where a module is entered", item->name);
    return value_error(span);
  }
  return reference_call(sema, callee, args, span);
}

Value call_value(Sema *sema, Env *env, Value callee, const Ast *call_args, const Value *piped, Span span) {
  if (callee.kind == VAL_ERROR) return callee;
  if (callee.kind == VAL_FUNCTION) return call_function(sema, env, callee.function, call_args, piped, span);
  Args *args = args_evaluate(sema, env, call_args);
  if (!call_args) args->span = span;
  switch (callee.kind) {
  case VAL_LAYER: return call_layer(sema, callee.layer, args, piped, span);
  case VAL_OPERATOR: return call_operator(sema, callee.op, args, piped, span);
  case VAL_BLOCK: return call_block(sema, callee.block, args, piped, span);
  case VAL_ITEM: return any_error(args) ? value_error(span) : call_item(sema, callee, args, piped, span);
  case VAL_NETWORK:
  case VAL_UNIT:
  case VAL_STAGE: return call_network(sema, callee, args, span);
  default: break;
  }
  sema_error(sema, callee.span, "%s cannot be called", value_describe(sema, callee));
  return value_error(span);
}
