// Intervals are placed one by one at an offset that is free for as long as they live. Several orders of placing are tried, each
// with the lowest and with the tightest gap. If the best is more than 1 % above the bound, a local search goes on from it: what
// reached above the bound is placed earlier the next time; after WALK rounds it starts anew from the next order. It ends within 1 % of the bound or after MAX_PLACINGS.
//
// All that is for the large ones, the others are filled in last; only where that is not good enough, all are searched for. Time is cut into blocks that list who is placed in them, by
// offset; so a short-lived interval meets its contemporaries only.
#include "compiler/ir/pack.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
  BLOCK = 32,            // instants
  SHORT_BLOCKS = 4,      // an interval of more blocks looks through all that are placed
  MAX_PLACINGS = 100000, // of the local search: 10 to 60 ms
  WALK = 20,
  SMALL = 1024 // large: more than the bound / SMALL
};

typedef struct List { // of intervals, by offset
  int *items;
  int n, capacity;
} List;

typedef struct Pack {
  Arena *scratch;
  Interval *items;
  int n, n_blocks;
  List *blocks;         // [n_blocks]
  const int64_t *loads; // [instants]
  List all;
  int *near; // [n] contemporaries of the one being placed, by offset
} Pack;

// ---- the bound ----

static int last_instant(const Interval *items, int n) {
  int last = 0;
  for (int i = 0; i < n; i++)
    if (items[i].last > last) last = items[i].last;
  return last;
}

// [last instant + 1] the sums of bytes alive.
static int64_t *find_loads(const Interval *items, int n, Arena *scratch) {
  int n_instants = last_instant(items, n) + 1;
  int64_t *loads = ARENA_ARRAY(scratch, int64_t, n_instants + 1);
  for (int i = 0; i < n; i++) {
    loads[items[i].first] += items[i].n_bytes;
    loads[items[i].last + 1] -= items[i].n_bytes;
  }
  for (int t = 1; t < n_instants; t++) loads[t] += loads[t - 1];
  return loads;
}

static int64_t largest(const int64_t *loads, int first, int last) {
  int64_t most = 0;
  for (int t = first; t <= last; t++)
    if (loads[t] > most) most = loads[t];
  return most;
}

int64_t pack_bound(const Interval *items, int n, Arena *scratch) {
  return n ? largest(find_loads(items, n, scratch), 0, last_instant(items, n)) : 0;
}

// ---- placing one ----

static int64_t end_of(const Pack *pack, int item) {
  return pack->items[item].offset + pack->items[item].n_bytes;
}

static bool are_apart(const Interval *a, const Interval *b) {
  return a->last < b->first || b->last < a->first;
}

// Behind all that begin no later than `offset`.
static int upper_place(const Pack *pack, const List *list, int64_t offset) {
  int low = 0, high = list->n;
  while (low < high) {
    int middle = (low + high) / 2;
    if (pack->items[list->items[middle]].offset <= offset)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

static void insert(Pack *pack, List *list, int item) {
  if (list->n == list->capacity) {
    int capacity = list->capacity ? 2 * list->capacity : 8;
    int *items = ARENA_ARRAY(pack->scratch, int, capacity);
    if (list->n) memcpy(items, list->items, sizeof(int) * (size_t)list->n);
    list->items = items;
    list->capacity = capacity;
  }
  int place = upper_place(pack, list, pack->items[item].offset);
  memmove(list->items + place + 1, list->items + place, sizeof(int) * (size_t)(list->n++ - place));
  list->items[place] = item;
}

static bool is_short(const Interval *interval) {
  return interval->last / BLOCK - interval->first / BLOCK < SHORT_BLOCKS;
}

// Those of a list that live when `own` does. Of several blocks, each is taken in the first of them that it lives in.
static int gather(Pack *pack, const List *list, const Interval *own, int block, int n_near) {
  int first_block = own->first / BLOCK;
  for (int i = 0; i < list->n; i++) {
    const Interval *other = &pack->items[list->items[i]];
    bool is_met = block > first_block && other->first / BLOCK < block;
    if (is_met || are_apart(other, own)) continue;
    int k = n_near++;
    for (; k > 0 && pack->items[pack->near[k - 1]].offset > other->offset; k--)
      pack->near[k] = pack->near[k - 1];
    pack->near[k] = list->items[i];
  }
  return n_near;
}

static int find_near(Pack *pack, const Interval *own) {
  if (!is_short(own)) return gather(pack, &pack->all, own, 0, 0);
  int n_near = 0;
  for (int block = own->first / BLOCK; block <= own->last / BLOCK; block++)
    n_near = gather(pack, &pack->blocks[block], own, block, n_near);
  return n_near;
}

static int64_t find_gap(Pack *pack, const Interval *own, bool is_tightest) {
  int n_near = find_near(pack, own);
  int64_t end = 0, best = -1, best_size = 0;
  for (int i = 0; i < n_near; i++) {
    int64_t size = pack->items[pack->near[i]].offset - end;
    if (size >= own->n_bytes && (best < 0 || size < best_size)) {
      if (!is_tightest) return end;
      best = end;
      best_size = size;
    }
    if (end_of(pack, pack->near[i]) > end) end = end_of(pack, pack->near[i]);
  }
  return best >= 0 ? best : end;
}

static void place(Pack *pack, int item, bool is_tightest) {
  Interval *own = &pack->items[item];
  own->offset = find_gap(pack, own, is_tightest);
  insert(pack, &pack->all, item);
  for (int block = own->first / BLOCK; block <= own->last / BLOCK; block++)
    insert(pack, &pack->blocks[block], item);
}

static void clear(Pack *pack) {
  pack->all.n = 0;
  for (int b = 0; b < pack->n_blocks; b++) pack->blocks[b].n = 0;
}

static int64_t top_of(const Pack *pack, const int *order, int n) {
  int64_t top = 0;
  for (int i = 0; i < n; i++)
    if (end_of(pack, order[i]) > top) top = end_of(pack, order[i]);
  return top;
}

static int64_t place_all(Pack *pack, const int *order, int n, bool is_tightest) {
  clear(pack);
  for (int i = 0; i < n; i++) place(pack, order[i], is_tightest);
  return top_of(pack, order, n);
}

// ---- orders ----

typedef enum Order { BY_SIZE, BY_LIFE, BY_AREA, BY_BIRTH, BY_LOAD, BY_LOAD_AND_LIFE, N_ORDERS } Order;

typedef struct Rank { // lower goes first, compared in this order
  int64_t keys[2];
  int item;
} Rank;

static int compare_ranks(const void *left, const void *right) {
  const Rank *a = left, *b = right;
  for (int i = 0; i < 2; i++)
    if (a->keys[i] != b->keys[i]) return a->keys[i] < b->keys[i] ? -1 : 1;
  return a->item - b->item;
}

static Rank rank_of(const Pack *pack, int item, Order order) {
  const Interval *interval = &pack->items[item];
  int64_t bytes = interval->n_bytes, life = interval->last - interval->first + 1;
  switch (order) {
  case BY_SIZE: return (Rank){{-bytes, -life}, item};
  case BY_LIFE: return (Rank){{-life, -bytes}, item};
  case BY_AREA: return (Rank){{-bytes * life, 0}, item};
  case BY_BIRTH: return (Rank){{interval->first, -bytes}, item};
  case BY_LOAD: return (Rank){{-largest(pack->loads, interval->first, interval->last), -bytes}, item};
  default: return (Rank){{-largest(pack->loads, interval->first, interval->last), -life}, item};
  }
}

static void sort_items(const Pack *pack, int *items, int n, Order order) {
  Rank *ranks = ARENA_ARRAY(pack->scratch, Rank, n);
  for (int i = 0; i < n; i++) ranks[i] = rank_of(pack, items[i], order);
  qsort(ranks, (size_t)n, sizeof(Rank), compare_ranks);
  for (int i = 0; i < n; i++) items[i] = ranks[i].item;
}

static bool is_good(int64_t top, int64_t bound) {
  return top <= bound + bound / 100;
}

typedef struct Best {
  int *order, n; // of the large ones
  bool is_tightest;
  int64_t top; // -1: none yet
} Best;

static void try_orders(Pack *pack, int64_t bound, Best *best) {
  int *order = arena_copy(pack->scratch, best->order, sizeof(int) * (size_t)best->n);
  for (int k = 0; k < 2 * N_ORDERS && (best->top < 0 || best->top > bound); k++) {
    sort_items(pack, order, best->n, (Order)(k / 2));
    int64_t top = place_all(pack, order, best->n, k % 2);
    if (best->top >= 0 && top >= best->top) continue;
    memcpy(best->order, order, sizeof(int) * (size_t)best->n);
    best->is_tightest = k % 2;
    best->top = top;
  }
}

// ---- local search ----

// About half of those that reach above the bound, each to half its place.
static void advance_high(const Pack *pack, int *order, int n, int64_t bound, uint64_t *random) {
  for (int i = 1; i < n; i++) {
    int item = order[i];
    *random = *random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    if (end_of(pack, item) <= bound || *random >> 63) continue;
    memmove(order + i / 2 + 1, order + i / 2, sizeof(int) * (size_t)(i - i / 2));
    order[i / 2] = item;
  }
}

static void improve(Pack *pack, int64_t bound, Best *best) {
  int *order = arena_copy(pack->scratch, best->order, sizeof(int) * (size_t)best->n);
  int n_rounds = best->n ? MAX_PLACINGS / best->n : 0;
  bool is_tightest = best->is_tightest;
  uint64_t random = 1;
  for (int round = 0; !is_good(best->top, bound) && round < n_rounds; round++) {
    if (round % WALK == WALK - 1) { // a new start
      is_tightest = round / WALK % 2;
      sort_items(pack, order, best->n, (Order)(round / WALK / 2 % N_ORDERS));
    }
    int64_t top = place_all(pack, order, best->n, is_tightest);
    if (top < best->top)
      *best =
          (Best){arena_copy(pack->scratch, order, sizeof(int) * (size_t)best->n), best->n, is_tightest, top};
    advance_high(pack, order, best->n, bound, &random);
  }
}

// Searches for an order of those above `small_bytes`, then fills in the others by size.
static int64_t pack_all(Pack *pack, int64_t bound, int64_t small_bytes) {
  Best best = {ARENA_ARRAY(pack->scratch, int, pack->n), 0, false, -1};
  int n_small = 0, *small = ARENA_ARRAY(pack->scratch, int, pack->n);
  for (int i = 0; i < pack->n; i++)
    *(pack->items[i].n_bytes > small_bytes ? &best.order[best.n++] : &small[n_small++]) = i;
  try_orders(pack, bound, &best);
  improve(pack, bound, &best);
  place_all(pack, best.order, best.n, best.is_tightest);
  sort_items(pack, small, n_small, BY_SIZE);
  for (int i = 0; i < n_small; i++) place(pack, small[i], true);
  int64_t top = top_of(pack, best.order, best.n), top_of_small = top_of(pack, small, n_small);
  return top > top_of_small ? top : top_of_small;
}

int64_t pack_intervals(Interval *items, int n, Arena *scratch) {
  if (n == 0) return 0;
  int n_blocks = last_instant(items, n) / BLOCK + 1;
  Pack pack = {.scratch = scratch,
               .items = items,
               .n = n,
               .n_blocks = n_blocks,
               .loads = find_loads(items, n, scratch),
               .blocks = ARENA_ARRAY(scratch, List, n_blocks),
               .near = ARENA_ARRAY(scratch, int, n)};
  int64_t bound = pack_bound(items, n, scratch), top = pack_all(&pack, bound, bound / SMALL);
  if (is_good(top, bound)) return top;
  Interval *first = arena_copy(scratch, items, sizeof(Interval) * (size_t)n);
  int64_t again = pack_all(&pack, bound, 0);
  if (again < top) return again;
  memcpy(items, first, sizeof(Interval) * (size_t)n);
  return top;
}
