// What differentiation by scope computes: against finite differences of the losses that the taps let through,
// against end-to-end training, and through every later pass.
#include "tests/passes/machine.h"

enum { BATCH = 3, SIZE = 8, WIDTH = 4 };

static const int short_links[3][5] = {{1, 2, -1}, {2, -1}, {-1}};

typedef ResNet *Build(Arena *arena);

static ResNet *build_end_to_end(Arena *arena) {
  return resnet_end_to_end(arena, 1, WIDTH, SIZE);
}
static ResNet *build_man(Arena *arena) {
  return resnet_man(arena, 1, WIDTH, SIZE);
}
static ResNet *build_window_2(Arena *arena) {
  return resnet_cascade(arena, 1, WIDTH, SIZE, 2, short_links);
}
static ResNet *build_window_3(Arena *arena) {
  return resnet_cascade(arena, 1, WIDTH, SIZE, 3, short_links);
}

// Every module by itself, the last loss through all of them.
static ResNet *build_full_window(Arena *arena) {
  int module_of[] = {0, 1, 2};
  ResNet *resnet = resnet_new(arena, 1, WIDTH, SIZE, module_of);
  resnet_final_loss(resnet, 3, 1);
  return resnet;
}

static const struct {
  const char *name;
  Build *build;
} nets[] = {{"end to end", build_end_to_end},
            {"man", build_man},
            {"window 2", build_window_2},
            {"window 3", build_window_3},
            {"full window", build_full_window}};
enum { N_NETS = sizeof nets / sizeof *nets };

static int n_failed;

static void expect_near(double actual, double expected, double tolerance, const char *what) {
  if (fabs(actual - expected) <= tolerance * (1 + fabs(expected))) return;
  if (n_failed++ < 10) printf("%s: %.15g, expected %.15g\n", what, actual, expected);
}

static void differentiate(Graph *graph) {
  Model model = {.train = graph};
  Arena *scratch = arena_new();
  PassCtx ctx = {.scratch = scratch, .model = &model, .is_training = true};
  pass_differentiate(graph, &ctx);
  arena_free(scratch);
}

// ---- finite differences ----

static bool may_train(const Loss *loss, const State *state) {
  if (state->is_aux) return loss->module == state->module;
  return state->module <= loss->module && state->module > loss->module - loss->reach;
}

static double losses_for(Machine *machine, const State *state) {
  double sum = 0;
  machine_run(machine, false);
  for (int l = 0; l < machine->graph->n_losses; l++)
    if (may_train(&machine->graph->losses[l], state))
      sum += machine_scalar(machine, machine->graph->losses[l].value);
  arena_reset(machine->scratch);
  return sum;
}

static void test_finite_differences(const char *name, Build *build) {
  Arena *arena = arena_new();
  Graph *graph = build(arena)->net->graph;
  differentiate(graph);
  Machine *machine = machine_new(arena, graph, BATCH);
  machine_run(machine, false);
  int n = graph->states->n;
  double *gradients = ARENA_ARRAY(arena, double, n);
  for (StateId id = 0; id < n; id++)
    if (graph->grads[id] != NO_NODE) gradients[id] = machine->values[graph->grads[id]].data[0];
  const double step = 1e-5;
  for (StateId id = 0; id < n; id++) {
    const State *state = state_get(graph->states, id);
    if (state->kind != STATE_PARAM) continue;
    double *element = &machine->states[id][0], old = *element;
    *element = old + step;
    double above = losses_for(machine, state);
    *element = old - step;
    double below = losses_for(machine, state);
    *element = old;
    expect_near(gradients[id], (above - below) / (2 * step), 2e-5,
                arena_printf(arena, "%s: %s", name, state->name));
  }
  machine_close(machine);
  arena_free(arena);
}

// ---- all passes: the states after a step are those of the plain graph ----

typedef struct Variant {
  bool unfused;
  const char *disabled[4];
  int n_disabled;
} Variant;

static void test_passes(const char *name, Build *build, const Variant *variant) {
  Arena *arena = arena_new();
  Net *plain = build(arena)->net, *planned = build(arena)->net;
  PipelineOptions options = {.batch = BATCH, .elem_bytes = 8, .stop_after = "update"};
  pipeline_run(net_model(plain), arena, &options, NULL, NULL);
  options.stop_after = NULL;
  options.unfused = variant->unfused;
  options.disabled = variant->disabled;
  options.n_disabled = variant->n_disabled;
  pipeline_run(net_model(planned), arena, &options, NULL, NULL);
  Machine *a = machine_new(arena, plain->graph, BATCH), *b = machine_new(arena, planned->graph, BATCH);
  machine_run(a, true);
  machine_run_plan(b);
  for (StateId id = 0; id < plain->graph->states->n; id++) {
    const State *state = state_get(plain->graph->states, id);
    if (state->kind == STATE_RUNNING) continue; // no evaluation graph: pruned
    for (int64_t i = 0; i < shape_elems(state->shape, 1); i++)
      expect_near(b->states[id][i], a->states[id][i], 1e-11,
                  arena_printf(arena, "%s, step: %s", name, state->name));
  }
  for (int l = 0; l < plain->graph->n_losses; l++)
    expect_near(machine_scalar(b, planned->graph->losses[l].term),
                machine_scalar(a, plain->graph->losses[l].term), 1e-12,
                arena_printf(arena, "%s: loss %d", name, l));
  machine_close(a);
  machine_close(b);
  arena_free(arena);
}

// ---- acceptance: isolation, and the full window ----

static Machine *machine_of_weighted(Arena *arena, Build *build, int module, double factor) {
  Graph *graph = build(arena)->net->graph;
  for (int l = 0; l < graph->n_losses; l++) {
    Node *value = graph_node(graph, graph->losses[l].value);
    if (graph->losses[l].module == module && value->op == OP_affine)
      value->attr[op_attr_index(OP_affine, "scale")].r *= factor;
  }
  differentiate(graph);
  Machine *machine = machine_new(arena, graph, BATCH);
  machine_run(machine, false);
  return machine;
}

static bool equal_gradients(const Machine *a, const Machine *b, StateId id) {
  size_t n = (size_t)shape_elems(state_get(a->graph->states, id)->shape, 1);
  NodeId left = a->graph->grads[id], right = b->graph->grads[id];
  if ((left == NO_NODE) != (right == NO_NODE)) return false;
  return left == NO_NODE || !memcmp(a->values[left].data, b->values[right].data, n * sizeof(double));
}

// Changing the weight of module j's losses leaves every encoder outside j - w + 1 .. j as it was, bit by bit,
// and reaches those inside.
static void test_isolation(const char *name, Build *build, int window) {
  for (int j = 0; j < 3; j++) {
    Arena *arena = arena_new();
    Machine *a = machine_of_weighted(arena, build, j, 1), *b = machine_of_weighted(arena, build, j, 2);
    bool has_losses = false;
    for (int l = 0; l < a->graph->n_losses; l++)
      has_losses |=
          a->graph->losses[l].module == j && graph_node(a->graph, a->graph->losses[l].value)->op == OP_affine;
    for (StateId id = 0; id < a->graph->states->n; id++) {
      const State *state = state_get(a->graph->states, id);
      if (state->is_aux || state->kind != STATE_PARAM) continue;
      bool is_inside = has_losses && state->module <= j && state->module > j - window;
      if (equal_gradients(a, b, id) != is_inside) continue;
      if (n_failed++ < 10)
        printf("%s: loss of module %d, %s: gradient %s\n", name, j, state->name,
               is_inside ? "unchanged" : "changed");
    }
    machine_close(a);
    machine_close(b);
    arena_free(arena);
  }
}

// A window over all modules and no auxiliary is end-to-end training.
static void test_full_window(void) {
  Arena *arena = arena_new();
  Machine *a = machine_of_weighted(arena, build_end_to_end, 0, 1);
  Machine *b = machine_of_weighted(arena, build_full_window, 0, 1);
  for (StateId id = 0; id < a->graph->states->n; id++)
    if (!equal_gradients(a, b, id) && n_failed++ < 10)
      printf("full window: %s differs from end to end\n", state_get(a->graph->states, id)->name);
  machine_close(a);
  machine_close(b);
  arena_free(arena);
}

int main(void) {
  static const Variant variants[] = {{.unfused = false},
                                     {.unfused = true},
                                     {.disabled = {"recompute"}, .n_disabled = 1},
                                     {.disabled = {"simplify"}, .n_disabled = 1},
                                     {.disabled = {"share", "recompute", "simplify"}, .n_disabled = 3}};
  for (int i = 0; i < N_NETS; i++) {
    test_finite_differences(nets[i].name, nets[i].build);
    for (size_t v = 0; v < sizeof variants / sizeof *variants; v++)
      test_passes(nets[i].name, nets[i].build, &variants[v]);
  }
  test_isolation("man", build_man, 1);
  test_isolation("window 2", build_window_2, 2);
  test_isolation("window 3", build_window_3, 3);
  test_full_window();
  printf("%d failed\n", n_failed);
  return n_failed != 0;
}
