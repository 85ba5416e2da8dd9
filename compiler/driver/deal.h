// Dealing the units of a backbone to modules under a limit of memory, from what modules cost. Pure arithmetic: who fills
// the table knows splits, this does not.
#pragma once
#include "compiler/support/arena.h"
#include <stdbool.h>
#include <stdint.h>

typedef struct DealTable {
  int n;           // units
  int64_t fixed;   // bytes that every split takes
  double *cost;    // [n] what a boundary behind unit e adds to the time of a step
  int64_t *state;  // [n] bytes that it adds for good: its auxiliary's parameters, momenta, EMA copies
  int64_t *shared; // [n][n] (earlier, later boundary): of `state`, what both have and is there once
  int64_t *live;   // [n][n] (first unit, last unit): bytes at work while this module runs
  bool *is_banned; // [n][n] modules that cannot be
} DealTable;

DealTable deal_table(Arena *arena, int n);
static inline int64_t *deal_live(const DealTable *table, int first, int last) {
  return &table->live[first * table->n + last];
}
static inline int64_t *deal_shared(const DealTable *table, int earlier, int later) {
  return &table->shared[earlier * table->n + later];
}
// Bytes that a boundary adds for good behind the one at `before`, -1: it is the first.
int64_t deal_state(const DealTable *table, int before, int end);
// fixed + the states of all boundaries, less what neighbours share, + the largest `live`: all modules work in the same
// memory, one after the other. What two boundaries share, those between them have, too (copies of what lies behind them all).
// ends[e]: a module ends behind unit e; always true for the last.
int64_t deal_bytes(const DealTable *table, const bool *ends);
double deal_cost(const DealTable *table, const bool *ends);
// The split of least cost within `limit` bytes; of equal cost, the one of fewer bytes. False: there is none.
bool deal_cheapest(const DealTable *table, int64_t limit, bool *ends);
// The split into `n_modules` whose largest `live` is least. False: there is none.
bool deal_balanced(const DealTable *table, int n_modules, bool *ends);
// The split of fewest bytes. False: every one is banned.
bool deal_smallest(const DealTable *table, bool *ends);
