// The split of least time within a limit of memory. What a split takes is never guessed: it is compiled to its plan. That
// takes some ten milliseconds, so not all splits can be; deal.c chooses among all by a table of what single modules take,
// and the table learns from every plan:
//
//   first     one module; every unit a module; two units a module, in both phases. From these: what a boundary adds in
//             time and states, what a unit more adds to a module's memory
//   then      the best split by the table is planned. If it stays within the limit, it is the one; else its modules' true
//             sizes enter the table, and again
//
// With --any-batch the same for halves of the batch; of the batches the one of least time for an image is taken.
//
// Modules that were never planned count as their nearest planned one of the same end plus the units more: the auxiliary at
// the end, the expensive part, is then right.
#include "compiler/driver/within.h"
#include "compiler/driver/deal.h"
#include "compiler/driver/plan.h"
#include "compiler/driver/text.h"
#include "compiler/driver/trial.h"
#include "compiler/driver/variant.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TRIALS = 200, SHOWN = 5 };

// The fastest of the splits planned; what is slower and larger than another is left out.
typedef struct Shown {
  Trial items[SHOWN];
  int n;
} Shown;

typedef struct Within {
  Splits splits;
  int64_t limit;
  DealTable table;
  bool *is_planned;        // [n][n] modules whose live bytes are a plan's
  int64_t *more;           // [n] what unit u adds to a module that ends behind a later one
  int n_planned;           // splits compiled that could be
  Trial smallest, fastest; // of them; of those within the limit
  Shown shown;
} Within;

static bool beats(const Trial *a, const Trial *b) {
  return a->time <= b->time && a->bytes <= b->bytes;
}

static void show(Shown *shown, const Trial *trial) {
  int n = 0;
  for (int i = 0; i < shown->n; i++)
    if (beats(&shown->items[i], trial)) return;
  for (int i = 0; i < shown->n; i++)
    if (!beats(trial, &shown->items[i])) shown->items[n++] = shown->items[i];
  shown->n = n;
  if (n == SHOWN && trial->time >= shown->items[n - 1].time) return;
  int at = n == SHOWN ? n - 1 : shown->n++;
  for (; at > 0 && shown->items[at - 1].time > trial->time; at--) shown->items[at] = shown->items[at - 1];
  shown->items[at] = *trial;
}

// Plans a split, and remembers the smallest and the fastest.
static Trial plan_split(Within *within, const bool *ends) {
  Trial trial = trial_plan(&within->splits, ends);
  bool is_smaller = !within->smallest.is_valid || trial.bytes < within->smallest.bytes;
  if (trial.is_valid && is_smaller) within->smallest = trial;
  bool is_faster = !within->fastest.is_valid || trial.time < within->fastest.time;
  if (trial.is_valid && trial.bytes <= within->limit && is_faster) within->fastest = trial;
  if (trial.is_valid) show(&within->shown, &trial);
  return trial;
}

// ---- the table ----

// Modules that no plan had: units more than the nearest planned one of the same end. Half of what a unit was seen to add: a promise
// that is too good is corrected by its plan, one that is too bad is never looked at.
static void estimate(Within *within) {
  for (int e = 0; e < within->splits.n; e++)
    for (int first = e - 1; first >= 0; first--)
      if (!within->is_planned[first * within->splits.n + e])
        *deal_live(&within->table, first, e) =
            *deal_live(&within->table, first + 1, e) + within->more[first] / 2;
}

static void learn_states(DealTable *table, const bool *ends, const Trial *trial) {
  for (int e = 0, m = 0; e < table->n; e++) {
    if (!ends[e]) continue;
    table->state[e] = trial->state[m];
    for (int earlier = 0, k = 0; earlier < e; earlier++)
      if (ends[earlier]) *deal_shared(table, earlier, e) = trial->shared[k++ * trial->n_modules + m];
    m++;
  }
}

// A module may take other bytes beside other modules (a cascade reaches into the one before): the most counts, so no split
// that was too large is chosen again.
static void learn(Within *within, const bool *ends, const Trial *trial) {
  DealTable *table = &within->table;
  int64_t most = 0, states = 0, *largest = NULL;
  learn_states(table, ends, trial);
  for (int first = 0, e = 0, m = 0; e < within->splits.n; e++) {
    if (!ends[e]) continue;
    int64_t *live = deal_live(table, first, e);
    bool *is_planned = &within->is_planned[first * within->splits.n + e];
    if (!*is_planned || trial->live[m] > *live) *live = trial->live[m];
    *is_planned = true;
    if (trial->live[m] > most) most = trial->live[m], largest = live;
    if (e < within->splits.n - 1) states += deal_state(table, first - 1, e);
    first = e + 1;
    m++;
  }
  // What remains: the backbone's own states, and gaps between values, which are counted with the largest module.
  int64_t fixed = trial->bytes - states - most;
  if (within->n_planned++ == 0 || fixed < table->fixed) table->fixed = fixed;
  if (fixed > table->fixed) *largest += fixed - table->fixed;
  estimate(within);
}

// Two units a module from unit `phase` on: what the boundary between the two would have added.
static void learn_pairs(Within *within, const Trial *single, int phase, bool *ends) {
  int n = within->splits.n;
  for (int e = 0; e < n; e++) ends[e] = e == n - 1 || (e + phase) % 2 == 1;
  Trial pairs = plan_split(within, ends);
  if (!pairs.is_valid) return;
  for (int first = 0, e = 0, m = 0; e < n; e++) {
    if (!ends[e]) continue;
    if (e == first + 1) {
      double cost = single->module_time[first] + single->module_time[e] - pairs.module_time[m];
      int64_t more = pairs.live[m] - single->live[e];
      within->table.cost[first] =
          cost; // below 0 where the gradient that ends there is more than the auxiliary
      within->more[first] = more > 0 ? more : 0;
    }
    first = e + 1;
    m++;
  }
  learn(within, ends, &pairs);
}

static void new_table(Within *within) {
  int n = within->splits.n;
  within->table = deal_table(within->splits.arena, n);
  within->is_planned = ARENA_ARRAY(within->splits.arena, bool, n *n);
  within->more = ARENA_ARRAY(within->splits.arena, int64_t, n);
}

// The places behind which a split alone is possible: an auxiliary may ask for a shape that some units do not have. False: none.
static bool drop_places(Within *within) {
  int n = within->splits.n, kept = 0;
  const char **places = ARENA_ARRAY(within->splits.arena, const char *, n);
  bool *ends = ARENA_ARRAY(within->splits.arena, bool, n);
  for (int e = 0; e < n - 1; e++) {
    memset(ends, 0, sizeof *ends * (size_t)n);
    ends[e] = ends[n - 1] = true;
    if (plan_split(within, ends).is_valid) places[kept++] = within->splits.places[e];
  }
  if (kept == 0) return false;
  within->splits.places = places;
  within->splits.n = kept + 1;
  return true;
}

static bool learn_first(Within *within) {
  bool *ends = ARENA_ARRAY(within->splits.arena, bool, within->splits.n);
  memset(ends, true, sizeof *ends * (size_t)within->splits.n);
  Trial single = plan_split(within, ends);
  if (!single.is_valid && drop_places(within)) {
    ends[within->splits.n - 1] = true;
    single = plan_split(within, ends);
  }
  if (!single.is_valid) return false;
  new_table(within);
  learn(within, ends, &single);
  learn_pairs(within, &single, 0, ends);
  learn_pairs(within, &single, 1, ends);
  return true;
}

// ---- the search ----

// The smallest by the table, as long as planning it shows something new.
static void search_smallest(Within *within, bool *ends) {
  enum { MOST = 24 };
  for (int i = 0; i < MOST && deal_smallest(&within->table, ends); i++) {
    if (deal_bytes(&within->table, ends) >= within->smallest.bytes) break;
    Trial trial = plan_split(within, ends);
    if (!trial.is_valid || trial.bytes <= within->limit) break;
    learn(within, ends, &trial);
  }
}

// The best split by the table that its plan confirms; else the smallest.
static Trial search(Within *within) {
  bool *ends = ARENA_ARRAY(within->splits.arena, bool, within->splits.n);
  while (within->splits.n_trials < MAX_TRIALS && deal_cheapest(&within->table, within->limit, ends)) {
    Trial trial = plan_split(within, ends);
    if (!trial.is_valid) break;
    if (trial.bytes <= within->limit) break;
    learn(within, ends, &trial);
  }
  if (within->fastest.is_valid) return within->fastest;
  search_smallest(within, ends);
  return within->fastest.is_valid ? within->fastest : within->smallest;
}

// What was found for one batch. `is_found`: it stays within the limit.
typedef struct Choice {
  Trial best, whole;
  bool is_found, is_nowhere; // nowhere: no split is possible; `best` is none then
  Shown shown;
} Choice;

static Choice choose_split(Within *within) {
  bool *ends = ARENA_ARRAY(within->splits.arena, bool, within->splits.n);
  ends[within->splits.n - 1] = true;
  Choice choice = {.whole = plan_split(within, ends)};
  choice.best = choice.whole;
  choice.is_found = choice.whole.is_valid && choice.whole.bytes <= within->limit;
  if (choice.is_found || within->splits.n == 1) return choice;
  choice.is_nowhere = !learn_first(within);
  if (choice.is_nowhere) return choice;
  choice.best = search(within);
  choice.shown = within->shown;
  choice.is_found = choice.best.is_valid && choice.best.bytes <= within->limit;
  return choice;
}

// ---- batches ----

enum { LEAST_BATCH = 16, MOST_BATCHES = 8 };

// Of the batch that is asked for; with --any-batch also of its halves. The best is first, the others by their time for
// an image, those that do not fit last.
typedef struct Choices {
  Choice items[MOST_BATCHES];
  int n, n_trials;
} Choices;

static double image_time(const Choice *choice) {
  return choice->is_found ? choice->best.time / (double)choice->best.batch : INFINITY;
}

static void insert(Choices *choices, const Choice *choice) {
  int at = choices->n++;
  for (; at > 0 && image_time(choice) < image_time(&choices->items[at - 1]); at--)
    choices->items[at] = choices->items[at - 1];
  choices->items[at] = *choice;
}

static void choose_all(Choices *choices, const Within *like, bool any_batch, int64_t batch) {
  for (; choices->n < MOST_BATCHES; batch /= 2) {
    Within within = *like;
    within.splits.batch = any_batch ? batch : -1;
    Choice choice = choose_split(&within);
    insert(choices, &choice);
    choices->n_trials += within.splits.n_trials;
    if (!any_batch || choice.is_nowhere || batch / 2 < LEAST_BATCH) break;
  }
}

// ---- what is said ----

static const char *behind_text(Arena *arena, const Splits *splits, const Trial *trial) {
  if (trial->n_modules == 1) return "1 module";
  return arena_printf(arena, "%d modules behind %s", trial->n_modules,
                      trial_text(arena, splits, trial->ends));
}

static bool is_same(const Trial *a, const Trial *b) {
  return a->bytes == b->bytes && a->time == b->time;
}

static void say_batches(Arena *arena, const Choices *choices) {
  fprintf(stderr, "  batch  modules       bytes   ms a step   ms an image   of end to end\n");
  for (int i = 0; i < choices->n; i++) {
    const Choice *choice = &choices->items[i];
    const Trial *best = &choice->best;
    fprintf(stderr, "%7lld %8d %11s %11.2f %13.4f %14.2f%s\n", (long long)best->batch, best->n_modules,
            text_bytes(arena, best->bytes), 1e3 * best->time, 1e3 * best->time / (double)best->batch,
            best->time / choice->whole.time, choice->is_found ? "" : "  too large");
  }
}

static void say_splits(Arena *arena, const Splits *splits, const Choice *choice, int64_t limit) {
  fprintf(stderr, "  modules       bytes  of end to end   ms a step  of end to end\n");
  for (int i = 0; i < choice->shown.n; i++) {
    const Trial *trial = &choice->shown.items[i];
    const char *note = trial->bytes > limit ? ": too large" : "";
    fprintf(stderr, "%9d %11s %13.1f%% %11.2f %14.2f  %s%s\n", trial->n_modules,
            text_bytes(arena, trial->bytes), 100.0 * (double)trial->bytes / (double)choice->whole.bytes,
            1e3 * trial->time, trial->time / choice->whole.time,
            trial->n_modules == 1 ? "end to end" : trial_text(arena, splits, trial->ends),
            is_same(trial, &choice->best) ? ": chosen" : note);
  }
}

static void say_choice(const Splits *splits, const Choices *choices, int64_t limit, double seconds) {
  Arena *arena = arena_new();
  const Choice *choice = &choices->items[0];
  const Trial *trial = &choice->best;
  fprintf(stderr, "split: %s: %s of %s", behind_text(arena, splits, trial), text_bytes(arena, trial->bytes),
          text_bytes(arena, limit));
  if (choices->n > 1) fprintf(stderr, ", batch %lld", (long long)trial->batch);
  if (trial->n_modules > 1)
    fprintf(stderr, "; end to end takes %s. A step is predicted to take %.2f times that of end to end",
            text_bytes(arena, choice->whole.bytes), trial->time / choice->whole.time);
  fprintf(stderr, " (%d split%s planned in %.1f s)\n", choices->n_trials, choices->n_trials == 1 ? "" : "s",
          seconds);
  if (choices->n > 1) say_batches(arena, choices);
  if (choices->n == 1 && choice->shown.n > 1) say_splits(arena, splits, choice, limit);
  arena_free(arena);
}

// A batch with which this split stays within the limit, 0: none was found.
static int64_t batch_that_fits(const Options *options, const char *split, int64_t limit) {
  Compilation c;
  int64_t batch = 0;
  if (variant_compile(&c, options, split, -1))
    batch = variant_fitting_batch(options, split, c.program, limit);
  compile_end(&c);
  return batch;
}

// The smallest split, and which batch of it would fit; if none does, what the smallest batch takes.
static const char *smallest_text(Arena *arena, const Splits *splits, const Choices *choices, int64_t limit) {
  const Trial *smallest = &choices->items[choices->n - 1].best;
  if (!smallest->is_valid) return "";
  const char *split = trial_text(arena, splits, smallest->ends);
  const char *batch =
      choices->n > 1 ? arena_printf(arena, ", at batch %lld", (long long)smallest->batch) : "";
  const char *text =
      arena_printf(arena, ": the smallest takes %s, in %s%s", text_bytes(arena, smallest->bytes),
                   behind_text(arena, splits, smallest), batch);
  int64_t fits = batch_that_fits(splits->options, split, limit);
  if (fits > 0) return arena_printf(arena, "%s; --batch %lld fits", text, (long long)fits);
  int64_t least = variant_bytes(splits->options, split, VARIANT_LEAST_BATCH);
  if (least < 0) return text;
  return arena_printf(arena, "%s; no batch of it fits: %d images take %s", text, VARIANT_LEAST_BATCH,
                      text_bytes(arena, least));
}

static int refuse(const Splits *splits, const Choices *choices, int64_t limit, const Model *model) {
  MlaError error = {0};
  Arena *arena = arena_new();
  mla_fail(&error, MLA_ERROR_INPUT, "no split of %s stays within %s%s", model->name, text_bytes(arena, limit),
           smallest_text(arena, splits, choices, limit));
  arena_free(arena);
  return report_error(splits->options, &error);
}

// The rows of the table that is said.
static void keep_candidates(const Splits *splits, const Choices *choices, int64_t limit,
                            ChosenSplit *chosen) {
  const Choice *best = &choices->items[0];
  int n_shown = choices->n > 1 ? choices->n : best->shown.n, n = n_shown > 0 ? n_shown : 1;
  SplitCandidate *rows = ARENA_ARRAY(splits->arena, SplitCandidate, n);
  for (int i = 0; i < n; i++) {
    const Trial *trial = n_shown == 0 ? &best->best : &best->shown.items[i];
    if (choices->n > 1) trial = &choices->items[i].best;
    bool is_chosen = trial->batch == best->best.batch && is_same(trial, &best->best);
    rows[i] = (SplitCandidate){trial_text(splits->arena, splits, trial->ends),
                               trial->n_modules,
                               trial->batch,
                               trial->bytes,
                               trial->time,
                               is_chosen};
  }
  chosen->limit = limit;
  chosen->end_to_end_bytes = best->whole.bytes;
  chosen->candidates = rows;
  chosen->n_candidates = n;
}

int within_choose(const Model *model, const Options *options, Arena *arena, ChosenSplit *chosen) {
  double start = timing_now();
  Within within = {.splits = {.options = options,
                              .arena = arena,
                              .places = model->places,
                              .n = model->n_places + 1,
                              .batch = -1},
                   .limit = model->memory_limit};
  Choices choices = {.n = 0};
  choose_all(&choices, &within, options->any_batch, model->recipe.batch);
  const Choice *first = &choices.items[0];
  chosen->n_trials = choices.n_trials;
  if (first->is_nowhere) { // loading such a split says what is wrong
    chosen->text = arena_printf(arena, "[%s]", model->places[0]);
    return STATUS_OK;
  }
  if (!first->is_found)
    return options->is_silent ? STATUS_MODEL : refuse(&within.splits, &choices, within.limit, model);
  if (!options->is_silent) say_choice(&within.splits, &choices, within.limit, timing_now() - start);
  chosen->text = trial_text(arena, &within.splits, first->best.ends);
  chosen->batch = options->any_batch ? first->best.batch : 0;
  keep_candidates(&within.splits, &choices, within.limit, chosen);
  return STATUS_OK;
}
