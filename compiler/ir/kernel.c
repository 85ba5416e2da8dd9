// Sizes of kernel groups that the plan and the emitters must agree on.
#include "compiler/ir/kernel.h"
#include "compiler/ir/op.h"
#include <string.h>

static bool is_grad_weight(OpKind op) {
  return op == OP_conv2d_grad_weight || op == OP_linear_grad_weight;
}

// ---- products ----

bool product_has_rows(OpKind op) {
  return op == OP_conv2d || op == OP_conv2d_grad_input || op == OP_linear || op == OP_linear_grad_input;
}

bool op_is_product(OpKind op) {
  return product_has_rows(op) || is_grad_weight(op);
}

bool op_is_costly(OpKind op) {
  static const OpKind ops[] = {OP_gelu,      OP_gelu_grad, OP_sigmoid,          OP_dropout,
                               OP_bce_terms, OP_bce_grad,  OP_bce_logits_terms, OP_none};
  int i = 0;
  while (ops[i] != OP_none && ops[i] != op) i++;
  return ops[i] == op;
}

bool op_is_gathered(OpKind op) {
  return op == OP_resize;
}

static bool is_grouped(const Node *node) {
  const AttrDef *attrs = op_info(node->op)->attrs;
  for (int i = 0; attrs[i].name; i++)
    if (!strcmp(attrs[i].name, "groups")) return node->attr[i].i > 1;
  return false;
}

// Gather kernels load vectors; so do the point-wise and the reductions. A convolution in groups has short sums or none.
bool node_takes_bf16(const Node *node) {
  static const OpKind gathers[] = {OP_max_pool,
                                   OP_max_pool_grad,
                                   OP_avg_pool,
                                   OP_avg_pool_grad,
                                   OP_adaptive_avg_pool,
                                   OP_adaptive_avg_pool_grad,
                                   OP_resize,
                                   OP_resize_grad,
                                   OP_slice,
                                   OP_slice_grad,
                                   OP_concat,
                                   OP_channels,
                                   OP_class_token,
                                   OP_none};
  FuseKind fuse = op_info(node->op)->fuse;
  if (fuse == FUSE_POINT || fuse == FUSE_REDUCE) return true;
  if (op_is_product(node->op)) return !is_grouped(node);
  int i = 0;
  while (gathers[i] != OP_none && gathers[i] != node->op) i++;
  return gathers[i] == node->op && node->op != OP_none;
}

static bool is_in_group(const Group *group, NodeId id) {
  for (int i = 0; i < group->n_nodes; i++)
    if (group->nodes[i] == id) return true;
  return false;
}

static bool reads(const Graph *graph, NodeId user, NodeId id) {
  const Node *node = graph_node(graph, user);
  for (int i = 0; i < node->n_in; i++)
    if (node->in[i] == id) return true;
  return false;
}

bool group_is_before(const Graph *graph, const Group *group, NodeId id) {
  if (!is_in_group(group, id) || id >= group->product) return false;
  if (reads(graph, group->product, id)) return true;
  for (int i = 0; i < group->n_nodes; i++)
    if (reads(graph, group->nodes[i], id) && group_is_before(graph, group, group->nodes[i])) return true;
  return false;
}

NodeId group_gathered(const Graph *graph, const Group *group) {
  if (group->kind != GROUP_PRODUCT) return NO_NODE;
  NodeId operand = graph_node(graph, group->product)->in[0];
  bool is_gathered = op_is_gathered(graph_node(graph, operand)->op);
  return is_gathered && is_in_group(group, operand) ? operand : NO_NODE;
}

static bool is_output(const Group *group, NodeId id) {
  for (int i = 0; i < group->n_outputs; i++)
    if (group->outputs[i] == id) return true;
  return false;
}

bool group_is_behind(const Graph *graph, const Group *group, NodeId id) {
  if (!is_in_group(group, id) || id == group->product) return false;
  if (is_output(group, id)) return true;
  for (int i = 0; i < group->n_nodes; i++)
    if (reads(graph, group->nodes[i], id) && group_is_behind(graph, group, group->nodes[i])) return true;
  return false;
}

const Node *group_root(const Graph *graph, const Group *group) {
  bool is_product = group->kind == GROUP_PRODUCT;
  return graph_node(graph, is_product ? group->product : group->nodes[group->n_nodes - 1]);
}

// ---- sizes ----

// The widest value read or written: operands of lower rank are spread over it.
static Shape widest(Shape a, Shape b) {
  int64_t n_a = shape_elems(a, 2), n_b = shape_elems(b, 2); // any batch above 1 tells batches from constants
  return n_b > n_a || (n_b == n_a && b.rank > a.rank) ? b : a;
}

Shape group_space(const Graph *graph, const Group *group) {
  const Node *root = graph_node(graph, group->nodes[group->n_nodes - 1]);
  if (op_info(root->op)->fuse == FUSE_POINT) return root->shape;
  Shape space = graph_node(graph, root->in[0])->shape;
  for (int i = 1; i < root->n_in; i++) space = widest(space, graph_node(graph, root->in[i])->shape);
  return space;
}

static int grad_weight_parts(const Graph *graph, const Node *node) {
  int64_t n_bytes = node_bytes(graph, node),
          tiles = (n_bytes / graph->elem_bytes + WEIGHT_TILE - 1) / WEIGHT_TILE;
  int64_t most = graph->sums.weight_blocks ? graph->sums.weight_blocks / tiles : MAX_WEIGHT_PARTS;
  int64_t parts = MAX_WEIGHT_PARTIAL_BYTES / n_bytes;
  if (parts > most) parts = most;
  if (parts > graph->batch) parts = graph->batch;
  return parts < 1 ? 1 : (int)parts;
}

// Blocks that share a row, each with some channels of a sum per channel.
static int64_t blocks_beside(const Graph *graph, const Group *group, Shape space) {
  const Node *root = graph_node(graph, group->nodes[group->n_nodes - 1]);
  int64_t channels = shape_channels(space), each = graph->sums.part_channels;
  if (op_info(root->op)->fuse != FUSE_REDUCE || each == 0 || shape_elems(root->shape, 1) < channels) return 1;
  return (channels + each - 1) / each;
}

static int row_parts(const Graph *graph, const Group *group) {
  Shape space = group_space(graph, group);
  int64_t batch = graph->batch, most = graph->sums.max_parts ? graph->sums.max_parts : MAX_PARTS;
  int64_t rows = shape_rows(space, batch), parts = shape_elems(space, batch) / PART_ELEMS;
  if (parts > most) parts = most;
  parts /= blocks_beside(graph, group, space);
  if (parts > rows) parts = rows;
  return parts < 1 ? 1 : (int)parts;
}

static bool is_sum(const Graph *graph, NodeId id) {
  return op_info(graph_node(graph, id)->op)->fuse == FUSE_REDUCE;
}

static bool has_sums(const Graph *graph, const Group *group) {
  for (int i = 0; i < group->n_outputs; i++)
    if (is_sum(graph, group->outputs[i])) return true;
  return false;
}

static int product_parts(const Graph *graph, const Group *group, Shape result) {
  int64_t most = graph->sums.max_parts ? graph->sums.max_parts : MAX_PARTS;
  int64_t parts = shape_rows(result, graph->batch) / PRODUCT_PART_ROWS;
  if (!has_sums(graph, group) || parts < 1) return 1;
  return (int)(parts < most ? parts : most);
}

int group_parts(const Graph *graph, const Group *group) {
  if (group->kind == GROUP_POINT || group->kind == GROUP_REDUCE) return row_parts(graph, group);
  const Node *node = group_root(graph, group);
  if (is_grad_weight(node->op)) return grad_weight_parts(graph, node);
  return group->kind == GROUP_PRODUCT ? product_parts(graph, group, node->shape) : 1;
}

int64_t kernel_partial_bytes(const Graph *graph, const Group *group) {
  int64_t bytes = 0;
  int parts = group_parts(graph, group);
  for (int i = 0; i < group->n_outputs; i++) {
    const Node *node = graph_node(graph, group->outputs[i]);
    bool is_weight = is_grad_weight(node->op) && parts > 1;
    if (is_weight || is_sum(graph, group->outputs[i])) bytes += node_bytes(graph, node);
    if (group->kind == GROUP_PRODUCT && is_sum(graph, group->outputs[i]))
      bytes += shape_channels(node->shape) * graph->elem_bytes;
  }
  return bytes * parts;
}

// A kernel of its own reads as it likes, a product what its sums are made of; bn_stats reads row 0 from every part.
static bool reads_in_step(const Graph *graph, const Group *group, NodeId value) {
  if (group->kind == GROUP_POINT) return true;
  if (group->kind == GROUP_REDUCE) return group_root(graph, group)->op != OP_bn_stats;
  if (group->kind == GROUP_SINGLE) return false;
  for (int i = 0; i < group->n_nodes; i++) {
    const Node *node = graph_node(graph, group->nodes[i]);
    bool is_of_sums = group->nodes[i] == group->product || group_is_before(graph, group, group->nodes[i]);
    for (int k = 0; k < node->n_in && is_of_sums; k++)
      if (node_storage(graph, node->in[k], NULL) == value) return false;
  }
  return true;
}

bool group_may_overwrite(const Graph *graph, const Group *group, NodeId output, NodeId value) {
  const Node *out = graph_node(graph, output), *old = graph_node(graph, value);
  if (op_info(out->op)->fuse == FUSE_REDUCE || !reads_in_step(graph, group, value)) return false;
  if (node_bytes(graph, out) != node_bytes(graph, old) || out->dtype != old->dtype) return false;
  for (int i = 0; i < group->n_inputs; i++) {
    int64_t offset;
    if (node_storage(graph, group->inputs[i], &offset) != value) continue;
    if (offset != 0 || !shape_equal(graph_node(graph, group->inputs[i])->shape, out->shape)) return false;
  }
  return true;
}
