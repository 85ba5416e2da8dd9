// Dynamic programming over the ends of modules, once for each size that the largest module may have: with `live` bounded
// by a threshold, what is left are two sums over the boundaries, cost and states. A prefix of units keeps the partial
// splits that no other beats in both.
#include "compiler/driver/deal.h"

#include <stdlib.h>
#include <string.h>

// A split of the units before some place: its sums, and the one it extends.
typedef struct Partial {
  double cost;
  int64_t state;
  int end; // the last unit
  const struct Partial *before;
  struct Partial *next; // of the same end, by rising cost and falling state
} Partial;

DealTable deal_table(Arena *arena, int n) {
  return (DealTable){.n = n,
                     .cost = ARENA_ARRAY(arena, double, n),
                     .state = ARENA_ARRAY(arena, int64_t, n),
                     .shared = ARENA_ARRAY(arena, int64_t, n * n),
                     .live = ARENA_ARRAY(arena, int64_t, n * n),
                     .is_banned = ARENA_ARRAY(arena, bool, n *n)};
}

int64_t deal_state(const DealTable *table, int before, int end) {
  return table->state[end] - (before < 0 ? 0 : *deal_shared(table, before, end));
}

int64_t deal_bytes(const DealTable *table, const bool *ends) {
  int64_t state = 0, most = 0;
  for (int first = 0, e = 0; e < table->n; e++) {
    if (!ends[e]) continue;
    int64_t live = *deal_live(table, first, e);
    if (live > most) most = live;
    if (e < table->n - 1) state += deal_state(table, first - 1, e);
    first = e + 1;
  }
  return table->fixed + state + most;
}

double deal_cost(const DealTable *table, const bool *ends) {
  double cost = 0;
  for (int e = 0; e < table->n - 1; e++) cost += ends[e] ? table->cost[e] : 0;
  return cost;
}

// Keeps the list free of splits that another one beats in cost and states.
static void insert(Arena *arena, Partial **list, Partial partial) {
  while (*list && (*list)->cost < partial.cost) {
    if ((*list)->state <= partial.state) return;
    list = &(*list)->next;
  }
  if (*list && (*list)->cost == partial.cost && (*list)->state <= partial.state) return;
  Partial *rest = *list;
  while (rest && rest->state >= partial.state) rest = rest->next;
  *list = ARENA_NEW(arena, Partial);
  **list = partial;
  (*list)->next = rest;
}

// The splits of all units with modules of at most `threshold` bytes and boundaries of at most `room`, best first.
static const Partial *deal_under(Arena *arena, const DealTable *table, int64_t threshold, int64_t room,
                                 bool is_by_cost) {
  int n = table->n;
  Partial **lists = ARENA_ARRAY(arena, Partial *, n), start = {.end = -1};
  Partial *origin = ARENA_NEW(arena, Partial);
  *origin = start;
  for (int e = 0; e < n; e++)
    for (int first = 0; first <= e; first++) {
      if (*deal_live(table, first, e) > threshold || table->is_banned[first * n + e]) continue;
      for (const Partial *before = first ? lists[first - 1] : origin; before; before = before->next) {
        Partial partial = {before->cost, before->state, e, before, NULL};
        if (e < n - 1)
          partial.cost += is_by_cost ? table->cost[e] : 0, partial.state += deal_state(table, first - 1, e);
        if (partial.state <= room) insert(arena, &lists[e], partial);
      }
    }
  return lists[n - 1];
}

static int by_size(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return x < y ? -1 : x > y;
}

// Every size a largest module can have, rising.
static int64_t *thresholds(Arena *arena, const DealTable *table, int *count) {
  int n = table->n;
  int64_t *sizes = ARENA_ARRAY(arena, int64_t, n * n);
  *count = 0;
  for (int first = 0; first < n; first++)
    for (int e = first; e < n; e++)
      if (!table->is_banned[first * n + e]) sizes[(*count)++] = *deal_live(table, first, e);
  qsort(sizes, (size_t)*count, sizeof *sizes, by_size);
  int kept = 0;
  for (int i = 0; i < *count; i++)
    if (kept == 0 || sizes[kept - 1] != sizes[i]) sizes[kept++] = sizes[i];
  *count = kept;
  return sizes;
}

static void mark(const DealTable *table, const Partial *partial, bool *ends) {
  memset(ends, 0, sizeof *ends * (size_t)table->n);
  for (; partial->end >= 0; partial = partial->before) ends[partial->end] = true;
}

static bool search(const DealTable *table, int64_t limit, bool is_by_cost, bool *ends) {
  Arena *arena = arena_new(), *scratch = arena_new();
  int n_sizes;
  bool is_found = false;
  double least_cost = 0;
  int64_t least_bytes = 0;
  const int64_t *sizes = thresholds(arena, table, &n_sizes);
  for (int i = 0; i < n_sizes && table->fixed + sizes[i] <= limit; i++) {
    const Partial *best = deal_under(scratch, table, sizes[i], limit - table->fixed - sizes[i], is_by_cost);
    int64_t bytes = best ? table->fixed + sizes[i] + best->state : 0;
    bool is_better =
        best && (!is_found || best->cost < least_cost || (best->cost == least_cost && bytes < least_bytes));
    if (is_better) {
      is_found = true, least_cost = best->cost, least_bytes = bytes;
      mark(table, best, ends);
    }
    arena_reset(scratch);
  }
  arena_free(arena);
  arena_free(scratch);
  return is_found;
}

bool deal_cheapest(const DealTable *table, int64_t limit, bool *ends) {
  return search(table, limit, true, ends);
}

bool deal_smallest(const DealTable *table, bool *ends) {
  return search(table, INT64_MAX, false, ends);
}

// most[k][e]: the largest module of the best split of units 0 .. e into k + 1 modules.
bool deal_balanced(const DealTable *table, int n_modules, bool *ends) {
  int n = table->n;
  Arena *arena = arena_new();
  int64_t *most = ARENA_ARRAY(arena, int64_t, n_modules * n);
  int *begin = ARENA_ARRAY(arena, int, n_modules *n);
  for (int k = 0; k < n_modules; k++)
    for (int e = 0; e < n; e++) {
      most[k * n + e] = INT64_MAX;
      for (int first = k; first <= (k ? e : 0); first++) {
        int64_t before = k ? most[(k - 1) * n + first - 1] : 0, live = *deal_live(table, first, e);
        int64_t larger = before > live ? before : live;
        if (table->is_banned[first * n + e] || larger >= most[k * n + e]) continue;
        most[k * n + e] = larger;
        begin[k * n + e] = first;
      }
    }
  bool is_found = n_modules <= n && most[n_modules * n - 1] < INT64_MAX;
  memset(ends, 0, sizeof *ends * (size_t)n);
  for (int k = n_modules - 1, e = n - 1; is_found && k >= 0; e = begin[k-- * n + e] - 1) ends[e] = true;
  arena_free(arena);
  return is_found;
}
