// Which segments `recompute on` computes again. What a choice takes is never guessed: a copy of the graph is planned with it.
//
//   first      every module is cut in the ways that promise most, one after the other, and all segments are given up; each module
//              takes the way with which it is smallest
//   then       what this did not pay for is kept again: segment by segment, from the modules' ends (whose backward pass comes
//              first, so keeping costs least), in all modules at once, where the step does not grow by it
//
// All modules work in the same bytes, so recomputation pays only in those that would be larger than the largest that
// cannot be made smaller; the second round finds the others without knowing so. With less than a fiftieth to gain all is kept.
#include "compiler/passes/rerun.h"

#include <string.h>

enum { MOST_WAYS = 16, LEAST_GAIN = 50 /* one in LEAST_GAIN */ };

typedef struct Choosing {
  const Graph *graph;
  const PassCtx *ctx;
  Arena *arena;
  Cuts **cuts;        // [modules]
  Segments *segments; // [modules] as they are given up now
  int64_t *live;      // [modules] what they took
  bool *is_kept;      // [modules] the segment in question is kept again
  bool *given_up;     // [nodes]
  int reach;          // of the losses: how many modules' values are in memory together
} Choosing;

static RerunTrial plan(const Choosing *choosing, const bool *given_up) {
  return choosing->ctx->plan_rerun(choosing->ctx->planner, given_up, choosing->arena);
}

static void mark(Choosing *choosing, int module, int segment, bool is_given_up) {
  const Segment *marked = &choosing->segments[module].items[segment];
  rerun_mark(choosing->graph, module, marked, choosing->given_up, is_given_up);
}

static void mark_all(Choosing *choosing) {
  memset(choosing->given_up, 0, sizeof(bool) * choosing->graph->n_nodes);
  for (int m = 0; m < choosing->graph->n_modules; m++)
    for (int s = 0; s < choosing->segments[m].n; s++) mark(choosing, m, s, true);
}

// ---- into how many ----

static int max_reach(const Graph *graph) {
  int reach = 1;
  for (int l = 0; l < graph->n_losses; l++)
    if (graph->losses[l].reach > reach) reach = graph->losses[l].reach;
  return reach;
}

// Beside it lie modules that its cascades run through: they are cut alike.
static int64_t live_around(const Choosing *choosing, const RerunTrial *trial, int module) {
  int64_t most = 0;
  for (int m = module; m < choosing->graph->n_modules && m < module + choosing->reach; m++)
    if (trial->module_live[m] > most) most = trial->module_live[m];
  return most;
}

static void choose_segments(Choosing *choosing) {
  int n_modules = choosing->graph->n_modules;
  Segments *best = ARENA_ARRAY(choosing->arena, Segments, n_modules);
  int *n_ways = ARENA_ARRAY(choosing->arena, int, n_modules), most = 0;
  Segments *ways = ARENA_ARRAY(choosing->arena, Segments, n_modules * MOST_WAYS);
  for (int m = 0; m < n_modules; m++) {
    n_ways[m] = rerun_ways(choosing->cuts[m], &ways[m * MOST_WAYS], MOST_WAYS, choosing->arena);
    if (n_ways[m] > most) most = n_ways[m];
  }
  for (int w = 0; w < most; w++) {
    for (int m = 0; m < n_modules; m++)
      if (w < n_ways[m]) choosing->segments[m] = ways[m * MOST_WAYS + w];
    mark_all(choosing);
    RerunTrial trial = plan(choosing, choosing->given_up);
    for (int m = 0; m < n_modules; m++) {
      int64_t live = live_around(choosing, &trial, m);
      if (w > 0 && live >= choosing->live[m]) continue;
      choosing->live[m] = live;
      best[m] = choosing->segments[m];
    }
  }
  choosing->segments = best;
  mark_all(choosing);
}

// ---- which ----

// Keeps the segment `from_end` of every module that has so many; returns how many have.
static int keep_segment(Choosing *choosing, int from_end) {
  int n = 0;
  for (int m = 0; m < choosing->graph->n_modules; m++) {
    choosing->is_kept[m] = from_end <= choosing->segments[m].n;
    if (choosing->is_kept[m]) mark(choosing, m, choosing->segments[m].n - from_end, false);
    n += choosing->is_kept[m];
  }
  return n;
}

static void undo(Choosing *choosing, int module, int from_end) {
  if (choosing->is_kept[module]) mark(choosing, module, choosing->segments[module].n - from_end, true);
  choosing->is_kept[module] = false;
}

// `limit`: what the step takes; it may fall, where the clones took more than they freed.
static int64_t keep_again(Choosing *choosing, int64_t limit) {
  for (int from_end = 1; keep_segment(choosing, from_end) > 0; from_end++) {
    RerunTrial trial = plan(choosing, choosing->given_up);
    if (trial.work_bytes >
        limit) { // not in modules that grew beyond it, nor in those whose values lie beside theirs
      for (int m = 0; m < choosing->graph->n_modules; m++)
        if (live_around(choosing, &trial, m) > limit) undo(choosing, m, from_end);
      trial = plan(choosing, choosing->given_up);
    }
    if (trial.work_bytes <= limit) {
      limit = trial.work_bytes;
      continue;
    }
    for (int m = 0; m < choosing->graph->n_modules; m++) undo(choosing, m, from_end);
  }
  return limit;
}

const bool *rerun_choose(const Graph *graph, const PassCtx *ctx) {
  Arena *arena = ctx->scratch;
  Choosing choosing = {.graph = graph,
                       .ctx = ctx,
                       .arena = arena,
                       .cuts = ARENA_ARRAY(arena, Cuts *, graph->n_modules),
                       .segments = ARENA_ARRAY(arena, Segments, graph->n_modules),
                       .live = ARENA_ARRAY(arena, int64_t, graph->n_modules),
                       .is_kept = ARENA_ARRAY(arena, bool, graph->n_modules),
                       .given_up = ARENA_ARRAY(arena, bool, graph->n_nodes),
                       .reach = max_reach(graph)};
  for (int m = 0; m < graph->n_modules; m++) choosing.cuts[m] = rerun_cuts(graph, m, arena);
  int64_t everything = plan(&choosing, NULL).work_bytes;
  choose_segments(&choosing);
  int64_t least = keep_again(&choosing, plan(&choosing, choosing.given_up).work_bytes);
  return least <= everything - everything / LEAST_GAIN ? choosing.given_up : NULL;
}
