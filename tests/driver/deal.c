// Dealing units to modules under a limit: on random tables, against all splits.
#include "compiler/driver/deal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_UNITS = 9, N_TABLES = 400, N_LIMITS = 12 };

typedef struct Best {
  bool exists;
  double cost;
  int64_t bytes;
} Best;

static unsigned random_word(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (unsigned)(*state >> 33);
}

// Larger modules need more, as real ones do, but not in proportion; some modules are not possible.
static DealTable random_table(Arena *arena, uint64_t *seed, int n) {
  DealTable table = deal_table(arena, n);
  table.fixed = random_word(seed) % 50;
  for (int e = 0; e < n; e++) {
    table.cost[e] = random_word(seed) % 20;
    table.state[e] = random_word(seed) % 30;
    for (int earlier = 0; earlier < e; earlier++)
      if (random_word(seed) % 2) *deal_shared(&table, earlier, e) = random_word(seed) % (table.state[e] + 1);
    for (int first = e; first >= 0; first--) {
      *deal_live(&table, first, e) = first == e ? 20 + random_word(seed) % 60
                                                : *deal_live(&table, first + 1, e) + random_word(seed) % 40;
      table.is_banned[first * n + e] = random_word(seed) % 12 == 0;
    }
  }
  return table;
}

static bool is_possible(const DealTable *table, const bool *ends) {
  for (int first = 0, e = 0; e < table->n; e++) {
    if (!ends[e]) continue;
    if (table->is_banned[first * table->n + e]) return false;
    first = e + 1;
  }
  return true;
}

// Among all splits: the one of least cost (then bytes), or of least bytes.
static Best search_all(const DealTable *table, int64_t limit, bool by_cost) {
  Best best = {false, 0, 0};
  bool ends[MOST_UNITS];
  for (int bits = 0; bits < 1 << (table->n - 1); bits++) {
    for (int e = 0; e < table->n; e++) ends[e] = e == table->n - 1 || bits >> e & 1;
    Best found = {true, deal_cost(table, ends), deal_bytes(table, ends)};
    if (!is_possible(table, ends) || found.bytes > limit) continue;
    bool is_better = by_cost ? found.cost < best.cost || (found.cost == best.cost && found.bytes < best.bytes)
                             : found.bytes < best.bytes;
    if (!best.exists || is_better) best = found;
  }
  return best;
}

static int compare(const DealTable *table, int64_t limit) {
  bool ends[MOST_UNITS] = {false};
  Best best = search_all(table, limit, true);
  bool is_found = deal_cheapest(table, limit, ends);
  if (is_found != best.exists)
    return printf("limit %lld: %sfound\n", (long long)limit, is_found ? "" : "not "), 1;
  if (!is_found) return 0;
  bool is_right = is_possible(table, ends) && ends[table->n - 1] && deal_cost(table, ends) == best.cost &&
                  deal_bytes(table, ends) == best.bytes;
  if (is_right) return 0;
  printf("limit %lld: cost %g and %lld bytes, not %g and %lld\n", (long long)limit, deal_cost(table, ends),
         (long long)deal_bytes(table, ends), best.cost, (long long)best.bytes);
  return 1;
}

static int compare_smallest(const DealTable *table) {
  bool ends[MOST_UNITS] = {false};
  Best best = search_all(table, INT64_MAX, false);
  bool is_found = deal_smallest(table, ends);
  if (is_found == best.exists && (!is_found || deal_bytes(table, ends) == best.bytes)) return 0;
  printf("the smallest: %lld bytes, not %lld\n", is_found ? (long long)deal_bytes(table, ends) : -1,
         (long long)best.bytes);
  return 1;
}

static int64_t largest(const DealTable *table, const bool *ends) {
  int64_t most = 0;
  for (int first = 0, e = 0; e < table->n; e++) {
    if (!ends[e]) continue;
    if (*deal_live(table, first, e) > most) most = *deal_live(table, first, e);
    first = e + 1;
  }
  return most;
}

static int compare_balanced(const DealTable *table, int n_modules) {
  bool ends[MOST_UNITS] = {false};
  int64_t best = INT64_MAX;
  for (int bits = 0; bits < 1 << (table->n - 1); bits++) {
    for (int e = 0; e < table->n; e++) ends[e] = e == table->n - 1 || bits >> e & 1;
    bool is_one = __builtin_popcount((unsigned)bits) == n_modules - 1 && is_possible(table, ends);
    if (is_one && largest(table, ends) < best) best = largest(table, ends);
  }
  bool is_found = deal_balanced(table, n_modules, ends);
  int n = 0;
  for (int e = 0; e < table->n; e++) n += ends[e];
  if (is_found == (best < INT64_MAX) &&
      (!is_found || (n == n_modules && is_possible(table, ends) && largest(table, ends) == best)))
    return 0;
  printf("%d modules: the largest %lld, not %lld\n", n_modules,
         is_found ? (long long)largest(table, ends) : -1, (long long)best);
  return 1;
}

int main(void) {
  Arena *arena = arena_new();
  uint64_t seed = 7;
  int n_failed = 0;
  for (int t = 0; t < N_TABLES; t++) {
    DealTable table = random_table(arena, &seed, 1 + (int)(random_word(&seed) % MOST_UNITS));
    for (int i = 0; i < N_LIMITS; i++) n_failed += compare(&table, random_word(&seed) % 500);
    n_failed += compare_smallest(&table);
    n_failed += compare_balanced(&table, 1 + (int)(random_word(&seed) % MOST_UNITS));
    arena_reset(arena);
  }
  arena_free(arena);
  printf("%d tables, %d limits each, %d wrong\n", N_TABLES, N_LIMITS, n_failed);
  return n_failed != 0;
}
