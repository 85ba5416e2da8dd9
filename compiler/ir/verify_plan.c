// The plan, replayed: kernels run in order over an imaginary arena of bytes in which every value owns its
// range. Knows nothing of how pass_plan_memory decided.
#include "compiler/ir/kernel.h"
#include "compiler/ir/op.h"
#include "compiler/ir/verify.h"

enum { ALIGNMENT = 64 };

typedef struct Replay {
  const Graph *graph;
  Arena *arena;
  int *n_reads;     // [nodes] kernels that still read the value; values needed after the step count one more
  bool *is_present; // [nodes] its bytes are intact
  NodeId *present;  // their list
  int n_present;
} Replay;

typedef struct Range {
  int64_t begin, end;
} Range;

static Range range_of(const Graph *graph, NodeId id) {
  const Node *node = graph_node(graph, id);
  return (Range){node->offset, node->offset + node_bytes(graph, node)};
}

static bool overlaps(Range a, Range b) {
  return a.begin < b.end && b.begin < a.end;
}

static bool is_bad_place(const Graph *graph, Range range) {
  return range.begin < 0 || range.begin % ALIGNMENT != 0 || range.end > graph->work_bytes;
}

static bool reads_value(const Graph *graph, const Group *group, NodeId value) {
  for (int i = 0; i < group->n_inputs; i++)
    if (node_storage(graph, group->inputs[i], NULL) == value) return true;
  return false;
}

static bool is_in_arena(const Graph *graph, NodeId value) {
  return graph_node(graph, value)->op != OP_state;
}

// Calls of a value by several views in one kernel count once.
static void count_reads(Replay *replay, const Group *group, int step) {
  for (int i = 0; i < group->n_inputs; i++) {
    NodeId value = node_storage(replay->graph, group->inputs[i], NULL);
    bool is_first = true;
    for (int k = 0; k < i; k++) is_first &= node_storage(replay->graph, group->inputs[k], NULL) != value;
    if (is_first) replay->n_reads[value] += step;
  }
}

static void keep_to_end(Replay *replay, NodeId id) {
  if (id != NO_NODE) replay->n_reads[node_storage(replay->graph, id, NULL)]++;
}

static const char *claim(Replay *replay, NodeId id) {
  const Graph *graph = replay->graph;
  if (is_bad_place(graph, range_of(graph, id)))
    return arena_printf(replay->arena, "plan: %%%u at %lld is not aligned or leaves the arena of %lld bytes",
                        id, (long long)graph_node(graph, id)->offset, (long long)graph->work_bytes);
  replay->is_present[id] = true;
  replay->present[replay->n_present++] = id;
  return NULL;
}

// Writing `range` in kernel g destroys what lies there: nothing that is still read may, and what this kernel
// itself reads only where `output` takes its place element by element.
static const char *overwrite(Replay *replay, int g, Range range, NodeId output) {
  const Graph *graph = replay->graph;
  const Group *group = &graph->groups[g];
  int n_left = 0;
  for (int i = 0; i < replay->n_present; i++) {
    NodeId id = replay->present[i];
    if (!overlaps(range, range_of(graph, id))) {
      replay->present[n_left++] = id;
      continue;
    }
    bool is_own = reads_value(graph, group, id);
    if (replay->n_reads[id] > (is_own ? 1 : 0))
      return arena_printf(replay->arena, "plan: kernel %d overwrites %%%u, which is still needed", g, id);
    if (is_own && (output == NO_NODE || !group_may_overwrite(graph, group, output, id) ||
                   range_of(graph, id).begin != range.begin))
      return arena_printf(replay->arena, "plan: kernel %d overwrites its own input %%%u", g, id);
    replay->is_present[id] = false;
  }
  replay->n_present = n_left;
  return NULL;
}

static const char *check_own_ranges(Replay *replay, int g) {
  const Group *group = &replay->graph->groups[g];
  Range partial = {group->partial_offset, group->partial_offset + group->partial_bytes};
  for (int i = 0; i < group->n_outputs; i++) {
    Range range = range_of(replay->graph, group->outputs[i]);
    bool is_wrong = group->partial_bytes && overlaps(range, partial);
    for (int k = 0; k < i; k++) is_wrong |= overlaps(range, range_of(replay->graph, group->outputs[k]));
    if (is_wrong) return arena_printf(replay->arena, "plan: two results of kernel %d share bytes", g);
  }
  return NULL;
}

static const char *replay_kernel(Replay *replay, int g) {
  const Graph *graph = replay->graph;
  const Group *group = &graph->groups[g];
  for (int i = 0; i < group->n_inputs; i++) {
    NodeId value = node_storage(graph, group->inputs[i], NULL);
    if (is_in_arena(graph, value) && !replay->is_present[value])
      return arena_printf(replay->arena, "plan: kernel %d reads %%%u, whose bytes hold something else", g,
                          value);
  }
  const char *wrong = check_own_ranges(replay, g);
  if (!wrong && group->partial_bytes) {
    Range partial = {group->partial_offset, group->partial_offset + group->partial_bytes};
    if (is_bad_place(graph, partial))
      return arena_printf(replay->arena, "plan: bad partial sums of kernel %d", g);
    wrong = overwrite(replay, g, partial, NO_NODE);
  }
  for (int i = 0; i < group->n_outputs && !wrong; i++)
    wrong = overwrite(replay, g, range_of(graph, group->outputs[i]), group->outputs[i]);
  for (int i = 0; i < group->n_outputs && !wrong; i++) wrong = claim(replay, group->outputs[i]);
  count_reads(replay, group, -1);
  return wrong;
}

const char *verify_plan(const Graph *graph, Arena *arena) {
  Replay replay = {graph,
                   arena,
                   ARENA_ARRAY(arena, int, graph->n_nodes),
                   ARENA_ARRAY(arena, bool, graph->n_nodes),
                   ARENA_ARRAY(arena, NodeId, graph->n_nodes),
                   0};
  for (int g = 0; g < graph->n_groups; g++) count_reads(&replay, &graph->groups[g], 1);
  for (int l = 0; l < graph->n_losses; l++) {
    keep_to_end(&replay, graph->losses[l].value);
    keep_to_end(&replay, graph->losses[l].term);
  }
  keep_to_end(&replay, graph->output);
  const char *wrong = NULL;
  for (NodeId id = 1; id < graph->n_nodes && !wrong; id++) // what the runtime writes before the step
    if (graph_node(graph, id)->op == OP_input) {
      wrong = overwrite(&replay, 0, range_of(graph, id), NO_NODE);
      if (!wrong) wrong = claim(&replay, id);
    }
  for (int g = 0; g < graph->n_groups && !wrong; g++) wrong = replay_kernel(&replay, g);
  for (int l = 0; l < graph->n_losses && !wrong; l++)
    if (!replay.is_present[node_storage(graph, graph->losses[l].term, NULL)]) wrong = "plan: a loss is lost";
  return wrong;
}
