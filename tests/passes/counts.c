// Counts that the passes promise: walks of a cascade, shared nodes, kernels, tensors kept, bytes.
#include "compiler/ir/kernel.h"
#include "tests/passes/machine.h"

static const int no_links[15][5] = {{-1}, {-1}, {-1}, {-1}, {-1}, {-1}, {-1}, {-1},
                                    {-1}, {-1}, {-1}, {-1}, {-1}, {-1}, {-1}};
static int n_failed;

static void expect_count(long long actual, long long expected, const char *what) {
  if (actual == expected) return;
  n_failed++;
  printf("%s: %lld, expected %lld\n", what, actual, expected);
}

static void expect_at_most(long long actual, long long limit, const char *what) {
  if (actual <= limit) return;
  n_failed++;
  printf("%s: %lld, expected at most %lld\n", what, actual, limit);
}

// ---- differentiation ----

// Backward convolutions of the encoder of `module`.
static int count_encoder(const Graph *graph, OpKind op, int module) {
  int n = 0;
  for (NodeId id = 1; id < graph->n_nodes; id++) {
    const Node *node = graph_node(graph, id);
    n += node->op == op && node->module == module && !node->is_aux;
  }
  return n;
}

// Blocks of modules 1 and 2 have three convolutions; two of them read the module's input. A walk that ends at
// the input needs one input gradient, one that goes on all three.
static void test_walks(Arena *arena) {
  Graph *graph = net_compile(resnet_cascade(arena, 2, 4, 8, 2, no_links)->net, 2, 4, false, "differentiate");
  for (int m = 1; m < 5; m++) {
    bool is_projected = m == 2 || m == 4;
    int n_convs = is_projected ? 3 : 2;
    expect_count(count_encoder(graph, OP_conv2d_grad_weight, m), n_convs, "window 2: weight gradients once");
    expect_count(count_encoder(graph, OP_conv2d_grad_input, m), n_convs + 1, "window 2: two walks");
  }
  graph = net_compile(resnet_cascade(arena, 2, 4, 8, 3, no_links)->net, 2, 4, false, "differentiate");
  for (int m = 2; m < 4; m++) {
    int n_convs = m == 2 ? 3 : 2;
    expect_count(count_encoder(graph, OP_conv2d_grad_weight, m), n_convs, "window 3: weight gradients once");
    expect_count(count_encoder(graph, OP_conv2d_grad_input, m), 2 * n_convs + 1, "window 3: three walks");
  }
  graph = net_compile(resnet_end_to_end(arena, 2, 4, 8)->net, 2, 4, false, "differentiate");
  int n_convs = 1 + 6 * 2 + 2;
  expect_count(count_ops(graph, OP_conv2d_grad_weight), n_convs, "end to end: weight gradients");
  expect_count(count_ops(graph, OP_conv2d_grad_input), n_convs - 1,
               "end to end: one walk, none to the image");
  graph = net_compile(resnet_man(arena, 2, 4, 8)->net, 2, 4, false, "differentiate");
  expect_count(count_encoder(graph, OP_conv2d_grad_input, 1), 1, "local: one walk, not beyond the border");
}

// EMA copies: gradients run through, not into.
static void test_ema_has_no_gradient(Arena *arena) {
  Graph *graph = net_compile(resnet_man(arena, 1, 4, 8)->net, 2, 4, false, "update");
  int n_momenta = 0, n_trained = 0;
  for (StateId id = 0; id < graph->states->n; id++) {
    const State *state = state_get(graph->states, id);
    n_momenta += state->kind == STATE_MOMENTUM;
    n_trained += state->kind == STATE_PARAM;
    if (state->kind != STATE_PARAM && id < graph->n_grads)
      expect_count(graph->grads[id], NO_NODE, "gradient of a state that is not trained");
  }
  expect_count(n_momenta, n_trained, "one momentum a parameter");
}

// ---- sharing and pruning ----

static int64_t param_elems(const Graph *graph, StateKind kind, bool used_only) {
  int64_t n = 0;
  for (StateId id = 0; id < graph->states->n; id++) {
    const State *state = state_get(graph->states, id);
    if (state->kind == kind && state->same == NO_STATE && (state->is_used || !used_only))
      n += shape_elems(state->shape, 1);
  }
  return n;
}

// A cascade written out again from the image, as the papers' code runs it, costs nothing.
static void test_sharing(Arena *arena) {
  Net *net = net_new(arena, 1);
  net_inputs(net, 8, 3);
  net_at(net, 0, false, "net");
  NodeId weight = net_param(net, (Shape){4, {3, 3, 3, 4}}, "conv"), y[2];
  Attr attr[] = {{.i = 1}, {.i = 1}, {.i = 1}};
  for (int i = 0; i < 2; i++)
    y[i] = NET_OP(net, OP_relu, net_op(net, OP_conv2d, 2, (NodeId[]){net->graph->image, weight}, attr));
  net_head(net, y[0], 1, "a");
  net_head(net, y[1], 1, "b");
  net->graph->modules[0].output = y[0];
  Graph *graph = net_compile(net, 2, 4, false, "prune");
  expect_count(count_ops(graph, OP_conv2d), 1, "equal convolutions");
  expect_count(count_ops(graph, OP_adaptive_avg_pool), 1, "equal pools");
}

static void test_pruning(Arena *arena) {
  Graph *graph = net_compile(resnet_man(arena, 1, 4, 8)->net, 2, 4, false, "prune");
  expect_count(count_ops(graph, OP_running_step), 0, "running statistics that nobody reads");
  expect_count(param_elems(graph, STATE_RUNNING, true), 0, "used running statistics");
  expect_count(count_ops(graph, OP_tap), 0, "taps");
}

// ---- fusion ----

static int count_kernels(const Graph *graph, GroupKind kind) {
  int n = 0;
  for (int g = 0; g < graph->n_groups; g++) n += graph->groups[g].kind == kind;
  return n;
}

static Net *two_layers(Arena *arena) {
  Net *net = net_new(arena, 1);
  net_inputs(net, 8, 3);
  net_at(net, 0, false, "net");
  NodeId x = net_conv_bn_relu(net, net->graph->image, 4, 3, 1);
  net_head(net, net_conv_bn_relu(net, x, 4, 3, 1), 1, "loss");
  return net;
}

// conv -> bn -> relu, twice, head: batch norm and relu are one kernel forward; backward the gate joins the
// gradient of batch norm, and the mask is computed from what is read anyway.
static void test_fusion(Arena *arena) {
  const Graph *graph = net_compile(two_layers(arena), 2, 4, false, NULL);
  // Statistics and their gradients of two layers, gradient of the bias.
  expect_count(count_kernels(graph, GROUP_REDUCE), 5, "reductions");
  // Forward: batch norm and relu twice, bias. Backward: the seed, the first layer's activation again for the
  // weight gradient, gate and gradient of batch norm twice.
  expect_count(count_kernels(graph, GROUP_POINT), 7, "element-wise kernels");
  graph = net_compile(two_layers(arena), 2, 4, true, NULL);
  for (int g = 0; g < graph->n_groups; g++)
    expect_count(graph->groups[g].n_nodes, 1, "unfused: nodes of a kernel");
}

// The same where products take in what stands around them.
static void test_products(Arena *arena) {
  Net *net = two_layers(arena);
  PipelineOptions options = {
      .batch = 2, .elem_bytes = 4, .products = {true, true, true, true, true, true, false}};
  pipeline_run(net_model(net), arena, &options, NULL, NULL);
  const Graph *graph = net->graph;
  // Both convolutions with their statistics, the second behind the first batch norm and relu; the head with its bias; the
  // second layer's gradient of x with the first's gate and sums, and its gradient of the weight from x computed again.
  expect_count(count_kernels(graph, GROUP_PRODUCT), 5, "products that take something in");
  expect_count(count_kernels(graph, GROUP_REDUCE), 2,
               "reductions left: the last batch norm's and the bias's gradients");
  // The last batch norm and relu, the seed, gate and gradient of batch norm twice.
  expect_count(count_kernels(graph, GROUP_POINT), 4, "element-wise kernels beside products");
  expect_count(count_ops(graph, OP_transpose_weight), 1, "transpositions, inside of a product");
}

// A decoder's convolution and the gradient of its weight read a resized tensor; nobody else does.
static const Graph *decoder(Arena *arena, int channels, ProductFusion products) {
  Net *net = net_new(arena, 1);
  net_inputs(net, 16, 3);
  net_at(net, 0, false, "net");
  net_decoder(net, net_conv_bn_relu(net, net->graph->image, channels, 3, 2), 16, 1);
  PipelineOptions options = {.batch = 2, .elem_bytes = 4, .products = products};
  pipeline_run(net_model(net), arena, &options, NULL, NULL);
  return net->graph;
}

static int count_in(const Graph *graph, OpKind op, GroupKind kind) {
  int n = 0;
  for (int g = 0; g < graph->n_groups; g++)
    for (int i = 0; i < graph->groups[g].n_nodes; i++) {
      bool is_op = graph_node(graph, graph->groups[g].nodes[i])->op == op;
      n += is_op && graph->groups[g].kind == kind;
    }
  return n;
}

static void test_gathered(Arena *arena) {
  const Graph *plain = decoder(arena, 8, (ProductFusion){0}),
              *gathered = decoder(arena, 8, (ProductFusion){.gathered = true});
  expect_count(count_in(plain, OP_resize, GROUP_SINGLE), 1, "a resized tensor, stored");
  expect_count(count_in(gathered, OP_resize, GROUP_SINGLE), 0, "a resized tensor, stored beside products");
  expect_count(count_in(gathered, OP_resize, GROUP_PRODUCT), 2, "products that resize their operand");
  const int64_t resized = 2 * 16 * 16 * 8 * 4, small = 2 * 8 * 8 * 8 * 4;
  expect_at_most(gathered->work_bytes, plain->work_bytes - resized + small + 1024, "bytes without it");
}

// Where operands are made in pairs of channels, an odd number of them is made by a kernel of its own.
static void test_pairs(Arena *arena) {
  const ProductFusion products = {.before = true, .before_weights = true, .gathered = true, .in_pairs = true};
  expect_count(count_in(decoder(arena, 8, products), OP_resize, GROUP_PRODUCT), 2,
               "8 channels resized in pairs");
  expect_count(count_in(decoder(arena, 7, products), OP_resize, GROUP_SINGLE), 1,
               "7 channels resized, stored");
  for (int channels = 7; channels <= 8; channels++) {
    Net *net = net_new(arena, 1);
    net_inputs(net, 8, 4);
    net_at(net, 0, false, "net");
    NodeId x = NET_OP(net, OP_relu, net_conv(net, net->graph->image, channels, 3, 1));
    net->graph->output = net_conv(net, x, 4, 3, 1);
    PassCtx ctx = {.scratch = arena, .model = net_model(net), .products = products};
    pass_prune(net->graph, &ctx);
    pass_fuse(net->graph, &ctx);
    expect_count(count_in(net->graph, OP_relu, GROUP_PRODUCT), channels == 8, "an operand made in pairs");
  }
}

// An element-wise result takes over the bytes of an input that dies: three convolutions need two tensors.
static void test_in_place(Arena *arena) {
  Net *net = net_new(arena, 1);
  net_inputs(net, 8, 4);
  net_at(net, 0, false, "net");
  NodeId x = net->graph->image;
  for (int i = 0; i < 3; i++) x = NET_OP(net, OP_relu, net_conv(net, x, 4, 3, 1));
  net->graph->output = x;
  net->graph->batch = 2;
  net->graph->elem_bytes = 4;
  PassCtx ctx = {.scratch = arena, .model = net_model(net)};
  pass_prune(net->graph, &ctx);
  pass_fuse(net->graph, &ctx);
  pass_schedule(net->graph, &ctx);
  pass_plan_memory(net->graph, &ctx);
  expect_count(net->graph->work_bytes, 2 * (2 * 8 * 8 * 4 * 4), "relu in place");
}

// ---- bytes ----

static long long mebibytes(int64_t bytes) {
  return (bytes + (1 << 20) - 1) >> 20;
}

// Weights with an EMA copy that the optimiser's step moves.
static int count_followed(const Graph *graph) {
  int n = 0;
  for (NodeId id = 1; id < graph->n_nodes; id++) {
    const Node *node = graph_node(graph, id);
    if (node->op == OP_sgd_step && op_beside(node, "copy_state") != NO_STATE) n += node->n_states;
  }
  return n;
}

static void test_peaks(Arena *arena) {
  Graph *graph = net_compile(resnet_end_to_end(arena, 5, 16, 32)->net, 128, 4, false, NULL);
  expect_at_most(mebibytes(graph->work_bytes), 195, "end to end, MiB");
  graph = net_compile(resnet_man(arena, 5, 16, 32)->net, 128, 4, false, NULL);
  expect_at_most(mebibytes(graph->work_bytes), 98, "man, MiB");
  expect_count(param_elems(graph, STATE_EMA, true), 461120, "man: EMA copies");
  graph = net_compile(resnet_cascade(arena, 5, 16, 32, 2, mlaan_links)->net, 128, 4, false, NULL);
  expect_at_most(mebibytes(graph->work_bytes), 120, "mlaan, MiB");
  expect_count(param_elems(graph, STATE_EMA, true), 14528 + 57728 + 4 * 73984,
               "mlaan: EMA copies, equal ones once");
  expect_count(graph->states->arena_elems[STATE_EMA], 14528 + 57728 + 4 * 73984,
               "mlaan: EMA copies in memory");
  expect_count(count_ops(graph, OP_ema_step), 0, "mlaan: EMA steps beside the optimiser's");
  expect_count(count_followed(graph), 2 * 9 + 4 * 6, "mlaan: EMA copies moved in the optimiser's pass");
  expect_at_most(graph->live_bound, graph->work_bytes, "bound");
}

int main(void) {
  Arena *arena = arena_new();
  test_walks(arena);
  test_ema_has_no_gradient(arena);
  test_sharing(arena);
  test_pruning(arena);
  test_fusion(arena);
  test_products(arena);
  test_gathered(arena);
  test_pairs(arena);
  test_in_place(arena);
  test_peaks(arena);
  arena_free(arena);
  printf("%d failed\n", n_failed);
  return n_failed != 0;
}
