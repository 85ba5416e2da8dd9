// Structure: the rules that every pass relies on and must leave behind.
#include "compiler/ir/kernel.h"
#include "compiler/ir/op.h"
#include "compiler/ir/verify.h"

typedef struct Check {
  const Graph *graph;
  Arena *arena;
} Check;

static bool is_update(const Node *node) {
  return op_info(node->op)->effect == EFFECT_WRITES_STATE;
}

// ---- nodes ----

static const char *check_inputs(Check *check, NodeId id) {
  const Node *node = graph_node(check->graph, id);
  const OpInfo *info = op_info(node->op);
  if (node->n_in < info->min_in || node->n_in > info->max_in)
    return arena_printf(check->arena, "%%%u: %s has %d inputs", id, info->name, node->n_in);
  for (int i = 0; i < node->n_in; i++) {
    if (node->in[i] == NO_NODE || node->in[i] >= id)
      return arena_printf(check->arena, "%%%u: input %d is %%%u, which does not precede it", id, i,
                          node->in[i]);
    if (info->fuse == FUSE_VIEW && graph_node(check->graph, node->in[i])->dtype != node->dtype)
      return arena_printf(check->arena, "%%%u is stored as another type than %%%u, which it is a view of", id,
                          node->in[i]);
    if (is_update(graph_node(check->graph, node->in[i])))
      return arena_printf(check->arena, "%%%u: input %%%u is an update and has no value", id, node->in[i]);
  }
  return NULL;
}

static const char *check_shape(Check *check, NodeId id) {
  const Graph *graph = check->graph;
  const Node *node = graph_node(graph, id);
  if (op_info(node->op)->fuse == FUSE_LEAF) return NULL;
  ShapeQuery query = {.n_in = node->n_in, .attr = node->attr, .arena = check->arena, .culprit = -1};
  Shape *shapes = ARENA_ARRAY(check->arena, Shape, node->n_in);
  for (int i = 0; i < node->n_in; i++) shapes[i] = graph_node(graph, node->in[i])->shape;
  query.in = shapes;
  if (!op_info(node->op)->shape(&query)) return arena_printf(check->arena, "%%%u: %s", id, query.error);
  if (shape_equal(query.out, node->shape)) return NULL;
  return arena_printf(check->arena, "%%%u: %s is %s, its rule gives %s", id, op_info(node->op)->name,
                      shape_text(check->arena, node->shape), shape_text(check->arena, query.out));
}

static const char *check_states(Check *check, NodeId id) {
  const Graph *graph = check->graph;
  const Node *node = graph_node(graph, id);
  if (node->op != OP_state && !is_update(node)) return NULL;
  int n = node->op == OP_state ? 1 : node->n_states;
  if (node->state < 0 || n < 1 || node->state + n > graph->states->n)
    return arena_printf(check->arena, "%%%u: states %d..%d do not exist", id, node->state,
                        node->state + n - 1);
  if (node->op == OP_state && !shape_equal(node->shape, state_get(graph->states, node->state)->shape))
    return arena_printf(check->arena, "%%%u: its shape is not that of state %s", id,
                        state_get(graph->states, node->state)->name);
  return NULL;
}

static const char *check_nodes(Check *check) {
  const char *wrong = NULL;
  for (NodeId id = 1; id < check->graph->n_nodes && !wrong; id++) {
    const Node *node = graph_node(check->graph, id);
    if (node->module < 0 || node->module >= (check->graph->n_modules ? check->graph->n_modules : 1))
      return arena_printf(check->arena, "%%%u belongs to module %d", id, node->module);
    wrong = check_inputs(check, id);
    if (!wrong) wrong = check_shape(check, id);
    if (!wrong) wrong = check_states(check, id);
  }
  return wrong;
}

// ---- states ----

static const char *check_writers(Check *check) {
  const Graph *graph = check->graph;
  NodeId *writers = ARENA_ARRAY(check->arena, NodeId, graph->states->n + 1);
  for (NodeId id = 1; id < graph->n_nodes; id++) {
    const Node *node = graph_node(graph, id);
    StateId runs[MAX_RUNS];
    int n_runs = op_written_runs(node, runs);
    for (int i = 0; i < n_runs * node->n_states; i++) {
      StateId s = runs[i / node->n_states] + i % node->n_states;
      if (writers[s])
        return arena_printf(check->arena, "state %s is written by %%%u and %%%u",
                            state_get(graph->states, s)->name, writers[s], id);
      writers[s] = id;
    }
  }
  return NULL;
}

static const char *check_heads(Check *check) {
  const Graph *graph = check->graph;
  NodeId heads[] = {graph->image, graph->label, graph->output, graph->learning_rate, graph->keys};
  for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
    if (heads[i] >= graph->n_nodes) return "an input or the output of the graph does not exist";
  for (int l = 0; l < graph->n_losses; l++) {
    const Loss *loss = &graph->losses[l];
    if (loss->value == NO_NODE || loss->value >= graph->n_nodes || loss->term == NO_NODE ||
        loss->term >= graph->n_nodes)
      return arena_printf(check->arena, "loss %s has no value", loss->name);
    if (graph_node(graph, loss->value)->shape.rank != 0 || graph_node(graph, loss->term)->shape.rank != 0)
      return arena_printf(check->arena, "loss %s is not a scalar", loss->name);
  }
  return NULL;
}

// ---- groups ----

static bool contains(const NodeId *ids, int n, NodeId id) {
  for (int i = 0; i < n; i++)
    if (ids[i] == id) return true;
  return false;
}

// Every operand of a group's nodes is computed in it before, or is one of its inputs.
static const char *check_group(Check *check, int g) {
  const Group *group = &check->graph->groups[g];
  for (int i = 0; i < group->n_nodes; i++) {
    const Node *node = graph_node(check->graph, group->nodes[i]);
    for (int k = 0; k < node->n_in; k++)
      if (!contains(group->nodes, i, node->in[k]) && !contains(group->inputs, group->n_inputs, node->in[k]))
        return arena_printf(check->arena, "kernel %d: %%%u needs %%%u, which it neither reads nor computes",
                            g, group->nodes[i], node->in[k]);
  }
  for (int i = 0; i < group->n_outputs; i++)
    if (!contains(group->nodes, group->n_nodes, group->outputs[i]))
      return arena_printf(check->arena, "kernel %d: %%%u is not computed by it", g, group->outputs[i]);
  return NULL;
}

static bool takes_bf16(const Graph *graph, const Group *group) {
  for (int i = 0; i < group->n_nodes; i++)
    if (!node_takes_bf16(graph_node(graph, group->nodes[i]))) return false;
  return true;
}

static const char *check_stored(Check *check, int g, const NodeId *ids, int n) {
  const Graph *graph = check->graph;
  for (int i = 0; i < n; i++)
    if (graph_node(graph, ids[i])->dtype == DT_BF16 && !takes_bf16(graph, &graph->groups[g]))
      return arena_printf(check->arena, "kernel %d cannot read or write %%%u, which is stored as bf16", g,
                          ids[i]);
  return NULL;
}

static const char *check_reads(Check *check, int g, const int *maker, const int *writer) {
  const Graph *graph = check->graph;
  const Group *group = &graph->groups[g];
  for (int i = 0; i < group->n_inputs; i++) {
    NodeId value = node_storage(graph, group->inputs[i], NULL);
    const Node *node = graph_node(graph, value);
    if (node->op == OP_state && graph->is_scheduled && writer[node->state] >= 0 && writer[node->state] < g)
      return arena_printf(check->arena, "kernel %d reads state %s after kernel %d has written it", g,
                          state_get(graph->states, node->state)->name, writer[node->state]);
    if (op_info(node->op)->fuse != FUSE_LEAF && (maker[value] < 0 || maker[value] >= g))
      return arena_printf(check->arena, "kernel %d reads %%%u before it is there", g, value);
  }
  return NULL;
}

static int *all_minus_one(Arena *arena, size_t n) {
  int *items = ARENA_ARRAY(arena, int, n);
  for (size_t i = 0; i < n; i++) items[i] = -1;
  return items;
}

static const char *check_groups(Check *check) {
  const Graph *graph = check->graph;
  int *maker = all_minus_one(check->arena, graph->n_nodes); // the kernel that writes a value
  int *writer = all_minus_one(check->arena, (size_t)graph->states->n + 1);
  for (int g = 0; g < graph->n_groups; g++) {
    const Group *group = &graph->groups[g];
    const Node *node = graph_node(graph, group->nodes[0]);
    for (int i = 0; i < group->n_outputs; i++) {
      if (maker[group->outputs[i]] >= 0)
        return arena_printf(check->arena, "%%%u is written by kernels %d and %d", group->outputs[i],
                            maker[group->outputs[i]], g);
      maker[group->outputs[i]] = g;
    }
    StateId runs[MAX_RUNS];
    for (int r = op_written_runs(node, runs) - 1; r >= 0; r--)
      for (StateId s = 0; s < node->n_states; s++) writer[runs[r] + s] = g;
  }
  const char *wrong = NULL;
  for (int g = 0; g < graph->n_groups && !wrong; g++) {
    wrong = check_group(check, g);
    if (!wrong) wrong = check_reads(check, g, maker, writer);
    if (!wrong) wrong = check_stored(check, g, graph->groups[g].inputs, graph->groups[g].n_inputs);
    if (!wrong) wrong = check_stored(check, g, graph->groups[g].outputs, graph->groups[g].n_outputs);
  }
  return wrong;
}

const char *verify_structure(const Graph *graph, Arena *arena) {
  Check check = {graph, arena};
  const char *wrong = check_nodes(&check);
  if (!wrong) wrong = check_writers(&check);
  if (!wrong) wrong = check_heads(&check);
  if (!wrong && graph->groups) wrong = check_groups(&check);
  return wrong;
}
