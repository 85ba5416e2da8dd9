// Common subexpressions: nodes with equal operator, inputs, attributes and shape are computed once.
//
// needs: nothing
// gives: no two equal pure nodes
// breaks: leaves unused nodes behind, for pass_prune
//
// The earliest of equal nodes stays, with its module and phase, so that what backward computes again from
// forward values is taken from forward. Reads of a state are equal however far apart: updates come after all
// readers. Seeds of different losses are never equal; the isolation check follows them.
#include "compiler/ir/op.h"
#include "compiler/passes/pass.h"

#include <string.h>

typedef struct Table {
  const Graph *graph;
  NodeId *slots; // open addressing; NO_NODE: free
  size_t mask;
} Table;

static uint64_t mix(uint64_t hash, uint64_t value) {
  hash ^= value + UINT64_C(0x9e3779b97f4a7c15) + (hash << 6) + (hash >> 2);
  return hash * UINT64_C(0xff51afd7ed558ccd);
}

static uint64_t hash_of(const Node *node) {
  uint64_t hash = mix(node->op, (uint64_t)node->seed_of);
  for (int i = 0; i < node->n_in; i++) hash = mix(hash, node->in[i]);
  for (int i = 0, n = op_n_attrs(node->op); i < n; i++) hash = mix(hash, (uint64_t)node->attr[i].i);
  if (node->op == OP_state) hash = mix(hash, (uint64_t)node->state);
  return hash ^ hash >> 32;
}

static bool are_equal(const Node *a, const Node *b) {
  if (a->op != b->op || a->n_in != b->n_in || a->seed_of != b->seed_of || a->dtype != b->dtype) return false;
  if (!shape_equal(a->shape, b->shape) || (a->op == OP_state && a->state != b->state)) return false;
  if (a->n_in && memcmp(a->in, b->in, sizeof(NodeId) * (size_t)a->n_in)) return false;
  for (int i = 0, n = op_n_attrs(a->op); i < n; i++)
    if (a->attr[i].i != b->attr[i].i) return false; // bits, so that -0 and NaN are told apart
  return true;
}

// The first node equal to `id`; `id` itself, then entered, if it is the first.
static NodeId find_or_enter(Table *table, NodeId id) {
  const Node *node = graph_node(table->graph, id);
  size_t slot = hash_of(node) & table->mask;
  for (; table->slots[slot] != NO_NODE; slot = (slot + 1) & table->mask)
    if (are_equal(node, graph_node(table->graph, table->slots[slot]))) return table->slots[slot];
  return table->slots[slot] = id;
}

void pass_share(Graph *graph, PassCtx *ctx) {
  size_t n_slots = 16;
  while (n_slots < 2 * (size_t)graph->n_nodes) n_slots *= 2;
  Table table = {graph, ARENA_ARRAY(ctx->scratch, NodeId, n_slots), n_slots - 1};
  NodeId *map = ARENA_ARRAY(ctx->scratch, NodeId, graph->n_nodes);
  for (NodeId id = 1; id < graph->n_nodes; id++) {
    const Node *node = graph_node(graph, id);
    for (int i = 0; i < node->n_in; i++) node->in[i] = map[node->in[i]];
    map[id] = op_info(node->op)->effect == EFFECT_PURE ? find_or_enter(&table, id) : id;
  }
  graph_replace(graph, map);
}
