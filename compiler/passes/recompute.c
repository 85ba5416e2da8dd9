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
// is small (a value per channel), or is read by backward at least as late as the value itself. A value with
// several forward readers (a block's output: the next convolution and the shortcut) is kept, so that chains
// of blocks do not turn into chains of recomputation. So a residual block keeps two convolution outputs and
// its own: 3 tensors instead of 4.
#include "compiler/ir/op.h"
#include "compiler/passes/pass.h"

typedef struct Recompute {
  Graph *graph;
  NodeId n_old;
  int *n_forward_readers; // [n_old] views followed
  NodeId *last_use;       // [n_old] last backward node that reads the value, views followed; NO_NODE: none
  bool *is_viewed;        // [n_old] some view shows the value
  bool *is_cloned;        // [n_old] its backward readers get clones
} Recompute;

static FuseKind fuse_of(const Node *node) {
  return op_info(node->op)->fuse;
}

// A value per channel or for the whole network: it does not grow with the batch.
static bool is_small(const Node *node) {
  for (int i = 0; i < node->shape.rank; i++)
    if (node->shape.dim[i] == DIM_BATCH) return false;
  return true;
}

static void count_readers(Recompute *pass) {
  for (NodeId id = 1; id < pass->n_old; id++) {
    const Node *node = graph_node(pass->graph, id);
    bool is_view = fuse_of(node) == FUSE_VIEW;
    for (int i = 0; i < node->n_in; i++) {
      NodeId value = node_storage(pass->graph, node->in[i], NULL);
      if (is_view)
        pass->is_viewed[value] = true;
      else if (node->phase == PHASE_FORWARD)
        pass->n_forward_readers[value]++;
      else
        pass->last_use[value] = id;
    }
  }
}

// What a value is computed from again: true if nothing it starts from lives longer than it does now.
static bool starts_from_kept(const Recompute *pass, NodeId id, NodeId last_use) {
  const Node *node = graph_node(pass->graph, id);
  for (int i = 0; i < node->n_in; i++) {
    NodeId source = node_storage(pass->graph, node->in[i], NULL);
    const Node *start = graph_node(pass->graph, source);
    if (fuse_of(start) == FUSE_LEAF || is_small(start)) continue;
    if (pass->last_use[source] >= last_use && !pass->is_cloned[source]) continue;
    bool is_kept = pass->last_use[source] != NO_NODE && !pass->is_cloned[source];
    bool is_expression = fuse_of(start) == FUSE_POINT && source == node->in[i] && !is_kept;
    if (!is_expression || !starts_from_kept(pass, source, last_use)) return false;
  }
  return true;
}

static bool is_worth_cloning(const Recompute *pass, NodeId id) {
  const Node *node = graph_node(pass->graph, id);
  return fuse_of(node) == FUSE_POINT && node->phase == PHASE_FORWARD && !is_small(node) &&
         !pass->is_viewed[id] && pass->last_use[id] != NO_NODE && pass->n_forward_readers[id] <= 1 &&
         starts_from_kept(pass, id, pass->last_use[id]);
}

static NodeId clone(Recompute *pass, NodeId id, NodeId last_use) {
  Node node = *graph_node(pass->graph, id);
  NodeId *in = arena_copy(pass->graph->arena, node.in, sizeof(NodeId) * (size_t)node.n_in);
  for (int i = 0; i < node.n_in; i++) {
    const Node *start = graph_node(pass->graph, in[i]);
    bool is_kept = pass->last_use[in[i]] >= last_use && !pass->is_cloned[in[i]];
    if (fuse_of(start) == FUSE_POINT && !is_small(start) && !is_kept) in[i] = clone(pass, in[i], last_use);
  }
  node.phase = PHASE_BACKWARD;
  node.recompute = true;
  return graph_add(pass->graph, node, in, node.n_in, node.attr, op_n_attrs(node.op));
}

// Each reader gets a clone of its own: pass_fuse takes it in where the reader is element-wise, and two
// readers far apart do not keep it alive between them.
static void give_clones(Recompute *pass, NodeId reader) {
  const Node node = *graph_node(pass->graph, reader);
  for (int i = 0; i < node.n_in; i++) {
    NodeId value = node.in[i];
    if (value >= pass->n_old || !pass->is_cloned[value]) continue;
    NodeId copy = clone(pass, value, pass->last_use[value]);
    for (int k = i; k < node.n_in; k++)
      if (node.in[k] == value) node.in[k] = copy;
  }
}

void pass_recompute(Graph *graph, PassCtx *ctx) {
  NodeId n = graph->n_nodes;
  Recompute pass = {.graph = graph,
                    .n_old = n,
                    .n_forward_readers = ARENA_ARRAY(ctx->scratch, int, n),
                    .last_use = ARENA_ARRAY(ctx->scratch, NodeId, n),
                    .is_viewed = ARENA_ARRAY(ctx->scratch, bool, n),
                    .is_cloned = ARENA_ARRAY(ctx->scratch, bool, n)};
  count_readers(&pass);
  for (NodeId id = 1; id < n; id++) pass.is_cloned[id] = is_worth_cloning(&pass, id);
  for (NodeId id = 1; id < n; id++)
    if (graph_node(graph, id)->phase != PHASE_FORWARD) give_clones(&pass, id);
  graph_sort(graph);
}
