// A thousand random training graphs: every pass and verifier runs on each (the pipeline ends the process
// otherwise), and the plan, executed over its bytes, gives the states that the plain graph gives.
#include "tests/passes/machine.h"

enum { N_GRAPHS = 1000, BATCH = 2, MAX_POOL = 64 };

typedef struct Random {
  uint64_t state;
  Net *net;
  NodeId pool[MAX_POOL]; // values to choose from
  int n_pool;
} Random;

static int choose(Random *random, int n) {
  double x = (next_random(&random->state) + 1) / 2;
  int k = (int)(x * n);
  return k < n ? k : n - 1;
}

static NodeId pick(Random *random) {
  return random->pool[choose(random, random->n_pool)];
}

static const Shape *shape_in(const Random *random, NodeId id) {
  return &graph_node(random->net->graph, id)->shape;
}

static NodeId random_point(Random *random, NodeId x) {
  Net *net = random->net;
  switch (choose(random, 6)) {
  case 0: return NET_OP(net, OP_relu, x);
  case 1: return NET_OP(net, OP_sigmoid, x);
  case 2: return net_scaled(net, x, 0.5);
  case 3: return NET_OP(net, OP_stop, x);
  default: {
    NodeId y = pick(random);
    if (!shape_equal(*shape_in(random, x), *shape_in(random, y))) return NET_OP(net, OP_relu, x);
    return NET_OP(net, choose(random, 2) ? OP_add : OP_mul, x, y);
  }
  }
}

static NodeId random_value(Random *random) {
  NodeId x = pick(random);
  switch (choose(random, 5)) {
  case 0: return net_conv(random->net, x, choose(random, 2) ? 2 : 4, choose(random, 2) ? 1 : 3, 1);
  case 1: return net_bn(random->net, x);
  default: return random_point(random, x);
  }
}

static NodeId random_chain(Random *random, int n) {
  NodeId last = random->pool[random->n_pool - 1];
  for (int i = 0; i < n; i++) {
    last = random_value(random);
    if (random->n_pool < MAX_POOL) random->pool[random->n_pool++] = last;
  }
  return last;
}

static Net *random_net(Arena *arena, uint64_t seed) {
  Random random = {.state = seed};
  int n_modules = 1 + (int)(seed % 4);
  Net *net = random.net = net_new(arena, n_modules);
  for (int i = 0; i < 4; i++) next_random(&random.state);
  net_inputs(net, 3, 2);
  NodeId outputs[4], x = net->graph->image;
  for (int m = 0; m < n_modules; m++) {
    net_at(net, m, false, arena_printf(arena, "module%d", m));
    random.n_pool = 0;
    random.pool[random.n_pool++] = x;
    if (m > 1 && choose(&random, 2)) random.pool[random.n_pool++] = outputs[m - 2]; // a path round a module
    random.pool[random.n_pool++] = net_conv(net, x, 4, 3, 1);
    x = outputs[m] = net->graph->modules[m].output = random_chain(&random, 2 + choose(&random, 8));
  }
  net->graph->output = x;
  for (int m = 0; m < n_modules; m++)
    for (int i = 0, n = 1 + choose(&random, 2); i < n; i++) {
      net_at(net, m, true, arena_printf(arena, "aux%d.%d", m, i));
      random.n_pool = 1;
      random.pool[0] = net_tap(net, outputs[m], 1 + choose(&random, m + 1));
      net_head(net, random_chain(&random, choose(&random, 5)), 0.5, arena_printf(arena, "loss%d", i));
    }
  return net;
}

static bool is_equal(double a, double b) {
  return fabs(a - b) <= 1e-9 * (1 + fabs(b)) || (!isfinite(a) && !isfinite(b));
}

static bool test_graph(uint64_t seed) {
  Arena *arena = arena_new();
  Net *plain = random_net(arena, seed), *planned = random_net(arena, seed);
  PipelineOptions options = {.batch = BATCH, .elem_bytes = 8, .stop_after = "update"};
  pipeline_run(net_model(plain), arena, &options, NULL, NULL);
  options.stop_after = NULL;
  if (seed % 2)
    options.products = (ProductFusion){true, true, true, true, true, true, false}; // every other one with all
  pipeline_run(net_model(planned), arena, &options, NULL, NULL);
  bool is_right = planned->graph->live_bound <= planned->graph->work_bytes;
  Machine *a = machine_new(arena, plain->graph, BATCH), *b = machine_new(arena, planned->graph, BATCH);
  machine_run(a, true);
  machine_run_plan(b);
  for (StateId id = 0; id < plain->graph->states->n && is_right; id++) {
    const State *state = state_get(plain->graph->states, id);
    for (int64_t i = 0; i < shape_elems(state->shape, 1) && is_right; i++)
      is_right = state->kind == STATE_RUNNING || is_equal(b->states[id][i], a->states[id][i]);
    if (!is_right) printf("graph %llu: %s differs\n", (unsigned long long)seed, state->name);
  }
  machine_close(a);
  machine_close(b);
  arena_free(arena);
  return is_right;
}

int main(void) {
  int n_failed = 0;
  for (uint64_t seed = 1; seed <= N_GRAPHS; seed++) n_failed += !test_graph(seed);
  printf("%d of %d failed\n", n_failed, N_GRAPHS);
  return n_failed != 0;
}
