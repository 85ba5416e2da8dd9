// Where a module's forward pass can be cut, and which cuts are kept.
//
// A *cut* is a value from which alone everything behind it in the module, its auxiliary included, follows: the output of a
// residual block. What the module is handed, and what it hands on, is in memory in any case: neither stands in the way of a cut, and
// the output is a kept cut that costs nothing.
//
//   x -> c1 -> c2 -> y -> (e1 -> e2, l1 -> l2) -> s -> head     cuts: c1, c2, y, s; y is the output
#include "compiler/ir/op.h"
#include "compiler/passes/rerun.h"

#include <string.h>

typedef struct Cut {
  NodeId id;
  int64_t bytes;         // that keeping it costs
  int64_t piece, widest; // bytes stored behind the cut before, this one included: the sum, the largest
  bool is_free;
} Cut;

struct Cuts {
  NodeId first; // of the module's inner values
  Cut *items;   // [n], and one more for the module's end
  int n;
};

typedef struct Finding {
  const Graph *graph;
  int module;
  NodeId *last; // [nodes] last forward reader in the module; NO_NODE: none
} Finding;

static FuseKind fuse_of(const Graph *graph, NodeId id) {
  return op_info(graph_node(graph, id)->op)->fuse;
}

bool rerun_is_stored(const Graph *graph, NodeId id) {
  return fuse_of(graph, id) != FUSE_POINT && fuse_of(graph, id) != FUSE_VIEW;
}

static bool is_wide(const Node *node) {
  for (int i = 0; i < node->shape.rank; i++)
    if (node->shape.dim[i] == DIM_BATCH) return true;
  return false;
}

bool rerun_is_inner(const Graph *graph, NodeId id, int module) {
  const Node *node = graph_node(graph, id);
  return node->phase == PHASE_FORWARD && node->module == module && is_wide(node) &&
         fuse_of(graph, id) != FUSE_LEAF;
}

static NodeId *last_readers(const Graph *graph, int module, Arena *arena) {
  NodeId *last = ARENA_ARRAY(arena, NodeId, graph->n_nodes);
  for (NodeId id = 1; id < graph->n_nodes; id++) {
    const Node *node = graph_node(graph, id);
    if (node->phase != PHASE_FORWARD || node->module != module) continue;
    for (int i = 0; i < node->n_in; i++) last[node_storage(graph, node->in[i], NULL)] = id;
  }
  return last;
}

// Values that stand open from where they are made to their last reader.
static bool is_open(const Finding *find, NodeId id) {
  return rerun_is_inner(find->graph, id, find->module) && fuse_of(find->graph, id) != FUSE_VIEW &&
         id != find->graph->modules[find->module].output && find->last[id] != NO_NODE;
}

static int count_ends(const Finding *find, NodeId reader) {
  const Node *node = graph_node(find->graph, reader);
  int n = 0;
  for (int i = 0; i < node->n_in; i++) {
    NodeId value = node_storage(find->graph, node->in[i], NULL);
    bool is_first = true;
    for (int k = 0; k < i; k++) is_first &= node_storage(find->graph, node->in[k], NULL) != value;
    n += is_first && is_open(find, value) && find->last[value] == reader;
  }
  return n;
}

// The only wide value it is computed from; NO_NODE: there are several.
static NodeId only_source(const Graph *graph, NodeId id) {
  const Node *node = graph_node(graph, id);
  NodeId source = NO_NODE;
  for (int i = 0; i < node->n_in; i++) {
    NodeId value = node_storage(graph, node->in[i], NULL);
    if (!is_wide(graph_node(graph, value)) || value == source) continue;
    if (source != NO_NODE) return NO_NODE;
    source = value;
  }
  return source;
}

// Normalise + ReLU of a convolution's output: to keep that is enough. Of a block's sum and its ReLU the latter is read.
static void add_cut(const Graph *graph, Cuts *cuts, Cut cut) {
  Cut *before = cuts->n > 0 ? &cuts->items[cuts->n - 1] : NULL;
  bool follows = before && cut.piece == 0 && !before->is_free;
  for (NodeId source = cut.id; follows && source != before->id;) {
    source = rerun_is_stored(graph, source) ? NO_NODE : only_source(graph, source);
    follows = source != NO_NODE;
  }
  if (follows && !cut.is_free && rerun_is_stored(graph, before->id)) return;
  if (follows) cut.piece = before->piece, cut.widest = before->widest, cuts->n--;
  cuts->items[cuts->n++] = cut;
}

Cuts *rerun_cuts(const Graph *graph, int module, Arena *arena) {
  Cuts *cuts = ARENA_NEW(arena, Cuts);
  Finding find = {graph, module, last_readers(graph, module, arena)};
  int n_open = 0;
  Cut cut = {0};
  cuts->items = ARENA_ARRAY(arena, Cut, graph->n_nodes);
  for (NodeId id = 1; id < graph->n_nodes; id++) {
    if (!rerun_is_inner(graph, id, module)) continue;
    if (cuts->first == NO_NODE) cuts->first = id;
    n_open -= count_ends(&find, id);
    int64_t bytes = node_bytes(graph, graph_node(graph, id));
    if (rerun_is_stored(graph, id)) cut.piece += bytes;
    if (bytes > cut.widest) cut.widest = bytes;
    n_open += is_open(&find, id);
    cut.is_free = id == graph->modules[module].output;
    if (!(cut.is_free ? n_open == 0 : n_open == 1 && is_open(&find, id))) continue;
    cut.id = id;
    cut.bytes = cut.is_free ? 0 : bytes;
    add_cut(graph, cuts, cut);
    cut = (Cut){0};
  }
  cut.id = NO_NODE;
  cuts->items[cuts->n] = cut;
  return cuts;
}

// ---- what is kept ----

// While a segment is gone through backward, what is kept before it is in memory, the segment itself, and cotangents.
static int64_t segment_bytes(int64_t pieces, int64_t widest) {
  enum { COTANGENTS = 2 };
  return pieces + COTANGENTS * widest;
}

// before[i]: the kept cut before cut i (-1: none) where least is kept and no segment takes more than `limit`, with what is kept before
// it. A free cut is kept. False: there is no such way.
static bool deal_cuts(const Cuts *cuts, int64_t limit, int *before, int64_t *kept) {
  for (int i = 0; i <= cuts->n; i++) {
    int64_t pieces = 0, widest = 0;
    kept[i] = INT64_MAX;
    for (int k = i - 1; k >= -1; k--) {
      pieces += cuts->items[k + 1].piece;
      if (cuts->items[k + 1].widest > widest) widest = cuts->items[k + 1].widest;
      int64_t least = k < 0 ? 0 : kept[k];
      bool fits = least < INT64_MAX && least + segment_bytes(pieces, widest) <= limit;
      if (fits && least <= kept[i]) kept[i] = least, before[i] = k;
      if (k >= 0 && cuts->items[k].is_free) break;
    }
    if (kept[i] < INT64_MAX) kept[i] += cuts->items[i].bytes;
  }
  return kept[cuts->n] < INT64_MAX;
}

static int64_t least_limit(const Cuts *cuts, int *before, int64_t *kept) {
  int64_t none = 0, some = 0;
  for (int i = 0; i <= cuts->n; i++)
    some += cuts->items[i].bytes + segment_bytes(cuts->items[i].piece, cuts->items[i].widest);
  while (some - none > 1) {
    int64_t middle = none + (some - none) / 2;
    *(deal_cuts(cuts, middle, before, kept) ? &some : &none) = middle;
  }
  return some;
}

static Segments segments_between(const Cuts *cuts, const int *before, Arena *arena) {
  Segments segments = {.items = ARENA_ARRAY(arena, Segment, cuts->n + 1)};
  for (int i = cuts->n; i >= 0; i = before[i]) segments.n++;
  for (int i = cuts->n, s = segments.n - 1; i >= 0; i = before[i], s--) {
    NodeId first = before[i] < 0 ? cuts->first : cuts->items[before[i]].id + 1;
    segments.items[s] = (Segment){first, cuts->items[i].id};
  }
  return segments;
}

static bool are_equal(const Segments *a, const Segments *b) {
  return a->n == b->n && memcmp(a->items, b->items, sizeof *a->items * (size_t)a->n) == 0;
}

int rerun_ways(const Cuts *cuts, Segments *ways, int most, Arena *arena) {
  enum { STEPS = 64 };
  if (cuts->n == 0) return 0;
  int *before = ARENA_ARRAY(arena, int, cuts->n + 1), n = 0;
  int64_t *kept = ARENA_ARRAY(arena, int64_t, cuts->n + 1), least = least_limit(cuts, before, kept);
  for (int step = 0; step < STEPS && n < most; step++) {
    deal_cuts(cuts, least + least * step / STEPS, before, kept);
    ways[n] = segments_between(cuts, before, arena);
    n += n == 0 || !are_equal(&ways[n], &ways[n - 1]);
  }
  return n;
}

void rerun_mark(const Graph *graph, int module, const Segment *segment, bool *given_up, bool is_given_up) {
  NodeId end = segment->last == NO_NODE ? graph->n_nodes : segment->last;
  for (NodeId id = segment->first; id < end; id++)
    if (rerun_is_inner(graph, id, module)) given_up[id] = is_given_up;
}
