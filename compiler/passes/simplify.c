// Local simplification.
//
// needs: gradients, if any, are built (taps and stops lose their meaning)
// gives: no operator that only moves a value on
// breaks: leaves unused nodes behind, for pass_prune
//
// Nodes are visited upwards; at each the rules are tried until none applies. A rule sees a node whose inputs
// are already simple. It returns another, earlier node that has the same value, or changes the node in place
// and returns its id, or returns NO_NODE. A rule must not make a node from a seed and something else lose the
// seed: the isolation check follows seeds. Rules:
//
//   1  tap(x), stop(x)                      -> x
//   2  affine(x; 1, 0)                      -> x
//   3  affine(affine(x; a, b); c, d)        -> affine(x; a c, b c + d)
//   4  affine(fill v; a, b)                 -> fill a v + b, with the seed of v
//   5  x + fill v, x * fill v, no seed      -> affine(x; 1, v), affine(x; v, 0)
//   6  flatten, reshape to the same shape   -> x
//   7  reshape(reshape x), reshape(flatten x) -> reshape x
//   8  resize, slice, pool to the same extents, concat of one, and their gradients -> x
#include "compiler/ir/op.h"
#include "compiler/passes/pass.h"

typedef NodeId Rule(Graph *graph, NodeId id);

static double real_attr(const Node *node, const char *name) {
  return node->attr[op_attr_index(node->op, name)].r;
}

static void make_affine(Graph *graph, Node *node, NodeId x, double scale, double shift) {
  node->op = OP_affine;
  node->n_in = 1;
  node->in[0] = x;
  node->attr = ARENA_ARRAY(graph->arena, Attr, op_n_attrs(OP_affine));
  node->attr[op_attr_index(OP_affine, "scale")].r = scale;
  node->attr[op_attr_index(OP_affine, "shift")].r = shift;
}

static NodeId drop_mark(Graph *graph, NodeId id) {
  const Node *node = graph_node(graph, id);
  return op_info(node->op)->fuse == FUSE_MARK ? node->in[0] : NO_NODE;
}

static NodeId drop_neutral_affine(Graph *graph, NodeId id) {
  const Node *node = graph_node(graph, id);
  if (node->op != OP_affine) return NO_NODE;
  return real_attr(node, "scale") == 1 && real_attr(node, "shift") == 0 ? node->in[0] : NO_NODE;
}

static NodeId join_affines(Graph *graph, NodeId id) {
  Node *node = graph_node(graph, id);
  if (node->op != OP_affine) return NO_NODE;
  const Node *inner = graph_node(graph, node->in[0]);
  if (inner->op != OP_affine) return NO_NODE;
  double scale = real_attr(node, "scale"), shift = real_attr(node, "shift");
  make_affine(graph, node, inner->in[0], scale * real_attr(inner, "scale"),
              scale * real_attr(inner, "shift") + shift);
  return id;
}

static NodeId fold_affine_fill(Graph *graph, NodeId id) {
  Node *node = graph_node(graph, id);
  if (node->op != OP_affine) return NO_NODE;
  const Node *fill = graph_node(graph, node->in[0]);
  if (fill->op != OP_fill) return NO_NODE;
  double value = real_attr(node, "scale") * real_attr(fill, "value") + real_attr(node, "shift");
  node->op = OP_fill;
  node->n_in = 0;
  node->seed_of = fill->seed_of;
  node->attr = ARENA_ARRAY(graph->arena, Attr, op_n_attrs(OP_fill));
  node->attr[op_attr_index(OP_fill, "value")].r = value;
  return id;
}

static NodeId fold_fill_operand(Graph *graph, NodeId id) {
  Node *node = graph_node(graph, id);
  if (node->op != OP_add && node->op != OP_mul) return NO_NODE;
  for (int i = 0; i < 2; i++) {
    const Node *fill = graph_node(graph, node->in[i]), *other = graph_node(graph, node->in[1 - i]);
    if (fill->op != OP_fill || fill->seed_of || !shape_equal(other->shape, node->shape)) continue;
    double value = real_attr(fill, "value");
    bool is_add = node->op == OP_add;
    make_affine(graph, node, node->in[1 - i], is_add ? 1 : value, is_add ? value : 0);
    return id;
  }
  return NO_NODE;
}

static bool is_reshaping(OpKind op) {
  return op == OP_reshape || op == OP_flatten;
}

static NodeId drop_same_shape(Graph *graph, NodeId id) {
  const Node *node = graph_node(graph, id);
  if (!is_reshaping(node->op)) return NO_NODE;
  return shape_equal(node->shape, graph_node(graph, node->in[0])->shape) ? node->in[0] : NO_NODE;
}

static NodeId join_reshapes(Graph *graph, NodeId id) {
  Node *node = graph_node(graph, id);
  if (node->op != OP_reshape) return NO_NODE;
  const Node *inner = graph_node(graph, node->in[0]);
  if (!is_reshaping(inner->op)) return NO_NODE;
  node->in[0] = inner->in[0];
  return id;
}

// Operators that are the identity where the extents stay as they are.
static NodeId drop_idle_window(Graph *graph, NodeId id) {
  static const OpKind movers[] = {OP_resize,     OP_resize_grad,       OP_slice,
                                  OP_slice_grad, OP_adaptive_avg_pool, OP_adaptive_avg_pool_grad,
                                  OP_concat,     OP_channels};
  const Node *node = graph_node(graph, id);
  bool is_mover = false;
  for (size_t i = 0; i < sizeof movers / sizeof *movers; i++) is_mover |= node->op == movers[i];
  if (!is_mover || node->n_in != 1) return NO_NODE;
  return shape_equal(node->shape, graph_node(graph, node->in[0])->shape) ? node->in[0] : NO_NODE;
}

static Rule *const rules[] = {drop_mark,         drop_neutral_affine, join_affines,  fold_affine_fill,
                              fold_fill_operand, drop_same_shape,     join_reshapes, drop_idle_window};

static NodeId apply_rules(Graph *graph, NodeId id) {
  for (size_t r = 0; r < sizeof rules / sizeof *rules; r++) {
    NodeId result = rules[r](graph, id);
    if (result == NO_NODE) continue;
    if (result != id) return result; // simple already
    r = (size_t)-1;                  // changed in place: from the first rule again
  }
  return id;
}

void pass_simplify(Graph *graph, PassCtx *ctx) {
  NodeId *map = ARENA_ARRAY(ctx->scratch, NodeId, graph->n_nodes);
  for (NodeId id = 1; id < graph->n_nodes; id++) {
    const Node *node = graph_node(graph, id);
    for (int i = 0; i < node->n_in; i++) node->in[i] = map[node->in[i]];
    map[id] = apply_rules(graph, id);
  }
  graph_replace(graph, map);
}
