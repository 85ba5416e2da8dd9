// Orders the kernels so that values die early.
//
// needs: groups
// gives: Graph.groups in launch order; Graph.is_scheduled
// breaks: nothing
//
// A list schedule. Of the kernels whose inputs are there: first updates (a gradient dies) and losses, then
// backward, then forward in the order of the modules, backbone before auxiliary. So a module's backward runs
// as soon as its loss is known, before the next module's forward: with window w, at most w modules keep their
// activations. An update waits for all readers of the states it writes.
//
// Kernels that start from nothing but leaves and kept values (transposed weights, seeds, recomputed
// activations) would be ready long before they are needed; they are *lazy*: launched just before their first
// reader.
//
// Among backward kernels the choice is greedy, by bytes made live less bytes freed; there are a few rules for
// that, and the order with the lowest peak is taken.
#include "compiler/ir/kernel.h"
#include "compiler/ir/op.h"
#include "compiler/passes/pass.h"

#include <string.h>

enum { MIN_EXPANSION = 4 };

typedef enum Policy { LEAST_LIVE, FREEING_FIRST, IN_ORDER, N_POLICIES } Policy;

typedef struct Links { // kernels, growing
  int *items;
  int n, capacity;
} Links;

typedef struct Schedule {
  const Graph *graph;
  Arena *scratch;
  int n;
  int *maker;       // [nodes] the kernel that writes a value; -1: a leaf
  bool *is_lazy;    // [kernels]
  bool *is_report;  // [kernels] writes a loss
  Links *waits_for; // [kernels] not lazy
  Links *followers; // [kernels] kernels that wait for this one
  Links *lazy_in;   // [kernels] lazy ones whose results it reads
  NodeId **values;  // [kernels] values in the arena that it reads, each once
  int *n_values;
  int *n_readers; // [nodes] kernels that read a value; one more if it is needed after the step
  // One run of the list schedule:
  Policy policy;
  int *n_waiting, *n_left; // [kernels], [nodes] still to come
  bool *is_done;
  int *order, n_done;
  int *ready, n_ready;
  int64_t live, peak;
  int *counted, count; // [kernels] the count in which a lazy one was counted last
} Schedule;

static void link_to(Schedule *schedule, Links *links, int item) {
  for (int i = 0; i < links->n; i++)
    if (links->items[i] == item) return;
  if (links->n == links->capacity) {
    int capacity = links->capacity ? 2 * links->capacity : 4;
    int *items = ARENA_ARRAY(schedule->scratch, int, capacity);
    if (links->n) memcpy(items, links->items, sizeof(int) * (size_t)links->n);
    links->items = items;
    links->capacity = capacity;
  }
  links->items[links->n++] = item;
}

static const Node *root_of(const Schedule *schedule, int g) {
  return group_root(schedule->graph, &schedule->graph->groups[g]);
}

static int64_t bytes_of(const Schedule *schedule, NodeId id) {
  return node_bytes(schedule->graph, graph_node(schedule->graph, id));
}

// ---- dependencies ----

static void find_makers(Schedule *schedule) {
  for (NodeId id = 0; id < schedule->graph->n_nodes; id++) schedule->maker[id] = -1;
  for (int g = 0; g < schedule->n; g++) {
    const Group *group = &schedule->graph->groups[g];
    for (int i = 0; i < group->n_outputs; i++) schedule->maker[group->outputs[i]] = g;
  }
}

static void find_values(Schedule *schedule, int g) {
  const Graph *graph = schedule->graph;
  const Group *group = &graph->groups[g];
  NodeId *values = ARENA_ARRAY(schedule->scratch, NodeId, group->n_inputs);
  int n = 0;
  for (int i = 0; i < group->n_inputs; i++) {
    NodeId value = node_storage(graph, group->inputs[i], NULL);
    bool is_new = graph_node(graph, value)->op != OP_state;
    for (int k = 0; k < n; k++) is_new &= values[k] != value;
    if (!is_new) continue;
    values[n++] = value;
    schedule->n_readers[value]++;
  }
  schedule->values[g] = values;
  schedule->n_values[g] = n;
}

// Kernels come in the order of their dependencies, so what g reads is classified before.
static bool is_from_leaves(const Schedule *schedule, int g) {
  for (int i = 0; i < schedule->n_values[g]; i++) {
    int maker = schedule->maker[schedule->values[g][i]];
    if (maker >= 0 && !schedule->is_lazy[maker]) return false;
  }
  return true;
}

// What it makes is many times what it reads: the gradient of a pooling.
static bool is_expanding(const Schedule *schedule, int g) {
  const Group *group = &schedule->graph->groups[g];
  int64_t bytes = 0;
  for (int i = 0; i < schedule->n_values[g]; i++) bytes += bytes_of(schedule, schedule->values[g][i]);
  return bytes * MIN_EXPANSION <= bytes_of(schedule, group->outputs[0]);
}

static void classify(Schedule *schedule, int g) {
  const Group *group = &schedule->graph->groups[g];
  if (group->phase != PHASE_BACKWARD || group->n_outputs == 0) return;
  schedule->is_lazy[g] =
      root_of(schedule, g)->recompute || is_from_leaves(schedule, g) || is_expanding(schedule, g);
}

static void wait_for(Schedule *schedule, int g, int before) {
  if (before != g) link_to(schedule, &schedule->waits_for[g], before);
}

// A reader of a lazy kernel's result waits for what the lazy kernel waits for.
static void link_values(Schedule *schedule, int g) {
  for (int i = 0; i < schedule->n_values[g]; i++) {
    int maker = schedule->maker[schedule->values[g][i]];
    if (maker < 0) continue;
    if (!schedule->is_lazy[maker]) {
      wait_for(schedule, g, maker);
      continue;
    }
    link_to(schedule, &schedule->lazy_in[g], maker);
    for (int k = 0; k < schedule->waits_for[maker].n; k++)
      wait_for(schedule, g, schedule->waits_for[maker].items[k]);
  }
}

static void link_updates(Schedule *schedule) {
  const Graph *graph = schedule->graph;
  int *writer = ARENA_ARRAY(schedule->scratch, int, graph->states->n + 1);
  for (StateId s = 0; s < graph->states->n; s++) writer[s] = -1;
  for (int g = 0; g < schedule->n; g++) {
    const Node *node = root_of(schedule, g);
    StateId runs[MAX_RUNS];
    for (int r = op_written_runs(node, runs) - 1; r >= 0; r--)
      for (StateId s = 0; s < node->n_states; s++) writer[runs[r] + s] = g;
  }
  for (int g = 0; g < schedule->n; g++) {
    const Group *group = &graph->groups[g];
    for (int i = 0; i < group->n_inputs; i++) {
      const Node *read = graph_node(graph, node_storage(graph, group->inputs[i], NULL));
      if (read->op == OP_state && writer[read->state] >= 0) wait_for(schedule, writer[read->state], g);
    }
  }
}

static void keep_to_end(Schedule *schedule, NodeId id) {
  if (id != NO_NODE) schedule->n_readers[node_storage(schedule->graph, id, NULL)]++;
}

static void keep_loss(Schedule *schedule, NodeId id) {
  keep_to_end(schedule, id);
  int maker = schedule->maker[node_storage(schedule->graph, id, NULL)];
  if (maker >= 0) schedule->is_report[maker] = true;
}

static void find_dependencies(Schedule *schedule) {
  const Graph *graph = schedule->graph;
  find_makers(schedule);
  for (int g = 0; g < schedule->n; g++) {
    find_values(schedule, g);
    classify(schedule, g);
    link_values(schedule, g);
  }
  link_updates(schedule);
  for (int g = 0; g < schedule->n; g++)
    for (int i = 0; i < schedule->waits_for[g].n; i++)
      link_to(schedule, &schedule->followers[schedule->waits_for[g].items[i]], g);
  for (int l = 0; l < graph->n_losses; l++) {
    keep_loss(schedule, graph->losses[l].value);
    keep_loss(schedule, graph->losses[l].term);
  }
  keep_to_end(schedule, graph->output);
}

// ---- one run ----

// Bytes that die with kernel g, and of these the most that one of its results can take over.
static int64_t dying_bytes(const Schedule *schedule, int g, int64_t *taken_over) {
  const Group *group = &schedule->graph->groups[g];
  int64_t dying = 0;
  *taken_over = 0;
  for (int i = 0; i < schedule->n_values[g]; i++) {
    NodeId value = schedule->values[g][i];
    if (schedule->n_left[value] != 1) continue;
    dying += bytes_of(schedule, value);
    if (group->n_outputs > 0 && group_may_overwrite(schedule->graph, group, group->outputs[0], value))
      *taken_over = bytes_of(schedule, value);
  }
  return dying;
}

static void launch(Schedule *schedule, int g) {
  if (schedule->is_done[g]) return;
  schedule->is_done[g] = true;
  for (int i = 0; i < schedule->lazy_in[g].n; i++) launch(schedule, schedule->lazy_in[g].items[i]);
  const Group *group = &schedule->graph->groups[g];
  int64_t taken_over, dying = dying_bytes(schedule, g, &taken_over), made = 0;
  for (int i = 0; i < group->n_outputs; i++) made += bytes_of(schedule, group->outputs[i]);
  int64_t during = schedule->live + made - taken_over + group->partial_bytes;
  if (during > schedule->peak) schedule->peak = during;
  schedule->live += made - dying;
  for (int i = 0; i < schedule->n_values[g]; i++) schedule->n_left[schedule->values[g][i]]--;
  for (int i = 0; i < schedule->followers[g].n; i++) {
    int follower = schedule->followers[g].items[i];
    if (--schedule->n_waiting[follower] == 0 && !schedule->is_lazy[follower])
      schedule->ready[schedule->n_ready++] = follower;
  }
  schedule->order[schedule->n_done++] = g;
}

// Bytes made live less bytes freed by launching g and the lazy kernels it pulls. A lazy result that only g
// reads comes and goes; each counts once, however many of the others read it.
static int64_t growth_once(Schedule *schedule, int g) {
  const Group *group = &schedule->graph->groups[g];
  int64_t taken_over, bytes = -dying_bytes(schedule, g, &taken_over);
  for (int i = 0; i < group->n_outputs; i++) bytes += bytes_of(schedule, group->outputs[i]);
  for (int i = 0; i < schedule->lazy_in[g].n; i++) {
    int lazy = schedule->lazy_in[g].items[i];
    if (schedule->is_done[lazy] || schedule->counted[lazy] == schedule->count) continue;
    schedule->counted[lazy] = schedule->count;
    bytes += growth_once(schedule, lazy);
  }
  return bytes;
}

static int64_t growth(Schedule *schedule, int g) {
  schedule->count++;
  return growth_once(schedule, g);
}

typedef struct Rank { // lower goes first, compared in this order
  int64_t keys[4];
} Rank;

static Rank rank_of(Schedule *schedule, int g) {
  const Group *group = &schedule->graph->groups[g];
  const Node *root = root_of(schedule, g);
  if (group->phase == PHASE_UPDATE || schedule->is_report[g]) return (Rank){{0, g, 0, 0}};
  if (group->phase == PHASE_FORWARD) return (Rank){{2, group->module, root->is_aux, g}};
  int64_t bytes = schedule->policy == IN_ORDER ? 0 : growth(schedule, g);
  if (schedule->policy == FREEING_FIRST) bytes = bytes > 0;
  return (Rank){{1, bytes, g, 0}};
}

static bool goes_before(Rank a, Rank b) {
  for (int i = 0; i < 4; i++)
    if (a.keys[i] != b.keys[i]) return a.keys[i] < b.keys[i];
  return false;
}

static int take_best(Schedule *schedule) {
  int best = 0;
  Rank best_rank = rank_of(schedule, schedule->ready[0]);
  for (int i = 1; i < schedule->n_ready; i++) {
    Rank rank = rank_of(schedule, schedule->ready[i]);
    if (!goes_before(rank, best_rank)) continue;
    best = i;
    best_rank = rank;
  }
  int g = schedule->ready[best];
  schedule->ready[best] = schedule->ready[--schedule->n_ready];
  return g;
}

static void run(Schedule *schedule, Policy policy) {
  int n = schedule->n;
  schedule->policy = policy;
  schedule->n_waiting = ARENA_ARRAY(schedule->scratch, int, n);
  schedule->is_done = ARENA_ARRAY(schedule->scratch, bool, n);
  schedule->order = ARENA_ARRAY(schedule->scratch, int, n);
  schedule->ready = ARENA_ARRAY(schedule->scratch, int, n);
  schedule->n_left =
      arena_copy(schedule->scratch, schedule->n_readers, sizeof(int) * schedule->graph->n_nodes);
  schedule->n_done = schedule->n_ready = 0;
  schedule->live = schedule->peak = 0;
  for (int g = 0; g < n; g++) {
    schedule->n_waiting[g] = schedule->waits_for[g].n;
    if (schedule->n_waiting[g] == 0 && !schedule->is_lazy[g]) schedule->ready[schedule->n_ready++] = g;
  }
  while (schedule->n_ready > 0) launch(schedule, take_best(schedule));
  for (int g = 0; g < n; g++) launch(schedule, g); // lazy ones that only an update waits for
}

static void reorder(Graph *graph, const int *order) {
  Group *groups = ARENA_ARRAY(graph->arena, Group, graph->n_groups);
  int *place = ARENA_ARRAY(graph->arena, int, graph->n_groups);
  for (int i = 0; i < graph->n_groups; i++) {
    groups[i] = graph->groups[order[i]];
    place[order[i]] = i;
  }
  for (NodeId id = 1; id < graph->n_nodes; id++)
    if (graph->nodes[id].group >= 0) graph->nodes[id].group = place[graph->nodes[id].group];
  graph->groups = groups;
  graph->is_scheduled = true;
}

void pass_schedule(Graph *graph, PassCtx *ctx) {
  size_t n = (size_t)graph->n_groups;
  Arena *scratch = ctx->scratch;
  Schedule schedule = {.graph = graph,
                       .scratch = scratch,
                       .n = graph->n_groups,
                       .maker = ARENA_ARRAY(scratch, int, graph->n_nodes),
                       .is_lazy = ARENA_ARRAY(scratch, bool, n),
                       .is_report = ARENA_ARRAY(scratch, bool, n),
                       .waits_for = ARENA_ARRAY(scratch, Links, n),
                       .followers = ARENA_ARRAY(scratch, Links, n),
                       .lazy_in = ARENA_ARRAY(scratch, Links, n),
                       .values = ARENA_ARRAY(scratch, NodeId *, n),
                       .n_values = ARENA_ARRAY(scratch, int, n),
                       .n_readers = ARENA_ARRAY(scratch, int, graph->n_nodes),
                       .counted = ARENA_ARRAY(scratch, int, n)};
  find_dependencies(&schedule);
  int *best = NULL;
  int64_t best_peak = 0;
  for (Policy policy = LEAST_LIVE; policy < N_POLICIES; policy++) {
    run(&schedule, policy);
    if (best && schedule.peak >= best_peak) continue;
    best = schedule.order;
    best_peak = schedule.peak;
  }
  reorder(graph, best);
}
