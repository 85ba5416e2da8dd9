// Cheap activations are computed again in the backward pass instead of being kept for it.
//
// needs: pruned graph with its backward pass
// gives: element-wise forward values that backward would have kept alive are cloned into it (Node.recompute)
// breaks: order of the nodes; repaired here
//
//   c = conv x; n = relu(batch_norm c); d = conv n      backward reads x, c, d and n
//   -> backward reads relu(batch_norm c) of its own: n dies in forward, and c is kept anyway
//
// An element-wise value is cloned if nothing lives longer for it: what its expression starts from is a leaf,
// is small (a value per channel), or is read by the backward pass of the same module at least as late as the
// value itself. A value with several forward readers (a block's output: the next convolution and the
// shortcut) is cloned only if it starts from at most two tensors, so that chains of blocks do not turn into
// chains of recomputation, and if all its readers are in one module: what a module hands on is kept. So a
// residual block keeps two convolution outputs, and every second block its own: 2.5 tensors where keeping
// everything that backward reads takes 4.
//
// Where a cascade runs through several modules, a module's values live on while the next one works. Then the next
// module computes what it is handed on from them, and the tensor itself does not wait for it through the whole
// auxiliary in between.
#include "compiler/ir/op.h"
#include "compiler/passes/pass.h"

enum { MAX_SOURCES = 2, MAX_COUNTED = 8 };

typedef struct Recompute {
  Graph *graph;
  NodeId n_old;
  Users users;
  bool *is_cloned; // [n_old] its backward readers get clones
} Recompute;

typedef struct Readers { // of a value, views followed
  int n_forward;
  NodeId last;               // backward reader; NO_NODE: none
  bool is_viewed, is_abroad; // read through a view; from another module
} Readers;

typedef struct Sources { // wide tensors that an expression starts from
  NodeId ids[MAX_COUNTED];
  int n;
} Sources;

static FuseKind fuse_of(const Node *node) {
  return op_info(node->op)->fuse;
}

// A value per channel or for the whole network: it does not grow with the batch.
static bool is_small(const Node *node) {
  for (int i = 0; i < node->shape.rank; i++)
    if (node->shape.dim[i] == DIM_BATCH) return false;
  return true;
}

// The last backward reader is looked for in `module` only.
static void add_readers(const Recompute *pass, NodeId id, int module, Readers *readers) {
  for (NodeId u = pass->users.first[id]; u < pass->users.first[id + 1]; u++) {
    NodeId user = pass->users.items[u];
    const Node *node = graph_node(pass->graph, user);
    if (fuse_of(node) == FUSE_VIEW) {
      readers->is_viewed = true;
      add_readers(pass, user, module, readers);
    } else if (node->phase == PHASE_FORWARD) {
      readers->n_forward++;
      readers->is_abroad |= node->module != module;
    } else if (node->module != module) {
      readers->is_abroad = true;
    } else if (user > readers->last) {
      readers->last = user;
    }
  }
}

static Readers readers_of(const Recompute *pass, NodeId id, int module) {
  Readers readers = {0};
  add_readers(pass, id, module, &readers);
  return readers;
}

static bool is_expression(const Node *node) {
  return fuse_of(node) == FUSE_POINT && !is_small(node);
}

// True if the value is in memory until backward node `last_use` of `module` anyway.
static bool is_kept(const Recompute *pass, NodeId id, int module, NodeId last_use) {
  if (id >= pass->n_old) return true; // what a module computes of the one before, see hand_on
  return !pass->is_cloned[id] && readers_of(pass, id, module).last >= last_use;
}

static void add_source(Sources *sources, NodeId id) {
  for (int i = 0; i < sources->n; i++)
    if (sources->ids[i] == id) return;
  if (sources->n < MAX_COUNTED) sources->ids[sources->n++] = id;
}

// Finds what `id` would be computed from again; false if something would have to live longer for that.
static bool find_sources(const Recompute *pass, NodeId id, int module, NodeId last_use, Sources *sources) {
  const Node *node = graph_node(pass->graph, id);
  for (int i = 0; i < node->n_in; i++) {
    NodeId source = node_storage(pass->graph, node->in[i], NULL);
    const Node *start = graph_node(pass->graph, source);
    if (fuse_of(start) == FUSE_LEAF || is_small(start)) continue;
    if (is_kept(pass, source, module, last_use)) {
      add_source(sources, source);
      continue;
    }
    bool can_go_on = is_expression(start) && source == node->in[i];
    if (!can_go_on || !find_sources(pass, source, module, last_use, sources)) return false;
  }
  return true;
}

static bool is_worth_cloning(const Recompute *pass, NodeId id) {
  const Node *node = graph_node(pass->graph, id);
  if (!is_expression(node) || node->phase != PHASE_FORWARD) return false;
  Readers readers = readers_of(pass, id, node->module);
  if (readers.last == NO_NODE || readers.is_viewed || readers.is_abroad) return false;
  Sources sources = {.n = 0};
  return find_sources(pass, id, node->module, readers.last, &sources) &&
         (readers.n_forward <= 1 || sources.n <= MAX_SOURCES);
}

static NodeId clone(Recompute *pass, NodeId id, int module, NodeId last_use, Phase phase) {
  Node node = *graph_node(pass->graph, id);
  NodeId *in = arena_copy(pass->graph->arena, node.in, sizeof(NodeId) * (size_t)node.n_in);
  for (int i = 0; i < node.n_in; i++)
    if (is_expression(graph_node(pass->graph, in[i])) && !is_kept(pass, in[i], module, last_use))
      in[i] = clone(pass, in[i], module, last_use, phase);
  node.phase = phase;
  node.recompute = phase == PHASE_BACKWARD;
  return graph_add(pass->graph, node, in, node.n_in, node.attr, op_n_attrs(node.op));
}

// Each reader gets a clone of its own: pass_fuse takes it in where the reader is element-wise, and two
// readers far apart do not keep it alive between them.
static void give_clones(Recompute *pass, NodeId reader) {
  const Node node = *graph_node(pass->graph, reader);
  for (int i = 0; i < node.n_in; i++) {
    NodeId value = node.in[i];
    if (value >= pass->n_old || !pass->is_cloned[value]) continue;
    int module = graph_node(pass->graph, value)->module;
    NodeId copy = clone(pass, value, module, readers_of(pass, value, module).last, PHASE_BACKWARD);
    for (int k = i; k < node.n_in; k++)
      if (node.in[k] == value) node.in[k] = copy;
  }
}

// ---- what a module hands on ----

// A loss of a later module runs back through this one, so what its backward pass reads lives until then.
static bool outlives_next(const Graph *graph, int module) {
  for (int l = 0; l < graph->n_losses; l++) {
    const Loss *loss = &graph->losses[l];
    if (loss->module > module && loss->module - loss->reach < module) return true;
  }
  return false;
}

// Nobody but this module and the next reads it, and it follows from what the module keeps.
static bool can_follow(const Recompute *pass, NodeId id, int module) {
  const Node *node = graph_node(pass->graph, id);
  if (!is_expression(node) || node->phase != PHASE_FORWARD || node->module != module) return false;
  for (NodeId u = pass->users.first[id]; u < pass->users.first[id + 1]; u++) {
    const Node *user = graph_node(pass->graph, pass->users.items[u]);
    if (fuse_of(user) == FUSE_VIEW || user->module < module || user->module > module + 1) return false;
  }
  Sources sources = {.n = 0};
  return find_sources(pass, id, module, 1, &sources) && sources.n <= MAX_SOURCES;
}

// Computes the value once more in the next module.
static NodeId follow(Recompute *pass, NodeId id, int module) {
  NodeId first = pass->graph->n_nodes, copy = clone(pass, id, module, 1, PHASE_FORWARD);
  for (NodeId made = first; made <= copy; made++) graph_node(pass->graph, made)->module = module + 1;
  return copy;
}

static void hand_on(Recompute *pass, int module) {
  NodeId id = pass->graph->modules[module].output;
  if (id == NO_NODE || !outlives_next(pass->graph, module) || !can_follow(pass, id, module)) return;
  NodeId copy = NO_NODE;
  for (NodeId u = pass->users.first[id]; u < pass->users.first[id + 1]; u++) {
    Node *user = graph_node(pass->graph, pass->users.items[u]);
    if (user->module == module) continue;
    if (!copy) copy = follow(pass, id, module);
    user = graph_node(pass->graph, pass->users.items[u]);
    for (int i = 0; i < user->n_in; i++)
      if (user->in[i] == id) user->in[i] = copy;
  }
}

static Recompute find_clones(Graph *graph, Arena *scratch) {
  Recompute pass = {.graph = graph,
                    .n_old = graph->n_nodes,
                    .users = graph_users(graph, scratch),
                    .is_cloned = ARENA_ARRAY(scratch, bool, graph->n_nodes)};
  for (NodeId id = 1; id < pass.n_old; id++) pass.is_cloned[id] = is_worth_cloning(&pass, id);
  return pass;
}

void pass_recompute(Graph *graph, PassCtx *ctx) {
  Recompute pass = find_clones(graph, ctx->scratch);
  for (int module = 0; module + 1 < graph->n_modules; module++) hand_on(&pass, module);
  if (graph->n_nodes > pass.n_old) {
    graph_sort(graph);
    pass = find_clones(graph, ctx->scratch);
  }
  for (NodeId id = 1; id < pass.n_old; id++)
    if (graph_node(graph, id)->phase != PHASE_FORWARD) give_clones(&pass, id);
  graph_sort(graph);
}
