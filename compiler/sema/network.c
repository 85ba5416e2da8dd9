// Networks: instances of layers, operators and blocks. The first application gives an instance its place and
// makes its parameters; later ones find them by name, because evaluating the same definition counts the same
// names.
//
// A copy evaluates the definition of its source in a place of its own that knows the source's: every
// parameter made there looks at the parameter of the same relative name and starts as it (copy), follows it
// (ema), or is it (share).
#include "compiler/sema/internal.h"

#include <string.h>

enum { MAX_DEPTH = 64, MAX_NETWORKS = 200000 };

Network *network_new(Sema *sema, NetworkKind kind, Span span) {
  if (!sema->build || !sema->scope) {
    sema_error(sema, span, "a network can only be made inside a model, a block, an auxiliary or `final`");
    return NULL;
  }
  if (++sema->n_networks > MAX_NETWORKS) {
    if (sema->n_networks == MAX_NETWORKS + 1)
      sema_error(sema, span, "the program makes more than %d networks", MAX_NETWORKS);
    return NULL;
  }
  Network *network = ARENA_NEW(sema->arena, Network);
  network->kind = kind;
  network->span = span;
  network->scope = sema->scope;
  network->is_backbone = !sema->build->is_aux;
  return network;
}

Network *network_chain(Sema *sema, Network **members, int n, Span span) {
  Network *chain = network_new(sema, NET_CHAIN, span);
  if (!chain) return NULL;
  chain->members = arena_copy(sema->arena, members, sizeof *members * (size_t)n);
  chain->n_members = n;
  chain->is_backbone = false; // its members know for themselves
  return chain;
}

const char *network_word(Sema *sema, const Network *network) {
  for (int u = 0; sema->backbone && u < sema->backbone->n_units; u++)
    if (sema->backbone->units[u].network == network) return unit_word(sema, u);
  if (network->label) return network->label;
  switch (network->kind) {
  case NET_LAYER: return network->layer->name;
  case NET_OPERATOR: return op_info(network->op)->name;
  case NET_BLOCK: return network->block->name;
  case NET_CHAIN: return "(a chain)";
  case NET_PIPE: return "(layers)";
  case NET_COPY:
    return network->place.role == ROLE_EMA     ? "(an ema)"
           : network->place.role == ROLE_SHARE ? "(a share)"
                                               : "(a copy)";
  }
  return "";
}

static Network *network_of_list(Sema *sema, Value value) {
  int n = value.list->n;
  Network **members = ARENA_ARRAY(sema->arena, Network *, n + 1);
  for (int i = 0; i < n; i++)
    if (!(members[i] = network_of(sema, value.list->items[i]))) return NULL;
  if (n == 0) sema_error(sema, value.span, "an empty list is no network");
  return n == 0 ? NULL : network_chain(sema, members, n, value.span);
}

static Network *network_of_unit(Sema *sema, int unit, Span span) {
  Network *network = sema->backbone->units[unit].network;
  if (!sema->build || !sema->build->is_aux) {
    sema_error(sema, span,
               "%s is a part of the model: only auxiliaries and `final` can copy, follow or share it",
               unit_word(sema, unit));
    return NULL;
  }
  if (network) return network;
  sema_error(sema, span, "%s cannot be copied: it is not a pipeline that begins with a stage or the input",
             unit_word(sema, unit));
  sema_note(sema, sema->backbone->units[unit].span, "%s is made here", unit_word(sema, unit));
  return NULL;
}

static Network *network_of_stage(Sema *sema, int index, Span span) {
  const Stage *stage = &sema->backbone->stages[index];
  if (stage->n_units == 1) return network_of_unit(sema, stage->first_unit, span);
  Network **members = ARENA_ARRAY(sema->arena, Network *, stage->n_units);
  for (int i = 0; i < stage->n_units; i++)
    if (!(members[i] = network_of_unit(sema, stage->first_unit + i, span))) return NULL;
  return network_chain(sema, members, stage->n_units, span);
}

Network *network_of(Sema *sema, Value value) {
  switch (value.kind) {
  case VAL_ERROR: return NULL;
  case VAL_NETWORK: return value.network;
  case VAL_UNIT: return network_of_unit(sema, value.index, value.span);
  case VAL_STAGE: return network_of_stage(sema, value.index, value.span);
  case VAL_LIST: return network_of_list(sema, value);
  case VAL_LAYER:
  case VAL_OPERATOR:
  case VAL_BLOCK: {
    Value made = call_value(sema, NULL, value, NULL, NULL, value.span);
    return made.kind == VAL_NETWORK ? made.network : NULL;
  }
  default: break;
  }
  sema_error(sema, value.span, "a network is needed here, this is %s", value_describe(sema, value));
  return NULL;
}

// ---- names and places
// ---------------------------------------------------------------------------------------------

static const char *join(Sema *sema, const char *path, const char *name) {
  if (!*path) return name;
  return arena_printf(sema->arena, "%s.%s", path, name);
}

Place place_inside(Sema *sema, Place place, const char *name) {
  place.path = join(sema, place.path, name);
  if (place.source_path) place.source_path = join(sema, place.source_path, name);
  return place;
}

Scope *scope_new(Sema *sema, Place place) {
  Scope *scope = ARENA_NEW(sema->arena, Scope);
  scope->place = place;
  return scope;
}

static NameCount *count_of(Sema *sema, Scope *scope, const char *name) {
  for (NameCount *c = scope->counts; c; c = c->next)
    if (!strcmp(c->name, name)) return c;
  NameCount *count = ARENA_NEW(sema->arena, NameCount);
  *count = (NameCount){.name = name, .next = scope->counts};
  return scope->counts = count;
}

const char *scope_name(Sema *sema, Scope *scope, const char *base, bool is_plain) {
  // The counter of a base and the names in use are kept in one list; no name begins with '#'.
  NameCount *counter = count_of(sema, scope, arena_printf(sema->arena, "#%s", base));
  for (;;) {
    int n = ++counter->n;
    const char *name = !is_plain ? arena_printf(sema->arena, "%s%d", base, n)
                       : n == 1  ? base
                                 : arena_printf(sema->arena, "%s_%d", base, n);
    if (count_of(sema, scope, name)->n++ == 0) return name;
  }
}

static const char *choose_name(Sema *sema, Network *network) {
  static const char *const role_names[] = {"network", "copy", "ema", "share"};
  Scope *scope = network->scope;
  if (network->label) return scope_name(sema, scope, network->label, true);
  switch (network->kind) {
  case NET_BLOCK:
    if (scope->is_stage) return arena_printf(sema->arena, "%d", count_of(sema, scope, "#")->n++);
    return scope_name(sema, scope, network->block->name, true);
  case NET_LAYER: return scope_name(sema, scope, network->layer->name, false);
  case NET_OPERATOR: return scope_name(sema, scope, op_info(network->op)->name, false);
  case NET_COPY: return scope_name(sema, scope, role_names[network->place.role], false);
  default: return scope_name(sema, scope, "chain", false);
  }
}

static Place place_of(Sema *sema, Network *network) {
  if (!network->name) network->name = choose_name(sema, network);
  Place place = place_inside(sema, network->scope->place, network->name);
  place.is_replay |= network->n_applied > 0;
  network->path = place.path;
  return place;
}

// ---- application
// --------------------------------------------------------------------------------------------------

static Value apply_definition(Sema *sema, Network *network, Place place, Value input, Span span);

static Value apply_layer(Sema *sema, const Network *network, Place place, Value input, Span span) {
  const char *dot = strrchr(place.path, '.');
  LayerCall call = {.sema = sema,
                    .layer = network->layer,
                    .span = span,
                    .place = place,
                    .name = dot ? dot + 1 : place.path,
                    .in = {input.node},
                    .args = (Value *)network->args,
                    .given = network->given};
  return value_tensor(network->layer->apply(&call), span);
}

static Value apply_block(Sema *sema, const Network *network, Place place, Value input, Span span) {
  if (sema->depth >= MAX_DEPTH) {
    sema_error(sema, span, "blocks are nested more than %d deep: does %s apply itself?", MAX_DEPTH,
               network->block->name);
    return value_error(span);
  }
  Frame frame = {span, arena_printf(sema->arena, "in block %s, applied here", network->block->name),
                 sema->frame, true};
  Scope *outer = sema->scope;
  Body body = {.kind = BODY_BLOCK, .env = env_new(sema, network->env)};
  env_set(sema, body.env, "x", input);
  sema->frame = &frame;
  sema->scope = scope_new(sema, place);
  sema->depth++;
  body_run(sema, &body, network->block->ast->kids[2]);
  sema->depth--;
  sema->scope = outer;
  sema->frame = frame.outer;
  if (!body.is_returned) {
    if (!body.is_failed)
      sema_error(sema, network->block->ast->kids[0]->span, "block %s returns nothing", network->block->name);
    return value_error(span);
  }
  NodeId node;
  if (!expect_tensor(sema, body.result, "what a block returns", &node)) return value_error(span);
  return value_tensor(node, span);
}

static const Network *first_member(const Network *network) {
  while (network->kind == NET_CHAIN) network = network->members[0];
  return network;
}

// A copy has the weights' shapes of its original, so it takes as many channels.
static bool copy_fits(Sema *sema, const Network *original, Value input, Span span) {
  const Network *first = first_member(original);
  const char *word = network_word(sema, first);
  Shape have = tensor_shape(sema, input.node), wanted = first->in_shape;
  if (have.rank == wanted.rank && shape_channels(have) == shape_channels(wanted)) return true;
  sema_error(sema, span, "a copy of %s takes %lld channels as the original does (%s), this is %s", word,
             (long long)shape_channels(wanted), shape_text(sema->arena, wanted),
             shape_text(sema->arena, have));
  sema_note(sema, first->in_span, "%s is applied to %s here", word, shape_text(sema->arena, wanted));
  sema_note(sema, tensor_node(sema, input.node)->span, "%s is made here", shape_text(sema->arena, have));
  return false;
}

// The members of a chain that is copied: each mirrors its own place.
static Value apply_copied_chain(Sema *sema, const Network *chain, Place place, Value input, Span span) {
  for (int i = 0; i < chain->n_members && input.kind == VAL_TENSOR; i++) {
    if (!copy_fits(sema, chain->members[i], input, span)) return value_error(span);
    Place member = place_inside(sema, place, arena_printf(sema->arena, "%d", i));
    member.source_path = chain->members[i]->path;
    input = apply_definition(sema, chain->members[i], member, input, span);
  }
  return input;
}

static Value apply_pipe(Sema *sema, const Network *pipe, Place place, Value input, Span span) {
  Scope *outer = sema->scope;
  sema->scope = scope_new(sema, place);
  for (int i = 0; i < pipe->n_members && input.kind != VAL_ERROR; i++)
    input = eval_pipe_element(sema, pipe->env, input, pipe->elements[i], span);
  sema->scope = outer;
  return input;
}

// Evaluates what a network is, with its parameters at `place`.
static Value apply_definition(Sema *sema, Network *network, Place place, Value input, Span span) {
  switch (network->kind) {
  case NET_LAYER: return apply_layer(sema, network, place, input, span);
  case NET_OPERATOR:
    return value_tensor(tensor_op(sema, network->op, &input.node, 1, network->attrs, NULL, span), span);
  case NET_BLOCK: return apply_block(sema, network, place, input, span);
  case NET_CHAIN: return apply_copied_chain(sema, network, place, input, span);
  case NET_PIPE: return apply_pipe(sema, network, place, input, span);
  case NET_COPY: return apply_definition(sema, network->source, place, input, span);
  }
  return value_error(span);
}

static bool is_applied(const Network *network) {
  if (network->kind != NET_CHAIN) return network->n_applied > 0;
  for (int i = 0; i < network->n_members; i++)
    if (!is_applied(network->members[i])) return false;
  return true;
}

static bool has_weights_to_take(Sema *sema, const Network *copy) {
  const Network *first = first_member(copy->source);
  if (is_applied(copy->source)) return true;
  sema_error(sema, copy->span, "%s has not been applied to anything yet, so it has no weights to take",
             network_word(sema, first));
  sema_note(sema, first->span, "%s is made here", network_word(sema, first));
  return false;
}

static Value apply_copy(Sema *sema, Network *copy, Value input, Span span) {
  if (!has_weights_to_take(sema, copy) || !copy_fits(sema, copy->source, input, span))
    return value_error(span);
  Place place = place_of(sema, copy);
  place.role = copy->place.role;
  place.momentum = copy->place.momentum;
  place.is_fresh = copy->place.is_fresh;
  place.source_path = copy->source->path; // a chain's members know better
  Frame frame = {copy->span,
                 arena_printf(sema->arena, "in the copy of %s made here", network_word(sema, copy->source)),
                 sema->frame, true};
  sema->frame = &frame;
  Value result = apply_definition(sema, copy->source, place, input, span);
  sema->frame = frame.outer;
  return result;
}

static Value apply_chain(Sema *sema, const Network *chain, Value input, Span span) {
  for (int i = 0; i < chain->n_members && input.kind != VAL_ERROR; i++)
    input = network_apply(sema, chain->members[i], input, span);
  return input;
}

static bool may_apply(Sema *sema, const Network *network, Span span) {
  if (!network->is_backbone || !sema->build->is_aux) return true;
  sema_error(sema, span, "%s belongs to the model and is trained by its own module's losses only",
             network_word(sema, network));
  sema_note(sema, NO_SPAN, "apply copy(...), ema(...) or share(...) of it");
  return false;
}

Value network_apply(Sema *sema, Network *network, Value input, Span span) {
  NodeId node;
  if (input.kind == VAL_ERROR || !expect_tensor(sema, input, "the input of a network", &node))
    return value_error(span);
  if (!may_apply(sema, network, span)) return value_error(span);
  if (network->kind == NET_CHAIN) return apply_chain(sema, network, input, span);
  if (network->kind == NET_BLOCK && sema->scope == sema->build->stage_scope)
    input = model_begin_unit(sema, network, input, span);
  if (input.kind == VAL_ERROR) return input;
  if (network->n_applied == 0) {
    network->in_shape = tensor_shape(sema, node);
    network->in_span = span;
  }
  Value result = value_error(span);
  bool has_place =
      network->kind != NET_OPERATOR && (network->kind != NET_LAYER || network->layer->has_params);
  if (network->kind == NET_COPY)
    result = apply_copy(sema, network, input, span);
  else if (has_place)
    result = apply_definition(sema, network, place_of(sema, network), input, span);
  else if (network->kind == NET_OPERATOR)
    result = apply_definition(sema, network, (Place){.path = ""}, input, span);
  else {
    Place place = {.path = scope_name(sema, sema->scope, network->layer->name, false)};
    result = apply_definition(sema, network, place, input, span);
  }
  network->n_applied++;
  return result;
}
