// Where the model says `recompute on`: a module keeps only some of its values and computes the others again before
// their backward pass.
//
// needs: pruned graph with its backward pass
// gives: backward reads clones (Node.recompute) of forward values between those that are kept
// breaks: order of the nodes; repaired here
//
// A *cut* is a value from which alone everything behind it in the module, its auxiliary included, follows: the output of a
// residual block. Of the cuts every s-th is kept; s makes what is kept, plus the largest segment between two kept cuts, smallest.
// If that is not much less than everything, everything is kept. So is the end of the module, whose backward pass comes next, as
// far as it takes no more than the largest segment.
//
// Values that do not grow with the batch (the statistics of a batch norm) are kept, so they are computed once and running
// statistics move once; and a clone computes what its original did, so training is the same to the bit. A clone that several
// kernels read is made once, except element-wise ones, which are fused into their readers (see pass_recompute).
#include "compiler/ir/op.h"
#include "compiler/passes/pass.h"

enum { MOST_PERCENT = 90 }; // of what everything takes: more is not worth it

typedef struct Rerun {
  Graph *graph;
  Arena *scratch;
  NodeId n_old;
  NodeId *last;   // [n_old] last forward reader in its module; NO_NODE: none
  int *n_forward; // [n_old] forward readers
  bool *is_given_up;
  NodeId *clones; // [n_old]
} Rerun;

typedef struct Cuts { // of one module, in order; piece i ends at cut i, the last one at the module's end
  NodeId *items;
  int64_t *pieces; // [n + 1] bytes
  int n;
} Cuts;

typedef struct Keep {
  int step;      // every how manieth cut is kept
  int tail;      // the first piece of the end that is kept
  int64_t bytes; // kept, and the largest segment
} Keep;

static FuseKind fuse_of(const Rerun *rerun, NodeId id) {
  return op_info(graph_node(rerun->graph, id)->op)->fuse;
}

static bool is_wide(const Node *node) {
  for (int i = 0; i < node->shape.rank; i++)
    if (node->shape.dim[i] == DIM_BATCH) return true;
  return false;
}

// Made by the module in its forward pass.
static bool is_inner(const Rerun *rerun, NodeId id, int module) {
  const Node *node = graph_node(rerun->graph, id);
  return node->phase == PHASE_FORWARD && node->module == module && is_wide(node) &&
         fuse_of(rerun, id) != FUSE_LEAF;
}

static void find_readers(Rerun *rerun) {
  for (NodeId id = 1; id < rerun->n_old; id++) {
    const Node *node = graph_node(rerun->graph, id);
    if (node->phase != PHASE_FORWARD) continue;
    for (int i = 0; i < node->n_in; i++) {
      NodeId value = node_storage(rerun->graph, node->in[i], NULL);
      rerun->n_forward[value]++;
      if (graph_node(rerun->graph, value)->module == node->module) rerun->last[value] = id;
    }
  }
}

// ---- cuts ----

static int count_ends(const Rerun *rerun, NodeId reader) {
  const Node *node = graph_node(rerun->graph, reader);
  int n = 0;
  for (int i = 0; i < node->n_in; i++) {
    NodeId value = node_storage(rerun->graph, node->in[i], NULL);
    bool is_first = true;
    for (int k = 0; k < i; k++) is_first &= node_storage(rerun->graph, node->in[k], NULL) != value;
    n += is_first && is_inner(rerun, value, node->module) && rerun->last[value] == reader;
  }
  return n;
}

static int64_t bytes_of(const Rerun *rerun, NodeId id) {
  return node_bytes(rerun->graph, graph_node(rerun->graph, id));
}

static bool is_stored(const Rerun *rerun, NodeId id) { // element-wise values are cheap either way
  return fuse_of(rerun, id) != FUSE_POINT && fuse_of(rerun, id) != FUSE_VIEW;
}

static Cuts find_cuts(const Rerun *rerun, int module) {
  Cuts cuts = {ARENA_ARRAY(rerun->scratch, NodeId, rerun->n_old),
               ARENA_ARRAY(rerun->scratch, int64_t, rerun->n_old + 1), 0};
  NodeId output = rerun->graph->modules[module].output;
  int n_open = 0; // values that a later node of the module reads
  for (NodeId id = 1; id < rerun->n_old; id++) {
    if (!is_inner(rerun, id, module)) continue;
    n_open -= count_ends(rerun, id);
    if (is_stored(rerun, id)) cuts.pieces[cuts.n] += bytes_of(rerun, id);
    if (fuse_of(rerun, id) == FUSE_VIEW) continue;
    bool is_read = rerun->last[id] != NO_NODE;
    n_open += is_read;
    if (n_open == 1 ? is_read : n_open == 0 && id == output) cuts.items[cuts.n++] = id;
  }
  return cuts;
}

// ---- what is kept ----

static bool is_kept(int piece, int step) {
  return (piece + 1) % step == 0;
}

static Keep keep_every(const Rerun *rerun, const Cuts *cuts, int step) {
  Keep keep = {.step = step, .tail = cuts->n};
  int64_t segment = 0, largest = 0, tail = 0;
  for (int i = 0; i <= cuts->n; i++) {
    segment += cuts->pieces[i];
    if (segment > largest) largest = segment;
    if (i == cuts->n || !is_kept(i, step)) continue;
    keep.bytes += bytes_of(rerun, cuts->items[i]);
    segment = 0;
  }
  keep.bytes += largest;
  for (int i = cuts->n; i >= 0 && tail + cuts->pieces[i] <= largest; i--) {
    tail += cuts->pieces[i];
    if (i == 0 || is_kept(i - 1, step)) keep.tail = i;
  }
  return keep;
}

static Keep best_keep(const Rerun *rerun, const Cuts *cuts) {
  Keep best = {.step = 1};
  int64_t all = 0;
  for (int i = 0; i <= cuts->n; i++) all += cuts->pieces[i];
  best.bytes = all / 100 * MOST_PERCENT;
  for (int step = 1; step <= cuts->n; step++) {
    Keep keep = keep_every(rerun, cuts, step);
    if (keep.bytes <= best.bytes) best = keep;
  }
  return best;
}

static void give_up(Rerun *rerun, int module) {
  Cuts cuts = find_cuts(rerun, module);
  Keep keep = best_keep(rerun, &cuts);
  int piece = 0;
  for (NodeId id = 1; id < rerun->n_old && piece < keep.tail; id++) {
    if (!is_inner(rerun, id, module)) continue;
    bool is_cut = id == cuts.items[piece];
    rerun->is_given_up[id] = !is_cut || !is_kept(piece, keep.step);
    piece += is_cut;
  }
}

// ---- clones ----

static NodeId clone(Rerun *rerun, NodeId id) {
  if (id >= rerun->n_old || !rerun->is_given_up[id]) return id;
  if (rerun->clones[id]) return rerun->clones[id];
  Node node = *graph_node(rerun->graph, id);
  NodeId *in = arena_copy(rerun->graph->arena, node.in, sizeof(NodeId) * (size_t)node.n_in);
  for (int i = 0; i < node.n_in; i++) in[i] = clone(rerun, in[i]);
  node.phase = PHASE_BACKWARD;
  node.recompute = true;
  NodeId copy = graph_add(rerun->graph, node, in, node.n_in, node.attr, op_n_attrs(node.op));
  if (is_stored(rerun, id) || rerun->n_forward[id] > 1) rerun->clones[id] = copy;
  return copy;
}

static void give_clones(Rerun *rerun, NodeId reader) {
  const Node node = *graph_node(rerun->graph, reader);
  for (int i = 0; i < node.n_in; i++) node.in[i] = clone(rerun, node.in[i]);
}

void pass_rerun(Graph *graph, PassCtx *ctx) {
  if (!ctx->model->recompute) return;
  Rerun rerun = {.graph = graph,
                 .scratch = ctx->scratch,
                 .n_old = graph->n_nodes,
                 .last = ARENA_ARRAY(ctx->scratch, NodeId, graph->n_nodes),
                 .n_forward = ARENA_ARRAY(ctx->scratch, int, graph->n_nodes),
                 .is_given_up = ARENA_ARRAY(ctx->scratch, bool, graph->n_nodes),
                 .clones = ARENA_ARRAY(ctx->scratch, NodeId, graph->n_nodes)};
  find_readers(&rerun);
  for (int module = 0; module < graph->n_modules; module++) give_up(&rerun, module);
  for (NodeId id = 1; id < rerun.n_old; id++)
    if (graph_node(graph, id)->phase != PHASE_FORWARD) give_clones(&rerun, id);
  graph_sort(graph);
}
