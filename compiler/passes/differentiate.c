// Differentiation by gradient scope.
//
// needs: a forward graph with modules, losses and taps
// gives: Graph.grads, Loss.seed, Loss.reach; every trained parameter's gradient
// breaks: nothing
//
// A cotangent of a node in module i has a *level*: the number of modules, i included, through which it may
// still run. T[d] is the sum of all cotangents of level d or more. So T[1] is everything, and gives the
// weight gradients; T[2] is what goes on beyond module i, and so on. Crossing from module i to the module
// before, level d becomes d - 1 and level 1 ends. A tap of reach n hands its cotangent on at the levels 1..n.
// Levels that are equal are walked once:
//
//   window 2:   a_i  ── tap(1) ── I_i          T[2] at a_i = dC_i                 (runs on into module i-1)
//                    ── tap(2) ── C_i          T[1] at a_i = dI_i + dC_i + dC_{i+1} (ends at module i's
//                    input) ── module i+1 ── C_{i+1}
//
// Flows are added where they meet, before they are walked; backward is linear in the cotangent. Only what
// leads to a parameter is walked: `wanted` says for each node which levels do.
#include "compiler/ir/op.h"
#include "compiler/ir/verify.h"
#include "compiler/passes/pass.h"

#include <assert.h>

typedef struct Levels {
  int low, high; // inclusive; low > high: none
} Levels;

typedef struct Flow { // one cotangent of a node and the levels at which it counts
  NodeId cotangent;
  Levels levels;
  struct Flow *next;
} Flow;

typedef struct Walk {
  Graph *graph;
  Arena *scratch;
  int max_level;
  bool *wanted; // [forward nodes][max_level + 1]
  Flow **flows; // [forward nodes], in order of arrival
} Walk;

struct Grad {
  Walk *walk;
  Node node; // the forward node; phase already that of what its rule builds
  NodeId id;
  Levels levels; // at which the cotangent given to the rule counts
  NodeId *sums;  // [inputs] what the rule has added
};

static bool is_state(const Graph *graph, NodeId id) {
  return graph_node(graph, id)->op == OP_state;
}

// ---- levels ----

// The levels at which `user`'s cotangent of `levels` counts for its input.
static Levels levels_at(const Walk *walk, const Node *user, NodeId input, Levels levels) {
  const Node *node = graph_node(walk->graph, input);
  if (node->op == OP_state) return (Levels){1, levels.low == 1 ? 1 : 0};
  if (user->op == OP_tap) levels = (Levels){1, (int)user->attr[op_attr_index(OP_tap, "reach")].i};
  int borders = user->module > node->module ? user->module - node->module : 0;
  levels.low -= borders;
  levels.high -= borders;
  if (levels.low < 1) levels.low = 1;
  int last = node->module + 1 < walk->max_level ? node->module + 1 : walk->max_level;
  if (levels.high > last) levels.high = last;
  return levels;
}

static bool *wanted_at(const Walk *walk, NodeId id) {
  return walk->wanted + (size_t)id * (size_t)(walk->max_level + 1);
}

static bool is_any_wanted(const Walk *walk, NodeId id, Levels levels) {
  for (int d = levels.low; d <= levels.high; d++)
    if (wanted_at(walk, id)[d]) return true;
  return false;
}

static void find_wanted(Walk *walk, NodeId id) {
  const Graph *graph = walk->graph;
  const Node *node = graph_node(graph, id);
  bool *wanted = wanted_at(walk, id);
  if (node->op == OP_state) wanted[1] = state_get(graph->states, node->state)->kind == STATE_PARAM;
  if (node->op == OP_stop) return;
  for (int i = 0; i < node->n_in; i++)
    for (int d = 1; d <= walk->max_level; d++)
      wanted[d] |= is_any_wanted(walk, node->in[i], levels_at(walk, node, node->in[i], (Levels){d, d}));
}

static int longest_reach(const Graph *graph) {
  int longest = 1;
  for (NodeId id = 1; id < graph->n_nodes; id++) {
    const Node *node = graph_node(graph, id);
    if (node->op != OP_tap) continue;
    int reach = (int)node->attr[op_attr_index(OP_tap, "reach")].i;
    if (reach > longest) longest = reach;
  }
  return longest < graph->n_modules ? longest : graph->n_modules > 0 ? graph->n_modules : 1;
}

// ---- flows ----

static void add_flow(Walk *walk, NodeId id, NodeId cotangent, Levels levels) {
  if (levels.low > levels.high) return;
  Flow *flow = ARENA_NEW(walk->scratch, Flow);
  *flow = (Flow){cotangent, levels, NULL};
  Flow **end = &walk->flows[id];
  while (*end) end = &(*end)->next;
  *end = flow;
}

static bool counts_at(const Flow *flow, int level) {
  return flow->levels.low <= level && level <= flow->levels.high;
}

static bool are_equal_levels(const Flow *flows, int a, int b) {
  for (const Flow *flow = flows; flow; flow = flow->next)
    if (counts_at(flow, a) != counts_at(flow, b)) return false;
  return true;
}

static NodeId add_up(Graph *graph, const Node *like, NodeId a, NodeId b) {
  NodeId in[] = {a, b};
  return a == NO_NODE ? b : op_build(graph, like, OP_add, in, 2, NULL);
}

// T[level]: NO_NODE if nothing flows at that level.
static NodeId total_at(Walk *walk, NodeId id, const Node *like, int level) {
  NodeId sum = NO_NODE;
  for (const Flow *flow = walk->flows[id]; flow; flow = flow->next)
    if (counts_at(flow, level)) sum = add_up(walk->graph, like, sum, flow->cotangent);
  return sum;
}

// ---- what gradient rules call ----

bool grad_needed(const Grad *grad, int input) {
  NodeId id = grad->node.in[input];
  return is_any_wanted(grad->walk, id,
                       levels_at(grad->walk, graph_node(grad->walk->graph, grad->id), id, grad->levels));
}

void grad_add(Grad *grad, int input, NodeId cotangent) {
  assert(shape_equal(graph_node(grad->walk->graph, cotangent)->shape,
                     graph_node(grad->walk->graph, grad->node.in[input])->shape));
  grad->sums[input] = add_up(grad->walk->graph, &grad->node, grad->sums[input], cotangent);
}

NodeId grad_build(Grad *grad, OpKind op, const NodeId *in, int n_in, const Attr *attr) {
  return op_build(grad->walk->graph, &grad->node, op, in, n_in, attr);
}

Graph *grad_graph(Grad *grad) {
  return grad->walk->graph;
}

NodeId grad_output(const Grad *grad) {
  return grad->id;
}

// ---- the walk ----

static void run_rule(Walk *walk, NodeId id, NodeId cotangent, Levels levels) {
  Grad grad = {.walk = walk, .node = *graph_node(walk->graph, id), .id = id, .levels = levels};
  const Node node = grad.node;
  grad.node.phase = PHASE_BACKWARD;
  grad.sums = ARENA_ARRAY(walk->scratch, NodeId, node.n_in);
  op_info(node.op)->grad(&grad, &node, cotangent);
  for (int i = 0; i < node.n_in; i++) {
    if (grad.sums[i] == NO_NODE || !grad_needed(&grad, i)) continue;
    add_flow(walk, node.in[i], grad.sums[i], levels_at(walk, &node, node.in[i], levels));
  }
}

// Walks a node once for each of its wanted levels that differ.
static void walk_node(Walk *walk, NodeId id) {
  Node like = *graph_node(walk->graph, id);
  like.phase = PHASE_BACKWARD;
  const Flow *flows = walk->flows[id];
  const bool *wanted = wanted_at(walk, id);
  for (int low = 1, high; low <= walk->max_level; low = high + 1) {
    high = low;
    if (!wanted[low]) continue;
    while (high < walk->max_level && (!wanted[high + 1] || are_equal_levels(flows, low, high + 1))) high++;
    NodeId cotangent = total_at(walk, id, &like, low);
    if (cotangent != NO_NODE) run_rule(walk, id, cotangent, (Levels){low, high});
  }
}

// A state may be read by several nodes; their gradients add up.
static void take_gradient(Walk *walk, NodeId id) {
  Graph *graph = walk->graph;
  Node like = *graph_node(graph, id);
  const State *state = state_get(graph->states, like.state);
  like.phase = PHASE_BACKWARD;
  like.module = state->module;
  like.is_aux = state->is_aux;
  NodeId total = total_at(walk, id, &like, 1), *grad = &graph->grads[like.state];
  if (total != NO_NODE) *grad = add_up(graph, &like, *grad, total);
}

static void plant_seed(Walk *walk, int index) {
  Graph *graph = walk->graph;
  Loss *loss = &graph->losses[index];
  loss->reach = loss_reach(graph, loss);
  if (!wanted_at(walk, loss->value)[1]) return;
  const Node *value = graph_node(graph, loss->value);
  Node seed = {.op = OP_fill,
               .phase = PHASE_BACKWARD,
               .dtype = DT_REAL,
               .module = loss->module,
               .is_aux = value->is_aux,
               .state = NO_STATE,
               .seed_of = index + 1,
               .name = value->name,
               .span = loss->span};
  Attr one = {.r = 1};
  loss->seed = graph_add(graph, seed, NULL, 0, &one, 1);
  add_flow(walk, loss->value, loss->seed, (Levels){1, 1});
}

void pass_differentiate(Graph *graph, PassCtx *ctx) {
  NodeId n_forward = graph->n_nodes;
  Walk walk = {.graph = graph, .scratch = ctx->scratch, .max_level = longest_reach(graph)};
  walk.wanted = ARENA_ARRAY(ctx->scratch, bool, n_forward *(size_t)(walk.max_level + 1));
  walk.flows = ARENA_ARRAY(ctx->scratch, Flow *, n_forward);
  graph->n_grads = graph->states->n;
  graph->grads = ARENA_ARRAY(graph->arena, NodeId, graph->n_grads);
  for (NodeId id = 1; id < n_forward; id++) find_wanted(&walk, id);
  for (int l = 0; l < graph->n_losses; l++) plant_seed(&walk, l);
  for (NodeId id = n_forward - 1; id > 0; id--) {
    if (!walk.flows[id]) continue;
    if (is_state(graph, id))
      take_gradient(&walk, id);
    else
      walk_node(&walk, id);
  }
}
