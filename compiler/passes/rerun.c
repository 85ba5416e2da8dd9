// Where the model says `recompute on`: a module keeps only some of its values and computes the others again before
// their backward pass.
//
// needs: pruned graph with its backward pass
// gives: backward reads clones (Node.recompute) of the backbone's values between those that are kept
// breaks: order of the nodes; repaired here
//
// A *cut* is a value from which alone everything behind it in the module follows: the output of a residual block. Of n
// cuts every s-th is kept; s makes what is kept, plus the largest segment between two kept cuts, smallest. Values that do not
// grow with the batch (the statistics of a batch norm) are kept, so they are computed once and running statistics move
// once; and a clone computes what its original did, so training is the same to the bit.
//
// The last segment is kept where its backward pass comes next; a module with a large auxiliary, which runs in between, gives it
// up, too. A clone that several kernels read is made once, except element-wise
// ones, which are fused into their readers (see pass_recompute).
#include "compiler/ir/op.h"
#include "compiler/passes/pass.h"

enum { AUX_SHARE = 2 };

typedef struct Rerun {
  Graph *graph;
  Arena *scratch;
  NodeId n_old;
  NodeId *last;   // [n_old] last forward reader in the backbone of its module; NO_NODE: none
  int *n_forward; // [n_old] forward readers
  bool *is_given_up;
  NodeId *clones; // [n_old]
} Rerun;

typedef struct Cuts { // of one module, in order; the output last
  NodeId *items;
  int n;
} Cuts;

static FuseKind fuse_of(const Rerun *rerun, NodeId id) {
  return op_info(graph_node(rerun->graph, id)->op)->fuse;
}

static bool is_wide(const Node *node) {
  for (int i = 0; i < node->shape.rank; i++)
    if (node->shape.dim[i] == DIM_BATCH) return true;
  return false;
}

// Made by the module's backbone in its forward pass.
static bool is_inner(const Rerun *rerun, NodeId id, int module) {
  const Node *node = graph_node(rerun->graph, id);
  return node->phase == PHASE_FORWARD && node->module == module && !node->is_aux && is_wide(node) &&
         fuse_of(rerun, id) != FUSE_LEAF;
}

static void find_readers(Rerun *rerun) {
  for (NodeId id = 1; id < rerun->n_old; id++) {
    const Node *node = graph_node(rerun->graph, id);
    if (node->phase != PHASE_FORWARD) continue;
    for (int i = 0; i < node->n_in; i++) {
      NodeId value = node_storage(rerun->graph, node->in[i], NULL);
      rerun->n_forward[value]++;
      if (!node->is_aux) rerun->last[value] = id;
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

static Cuts find_cuts(const Rerun *rerun, int module) {
  Cuts cuts = {ARENA_ARRAY(rerun->scratch, NodeId, rerun->n_old), 0};
  NodeId output = rerun->graph->modules[module].output;
  int n_open = 0; // values that a later node of the backbone reads
  for (NodeId id = 1; id < rerun->n_old; id++) {
    if (!is_inner(rerun, id, module)) continue;
    n_open -= count_ends(rerun, id);
    if (fuse_of(rerun, id) == FUSE_VIEW) continue;
    bool is_read = rerun->last[id] != NO_NODE || id == output;
    n_open += is_read;
    if (is_read && n_open == 1) cuts.items[cuts.n++] = id;
  }
  return cuts;
}

// ---- what is kept ----

static int64_t bytes_of(const Rerun *rerun, NodeId id) {
  return node_bytes(rerun->graph, graph_node(rerun->graph, id));
}

static bool is_stored(const Rerun *rerun, NodeId id) { // element-wise values are cheap either way
  return fuse_of(rerun, id) != FUSE_POINT && fuse_of(rerun, id) != FUSE_VIEW;
}

// Bytes with every `step`-th cut kept.
static int64_t bytes_kept(const Rerun *rerun, int module, const Cuts *cuts, int step) {
  int64_t kept = 0, segment = 0, largest = 0;
  int cut = 0;
  for (NodeId id = 1; id <= cuts->items[cuts->n - 1]; id++) {
    if (!is_inner(rerun, id, module)) continue;
    if (is_stored(rerun, id)) segment += bytes_of(rerun, id);
    if (segment > largest) largest = segment;
    if (id != cuts->items[cut]) continue;
    if (++cut % step != 0 && cut != cuts->n) continue;
    kept += bytes_of(rerun, id);
    segment = 0;
  }
  return kept + largest;
}

static int best_step(const Rerun *rerun, int module, const Cuts *cuts) {
  int best = 1;
  int64_t least = 0;
  for (int step = 1; step <= cuts->n; step++) {
    int64_t bytes = bytes_kept(rerun, module, cuts, step);
    if (step > 1 && bytes > least) continue;
    best = step;
    least = bytes;
  }
  return best;
}

static bool is_of_auxiliary(const Rerun *rerun, NodeId id, int module) {
  const Node *node = graph_node(rerun->graph, id);
  return node->phase == PHASE_FORWARD && node->module == module && node->is_aux && is_wide(node) &&
         fuse_of(rerun, id) != FUSE_LEAF;
}

// The auxiliary works between the module's forward and backward pass. Whether it takes enough for the last segment, from node
// `first` on, to make room for it.
static bool is_aux_large(const Rerun *rerun, int module, NodeId first) {
  int64_t aux = 0, segment = 0;
  for (NodeId id = 1; id < rerun->n_old; id++) {
    if (!is_stored(rerun, id)) continue;
    if (is_of_auxiliary(rerun, id, module)) aux += bytes_of(rerun, id);
    if (id > first && is_inner(rerun, id, module)) segment += bytes_of(rerun, id);
  }
  return AUX_SHARE * aux > segment;
}

static void give_up(Rerun *rerun, int module) {
  Cuts cuts = find_cuts(rerun, module);
  if (cuts.n == 0) return;
  int step = best_step(rerun, module, &cuts), cut = 0, last_kept = (cuts.n - 1) / step * step;
  bool to_the_end = is_aux_large(rerun, module, last_kept ? cuts.items[last_kept - 1] : NO_NODE);
  for (NodeId id = 1; id <= cuts.items[cuts.n - 1]; id++) {
    if (!is_inner(rerun, id, module)) continue;
    bool is_cut = id == cuts.items[cut];
    cut += is_cut;
    bool is_kept = is_cut && (cut % step == 0 || cut == cuts.n);
    bool is_before_backward = cut - is_cut >= last_kept && !to_the_end;
    rerun->is_given_up[id] = !is_kept && !is_before_backward;
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
