// Parameters: made once, found again by name, mirrored by copies. The nodes that read them.
#include "compiler/sema/internal.h"

#include <string.h>

static StateTable *table_of(const Sema *sema) {
  return sema->build->graph->states;
}

NodeId state_node(Sema *sema, StateId state, Span span) {
  Build *build = sema->build;
  if (state >= build->state_node_capacity) {
    int capacity = 2 * (state + 32);
    NodeId *nodes = ARENA_ARRAY(sema->arena, NodeId, capacity);
    if (build->state_node_capacity)
      memcpy(nodes, build->state_nodes, sizeof *nodes * (size_t)build->state_node_capacity);
    build->state_nodes = nodes;
    build->state_node_capacity = capacity;
  }
  NodeId known = build->state_nodes[state];
  if (known != NO_NODE) {
    const Node *node = graph_node(build->graph, known);
    if (node->module == build->module && node->is_aux == build->is_aux) return known;
  }
  const State *read = state_get(table_of(sema), state);
  Node node = {.op = OP_state,
               .phase = PHASE_FORWARD,
               .shape = read->shape,
               .module = build->module,
               .is_aux = build->is_aux,
               .state = state,
               .name = read->name,
               .span = span};
  return build->state_nodes[state] = graph_add(build->graph, node, NULL, 0, NULL, 0);
}

static const char *full_name(Sema *sema, const char *path, const char *leaf) {
  return *path ? arena_printf(sema->arena, "%s.%s", path, leaf) : leaf;
}

// The state that a parameter of a copy looks at; reports if there is none or it has another shape.
static StateId source_of(Sema *sema, Place place, ParamSpec spec, Span span) {
  const char *name = full_name(sema, place.source_path, spec.leaf);
  StateId source = state_find(table_of(sema), name);
  if (source == NO_STATE) {
    sema_error(sema, span, "the copy needs a weight %s, which its original does not have", name);
    sema_note(sema, NO_SPAN, "the block builds different layers for inputs of different shapes");
    return NO_STATE;
  }
  const State *state = state_get(table_of(sema), source);
  if (shape_equal(state->shape, spec.shape)) return source;
  sema_error(sema, span, "the copy needs %s to be %s, the original's is %s", name,
             shape_text(sema->arena, spec.shape), shape_text(sema->arena, state->shape));
  sema_note(sema, state->span, "the original is made here");
  return NO_STATE;
}

// A weight made in a library block is better found where the user applied the block.
static void note_origin(Sema *sema, StateId state) {
  Build *build = sema->build;
  if (state >= build->origin_capacity) {
    int capacity = 2 * (state + 32);
    Span *origins = ARENA_ARRAY(sema->arena, Span, capacity);
    if (build->origin_capacity)
      memcpy(origins, build->origins, sizeof *origins * (size_t)build->origin_capacity);
    build->origins = origins;
    build->origin_capacity = capacity;
  }
  for (const Frame *frame = sema->frame; frame; frame = frame->outer)
    if (frame->is_application) build->origins[state] = frame->span;
}

static StateId make_param(Sema *sema, Place place, ParamSpec spec, const char *name, Span span) {
  State state = {.name = name,
                 .kind = place.role == ROLE_EMA ? STATE_EMA : STATE_PARAM,
                 .shape = spec.shape,
                 .layout = spec.layout,
                 .positions = spec.positions,
                 .module = sema->build->module,
                 .is_aux = sema->build->is_aux,
                 .init = spec.init,
                 .init_arg = spec.init_arg,
                 .init_values = spec.init_values,
                 .source = NO_STATE,
                 .span = span};
  if (place.role != ROLE_OWN) {
    state.source = source_of(sema, place, spec, span);
    if (state.source == NO_STATE) return NO_STATE;
    if (!place.is_fresh) {
      state.init = INIT_COPY;
      state.init_values = NULL;
    } else if (place.role == ROLE_COPY)
      state.source = NO_STATE;
    state.ema_momentum = place.momentum;
  }
  StateId id = state_add(table_of(sema), state);
  note_origin(sema, id);
  return id;
}

// The parameter exists: this is a later application of its network, or the evaluation graph.
static StateId find_param(Sema *sema, ParamSpec spec, const char *name, Span span) {
  StateId id = state_find(table_of(sema), name);
  if (id == NO_STATE) {
    sema_error(sema, span, "this application needs a weight %s, which the first one did not make", name);
    return NO_STATE;
  }
  const State *state = state_get(table_of(sema), id);
  if (shape_equal(state->shape, spec.shape)) return id;
  sema_error(sema, span, "%s is %s, but this application needs %s", name,
             shape_text(sema->arena, state->shape), shape_text(sema->arena, spec.shape));
  sema_note(sema, state->span, "it was made here, at the network's first application");
  return NO_STATE;
}

NodeId place_param(Sema *sema, Place place, ParamSpec spec, Span span) {
  if (place.role == ROLE_SHARE) {
    StateId source = source_of(sema, place, spec, span);
    if (source == NO_STATE) return NO_NODE;
    NodeId node = state_node(sema, source, span);
    return tensor_op(sema, OP_stop, &node, 1, NULL, NULL, span);
  }
  const char *name = full_name(sema, place.path, spec.leaf);
  StateId state =
      place.is_replay ? find_param(sema, spec, name, span) : make_param(sema, place, spec, name, span);
  return state == NO_STATE ? NO_NODE : state_node(sema, state, span);
}

// Of the operands, the one that is of the same features; NO_NODE: there is none.
static NodeId same_features(const Graph *graph, const Node *node) {
  FuseKind kind = op_info(node->op)->fuse;
  bool is_kept = kind == FUSE_POINT || kind == FUSE_MARK || node->op == OP_row_norm;
  for (int i = 0; is_kept && i < node->n_in; i++)
    if (shape_equal(graph_node(graph, node->in[i])->shape, node->shape)) return node->in[i];
  return NO_NODE;
}

// Features of several images side by side have no order that files could be told; those of one extent are joined before they are
// flattened (tensor_join).
static int joined_positions(Sema *sema, const Node *join, Span span) {
  for (int i = 0; i < join->n_in; i++) {
    if (flattened_positions(sema, join->in[i], span) <= 1) continue;
    sema_error(
        sema, span,
        "what reads flattened images of several extents side by side cannot be kept in PyTorch's order");
    sema_note(sema, join->span,
              "they are joined here; a `linear` for each and the sum of the two computes the same");
    break;
  }
  return 1;
}

int flattened_positions(Sema *sema, NodeId x, Span span) {
  const Graph *graph = sema->build->graph;
  const Node *node = graph_node(graph, x);
  while (node->op != OP_flatten) {
    if (node->op == OP_concat) return joined_positions(sema, node, span);
    NodeId features = same_features(graph, node);
    if (features == NO_NODE) return 1;
    node = graph_node(graph, features);
  }
  const Node *image = graph_node(graph, node->in[0]);
  return image->shape.rank == 4 ? (int)(image->shape.dim[1] * image->shape.dim[2]) : 1;
}

StateId place_running(Sema *sema, Place place, const char *leaf, int64_t channels, InitKind init,
                      int positions, Span span) {
  const char *name = full_name(sema, place.path, leaf);
  if (place.is_replay) return state_find(table_of(sema), name);
  State state = {.name = name,
                 .kind = STATE_RUNNING,
                 .shape = {.rank = 1, .dim = {channels}},
                 .positions = positions,
                 .module = sema->build->module,
                 .init = init,
                 .source = NO_STATE,
                 .span = span};
  return state_add(table_of(sema), state);
}
