// Decides which values are kept in memory as bfloat16.
//
// needs: groups
// gives: Node.dtype of values (and of views of them)
// breaks: nothing
//
// Activations and their cotangents: what has a batch extent and rows of channels, is written by a kernel and read by
// kernels only, all of which can (node_takes_bf16). Inside of a kernel everything stays float32. So do parameters, sums
// (statistics, gradients of weights), losses and the logits that they are made of, what the runtime writes and reads
// (images, the output), and what an operator reads number by number.
#include "compiler/ir/op.h"
#include "compiler/passes/pass.h"

typedef struct Narrow {
  const Graph *graph;
  bool *is_wide; // [nodes] stays float32
  bool
      *is_judged; // [nodes] a scalar, or the output, is made of the value without a kernel of its own between
} Narrow;

static bool has_rows(const Node *node) {
  return node->shape.rank >= 2 && node->shape.dim[0] == DIM_BATCH;
}

static bool takes_bf16(const Graph *graph, const Group *group) {
  for (int i = 0; i < group->n_nodes; i++)
    if (!node_takes_bf16(graph_node(graph, group->nodes[i]))) return false;
  return true;
}

static bool has_judged(const Narrow *narrow, const Group *group) {
  for (int i = 0; i < group->n_outputs; i++) {
    bool is_scalar = graph_node(narrow->graph, group->outputs[i])->shape.rank == 0;
    if (is_scalar || (group->kind == GROUP_POINT && narrow->is_judged[group->outputs[i]])) return true;
  }
  return false;
}

// What the kernel touches and cannot have as bf16, or should not.
static void keep_wide(Narrow *narrow, const Group *group) {
  bool takes = takes_bf16(narrow->graph, group), judges = has_judged(narrow, group);
  for (int i = 0; i < group->n_inputs; i++) {
    NodeId value = node_storage(narrow->graph, group->inputs[i], NULL);
    narrow->is_judged[value] |= judges;
    narrow->is_wide[value] |= judges || !takes;
  }
  for (int i = 0; i < group->n_outputs; i++) narrow->is_wide[group->outputs[i]] |= !takes;
}

static void narrow_outputs(Graph *graph, const Group *group, const bool *is_wide) {
  for (int i = 0; i < group->n_outputs; i++) {
    Node *node = graph_node(graph, group->outputs[i]);
    if (has_rows(node) && !is_wide[group->outputs[i]]) node->dtype = DT_BF16;
  }
}

void pass_narrow(Graph *graph, PassCtx *ctx) {
  if (!ctx->stores_bf16) return;
  Narrow narrow = {graph, ARENA_ARRAY(ctx->scratch, bool, graph->n_nodes),
                   ARENA_ARRAY(ctx->scratch, bool, graph->n_nodes)};
  if (graph->output != NO_NODE) {
    NodeId output = node_storage(graph, graph->output, NULL);
    narrow.is_wide[output] = narrow.is_judged[output] = true;
  }
  for (int g = graph->n_groups - 1; g >= 0; g--) keep_wide(&narrow, &graph->groups[g]);
  for (int g = 0; g < graph->n_groups; g++) narrow_outputs(graph, &graph->groups[g], narrow.is_wide);
  for (NodeId id = 1; id < graph->n_nodes; id++) {
    Node *node = graph_node(graph, id);
    if (op_info(node->op)->fuse == FUSE_VIEW) node->dtype = graph_node(graph, node->in[0])->dtype;
  }
}
