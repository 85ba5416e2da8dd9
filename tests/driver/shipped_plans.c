// The predicted peak is what a run allocates: every shipped model and example, several batch sizes of a few. (The command
// says the same numbers: cli/plan_is_allocated.sh. Random models: random_models.c.)
// label: slow
#include "compiler/driver/plan.h"
#include "compiler/driver/session.h"
#include "tests/cuda/pages.h"

static const char *const by_batches[] = {"models/e2e.mlaan", "models/man.mlaan", "models/mlaan.mlaan",
                                         "models/infopro_softmax.mlaan", "examples/entry.mlaan"};

static bool has_batches(const char *file) {
  for (size_t i = 0; i < sizeof by_batches / sizeof *by_batches; i++)
    if (!strcmp(by_batches[i], file)) return true;
  return false;
}

// Returns 1 if something is wrong. On the device `null`, which allocates and compiles nothing.
static int check(const char *file, int64_t batch, int *n_near) {
  Options options = {.input = file,
                     .epochs = -1,
                     .batch = batch,
                     .seed = -1,
                     .vector_bytes = -1,
                     .device = "null",
                     .overlap = 1};
  Session session;
  int status = session_begin(&session, &options);
  bool is_good = status == STATUS_OK;
  if (is_good) {
    PlanFacts facts = plan_facts(&session.compilation);
    int64_t work = facts.bytes.region[MLA_WORK], bound = facts.bytes.live_bound;
    is_good = session.loaded->n_bytes == facts.bytes.total && work >= bound && bound > 0;
    *n_near += work <= bound + bound / 100;
    if (!is_good)
      printf("%s, batch %lld: planned %lld, allocated %lld; work %lld, at least %lld\n", file,
             (long long)batch, (long long)facts.bytes.total, (long long)session.loaded->n_bytes,
             (long long)work, (long long)bound);
  }
  session_end(&session);
  return !is_good;
}

int main(void) {
  static const int64_t batches[] = {7, 2, 128};
  Arena *arena = arena_new();
  Pages pages = pages_shipped(arena);
  int n = 0, n_near = 0, n_wrong = 0;
  for (int i = 0; i < pages.n; i++)
    for (int b = 0; b < (has_batches(pages.pages[i].file) ? 3 : 1); b++, n++)
      n_wrong += check(pages.pages[i].file, batches[b], &n_near);
  arena_free(arena);
  printf("%d plans, %d within 1 %% of their bound, %d wrong\n", n, n_near, n_wrong);
  return n_wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}
