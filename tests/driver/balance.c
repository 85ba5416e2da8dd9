// `split ... balanced by`: of all splits of a small net into three and four modules, each planned, the chosen one's largest
// module is the smallest (by bytes within 5 %: those are read off plans, and not all are planned).
#include "compiler/driver/choose.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const measures[] = {"bytes", "flops", "parameters"};
enum { N_MEASURES = 3, PATH_BYTES = 512 };

// A page of the models with another split rule, in the test's folder.
static bool write_page(const char *page, const char *rule, char path[PATH_BYTES]) {
  static char line[4096];
  snprintf(path, PATH_BYTES, "%s/balance.mlaan", getenv("TEST_TMP") ? getenv("TEST_TMP") : "/tmp");
  FILE *from = fopen(page, "r"), *to = fopen(path, "w");
  bool good = from && to;
  while (good && fgets(line, sizeof line, from)) fputs(strncmp(line, "split ", 6) == 0 ? rule : line, to);
  if (from) fclose(from);
  if (to && fclose(to) != 0) good = false;
  return good;
}

// The largest module by each measure; false: no such split.
static bool measure(const char *page, const char *split, int n_modules, int64_t most[N_MEASURES]) {
  Options options = {
      .input = page, .is_silent = true, .batch = 16, .epochs = -1, .seed = -1, .vector_bytes = -1};
  if (split) options.sets.items[options.sets.n++] = split;
  Compilation c;
  bool good = choose_begin(&c, &options) == STATUS_OK && c.program->n_modules == n_modules;
  memset(most, 0, N_MEASURES * sizeof *most);
  for (int m = 0; good && m < n_modules; m++) {
    const MlaModule *module = &c.program->modules[m];
    int64_t takes[] = {module->activation_bytes, module->step_flops, module->n_params + module->n_aux_params};
    for (int i = 0; i < N_MEASURES; i++)
      if (takes[i] > most[i]) most[i] = takes[i];
  }
  compile_end(&c);
  return good;
}

// Places of the net, in the form of --set; the caller's arena.
static int find_places(Arena *arena, const char *page, const char **places) {
  Options options = {
      .input = page, .is_silent = true, .batch = 16, .epochs = -1, .seed = -1, .vector_bytes = -1};
  options.sets.items[options.sets.n++] = "split=[]";
  Compilation c;
  int n = compile_load(&c, &options) == STATUS_OK ? c.model->n_places : 0;
  for (int i = 0; i < n; i++) places[i] = arena_strdup(arena, c.model->places[i]);
  compile_end(&c);
  return n;
}

static void search_all(Arena *arena, const char *page, int n_modules, int64_t least[N_MEASURES]) {
  const char *places[16];
  int n = find_places(arena, page, places);
  for (int i = 0; i < N_MEASURES; i++) least[i] = INT64_MAX;
  for (int bits = 0; bits < 1 << n; bits++) {
    if (__builtin_popcount((unsigned)bits) != n_modules - 1) continue;
    const char *split = "split=[";
    for (int p = 0, k = 0; p < n; p++)
      if (bits >> p & 1) split = arena_printf(arena, "%s%s%s", split, k++ ? ", " : "", places[p]);
    int64_t most[N_MEASURES];
    if (!measure(page, arena_printf(arena, "%s]", split), n_modules, most)) continue;
    for (int i = 0; i < N_MEASURES; i++)
      if (most[i] < least[i]) least[i] = most[i];
  }
}

static int check(Arena *arena, const char *page, const char *model, int n_modules) {
  int64_t least[N_MEASURES], most[N_MEASURES];
  char path[PATH_BYTES];
  int n_wrong = 0;
  search_all(arena, page, n_modules, least);
  for (int i = 0; i < N_MEASURES; i++) {
    const char *rule =
        arena_printf(arena, "split %s into %d balanced by %s\n", model, n_modules, measures[i]);
    bool good = write_page(page, rule, path) && measure(path, NULL, n_modules, most) &&
                (double)most[i] <= (i == 0 ? 1.05 : 1) * (double)least[i];
    n_wrong += !good;
    printf("%s into %d by %s: %lld, the least %lld%s\n", page, n_modules, measures[i], (long long)most[i],
           (long long)least[i], good ? "" : " WRONG");
  }
  return n_wrong;
}

int main(void) {
  Arena *arena = arena_new();
  int n_wrong = 0;
  for (int n_modules = 3; n_modules <= 4; n_modules++) {
    n_wrong += check(arena, "models/fashion/man.mlaan", "small_resnet", n_modules);
    n_wrong += check(arena, "models/fashion/mlaan.mlaan", "small_resnet", n_modules);
  }
  arena_free(arena);
  return n_wrong != 0;
}
