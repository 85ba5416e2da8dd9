// Faults planted into real plans: values and partial sums put elsewhere, kernels exchanged, results written over what the kernel
// still reads, updates before their readers. A verifier says so, or the step, run over the plan's bytes, gives exactly what
// it gave before: a value may have been put where nothing is. (A kernel that overwrites its input and a too early update must always
// be caught: the machine reads all inputs before it writes.)
#include "compiler/ir/verify.h"
#include "tests/passes/machine.h"

enum { N_MOVES = 250, BATCH = 2 };

static const int links[3][5] = {{1, 2, -1}, {2, -1}, {-1}};

typedef struct Trial {
  Arena *arena;
  Graph *graph;
  double **expected; // [states] after the step
  uint64_t random;
  int n_planted, n_caught, n_harmless, n_missed;
} Trial;

static int draw(Trial *trial, int n) {
  return (int)((next_random(&trial->random) + 1) / 2 * n) % n;
}

static double **run(Arena *arena, const Graph *graph) {
  Machine *machine = machine_new(arena, graph, BATCH);
  machine_run_plan(machine);
  machine_close(machine);
  return machine->states;
}

static bool is_same(const Trial *trial, double **states) {
  for (StateId id = 0; id < trial->graph->states->n; id++) {
    size_t n = (size_t)shape_elems(state_get(trial->graph->states, id)->shape, 1);
    if (memcmp(states[id], trial->expected[id], sizeof(double) * n) != 0) return false;
  }
  return true;
}

// The graph as it is now has a fault. `must`: running it would not show it.
static void expect_caught(Trial *trial, bool must, const char *what, int where) {
  Arena *arena = arena_new();
  trial->n_planted++;
  bool is_caught = verify_structure(trial->graph, arena) || verify_plan(trial->graph, arena);
  bool is_harmless = !is_caught && !must && is_same(trial, run(arena, trial->graph));
  trial->n_caught += is_caught;
  trial->n_harmless += is_harmless;
  trial->n_missed += !is_caught && !is_harmless;
  if (!is_caught && !is_harmless) printf("not caught: %s %d\n", what, where);
  arena_free(arena);
}

static NodeId draw_value(Trial *trial) {
  NodeId id;
  do id = 1 + (NodeId)draw(trial, (int)trial->graph->n_nodes - 1);
  while (graph_node(trial->graph, id)->offset < 0);
  return id;
}

static void move_values(Trial *trial) {
  for (int i = 0; i < N_MOVES; i++) {
    Node *node = graph_node(trial->graph, draw_value(trial));
    int64_t old = node->offset, offset = graph_node(trial->graph, draw_value(trial))->offset;
    if (offset == old) continue;
    node->offset = offset;
    expect_caught(trial, false, "a value moved", (int)(node - trial->graph->nodes));
    node->offset = old;
  }
}

static void move_partials(Trial *trial) {
  for (int g = 0; g < trial->graph->n_groups; g++) {
    Group *group = &trial->graph->groups[g];
    int64_t old = group->partial_offset;
    if (!group->partial_bytes) continue;
    group->partial_offset = graph_node(trial->graph, draw_value(trial))->offset;
    if (group->partial_offset + group->partial_bytes <= trial->graph->work_bytes)
      expect_caught(trial, false, "partial sums of", g);
    group->partial_offset = old;
  }
}

static void move_group(Group *groups, int from, int to) {
  Group group = groups[from];
  if (from < to)
    memmove(groups + from, groups + from + 1, sizeof(Group) * (size_t)(to - from));
  else
    memmove(groups + to + 1, groups + to, sizeof(Group) * (size_t)(from - to));
  groups[to] = group;
}

static void move_kernels(Trial *trial) {
  int n = trial->graph->n_groups;
  for (int i = 0; i < N_MOVES; i++) {
    int from = draw(trial, n), to = draw(trial, n);
    if (from == to) continue;
    move_group(trial->graph->groups, from, to);
    expect_caught(trial, false, "a kernel moved to", to);
    move_group(trial->graph->groups, to, from);
  }
}

// An output in the place of an input that is not read element by element.
static void overwrite_inputs(Trial *trial) {
  Graph *graph = trial->graph;
  for (int g = 0; g < graph->n_groups; g++) {
    const Group *group = &graph->groups[g];
    for (int o = 0; o < group->n_outputs; o++)
      for (int i = 0; i < group->n_inputs; i++) {
        NodeId value = node_storage(graph, group->inputs[i], NULL);
        Node *output = graph_node(graph, group->outputs[o]);
        int64_t old = output->offset, offset = graph_node(graph, value)->offset;
        bool is_legal = group_may_overwrite(graph, group, group->outputs[o], value);
        if (offset < 0 || is_legal || offset + node_bytes(graph, output) > graph->work_bytes) continue;
        output->offset = offset;
        expect_caught(trial, true, "its own input is overwritten by kernel", g);
        output->offset = old;
      }
  }
}

static bool reads_state(const Graph *graph, const Group *group, const Node *update) {
  for (int i = 0; i < group->n_inputs; i++) {
    const Node *node = graph_node(graph, node_storage(graph, group->inputs[i], NULL));
    if (node->op == OP_state && node->state >= update->state &&
        node->state < update->state + update->n_states)
      return true;
  }
  return false;
}

static void update_early(Trial *trial) {
  Graph *graph = trial->graph;
  for (int g = 0; g < graph->n_groups; g++) {
    const Node *update = group_root(graph, &graph->groups[g]);
    if (op_info(update->op)->effect != EFFECT_WRITES_STATE) continue;
    for (int before = 0; before < g; before++) {
      if (!reads_state(graph, &graph->groups[before], update)) continue;
      move_group(graph->groups, g, before);
      expect_caught(trial, true, "an update before its reader", before);
      move_group(graph->groups, before, g);
    }
  }
}

static int try_net(int blocks, int width, ProductFusion products, uint64_t seed) {
  Arena *arena = arena_new();
  Net *net = resnet_cascade(arena, blocks, width, 8, 2, links)->net;
  PipelineOptions options = {.batch = BATCH, .elem_bytes = 8, .products = products};
  pipeline_run(net_model(net), arena, &options, NULL, NULL);
  Trial trial = {.arena = arena, .graph = net->graph, .random = seed};
  trial.expected = run(arena, trial.graph);
  move_values(&trial);
  move_partials(&trial);
  move_kernels(&trial);
  overwrite_inputs(&trial);
  update_early(&trial);
  printf("%d planted, %d caught, %d without effect, %d missed\n", trial.n_planted, trial.n_caught,
         trial.n_harmless, trial.n_missed);
  int n_missed = trial.n_missed;
  arena_free(arena);
  return n_missed;
}

int main(void) {
  ProductFusion none = {0}, all = {true, true, true, true, true, true, false};
  return try_net(1, 4, none, 1) + try_net(1, 4, all, 2) != 0;
}
