// The split into a given number of modules whose largest module is as small as it can be. What modules take is read off plans:
// every unit a module, and two units a module in both phases, tell what a unit adds to the module that ends behind a
// later one; with that, dynamic programming (deal.c) finds a split, its plan corrects the table, and again until
// nothing better is promised. For operations and parameters the table is right from the start.
#include "compiler/driver/balance.h"
#include "compiler/driver/deal.h"
#include "compiler/driver/plan.h"
#include "compiler/driver/text.h"
#include "compiler/driver/trial.h"

#include <stdio.h>
#include <string.h>

typedef struct Balancing {
  Splits splits;
  Balance by;
  int n_modules;
  DealTable table;  // `live` is what a module takes
  bool *is_planned; // [n][n]
  int64_t *more;    // [n] what unit u adds to a module that ends behind a later one
  Trial best;       // into n_modules
  int64_t least;    // its largest module
} Balancing;

static const int64_t *taken(const Balancing *balancing, const Trial *trial) {
  if (balancing->by == BALANCE_BYTES) return trial->live;
  return balancing->by == BALANCE_FLOPS ? trial->flops : trial->n_params;
}

static void learn(Balancing *balancing, const Trial *trial) {
  int n = balancing->splits.n;
  const int64_t *take = taken(balancing, trial);
  int64_t most = 0;
  for (int first = 0, e = 0, m = 0; e < n; e++) {
    if (!trial->ends[e]) continue;
    int64_t *live = deal_live(&balancing->table, first, e);
    bool *is_planned = &balancing->is_planned[first * n + e];
    if (!*is_planned || take[m] > *live) *live = take[m];
    *is_planned = true;
    if (take[m] > most) most = take[m];
    first = e + 1;
    m++;
  }
  bool is_better = !balancing->best.is_valid || most < balancing->least;
  if (trial->n_modules == balancing->n_modules && is_better)
    balancing->best = *trial, balancing->least = most;
  for (int e = 0; e < n; e++)
    for (int first = e - 1; first >= 0; first--)
      if (!balancing->is_planned[first * n + e])
        *deal_live(&balancing->table, first, e) =
            *deal_live(&balancing->table, first + 1, e) + balancing->more[first];
}

static void learn_pairs(Balancing *balancing, const Trial *single, int phase) {
  int n = balancing->splits.n;
  bool *ends = ARENA_ARRAY(balancing->splits.arena, bool, n);
  for (int e = 0; e < n; e++) ends[e] = e == n - 1 || (e + phase) % 2 == 1;
  Trial pairs = trial_plan(&balancing->splits, ends);
  if (!pairs.is_valid) return;
  for (int first = 0, e = 0, m = 0; e < n; e++) {
    if (!ends[e]) continue;
    int64_t more = taken(balancing, &pairs)[m] - taken(balancing, single)[e];
    if (e == first + 1) balancing->more[first] = more > 0 ? more : 0;
    first = e + 1;
    m++;
  }
  learn(balancing, &pairs);
}

static int64_t promised(const Balancing *balancing, const bool *ends) {
  int64_t most = 0;
  for (int first = 0, e = 0; e < balancing->splits.n; e++) {
    if (!ends[e]) continue;
    int64_t live = *deal_live(&balancing->table, first, e);
    if (live > most) most = live;
    first = e + 1;
  }
  return most;
}

static void search(Balancing *balancing) {
  enum { MOST_TRIALS = 60 };
  int n = balancing->splits.n;
  bool *ends = ARENA_ARRAY(balancing->splits.arena, bool, n);
  memset(ends, true, sizeof *ends * (size_t)n);
  Trial single = trial_plan(&balancing->splits, ends);
  if (!single.is_valid) return;
  learn(balancing, &single);
  for (int phase = 0; phase < 2; phase++) learn_pairs(balancing, &single, phase);
  while (balancing->splits.n_trials < MOST_TRIALS &&
         deal_balanced(&balancing->table, balancing->n_modules, ends)) {
    if (balancing->best.is_valid && promised(balancing, ends) >= balancing->least) return;
    Trial trial = trial_plan(&balancing->splits, ends);
    if (!trial.is_valid) return;
    learn(balancing, &trial);
  }
}

static void say(const Balancing *balancing) {
  Arena *arena = arena_new();
  const char *largest =
      balancing->by == BALANCE_BYTES
          ? text_bytes(arena, balancing->least)
          : arena_printf(arena, "%s %s", text_scaled(arena, (double)balancing->least),
                         balancing->by == BALANCE_FLOPS ? "operations an image" : "parameters");
  fprintf(stderr, "split: %d modules behind %s: the largest takes %s (%d splits planned)\n",
          balancing->n_modules, trial_text(arena, &balancing->splits, balancing->best.ends), largest,
          balancing->splits.n_trials);
  arena_free(arena);
}

void balance_choose(const Model *model, const Options *options, Arena *arena, ChosenSplit *chosen) {
  int n = model->n_places + 1;
  Balancing balancing = {
      .splits = {.options = options, .arena = arena, .places = model->places, .n = n, .batch = -1},
      .by = model->balance,
      .n_modules = model->n_balanced,
      .table = deal_table(arena, n),
      .is_planned = ARENA_ARRAY(arena, bool, n *n),
      .more = ARENA_ARRAY(arena, int64_t, n)};
  search(&balancing);
  chosen->n_trials = balancing.splits.n_trials;
  // Not every unit can end a module; loading this split says what is wrong.
  chosen->text = "take(units(), -1)";
  if (!balancing.best.is_valid) return;
  if (!options->is_silent) say(&balancing);
  chosen->text = trial_text(arena, &balancing.splits, balancing.best.ends);
}
