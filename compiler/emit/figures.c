// What things cost: multiplications and bytes of kernels, parameters and memory of modules.
#include "compiler/emit/program.h"

// ---- arithmetic ----

// The matrix operators: which operand (-1: the node itself) is the layer's result y, and which its weight.
// Each element of y takes weight elements / channels of y multiplications, in all three directions.
typedef struct MatrixOp {
  OpKind op;
  int y, weight;
} MatrixOp;

static const MatrixOp matrix_ops[] = {
    {OP_conv2d, -1, 1}, {OP_conv2d_grad_input, 0, 1}, {OP_conv2d_grad_weight, 1, -1},
    {OP_linear, -1, 1}, {OP_linear_grad_input, 0, 1}, {OP_linear_grad_weight, 1, -1},
};

static Shape operand_shape(const Graph *graph, const Node *node, int i) {
  return i < 0 ? node->shape : graph_node(graph, node->in[i])->shape;
}

// Products of tokens x tokens x channels: q k^T and probabilities v; their gradients and q k^T again.
static int64_t attention_macs(const Graph *graph, const Node *node, int64_t batch) {
  bool is_grad = node->op == OP_attention_grad;
  Shape x = operand_shape(graph, node, is_grad ? 1 : 0);
  return shape_elems(x, batch) / 3 * x.dim[1] * (is_grad ? 5 : 2);
}

// Products of all pairs of rows, and for a gradient as many to add the rows up.
static const struct {
  OpKind op;
  int rows, n_products;
} pair_ops[] = {{OP_contrast_rows, 0, 1},
                {OP_contrast_grad, 1, 2},
                {OP_similarity_terms, 0, 1},
                {OP_similarity_grad, 1, 2}};

static int64_t pair_macs(const Graph *graph, const Node *node, int64_t batch) {
  for (size_t i = 0; i < sizeof pair_ops / sizeof *pair_ops; i++) {
    if (pair_ops[i].op == node->op)
      return shape_elems(operand_shape(graph, node, pair_ops[i].rows), batch) * graph->batch *
             pair_ops[i].n_products;
  }
  return 0;
}

// Channels of y as the weight has them: the transposed weight of grad_input has the channels of x last.
int64_t node_macs(const Graph *graph, const Node *node, int64_t batch) {
  if (node->op == OP_attention || node->op == OP_attention_grad) return attention_macs(graph, node, batch);
  for (size_t i = 0; i < sizeof matrix_ops / sizeof *matrix_ops; i++) {
    if (matrix_ops[i].op != node->op) continue;
    Shape y = operand_shape(graph, node, matrix_ops[i].y),
          weight = operand_shape(graph, node, matrix_ops[i].weight);
    return shape_elems(y, batch) * (shape_elems(weight, 1) / shape_channels(y));
  }
  return pair_macs(graph, node, batch);
}

static int64_t state_elems(const Graph *graph, const Node *node) {
  int64_t n = 0;
  for (int i = 0; i < node->n_states; i++)
    n += shape_elems(state_get(graph->states, node->state + i)->shape, 1);
  return n;
}

// Matrix operators exactly; of the others, one operation for an element of the largest value.
static int64_t node_flops(const Graph *graph, const Node *node) {
  int64_t macs = node_macs(graph, node, graph->batch);
  if (macs) return 2 * macs;
  int64_t most = op_info(node->op)->effect == EFFECT_WRITES_STATE ? state_elems(graph, node)
                                                                  : shape_elems(node->shape, graph->batch);
  for (int i = 0; i < node->n_in; i++) {
    int64_t n = shape_elems(graph_node(graph, node->in[i])->shape, graph->batch);
    if (n > most) most = n;
  }
  return most;
}

int64_t group_flops(const Graph *graph, const Group *group) {
  int64_t flops = 0;
  for (int i = 0; i < group->n_nodes; i++) flops += node_flops(graph, graph_node(graph, group->nodes[i]));
  return flops;
}

// ---- modules ----

static void add_states(const StateTable *table, MlaModule *modules, int n_modules) {
  for (StateId id = 0; id < table->n; id++) {
    const State *state = state_get(table, id);
    if (!state->is_used || state->same != NO_STATE || state->module < 0 || state->module >= n_modules)
      continue;
    MlaModule *module = &modules[state->module];
    int64_t n = shape_elems(state->shape, 1);
    if (state->kind == STATE_PARAM) *(state->is_aux ? &module->n_aux_params : &module->n_params) += n;
    if (state->kind == STATE_EMA) module->n_ema += n;
  }
}

static void add_work(const Graph *graph, MlaModule *modules, int n_modules) {
  for (int g = 0; g < graph->n_groups; g++) {
    const Group *group = &graph->groups[g];
    if (group->module < 0 || group->module >= n_modules) continue;
    modules[group->module].step_flops += group_flops(graph, group) / graph->batch;
    for (int i = 0; i < group->n_nodes; i++) {
      const Node *node = graph_node(graph, group->nodes[i]);
      if (node->phase == PHASE_FORWARD && !node->recompute)
        modules[group->module].forward_macs += node_macs(graph, node, 1);
    }
  }
}

void program_modules(ProgramBuilder *builder) {
  const Graph *graph = builder->model->train;
  int n = graph->n_modules;
  MlaModule *modules = ARENA_ARRAY(builder->arena, MlaModule, n);
  for (int i = 0; i < n; i++) {
    modules[i].name = graph->modules[i].name;
    modules[i].activation_bytes = graph->module_live[i];
  }
  add_states(builder->model->states, modules, n);
  add_work(graph, modules, n);
  builder->program->modules = modules;
  builder->program->n_modules = n;
}
