// Variants of a compilation: other options, silent.
#include "compiler/driver/variant.h"

#include <string.h>

static bool starts(const char *text, const char *name) {
  return strncmp(text, name, strlen(name)) == 0;
}

static Options quiet(const Options *options) {
  Options other = *options;
  other.is_silent = true;
  other.any_batch = false;
  other.timing = false;
  other.dump_before = other.dump_after = other.stop_after = NULL;
  return other;
}

// The settings without those of one name.
static void drop_set(Options *options, const char *name) {
  int n = 0;
  for (int i = 0; i < options->sets.n; i++)
    if (!starts(options->sets.items[i], name)) options->sets.items[n++] = options->sets.items[i];
  options->sets.n = n;
}

static void add_set(Options *options, const char *set) {
  if (options->sets.n < OPTIONS_MAX_LIST) options->sets.items[options->sets.n++] = set;
}

static void take_split(Options *options, Arena *arena, const char *split) {
  if (!split) return;
  options->memory = NULL;
  drop_set(options, "split=");
  add_set(options, arena_printf(arena, "split=%s", split));
}

bool variant_without_recompute(Compilation *c, const Options *options, const char *split) {
  Options other = quiet(options);
  Arena *arena = arena_new();
  take_split(&other, arena, split);
  drop_set(&other, "train.recompute=");
  add_set(&other, "train.recompute=off");
  bool is_compiled = compile_begin(c, &other) == STATUS_OK && c->program && !c->model->recompute;
  arena_free(arena);
  return is_compiled;
}

bool variant_compile(Compilation *c, const Options *options, const char *split, int64_t batch) {
  Options other = quiet(options);
  Arena *arena = arena_new();
  take_split(&other, arena, split);
  if (batch >= 0) drop_set(&other, "train.batch="), other.batch = batch;
  bool is_compiled = compile_begin(c, &other) == STATUS_OK && c->program;
  arena_free(arena);
  return is_compiled;
}

int64_t variant_bytes(const Options *options, const char *split, int64_t batch) {
  Compilation c;
  int64_t start[MLA_N_REGIONS];
  int64_t n_bytes = variant_compile(&c, options, split, batch) ? mla_layout_regions(c.program, start) : -1;
  compile_end(&c);
  return n_bytes;
}

// Where the line through two plans says, and a little less until it fits.
int64_t variant_fitting_batch(const Options *options, const char *split, const MlaProgram *program,
                              int64_t room) {
  enum { TRIES = 5, COARSE = 16 };
  int64_t start[MLA_N_REGIONS], full = program->recipe.batch, most = mla_layout_regions(program, start);
  int64_t least = variant_bytes(options, split, VARIANT_LEAST_BATCH);
  if (least < 0 || least > room || full <= VARIANT_LEAST_BATCH) return 0;
  int64_t batch = VARIANT_LEAST_BATCH + (int64_t)((double)(full - VARIANT_LEAST_BATCH) *
                                                  (double)(room - least) / (double)(most - least));
  for (int i = 0; i < TRIES && batch > VARIANT_LEAST_BATCH; i++, batch -= (batch + 15) / COARSE) {
    if (batch > 2 * COARSE) batch -= batch % COARSE;
    int64_t n_bytes = batch < full ? variant_bytes(options, split, batch) : most;
    if (n_bytes >= 0 && n_bytes <= room) return batch;
  }
  return VARIANT_LEAST_BATCH;
}
