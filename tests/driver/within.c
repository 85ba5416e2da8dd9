// `--memory`: over all splits of small nets, each planned, against what random limits make the compiler choose. It never
// takes more than the limit, finds a split whenever there is one, and is within 5 % of the fastest; of one net, where half the
// batch may be chosen, too (--any-batch). What splits take is what the table adds up: states of the boundaries, equal copies once,
// and the largest module; the rest is the same for all of them.
// $MLAANC_LIMITS: how many limits a net (default 12).
#include "compiler/driver/plan.h"
#include "compiler/driver/trial.h"
#include "compiler/driver/choose.h"
#include "compiler/driver/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_SPLITS = 64 };

typedef struct Net {
  const char *page;
  int64_t batch;
  int n_splits;
  struct {
    int64_t bytes;
    double time;
  } of_split[MOST_SPLITS];
  int64_t most_bytes;
  int n_strange; // 1: the bytes beside modules and boundaries are not the same for all splits
} Net;

static Options options_of(const Net *net) {
  Options options = {.input = net->page,
                     .is_silent = true,
                     .batch = net->batch,
                     .epochs = -1,
                     .seed = -1,
                     .vector_bytes = -1};
  return options;
}

// The time is that of an image.
static bool measure(const Options *options, int64_t *bytes, double *time) {
  Compilation c;
  bool good = choose_begin(&c, options) == STATUS_OK;
  if (good) *bytes = plan_facts(&c).bytes.total;
  if (good) *time = trial_time(c.program, NULL) / (double)c.program->recipe.batch;
  compile_end(&c);
  return good;
}

// What is left of the bytes beside the largest module and the boundaries' states.
static int64_t fixed_bytes(const Trial *trial) {
  int64_t most = 0, states = 0;
  for (int m = 0; m < trial->n_modules; m++) {
    if (trial->live[m] > most) most = trial->live[m];
    states += trial->state[m] - (m ? trial->shared[(m - 1) * trial->n_modules + m] : 0);
  }
  return trial->bytes - most - states;
}

// Every subset of the places that a split can stand behind.
static bool measure_all(Net *net) {
  Options options = options_of(net);
  Compilation c;
  options.sets.items[options.sets.n++] = "split=[]";
  if (compile_load(&c, &options) != STATUS_OK) return compile_end(&c), false;
  Splits splits = {&options, c.arena, c.model->places, c.model->n_places + 1, -1, 0};
  int64_t least = INT64_MAX, most = 0;
  for (int bits = 0; bits < 1 << (splits.n - 1) && bits < MOST_SPLITS; bits++) {
    bool ends[MOST_SPLITS] = {false};
    for (int e = 0; e < splits.n; e++) ends[e] = e == splits.n - 1 || bits >> e & 1;
    Trial trial = trial_plan(&splits, ends);
    if (!trial.is_valid) continue;
    net->of_split[net->n_splits].bytes = trial.bytes;
    net->of_split[net->n_splits++].time = trial.time / (double)trial.batch;
    int64_t fixed = fixed_bytes(&trial);
    if (fixed < least) least = fixed;
    if (fixed > most) most = fixed;
    net->most_bytes = trial.bytes > net->most_bytes ? trial.bytes : net->most_bytes;
  }
  compile_end(&c);
  net->n_strange += most - least > net->most_bytes / 100;
  return net->n_splits > 1;
}

static double fastest(const Net *net, int64_t limit) {
  double least = INFINITY;
  for (int i = 0; i < net->n_splits; i++)
    if (net->of_split[i].bytes <= limit && net->of_split[i].time < least) least = net->of_split[i].time;
  return least;
}

// `half`: of half the batch, which may be chosen, too; NULL: it may not.
static int check_limit(const Net *net, const Net *half, int64_t limit) {
  char text[64];
  snprintf(text, sizeof text, "%.3fKiB", (double)limit / 1024);
  text_to_bytes(text, &limit);
  Options options = options_of(net);
  options.memory = text;
  options.any_batch = half != NULL;
  double best = fastest(net, limit), time = 0;
  if (half) best = fmin(best, fastest(half, limit));
  int64_t bytes = 0;
  bool is_found = measure(&options, &bytes, &time);
  if (is_found == (best < INFINITY) && (!is_found || (bytes <= limit && time <= 1.05 * best))) return 0;
  printf("%s within %s: %s, %lld bytes, time %.4g; the best %.4g\n", net->page, text,
         is_found ? "found" : "none", (long long)bytes, time, best);
  return 1;
}

static int check_net(Net *net, Net *half, int n_limits) {
  if (!measure_all(net) || (half && !measure_all(half))) return printf("%s cannot be split\n", net->page), 1;
  int64_t least = net->of_split[0].bytes, most = least;
  for (int i = 1; i < net->n_splits; i++) {
    if (net->of_split[i].bytes < least) least = net->of_split[i].bytes;
    if (net->of_split[i].bytes > most) most = net->of_split[i].bytes;
  }
  uint64_t seed = 1;
  int n_failed = net->n_strange;
  if (net->n_strange) printf("%s: splits do not take what their modules and boundaries do\n", net->page);
  for (int i = 0; i < n_limits; i++) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    double at = (double)(seed >> 40) / (1 << 24);
    n_failed += check_limit(
        net, half, (int64_t)((double)least * 0.97 + ((double)most * 1.01 - (double)least * 0.97) * at));
  }
  n_failed += check_limit(net, half, least) + check_limit(net, half, most);
  printf("%s: %d splits, %d limits, %d wrong\n", net->page, net->n_splits, n_limits + 2, n_failed);
  return n_failed;
}

int main(void) {
  Net nets[] = {{.page = "models/fashion/man.mlaan", .batch = 16},
                {.page = "models/fashion/mlaan.mlaan", .batch = 16},
                {.page = "models/fashion/infopro_softmax.mlaan", .batch = 32},
                {.page = "tests/driver/shared_copies.mlaan", .batch = 16}};
  Net half = {.page = nets[2].page, .batch = 16};
  const char *limits = getenv("MLAANC_LIMITS");
  int n_failed = 0;
  for (size_t i = 0; i < sizeof nets / sizeof *nets; i++)
    n_failed += check_net(&nets[i], nets[i].batch == 32 ? &half : NULL, limits ? atoi(limits) : 12);
  return n_failed != 0;
}
