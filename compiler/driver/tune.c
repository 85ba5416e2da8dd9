// A candidate is measured for all products at once: the k-th program cuts each of them in its k-th best way by estimate.
// The time of a product is that of its launches, the least of some steps each. So a measurement is as many programs as there are
// candidates, whatever the number of products.
#include "compiler/driver/tune.h"
#include "compiler/driver/noise.h"
#include "runtime/device/choice_cache.h"
#include "runtime/train/train.h"

#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_CANDIDATES = 8, WARM_UP_STEPS = 2, TIMED_STEPS = 6 };
static const double least_gain = 0.02; // less is noise

// A key: its candidates' names and seconds a step.
typedef struct Product {
  const char *key;
  const char *values[MOST_CANDIDATES];
  double seconds[MOST_CANDIDATES];
  int n; // measured
} Product;

typedef struct Tuning {
  Compilation *c;
  const Options *options;
  MlaDevice device; // one that times launches
  Product *products;
  int n_products;
} Tuning;

// ---- one candidate ----

static bool time_step(MlaLoaded *loaded, int index, double *before, double *least, MlaError *error) {
  const MlaProgram *program = loaded->program;
  int n = program->train.n_launches;
  memcpy(before, loaded->launch_seconds, sizeof *before * (size_t)n);
  if (!noise_prepare(loaded, index, error) ||
      !loaded->device->ops->run(loaded, &program->train, program->recipe.batch, error) ||
      !noise_wait(loaded, error))
    return false;
  for (int i = 0; i < n && index >= WARM_UP_STEPS; i++) {
    double seconds = loaded->launch_seconds[i] - before[i];
    if (seconds < least[i]) least[i] = seconds;
  }
  return true;
}

// The least time of each launch.
static double *time_launches(Arena *arena, MlaLoaded *loaded, MlaError *error) {
  int n = loaded->program->train.n_launches;
  double *least = ARENA_ARRAY(arena, double, n), *before = ARENA_ARRAY(arena, double, n);
  for (int i = 0; i < n; i++) least[i] = DBL_MAX;
  if (!mla_init_states(loaded, loaded->program->recipe.seed, error)) return NULL;
  for (int i = 0; i < WARM_UP_STEPS + TIMED_STEPS; i++)
    if (!time_step(loaded, i, before, least, error)) return NULL;
  return least;
}

static void add_times(Tuning *t, const EmitChoices *choices, const double *least, int candidate) {
  const MlaStep *step = &t->c->program->train;
  for (int u = 0; u < choices->n_uses; u++) {
    Product *product = &t->products[u];
    const EmitUse *use = &choices->uses[u];
    if (candidate == 0) *product = (Product){.key = use->key};
    if (use->index != candidate) continue;
    product->values[candidate] = use->value;
    product->n = candidate + 1;
    for (int i = 0; i < step->n_launches; i++)
      if (choices->of_kernel[step->launches[i].kernel] == u) product->seconds[candidate] += least[i];
  }
}

static bool measure_candidate(Tuning *t, int candidate, bool *has_more, MlaError *error) {
  EmitChoices choices = {.arena = t->c->arena, .candidate = candidate};
  compile_emit(t->c, t->options, &choices);
  if (candidate == 0) {
    t->products = ARENA_ARRAY(t->c->arena, Product, choices.n_uses);
    t->n_products = choices.n_uses;
  }
  *has_more = false;
  for (int i = 0; i < choices.n_uses; i++) *has_more |= choices.uses[i].n_values > candidate + 1;
  MlaLoaded *loaded = t->device.ops->load(&t->device, t->c->program, error);
  if (!loaded) return false;
  const double *least = time_launches(t->c->arena, loaded, error);
  if (least) add_times(t, &choices, least, candidate);
  t->device.ops->unload(loaded);
  return least != NULL;
}

// ---- what is best ----

static int best_of(const Product *product) {
  int best = 0;
  for (int i = 1; i < product->n; i++)
    if (product->seconds[i] < product->seconds[best]) best = i;
  return product->seconds[best] < (1 - least_gain) * product->seconds[0] ? best : 0;
}

static void print_gain(const Tuning *t) {
  double before = 0, after = 0;
  int n_changed = 0;
  for (int i = 0; i < t->n_products; i++) {
    const Product *p = &t->products[i];
    int best = best_of(p);
    before += p->seconds[0];
    after += p->seconds[best];
    if (best == 0) continue;
    if (n_changed++ == 0)
      fprintf(stderr, "%10s %10s  %-24s %-24s product\n", "us before", "after", "tile before", "after");
    fprintf(stderr, "%10.1f %10.1f  %-24s %-24s %s\n", 1e6 * p->seconds[0], 1e6 * p->seconds[best],
            p->values[0], p->values[best], p->key);
  }
  fprintf(stderr, "%d of %d products are cut otherwise: %.1f us of a step instead of %.1f\n", n_changed,
          t->n_products, 1e6 * after, 1e6 * before);
}

static bool keep(const Tuning *t, const char *kind, MlaError *error) {
  MlaChoices choices = {0};
  bool good = true;
  for (int i = 0; i < t->n_products && good; i++) {
    const Product *p = &t->products[i];
    int best = best_of(p);
    MlaChoice choice = {(char *)(uintptr_t)p->key, (char *)(uintptr_t)p->values[best], 1e6 * p->seconds[0],
                        1e6 * p->seconds[best]};
    good = mla_choices_add(&choices, &choice) || mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  }
  good = good && mla_choices_keep(NULL, kind, &choices, error);
  mla_choices_free(&choices);
  return good;
}

static bool measure_all(Tuning *t, MlaError *error) {
  bool has_more = true;
  for (int k = 0; k < MOST_CANDIDATES && has_more; k++) {
    if (!measure_candidate(t, k, &has_more, error)) return false;
    if (!t->options->json) fprintf(stderr, "measured way %d to cut %d products\n", k + 1, t->n_products);
  }
  return true;
}

int tune_measure(Compilation *c, const MlaDevice *device, const Options *options) {
  Tuning t = {.c = c, .options = options};
  MlaError error = {0};
  MlaDeviceOptions timed = {.threads = options->threads > 0 ? (int)options->threads : 0, .is_profiled = true};
  if (!*device->kind)
    return usage_error("--tune measures how kernels are cut; the device %s has none", device->ops->name);
  if (!c->model)
    return usage_error("`%s` is compiled already: --tune needs the model's file", options->input);
  if (!mla_device_open(&t.device, device->ops->name, &timed, &error)) return report_error(options, &error);
  bool good = measure_all(&t, &error) && keep(&t, device->kind, &error);
  mla_device_close(&t.device);
  if (good && !options->json) print_gain(&t);
  return good ? STATUS_OK : report_error(options, &error);
}

// ---- what was measured before ----

bool tune_apply(Compilation *c, const MlaDevice *device, const Options *options, int *n_tuned,
                MlaError *error) {
  MlaChoices kept = {0};
  *n_tuned = 0;
  if (!c->model || !*device->kind) return true;
  if (!mla_choices_read(NULL, device->kind, &kept, error)) return mla_choices_free(&kept), false;
  EmitChoice *given = ARENA_ARRAY(c->arena, EmitChoice, kept.n);
  for (int i = 0; i < kept.n; i++)
    given[i] = (EmitChoice){arena_printf(c->arena, "%s", kept.items[i].key),
                            arena_printf(c->arena, "%s", kept.items[i].value)};
  EmitChoices choices = {.arena = c->arena, .given = given, .n_given = kept.n};
  if (kept.n > 0 || options->tune) compile_emit(c, options, &choices);
  for (int i = 0; i < choices.n_uses; i++) *n_tuned += choices.uses[i].index > 0;
  mla_choices_free(&kept);
  return true;
}
