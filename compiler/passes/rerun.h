// What `recompute on` computes again: segments of modules, and which of them.
#pragma once
#include "compiler/passes/pass.h"

// A run of a module's forward values that all follow from values kept before it.
typedef struct Segment {
  NodeId first, last; // the last one, the cut behind it, is kept; NO_NODE: the segment ends with the module
} Segment;

typedef struct Segments { // of one module, in order
  Segment *items;
  int n;
} Segments;

// A module's cuts, found once for every way to keep some of them.
typedef struct Cuts Cuts;
Cuts *rerun_cuts(const Graph *graph, int module, Arena *arena);
// Ways to keep some of them, at most `most`, the one that promises the fewest bytes first. Returns how many.
int rerun_ways(const Cuts *cuts, Segments *ways, int most, Arena *arena);
// Marks the values of a segment, or takes the marks back.
void rerun_mark(const Graph *graph, int module, const Segment *segment, bool *given_up, bool is_given_up);

// The values that are worth it, in ctx->scratch; NULL: none.
const bool *rerun_choose(const Graph *graph, const PassCtx *ctx);

// Made by the module in its forward pass, and grows with the batch.
bool rerun_is_inner(const Graph *graph, NodeId id, int module);
// Element-wise values and views are cheap either way.
bool rerun_is_stored(const Graph *graph, NodeId id);
