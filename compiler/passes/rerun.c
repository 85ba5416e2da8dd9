// Where the model says `recompute on`: values that are given up after the forward pass are computed again before their backward
// pass.
//
// needs: pruned graph with its backward pass; PassCtx.plan_rerun, by which rerun_choice.c says what is worth it
// gives: backward reads clones (Node.recompute) of the forward values that are given up
// breaks: order of the nodes; repaired here
//
//   c1 = conv x; y = block c1; c2 = conv y; loss c2         backward reads x, c1, y, c2
//   c1 given up -> backward reads conv x of its own: c1 dies in forward
//
// Values that do not grow with the batch (the statistics of a batch norm) are kept, so they are computed once and running
// statistics move once; and a clone computes what its original did, so training is the same to the bit. A clone that several
// kernels read is made once, except element-wise ones, which are fused into their readers (see pass_recompute).
#include "compiler/ir/op.h"
#include "compiler/passes/rerun.h"

typedef struct Rerun {
  Graph *graph;
  NodeId n_old;
  int *n_forward; // [n_old] forward readers
  const bool *given_up;
  NodeId *clones; // [n_old]
} Rerun;

static void count_readers(Rerun *rerun) {
  for (NodeId id = 1; id < rerun->n_old; id++) {
    const Node *node = graph_node(rerun->graph, id);
    if (node->phase != PHASE_FORWARD) continue;
    for (int i = 0; i < node->n_in; i++) rerun->n_forward[node_storage(rerun->graph, node->in[i], NULL)]++;
  }
}

static NodeId clone(Rerun *rerun, NodeId id) {
  if (id >= rerun->n_old || !rerun->given_up[id]) return id;
  if (rerun->clones[id]) return rerun->clones[id];
  Node node = *graph_node(rerun->graph, id);
  NodeId *in = arena_copy(rerun->graph->arena, node.in, sizeof(NodeId) * (size_t)node.n_in);
  for (int i = 0; i < node.n_in; i++) in[i] = clone(rerun, in[i]);
  node.phase = PHASE_BACKWARD;
  node.recompute = true;
  NodeId copy = graph_add(rerun->graph, node, in, node.n_in, node.attr, op_n_attrs(node.op));
  if (rerun_is_stored(rerun->graph, id) || rerun->n_forward[id] > 1) rerun->clones[id] = copy;
  return copy;
}

static void give_clones(Rerun *rerun, NodeId reader) {
  const Node node = *graph_node(rerun->graph, reader);
  for (int i = 0; i < node.n_in; i++) node.in[i] = clone(rerun, node.in[i]);
}

void pass_rerun(Graph *graph, PassCtx *ctx) {
  const bool *given_up = ctx->given_up;
  if (ctx->plan_rerun) given_up = ctx->model->recompute ? rerun_choose(graph, ctx) : NULL;
  if (!given_up) return;
  Rerun rerun = {.graph = graph,
                 .n_old = graph->n_nodes,
                 .n_forward = ARENA_ARRAY(ctx->scratch, int, graph->n_nodes),
                 .given_up = given_up,
                 .clones = ARENA_ARRAY(ctx->scratch, NodeId, graph->n_nodes)};
  count_readers(&rerun);
  for (NodeId id = 1; id < rerun.n_old; id++)
    if (graph_node(graph, id)->phase != PHASE_FORWARD) give_clones(&rerun, id);
  graph_sort(graph);
}
