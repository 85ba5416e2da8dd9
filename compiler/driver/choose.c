#include "compiler/driver/choose.h"
#include "compiler/driver/balance.h"
#include "compiler/driver/within.h"

static int choose(const Model *model, const Options *options, Arena *arena, ChosenSplit *chosen) {
  if (options->sets.n == OPTIONS_MAX_LIST)
    return usage_error("--set is given too often to choose a split too");
  if (model->memory_limit > 0) return within_choose(model, options, arena, chosen);
  balance_choose(model, options, arena, chosen);
  return STATUS_OK;
}

static ChosenSplit copy(Arena *arena, const ChosenSplit *chosen) {
  ChosenSplit copied = *chosen;
  copied.text = arena_strdup(arena, chosen->text);
  copied.candidates = ARENA_ARRAY(arena, SplitCandidate, chosen->n_candidates + 1);
  for (int i = 0; i < chosen->n_candidates; i++) {
    copied.candidates[i] = chosen->candidates[i];
    copied.candidates[i].text = arena_strdup(arena, chosen->candidates[i].text);
  }
  return copied;
}

// The times of both loads and of the choice follow each other.
static int load_chosen(Compilation *c, const Options *options, const ChosenSplit *chosen) {
  Options with = *options;
  with.memory = NULL;
  with.any_batch = false;
  with.sets.items[with.sets.n++] = arena_printf(c->arena, "split=%s", chosen->text);
  if (chosen->batch > 0) with.batch = chosen->batch;
  Timing timing = c->timing;
  Arena *arena = c->arena; // holds the split's text
  c->timing.is_wanted = false;
  c->arena = NULL;
  compile_end(c);
  timing_end_phase(&timing, "choose split", "%d planned", chosen->n_trials);
  int status = compile_load(c, &with);
  if (status == STATUS_OK) compile_say(c, &with);
  timing_end_phase(&timing, "load it", "%s", "");
  c->timing = timing;
  c->split = copy(c->arena, chosen);
  arena_free(arena);
  return status;
}

int choose_load(Compilation *c, const Options *options) {
  int status = compile_load(c, options);
  if (status != STATUS_OK) return status;
  if (c->model->memory_limit > 0 || c->model->balance) {
    ChosenSplit chosen = {0};
    status = choose(c->model, options, c->arena, &chosen);
    return status == STATUS_OK ? load_chosen(c, options, &chosen) : status;
  }
  if (options->any_batch)
    return usage_error(
        "--any-batch needs a limit: --memory 512MiB, or a model with `split NET within 512 MiB`");
  compile_say(c, options);
  return STATUS_OK;
}

int choose_begin(Compilation *c, const Options *options) {
  Arena *arena = arena_new();
  bool is_compiled = plan_dir(arena, options->input) != NULL;
  arena_free(arena);
  if (is_compiled) return compile_begin(c, options);
  int status = choose_load(c, options);
  return status == STATUS_OK ? compile_model(c, options) : status;
}
