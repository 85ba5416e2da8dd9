// Random intervals are packed: nothing alive at once shares bytes, nothing is below 0, the result is no smaller than the bound and the
// same every time. Of sets as plans have them, how many are within 1 % of the bound.
#include "compiler/ir/pack.h"

#include <stdbool.h>
#include <stdio.h>

enum { N_SETS = 200, MOST = 400 };

static uint64_t seed = 1;

static int draw(int n) {
  seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (int)((seed >> 33) % (uint64_t)n);
}

// A stack of lives, as a step has them: short ones, and some that end in the reverse of the order in which they began.
static int make_set(Interval *items) {
  int n = 20 + draw(MOST - 20), n_instants = n;
  for (int i = 0; i < n; i++) {
    int first = draw(n_instants), last = draw(3) ? first + draw(4) : 2 * n_instants - first - draw(3);
    int64_t bytes = draw(4) ? (int64_t)(1 + draw(4)) << (16 + draw(4)) : 64 * (int64_t)(1 + draw(2000));
    items[i] = (Interval){bytes, first, last, -1};
  }
  return n;
}

static bool is_legal(const Interval *items, int n, int64_t top) {
  for (int i = 0; i < n; i++) {
    if (items[i].offset < 0 || items[i].offset + items[i].n_bytes > top) return false;
    for (int k = 0; k < i; k++) {
      bool is_apart = items[i].last < items[k].first || items[k].last < items[i].first;
      bool is_beside = items[i].offset + items[i].n_bytes <= items[k].offset ||
                       items[k].offset + items[k].n_bytes <= items[i].offset;
      if (!is_apart && !is_beside) return false;
    }
  }
  return true;
}

int main(void) {
  int n_failed = 0, n_near = 0;
  for (int set = 0; set < N_SETS; set++) {
    Arena *arena = arena_new();
    Interval items[MOST], again[MOST];
    int n = make_set(items);
    for (int i = 0; i < n; i++) again[i] = items[i];
    int64_t bound = pack_bound(items, n, arena), top = pack_intervals(items, n, arena);
    bool is_good = is_legal(items, n, top) && top >= bound && pack_intervals(again, n, arena) == top;
    for (int i = 0; i < n; i++) is_good &= items[i].offset == again[i].offset;
    n_failed += !is_good;
    n_near += top <= bound + bound / 100;
    arena_free(arena);
  }
  printf("%d of %d sets wrong, %d within 1 %% of the bound\n", n_failed, N_SETS, n_near);
  return n_failed > 0 || n_near < N_SETS * 99 / 100;
}
