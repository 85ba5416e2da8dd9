// The split of least time within a limit of memory. What a split takes is never guessed: it is compiled to its plan. That
// takes some ten milliseconds, so not all splits can be; deal.c chooses among all by a table of what single modules take,
// and the table learns from every plan:
//
//   first     one module; every unit a module; two units a module, in both phases. From these: what a boundary adds in
//             time and states, what a unit more adds to a module's memory
//   then      the best split by the table is planned. If it stays within the limit, it is the one; else its modules' true
//             sizes enter the table, and again
//
// Modules that were never planned count as their nearest planned one of the same end plus the units more: the auxiliary at
// the end, the expensive part, is then right.
#include "compiler/driver/within.h"
#include "compiler/driver/deal.h"
#include "compiler/driver/plan.h"
#include "compiler/driver/variant.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_TRIALS = 200 };

// FLOPs that a machine does in the time of one byte from memory. Splits are only compared by their time: any processor
// or GPU of today is near enough.
#define FLOPS_PER_BYTE 10.0

// A split, planned.
typedef struct Trial {
  bool is_valid;
  int64_t bytes;
  double time; // of a step, in FLOPs
  int n_modules;
  int64_t *live, *state; // [n_modules] largest live bytes; states of the auxiliary
  double *module_time;   // [n_modules]
} Trial;

typedef struct Within {
  const Options *options;
  Arena *arena;
  const char *const *places; // [n - 1] that a split can stand behind
  int n;                     // units: what lies between two places
  int64_t limit;
  DealTable table;
  bool *is_planned;        // [n][n] modules whose live bytes are a plan's
  int64_t *more;           // [n] what unit u adds to a module that ends behind a later one
  int n_trials, n_planned; // splits compiled; those that could be
} Within;

bool within_parse(const char *text, int64_t *bytes) {
  static const char *const units[] = {"KiB", "MiB", "GiB"};
  char *unit;
  double value = strtod(text, &unit), scale = 1;
  while (*unit == ' ') unit++;
  for (int u = 0; u < 3; u++) {
    scale *= 1024;
    if (strcmp(unit, units[u]) != 0) continue;
    *bytes = value > 0 && value * scale < 1e18 ? (int64_t)(value * scale) : 0;
    return *bytes > 0;
  }
  return false;
}

// ---- one split, planned ----

static const char *split_text(Arena *arena, const Within *within, const bool *ends) {
  const char *text = "[";
  for (int e = 0; e < within->n - 1; e++)
    if (ends[e]) text = arena_printf(arena, "%s%s%s", text, text[1] ? ", " : "", within->places[e]);
  return arena_printf(arena, "%s]", text);
}

static int64_t state_bytes(const MlaProgram *program, const MlaState *state) {
  int64_t n = program->elem == MLA_F64 ? 8 : 4;
  for (int d = 0; d < state->rank; d++) n *= state->dim[d];
  return n;
}

double within_time(const MlaProgram *program, double *modules) {
  double sum = 0;
  for (int l = 0; l < program->train.n_launches; l++) {
    const MlaLaunch *launch = &program->train.launches[l];
    double time = fmax((double)launch->flops, FLOPS_PER_BYTE * (double)launch->n_bytes);
    if (modules) modules[launch->module] += time;
    sum += time;
  }
  return sum;
}

static Trial read_trial(Arena *arena, const Compilation *c) {
  const MlaProgram *program = c->program;
  Trial trial = {.is_valid = true, .n_modules = program->n_modules};
  trial.live = ARENA_ARRAY(arena, int64_t, trial.n_modules);
  trial.state = ARENA_ARRAY(arena, int64_t, trial.n_modules);
  trial.module_time = ARENA_ARRAY(arena, double, trial.n_modules);
  trial.bytes = plan_facts(c).bytes.total;
  for (int m = 0; m < trial.n_modules; m++) trial.live[m] = program->modules[m].activation_bytes;
  for (int s = 0; s < program->n_states; s++)
    if (program->states[s].is_aux)
      trial.state[program->states[s].module] += state_bytes(program, &program->states[s]);
  trial.time = within_time(program, trial.module_time);
  return trial;
}

static Trial plan_split(Within *within, const bool *ends) {
  Trial trial = {0};
  Compilation c;
  Arena *arena = arena_new();
  if (variant_compile(&c, within->options, split_text(arena, within, ends), -1))
    trial = read_trial(within->arena, &c);
  compile_end(&c);
  arena_free(arena);
  within->n_trials++;
  return trial;
}

// ---- the table ----

// Modules that no plan had: units more than the nearest planned one of the same end.
static void estimate(Within *within) {
  for (int e = 0; e < within->n; e++)
    for (int first = e - 1; first >= 0; first--)
      if (!within->is_planned[first * within->n + e])
        *deal_live(&within->table, first, e) = *deal_live(&within->table, first + 1, e) + within->more[first];
}

// A module may take other bytes beside other modules (a cascade reaches into the one before): the most counts, so no split
// that was too large is chosen again.
static void learn(Within *within, const bool *ends, const Trial *trial) {
  DealTable *table = &within->table;
  int64_t most = 0, states = 0, *largest = NULL;
  for (int first = 0, e = 0, m = 0; e < within->n; e++) {
    if (!ends[e]) continue;
    int64_t *live = deal_live(table, first, e);
    bool *is_planned = &within->is_planned[first * within->n + e];
    if (!*is_planned || trial->live[m] > *live) *live = trial->live[m];
    *is_planned = true;
    if (trial->live[m] > most) most = trial->live[m], largest = live;
    table->state[e] = trial->state[m];
    if (e < within->n - 1) states += trial->state[m];
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
  int n = within->n;
  for (int e = 0; e < n; e++) ends[e] = e == n - 1 || (e + phase) % 2 == 1;
  Trial pairs = plan_split(within, ends);
  if (!pairs.is_valid) return;
  for (int first = 0, e = 0, m = 0; e < n; e++) {
    if (!ends[e]) continue;
    if (e == first + 1) {
      double cost = single->module_time[first] + single->module_time[e] - pairs.module_time[m];
      int64_t more = pairs.live[m] - single->live[e];
      within->table.cost[first] = cost > 0 ? cost : 0;
      within->more[first] = more > 0 ? more : 0;
    }
    first = e + 1;
    m++;
  }
  learn(within, ends, &pairs);
}

static void new_table(Within *within) {
  int n = within->n;
  within->table = deal_table(within->arena, n);
  within->is_planned = ARENA_ARRAY(within->arena, bool, n *n);
  within->more = ARENA_ARRAY(within->arena, int64_t, n);
}

// The places behind which a split alone is possible: an auxiliary may ask for a shape that some units do not have. False: none.
static bool drop_places(Within *within) {
  int n = within->n, kept = 0;
  const char **places = ARENA_ARRAY(within->arena, const char *, n);
  bool *ends = ARENA_ARRAY(within->arena, bool, n);
  for (int e = 0; e < n - 1; e++) {
    memset(ends, 0, sizeof *ends * (size_t)n);
    ends[e] = ends[n - 1] = true;
    if (plan_split(within, ends).is_valid) places[kept++] = within->places[e];
  }
  if (kept == 0) return false;
  within->places = places;
  within->n = kept + 1;
  return true;
}

static bool learn_first(Within *within) {
  bool *ends = ARENA_ARRAY(within->arena, bool, within->n);
  memset(ends, true, sizeof *ends * (size_t)within->n);
  Trial single = plan_split(within, ends);
  if (!single.is_valid && drop_places(within)) {
    ends[within->n - 1] = true;
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

// The best split by the table that its plan confirms; else the smallest, should it fit after all. False: none, and `trial`
// is the smallest.
static bool search(Within *within, bool *ends, Trial *trial) {
  while (within->n_trials < MAX_TRIALS && deal_cheapest(&within->table, within->limit, ends)) {
    *trial = plan_split(within, ends);
    if (!trial->is_valid) return false;
    if (trial->bytes <= within->limit) return true;
    learn(within, ends, trial);
  }
  *trial = (Trial){0};
  if (deal_smallest(&within->table, ends)) *trial = plan_split(within, ends);
  return trial->is_valid && trial->bytes <= within->limit;
}

// ---- what is said ----

static void say_choice(const Within *within, const bool *ends, const Trial *trial, const Trial *whole,
                       double seconds) {
  Arena *arena = arena_new();
  const char *behind = split_text(arena, within, ends);
  fprintf(stderr, "split: %d module%s%s%s: %s of %s", trial->n_modules, trial->n_modules == 1 ? "" : "s",
          trial->n_modules == 1 ? "" : " behind ", trial->n_modules == 1 ? "" : behind,
          text_bytes(arena, trial->bytes), text_bytes(arena, within->limit));
  if (trial->n_modules > 1)
    fprintf(stderr, "; end to end takes %s. A step's work is %.2f times that of end to end",
            text_bytes(arena, whole->bytes), trial->time / whole->time);
  fprintf(stderr, " (%d split%s planned in %.1f s)\n", within->n_trials, within->n_trials == 1 ? "" : "s",
          seconds);
  arena_free(arena);
}

// A batch with which this split stays within the limit, 0: none was found.
static int64_t batch_that_fits(const Within *within, const char *split) {
  Compilation c;
  int64_t batch = 0;
  if (variant_compile(&c, within->options, split, -1))
    batch = variant_fitting_batch(within->options, split, c.program, within->limit);
  compile_end(&c);
  return batch;
}

// `trial`: the smallest split.
static void say_none(Within *within, const bool *ends, const Trial *trial, const Model *model) {
  Arena *arena = arena_new();
  fprintf(stderr, "mlaanc: no split of %s stays within %s", model->name, text_bytes(arena, within->limit));
  if (trial->is_valid) {
    fprintf(stderr, ": the smallest takes %s, in %d module%s%s%s", text_bytes(arena, trial->bytes),
            trial->n_modules, trial->n_modules == 1 ? "" : "s", trial->n_modules == 1 ? "" : " behind ",
            trial->n_modules == 1 ? "" : split_text(arena, within, ends));
    int64_t fits = batch_that_fits(within, split_text(arena, within, ends));
    if (fits > 0) fprintf(stderr, "; --batch %lld fits", (long long)fits);
  }
  fputc('\n', stderr);
  arena_free(arena);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// Finds the split; its text for --set in `arena`, NULL: none, and has been said.
static const char *choose(Within *within, Arena *arena, const Model *model, int *status) {
  double start = now();
  bool *ends = ARENA_ARRAY(within->arena, bool, within->n);
  ends[within->n - 1] = true;
  Trial whole = plan_split(within, ends), trial = whole;
  *status = STATUS_OK;
  bool is_found = whole.is_valid && whole.bytes <= within->limit;
  if (!is_found && within->n > 1) {
    if (!learn_first(within)) { // nowhere: loading such a split says what is wrong
      ends[0] = true;
      return split_text(arena, within, ends);
    }
    is_found = search(within, ends, &trial);
  }
  if (!is_found) *status = STATUS_MODEL;
  if (!is_found && !within->options->is_silent) say_none(within, ends, &trial, model);
  if (!is_found) return NULL;
  if (!within->options->is_silent) say_choice(within, ends, &trial, &whole, now() - start);
  return split_text(arena, within, ends);
}

int within_choose(Compilation *c, const Options *options) {
  Arena *arena = arena_new();
  const Model *model = c->model;
  if (options->sets.n == OPTIONS_MAX_LIST)
    return usage_error("--set is given too often to choose a split too");
  Within within = {.options = options,
                   .arena = arena,
                   .places = model->places,
                   .n = model->n_places + 1,
                   .limit = model->memory_limit};
  int status;
  const char *text = choose(&within, arena, model, &status);
  if (text) {
    Options chosen = *options;
    chosen.memory = NULL;
    chosen.sets.items[chosen.sets.n++] = arena_printf(arena, "split=%s", text);
    Timing timing = c->timing;
    c->timing.is_wanted = false;
    compile_end(c);
    timing_end_phase(&timing, "choose split", "%d planned", within.n_trials);
    status = compile_load(c, &chosen);
    timing_end_phase(&timing, "load it", "%s", "");
    c->timing = timing;
  }
  arena_free(arena);
  return status;
}
