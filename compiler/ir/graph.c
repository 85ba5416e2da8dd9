// Construction, renumbering and small queries of the graph. Nothing here knows what an operator computes; the
// only facts asked of the operator table are "is this a view" and "does this write state".
#include "compiler/ir/graph.h"
#include "compiler/ir/op.h"

#include <assert.h>
#include <string.h>

Graph *graph_new(Arena *arena, StateTable *states) {
  Graph *graph = ARENA_NEW(arena, Graph);
  graph->arena = arena;
  graph->states = states;
  graph->capacity = 64;
  graph->n_nodes = 1;
  graph->nodes = ARENA_ARRAY(arena, Node, graph->capacity);
  return graph;
}

Node *graph_node(const Graph *graph, NodeId id) {
  assert(id > 0 && id < graph->n_nodes);
  return &graph->nodes[id];
}

NodeId graph_add(Graph *graph, Node node, const NodeId *in, int n_in, const Attr *attr, int n_attr) {
  if (graph->n_nodes == graph->capacity) {
    Node *nodes = ARENA_ARRAY(graph->arena, Node, graph->capacity * 2);
    memcpy(nodes, graph->nodes, sizeof(Node) * graph->n_nodes);
    graph->nodes = nodes;
    graph->capacity *= 2;
  }
  node.n_in = n_in;
  node.in = arena_copy(graph->arena, in, sizeof(NodeId) * (size_t)n_in);
  node.attr = arena_copy(graph->arena, attr, sizeof(Attr) * (size_t)n_attr);
  node.group = -1;
  node.offset = -1;
  graph->nodes[graph->n_nodes] = node;
  return graph->n_nodes++;
}

static void *copy_items(Arena *arena, const void *items, size_t size, size_t n) {
  return items ? arena_copy(arena, items, size * n) : NULL;
}

Graph *graph_copy(const Graph *graph, Arena *arena) {
  assert(!graph->groups);
  Graph *copy = arena_copy(arena, graph, sizeof *graph);
  copy->arena = arena;
  copy->capacity = graph->n_nodes;
  copy->nodes = copy_items(arena, graph->nodes, sizeof(Node), graph->n_nodes);
  for (NodeId id = 1; id < copy->n_nodes; id++) {
    Node *node = &copy->nodes[id];
    node->in = arena_copy(arena, node->in, sizeof(NodeId) * (size_t)node->n_in);
  }
  copy->modules = copy_items(arena, graph->modules, sizeof(Module), (size_t)graph->n_modules);
  copy->losses = copy_items(arena, graph->losses, sizeof(Loss), (size_t)graph->n_losses);
  copy->grads = copy_items(arena, graph->grads, sizeof(NodeId), (size_t)graph->n_grads);
  return copy;
}

// ---- renumbering ----

static void replace_heads(Graph *graph, const NodeId *map) {
  for (int m = 0; m < graph->n_modules; m++) {
    Module *module = &graph->modules[m];
    module->input = map[module->input];
    module->output = map[module->output];
  }
  for (int l = 0; l < graph->n_losses; l++) {
    Loss *loss = &graph->losses[l];
    loss->value = map[loss->value];
    loss->term = map[loss->term];
    loss->seed = map[loss->seed];
  }
  graph->image = map[graph->image];
  graph->label = map[graph->label];
  graph->output = map[graph->output];
  graph->learning_rate = map[graph->learning_rate];
  graph->keys = map[graph->keys];
  for (int s = 0; s < graph->n_grads; s++) graph->grads[s] = map[graph->grads[s]];
}

void graph_replace(Graph *graph, const NodeId *map) {
  assert(!graph->groups);
  for (NodeId id = 1; id < graph->n_nodes; id++)
    for (int i = 0; i < graph->nodes[id].n_in; i++) graph->nodes[id].in[i] = map[graph->nodes[id].in[i]];
  replace_heads(graph, map);
}

// Makes order[0..n-1] (old ids) the nodes 1..n and rewrites every id; ids that are not in `order` become
// NO_NODE.
static void renumber(Graph *graph, const NodeId *order, NodeId n) {
  NodeId *map = ARENA_ARRAY(graph->arena, NodeId, graph->n_nodes);
  for (NodeId i = 0; i < n; i++) map[order[i]] = i + 1;
  graph_replace(graph, map);
  Node *nodes = ARENA_ARRAY(graph->arena, Node, n + 1);
  for (NodeId i = 0; i < n; i++) nodes[i + 1] = graph->nodes[order[i]];
  graph->nodes = nodes;
  graph->n_nodes = n + 1;
  graph->capacity = n + 1;
}

void graph_compact(Graph *graph, const bool *keep) {
  NodeId *order = ARENA_ARRAY(graph->arena, NodeId, graph->n_nodes), n = 0;
  for (NodeId id = 1; id < graph->n_nodes; id++)
    if (keep[id]) order[n++] = id;
  renumber(graph, order, n);
}

typedef struct Sort {
  const Graph *graph;
  bool *is_placed;
  NodeId *order, n;
} Sort;

// Depth first over inputs. The depth is bounded by the length of the chain that is out of order, which is
// short.
static void place(Sort *sort, NodeId id) {
  if (sort->is_placed[id]) return;
  sort->is_placed[id] = true;
  const Node *node = graph_node(sort->graph, id);
  for (int i = 0; i < node->n_in; i++) place(sort, node->in[i]);
  sort->order[sort->n++] = id;
}

void graph_sort(Graph *graph) {
  Sort sort = {graph, ARENA_ARRAY(graph->arena, bool, graph->n_nodes),
               ARENA_ARRAY(graph->arena, NodeId, graph->n_nodes), 0};
  for (NodeId id = 1; id < graph->n_nodes; id++) place(&sort, id);
  renumber(graph, sort.order, sort.n);
}

// ---- users ----

Users graph_users(const Graph *graph, Arena *arena) {
  // first[id + 1] is the place of the next user of id while they are entered, and ends as the end of its run.
  NodeId *first = ARENA_ARRAY(arena, NodeId, graph->n_nodes + 2);
  for (NodeId id = 1; id < graph->n_nodes; id++)
    for (int i = 0; i < graph->nodes[id].n_in; i++) first[graph->nodes[id].in[i] + 2]++;
  for (NodeId id = 1; id <= graph->n_nodes; id++) first[id + 1] += first[id];
  NodeId *items = ARENA_ARRAY(arena, NodeId, first[graph->n_nodes + 1]);
  for (NodeId id = 1; id < graph->n_nodes; id++)
    for (int i = 0; i < graph->nodes[id].n_in; i++) items[first[graph->nodes[id].in[i] + 1]++] = id;
  return (Users){first, items};
}

// ---- states ----

StateTable *state_table_new(Arena *arena) {
  StateTable *table = ARENA_NEW(arena, StateTable);
  table->arena = arena;
  table->capacity = 64;
  table->items = ARENA_ARRAY(arena, State, table->capacity);
  return table;
}

StateId state_add(StateTable *table, State state) {
  if (table->n == table->capacity) {
    State *items = ARENA_ARRAY(table->arena, State, table->capacity * 2);
    memcpy(items, table->items, sizeof(State) * (size_t)table->n);
    table->items = items;
    table->capacity *= 2;
  }
  state.name = arena_strdup(table->arena, state.name);
  state.same = NO_STATE;
  table->items[table->n] = state;
  return table->n++;
}

StateId state_find(const StateTable *table, const char *name) {
  for (StateId id = 0; id < table->n; id++)
    if (!strcmp(table->items[id].name, name)) return id;
  return NO_STATE;
}

State *state_get(const StateTable *table, StateId id) {
  assert(id >= 0 && id < table->n);
  return &table->items[id];
}

void state_table_sort(StateTable *table, Graph *const *graphs, int n_graphs) {
  StateId *moved = ARENA_ARRAY(table->arena, StateId, table->n + 1), n = 0;
  State *items = ARENA_ARRAY(table->arena, State, table->capacity);
  for (StateKind kind = 0; kind < N_STATE_KINDS; kind++)
    for (StateId id = 0; id < table->n; id++)
      if (table->items[id].kind == kind) {
        moved[id] = n;
        items[n++] = table->items[id];
      }
  table->items = items;
  for (StateId id = 0; id < n; id++)
    if (items[id].source != NO_STATE) items[id].source = moved[items[id].source];
  for (int g = 0; g < n_graphs; g++)
    for (NodeId id = 1; id < graphs[g]->n_nodes; id++) {
      Node *node = &graphs[g]->nodes[id];
      if (node->state != NO_STATE) node->state = moved[node->state];
    }
}

// ---- shapes ----

Shape shape_of(int rank, const int64_t *dim) {
  Shape shape = {.rank = rank};
  for (int i = 0; i < rank; i++) shape.dim[i] = dim[i];
  return shape;
}

bool shape_equal(Shape a, Shape b) {
  if (a.rank != b.rank) return false;
  for (int i = 0; i < a.rank; i++)
    if (a.dim[i] != b.dim[i]) return false;
  return true;
}

int64_t shape_elems(Shape shape, int64_t batch) {
  int64_t n = 1;
  for (int i = 0; i < shape.rank; i++) n *= shape.dim[i] == DIM_BATCH ? batch : shape.dim[i];
  return n;
}

int64_t shape_channels(Shape shape) {
  if (shape.rank == 0 || shape.dim[shape.rank - 1] == DIM_BATCH) return 1;
  return shape.dim[shape.rank - 1];
}

int64_t shape_rows(Shape shape, int64_t batch) {
  int64_t channels = shape_channels(shape);
  return channels ? shape_elems(shape, batch) / channels : 0;
}

const char *shape_text(Arena *arena, Shape shape) {
  if (shape.rank == 0) return "scalar";
  const char *text = "[";
  for (int i = 0; i < shape.rank; i++) {
    const char *comma = i ? ", " : "";
    if (shape.dim[i] == DIM_BATCH)
      text = arena_printf(arena, "%s%sbatch", text, comma);
    else
      text = arena_printf(arena, "%s%s%lld", text, comma, (long long)shape.dim[i]);
  }
  return arena_printf(arena, "%s]", text);
}

// ---- bytes ----

int64_t node_bytes(const Graph *graph, const Node *node) {
  if (op_info(node->op)->effect == EFFECT_WRITES_STATE) return 0;
  const int64_t elem_bytes[] = {[DT_REAL] = graph->elem_bytes, [DT_INDEX] = sizeof(int32_t), [DT_BF16] = 2};
  return shape_elems(node->shape, graph->batch) * elem_bytes[node->dtype];
}

NodeId node_storage(const Graph *graph, NodeId id, int64_t *byte_offset) {
  int64_t offset = 0;
  const Node *node = graph_node(graph, id);
  while (op_info(node->op)->fuse == FUSE_VIEW) {
    // A view starts where its input does, or at the row it names.
    if (node->op == OP_part)
      offset += node->attr[op_attr_index(OP_part, "index")].i * node_bytes(graph, node);
    id = node->in[0];
    node = graph_node(graph, id);
  }
  if (byte_offset) *byte_offset = offset;
  return id;
}
