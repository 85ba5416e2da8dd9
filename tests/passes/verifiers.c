// The verifiers catch what they are for: isolation broken by hand in several ways, corrupted plans, broken
// structure.
#include "compiler/ir/verify.h"
#include "tests/passes/machine.h"

static const int short_links[3][5] = {{1, 2, -1}, {2, -1}, {-1}};
static int n_failed;

static void expect_says(const char *said, const char *part, const char *what) {
  if (said && strstr(said, part)) return;
  n_failed++;
  printf("%s: expected \"...%s...\", the verifier says \"%s\"\n", what, part, said ? said : "nothing");
}

static void expect_silent(const char *said, const char *what) {
  if (!said) return;
  n_failed++;
  printf("%s: %s\n", what, said);
}

static Graph *training_graph(Arena *arena, const char *stop_after) {
  return net_compile(resnet_cascade(arena, 1, 4, 8, 2, short_links)->net, 4, 4, false, stop_after);
}

// A parameter of `module` whose gradient has the given shape's rank.
static StateId find_param(const Graph *graph, int module, bool is_aux, StateId from) {
  for (StateId id = from; id < graph->n_grads; id++) {
    const State *state = state_get(graph->states, id);
    if (state->kind == STATE_PARAM && state->module == module && state->is_aux == is_aux && graph->grads[id])
      return id;
  }
  abort();
}

// ---- isolation ----

static void add_foreign_flow(Arena *arena) {
  Graph *graph = training_graph(arena, "differentiate");
  StateId early = find_param(graph, 0, false, 0), late = find_param(graph, 2, false, 0);
  const Node like = *graph_node(graph, graph->grads[early]);
  Attr none[2] = {{.r = 1}, {.r = 0}};
  NodeId in[2] = {graph->grads[late]};
  in[0] = op_build(graph, &like, OP_total_sum, in, 1, none); // any shape: summed up and added
  in[1] = in[0];
  in[0] = graph->grads[early];
  graph->grads[early] = op_build(graph, &like, OP_add, in, 2, none);
  expect_says(verify_isolation(graph, arena), "takes gradient from loss", "foreign flow");
}

static void swap_update_inputs(Arena *arena) {
  Graph *graph = training_graph(arena, "prune");
  NodeId of_first = NO_NODE, of_last = NO_NODE; // the first gradients of two updates of encoders
  Node *first = NULL;
  for (NodeId id = 1; id < graph->n_nodes; id++) {
    Node *node = graph_node(graph, id);
    if (node->op != OP_sgd_step || node->is_aux) continue;
    if (node->module == 0 && !first) {
      first = node;
      of_first = node->in[1];
    }
    if (node->module == 2) of_last = node->in[1];
  }
  first->in[1] = of_last;
  expect_says(verify_isolation(graph, arena), "of module 0 takes gradient from loss", "swapped update");
  first->in[1] = of_first;
  expect_silent(verify_isolation(graph, arena), "swapped back");
}

// The head of one module trained by another module's loss.
static void train_foreign_head(Arena *arena) {
  Graph *graph = training_graph(arena, "differentiate");
  StateId mine = find_param(graph, 0, true, 0);
  StateId other = find_param(graph, 1, true, 0);
  graph->grads[mine] = graph->grads[other];
  expect_says(verify_isolation(graph, arena), "auxiliary parameter", "foreign head");
}

// Taps that let through more than the losses declare: reach is lengthened after the fact.
static void shorten_declared_reach(Arena *arena) {
  Graph *graph = training_graph(arena, "simplify"); // taps are gone
  expect_silent(verify_isolation(graph, arena), "window 2");
  for (int l = 0; l < graph->n_losses; l++) graph->losses[l].reach = 1;
  expect_says(verify_isolation(graph, arena), "cascade", "leaking border");
}

// A later block used with its own weights in an auxiliary, without stopping their gradient.
static void share_without_stop(Arena *arena, bool is_stopped) {
  int module_of[] = {0, 1, 2};
  ResNet *resnet = resnet_new(arena, 1, 4, 8, module_of);
  Net *net = resnet->net;
  StateId weight = resnet->units[1].first_state;
  net_at(net, 0, true, "aux");
  NodeId x = net_tap(net, resnet->units[0].output, 1), w = net_read(net, weight);
  if (is_stopped) w = NET_OP(net, OP_stop, w);
  Attr attr[] = {{.i = 2}, {.i = 1}, {.i = 1}};
  net_head(net, net_op(net, OP_conv2d, 2, (NodeId[]){x, w}, attr), 1, "borrowed");
  resnet_final_loss(resnet, 1, 1);
  Graph *graph = net->graph;
  Arena *scratch = arena_new();
  PassCtx ctx = {.scratch = scratch, .model = net_model(net), .is_training = true};
  pass_differentiate(graph, &ctx);
  const char *said = verify_isolation(graph, arena);
  arena_free(scratch);
  if (is_stopped)
    expect_silent(said, "shared weights, stopped");
  else
    expect_says(said, "backbone parameter", "shared weights");
}

// ---- plan ----

static void corrupt_offset(Arena *arena) {
  Graph *graph = training_graph(arena, NULL);
  expect_silent(verify_plan(graph, arena), "plan");
  int n_caught = 0, n_tried = 0;
  for (NodeId id = 1; id < graph->n_nodes; id++) { // every value moved to the place of another: most collide
    Node *node = graph_node(graph, id);
    if (node->offset < 0 || node_bytes(graph, node) < 1024) continue;
    int64_t old = node->offset;
    node->offset = old >= 1024 ? 0 : 1024;
    n_tried++;
    n_caught += verify_plan(graph, arena) != NULL;
    node->offset = old;
  }
  if (n_tried == 0 || n_caught < n_tried / 2) {
    n_failed++;
    printf("corrupted offsets: %d of %d caught\n", n_caught, n_tried);
  }
  Node *node = graph_node(graph, graph->image);
  node->offset += 4;
  expect_says(verify_plan(graph, arena), "aligned", "misaligned");
  node->offset -= 4;
  graph->work_bytes -= 64;
  expect_says(verify_plan(graph, arena), "leaves the arena", "short arena");
}

static void swap_kernels(Arena *arena) {
  Graph *graph = training_graph(arena, NULL);
  int n_caught = 0;
  for (int g = 0; g + 1 < graph->n_groups; g++) {
    Group old = graph->groups[g];
    graph->groups[g] = graph->groups[g + 1];
    graph->groups[g + 1] = old;
    bool is_wrong = verify_structure(graph, arena) || verify_plan(graph, arena);
    n_caught += is_wrong;
    graph->groups[g + 1] = graph->groups[g];
    graph->groups[g] = old;
  }
  if (n_caught < graph->n_groups / 2) {
    n_failed++;
    printf("swapped kernels: %d of %d caught\n", n_caught, graph->n_groups - 1);
  }
}

static void update_too_early(Arena *arena) {
  Graph *graph = training_graph(arena, NULL);
  int last = 0; // the last update moved to the front
  for (int g = 0; g < graph->n_groups; g++)
    if (graph->groups[g].phase == PHASE_UPDATE) last = g;
  Group update = graph->groups[last];
  memmove(&graph->groups[1], &graph->groups[0], sizeof(Group) * (size_t)last);
  graph->groups[0] = update;
  if (!verify_structure(graph, arena)) {
    n_failed++;
    printf("an early update is not caught\n");
  }
}

// ---- structure ----

static void break_structure(Arena *arena) {
  Graph *graph = training_graph(arena, "prune");
  expect_silent(verify_structure(graph, arena), "structure");
  NodeId id = graph->n_nodes / 2;
  while (graph_node(graph, id)->n_in == 0 || graph_node(graph, id)->shape.rank == 0) id++;
  Node *node = graph_node(graph, id);
  NodeId old = node->in[0];
  node->in[0] = id;
  expect_says(verify_structure(graph, arena), "does not precede", "circle");
  node->in[0] = old;
  node->shape.dim[0] += 1;
  expect_says(verify_structure(graph, arena), arena_printf(arena, "%%%u", id), "shape");
  node->shape.dim[0] -= 1;
  Node *updates[2] = {NULL, NULL};
  for (NodeId u = 1; u < graph->n_nodes; u++)
    if (graph_node(graph, u)->op == OP_sgd_step) {
      updates[0] = updates[1];
      updates[1] = graph_node(graph, u);
    }
  updates[1]->state = updates[0]->state;
  expect_says(verify_structure(graph, arena), "is written by", "two writers");
}

int main(void) {
  Arena *arena = arena_new();
  add_foreign_flow(arena);
  swap_update_inputs(arena);
  train_foreign_head(arena);
  shorten_declared_reach(arena);
  share_without_stop(arena, false);
  share_without_stop(arena, true);
  corrupt_offset(arena);
  swap_kernels(arena);
  update_too_early(arena);
  break_structure(arena);
  arena_free(arena);
  printf("%d failed\n", n_failed);
  return n_failed != 0;
}
