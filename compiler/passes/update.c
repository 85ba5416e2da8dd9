// The end of a step: optimiser, EMA copies, running statistics.
//
// needs: Graph.grads
// gives: the optimiser's states for each trained parameter (SGD: a momentum, if the recipe has any; Adam: two);
// sgd_step or adam_step, ema_step and running_step nodes; Graph.learning_rate
// breaks: nothing
//
// Neighbouring states of one module are updated by one node: a run, of at most MAX_RUN. The schedule puts every update behind the
// readers of the old value, so an ema_step (which reads the parameter) sees the weights from before the
// sgd_step.
#include "compiler/ir/op.h"
#include "compiler/passes/pass.h"

// All gradients of a run wait for the last of them.
enum { MAX_RUN = 256 };

typedef struct Updates {
  Graph *graph;
  Arena *scratch;
  const MlaRecipe *recipe;
  StateId n_states;           // before momenta were added
  NodeId *reads;              // [n_states] the node that reads a state, NO_NODE: none yet
  StateId *momenta, *squares; // [n_states] of trained parameters
} Updates;

static Attr *attr_of(Attr *attrs, OpKind op, const char *name) {
  return &attrs[op_attr_index(op, name)];
}

static Attr *new_attrs(Updates *updates, OpKind op) {
  return ARENA_ARRAY(updates->scratch, Attr, op_n_attrs(op));
}

static NodeId read_state(Updates *updates, StateId id) {
  if (updates->reads[id] != NO_NODE) return updates->reads[id];
  const State *state = state_get(updates->graph->states, id);
  Node read = {.op = OP_state,
               .phase = PHASE_UPDATE,
               .dtype = DT_REAL,
               .shape = state->shape,
               .module = state->module,
               .is_aux = state->is_aux,
               .state = id,
               .name = state->name,
               .span = state->span};
  return updates->reads[id] = graph_add(updates->graph, read, NULL, 0, NULL, 0);
}

static bool is_adam(const Updates *updates) {
  return updates->recipe->optimizer != MLA_SGD;
}

// A scalar; for Adam followed by the two bias corrections.
static NodeId learning_rate(Updates *updates) {
  Graph *graph = updates->graph;
  if (graph->learning_rate != NO_NODE) return graph->learning_rate;
  Node input = {
      .op = OP_input, .phase = PHASE_UPDATE, .dtype = DT_REAL, .state = NO_STATE, .name = "learning rate"};
  if (is_adam(updates)) input.shape = (Shape){.rank = 1, .dim = {3}};
  Attr *attrs = new_attrs(updates, OP_input);
  attr_of(attrs, OP_input, "kind")->i = 2;
  return graph->learning_rate = graph_add(graph, input, NULL, 0, attrs, op_n_attrs(OP_input));
}

static void add_update(Updates *updates, OpKind op, StateId first, int n, const NodeId *in, int n_in,
                       const Attr *attrs) {
  const State *state = state_get(updates->graph->states, first);
  Node like = {.phase = PHASE_UPDATE,
               .module = state->module,
               .is_aux = state->is_aux,
               .name = state->name,
               .span = state->span};
  Node *node = graph_node(updates->graph, op_build(updates->graph, &like, op, in, n_in, attrs));
  node->state = first;
  node->n_states = n;
}

static bool are_neighbours(const State *a, const State *b) {
  return a->module == b->module && a->is_aux == b->is_aux;
}

// ---- optimiser ----

static bool is_trained(const Updates *updates, StateId id) {
  const Graph *graph = updates->graph;
  return state_get(graph->states, id)->kind == STATE_PARAM && graph->grads[id] != NO_NODE;
}

// A state of the optimiser beside each trained parameter.
static void add_momentum(Updates *updates, StateId id, const char *suffix, StateId *momenta) {
  StateTable *table = updates->graph->states;
  State momentum = *state_get(table, id);
  momentum.name = arena_printf(updates->scratch, "%s.%s", momentum.name, suffix);
  momentum.kind = STATE_MOMENTUM;
  momentum.init = INIT_ZERO;
  momentum.init_values = NULL;
  momentum.source = id;
  momentum.is_used = false;
  momenta[id] = state_add(table, momentum);
}

static void add_momenta(Updates *updates, const char *suffix, StateId *momenta) {
  for (StateId id = 0; id < updates->n_states; id++)
    if (is_trained(updates, id)) add_momentum(updates, id, suffix, momenta);
}

static Attr *sgd_attrs(Updates *updates, StateId first) {
  const MlaRecipe *recipe = updates->recipe;
  Attr *attrs = new_attrs(updates, OP_sgd_step);
  attr_of(attrs, OP_sgd_step, "momentum")->r = recipe->momentum;
  attr_of(attrs, OP_sgd_step, "nesterov")->i = recipe->nesterov;
  attr_of(attrs, OP_sgd_step, "weight_decay")->r = recipe->weight_decay;
  attr_of(attrs, OP_sgd_step, "momentum_state")->i =
      recipe->momentum != 0 ? updates->momenta[first] : NO_STATE;
  attr_of(attrs, OP_sgd_step, "copy_state")->i = NO_STATE;
  return attrs;
}

static Attr *adam_attrs(Updates *updates, StateId first) {
  const MlaRecipe *recipe = updates->recipe;
  Attr *attrs = new_attrs(updates, OP_adam_step);
  attr_of(attrs, OP_adam_step, "beta1")->r = recipe->beta1;
  attr_of(attrs, OP_adam_step, "beta2")->r = recipe->beta2;
  attr_of(attrs, OP_adam_step, "eps")->r = recipe->eps;
  attr_of(attrs, OP_adam_step, "weight_decay")->r = recipe->weight_decay;
  attr_of(attrs, OP_adam_step, "decoupled")->i = recipe->optimizer == MLA_ADAMW;
  attr_of(attrs, OP_adam_step, "momentum_state")->i = updates->momenta[first];
  attr_of(attrs, OP_adam_step, "square_state")->i = updates->squares[first];
  attr_of(attrs, OP_adam_step, "copy_state")->i = NO_STATE;
  return attrs;
}

static void add_step(Updates *updates, StateId first, int n) {
  NodeId *in = ARENA_ARRAY(updates->scratch, NodeId, n + 1);
  in[0] = learning_rate(updates);
  for (int i = 0; i < n; i++) in[i + 1] = updates->graph->grads[first + i];
  if (is_adam(updates))
    add_update(updates, OP_adam_step, first, n, in, n + 1, adam_attrs(updates, first));
  else
    add_update(updates, OP_sgd_step, first, n, in, n + 1, sgd_attrs(updates, first));
}

static void add_optimiser(Updates *updates) {
  const StateTable *table = updates->graph->states;
  if (is_adam(updates)) {
    add_momenta(updates, "exp_avg", updates->momenta);
    add_momenta(updates, "exp_avg_sq", updates->squares);
  } else if (updates->recipe->momentum != 0) {
    add_momenta(updates, "momentum", updates->momenta);
  }
  for (StateId first = 0, end; first < updates->n_states; first = end) {
    end = first + 1;
    if (!is_trained(updates, first)) continue;
    while (end < updates->n_states && end - first < MAX_RUN && is_trained(updates, end) &&
           are_neighbours(state_get(table, first), state_get(table, end)))
      end++;
    add_step(updates, first, end - first);
  }
}

// ---- EMA copies ----

// Momentum 1: it stays as it starts.
static bool is_moved_copy(const State *state) {
  return state->kind == STATE_EMA && state->same == NO_STATE && state->ema_momentum != 1;
}

static bool continues_run(const StateTable *table, StateId first, StateId id) {
  const State *start = state_get(table, first), *state = state_get(table, id);
  return is_moved_copy(state) && state->source == start->source + (id - first) &&
         state->ema_momentum == start->ema_momentum && are_neighbours(start, state);
}

static void add_ema(Updates *updates, StateId first, int n) {
  const State *start = state_get(updates->graph->states, first);
  NodeId *in = ARENA_ARRAY(updates->scratch, NodeId, n);
  for (int i = 0; i < n; i++) in[i] = read_state(updates, start->source + i);
  Attr *attrs = new_attrs(updates, OP_ema_step);
  attr_of(attrs, OP_ema_step, "momentum")->r = start->ema_momentum;
  add_update(updates, OP_ema_step, first, n, in, n, attrs);
}

static void add_ema_copies(Updates *updates) {
  const StateTable *table = updates->graph->states;
  for (StateId first = 0, end; first < updates->n_states; first = end) {
    end = first + 1;
    if (!is_moved_copy(state_get(table, first))) continue;
    while (end < updates->n_states && end - first < MAX_RUN && continues_run(table, first, end)) end++;
    add_ema(updates, first, end - first);
  }
}

// ---- running statistics ----

static void add_running(Updates *updates, NodeId stats) {
  const Node node = *graph_node(updates->graph, stats);
  Attr *attrs = new_attrs(updates, OP_running_step);
  *attr_of(attrs, OP_running_step, "momentum") = node.attr[op_attr_index(OP_bn_stats, "momentum")];
  attr_of(attrs, OP_running_step, "rows_per_image")->i =
      shape_rows(graph_node(updates->graph, node.in[0])->shape, 1);
  add_update(updates, OP_running_step, node.state, node.n_states, &stats, 1, attrs);
}

void pass_update(Graph *graph, PassCtx *ctx) {
  StateId n_states = graph->states->n;
  Updates updates = {.graph = graph,
                     .scratch = ctx->scratch,
                     .recipe = &ctx->model->recipe,
                     .n_states = n_states,
                     .reads = ARENA_ARRAY(ctx->scratch, NodeId, n_states),
                     .momenta = ARENA_ARRAY(ctx->scratch, StateId, n_states),
                     .squares = ARENA_ARRAY(ctx->scratch, StateId, n_states)};
  NodeId n_nodes = graph->n_nodes;
  for (NodeId id = n_nodes - 1; id > 0; id--)
    if (graph_node(graph, id)->op == OP_state) updates.reads[graph_node(graph, id)->state] = id;
  add_ema_copies(&updates);
  add_optimiser(&updates);
  for (NodeId id = 1; id < n_nodes; id++) {
    const Node *node = graph_node(graph, id);
    if (node->op == OP_bn_stats && node->state != NO_STATE) add_running(&updates, id);
  }
}
