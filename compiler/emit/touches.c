// What a launch reads and writes, for devices that do not keep the order of the step. Values and partial sums are their
// buffers. An update is given whole regions, but touches its own run of them alone: that gets a buffer of its own here,
// or else all updates of a step would seem to depend on each other and on every layer.
#include "compiler/emit/program.h"

static bool is_computed(const Group *group, NodeId id) {
  for (int i = 0; i < group->n_nodes; i++)
    if (group->nodes[i] == id) return true;
  return false;
}

static bool holds(const int32_t *list, int n, int buffer) {
  for (int i = 0; i < n; i++)
    if (list[i] == buffer) return true;
  return false;
}

static void add(int32_t *list, int *n, int buffer) {
  if (buffer >= 0 && !holds(list, *n, buffer)) list[(*n)++] = buffer;
}

// Runs of states that an update writes: its own, its momenta, Adam's squares.
static int written_runs(const Node *node, StateId runs[3]) {
  StateId all[] = {node->state, op_beside(node, "momentum_state"), op_beside(node, "square_state")};
  int n = 0;
  for (int i = 0; i < 3; i++)
    if (all[i] != NO_STATE) runs[n++] = all[i];
  return n;
}

// Partial sums are written by the first launch of a group and read by its finish.
static bool is_written(const Group *group, const KernelDraft *draft, BufferRef ref) {
  switch (ref.kind) {
  case REF_NODE: return is_computed(group, ref.node);
  case REF_PARTIAL: return draft->role[0] == '\0';
  case REF_TICKETS: return true;
  case REF_RUN: return !ref.is_read;
  case REF_STATE: return true;  // of running statistics: their own
  case REF_REGION: return true; // not met: written_runs
  }
  return true;
}

void launch_touches(ProgramBuilder *builder, const StepBuilder *step, const Group *group,
                    const KernelDraft *draft, MlaLaunch *launch) {
  enum { MOST_RUNS = 3 };
  int32_t *reads = ARENA_ARRAY(builder->arena, int32_t, draft->n_buffers);
  int32_t *writes = ARENA_ARRAY(builder->arena, int32_t, draft->n_buffers + MOST_RUNS);
  int n_reads = 0, n_writes = 0;
  bool has_region = false;
  for (int i = 0; i < draft->n_buffers; i++) {
    bool is_region = draft->buffers[i].kind == REF_REGION;
    has_region |= is_region;
    if (!is_region && is_written(group, draft, draft->buffers[i])) add(writes, &n_writes, launch->buffers[i]);
  }
  if (has_region) {
    const Node *node = graph_node(step->graph, group->nodes[0]);
    StateId runs[MOST_RUNS];
    int n_runs = written_runs(node, runs);
    for (int i = 0; i < n_runs; i++) add(writes, &n_writes, buffer_of_run(builder, runs[i], node->n_states));
  }
  for (int i = 0; i < draft->n_buffers; i++) {
    bool is_read = draft->buffers[i].kind != REF_REGION && !is_written(group, draft, draft->buffers[i]);
    if (is_read) add(reads, &n_reads, launch->buffers[i]);
  }
  launch->reads = reads;
  launch->n_reads = n_reads;
  launch->writes = writes;
  launch->n_writes = n_writes;
}
