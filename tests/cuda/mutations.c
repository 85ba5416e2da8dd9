// Deliberate bugs in really emitted kernels: a page is compiled, one line of one kernel is changed as a slip of the hand would, and
// a step is run. The emulation must say what is wrong, in which kernel, and where. Rules make the changes, wherever a kernel
// has a place for one, so that they follow the emitter; all changed kernels are compiled together.
// label: slow
#include "tests/acceptance/trial.h"
#include "tests/cuda/pages.h"
#include <regex.h>

enum { MAX_GROUPS = 8, MAX_MUTANTS = 512 };

typedef struct Rule {
  const char *name, *pattern, *replacement; // \1 to \7: what the groups matched
  const char *said[6];                      // one of these
  int least;                                // kernels that must have such a place
} Rule;

static const Rule rules[] = {
    {"a dropped barrier",
     "\n *__syncthreads\\(\\);",
     "\n",
     {"with no barrier between", "that nobody has written in this block", "what block"},
     4},
    {"a buffer from its second vector on",
     "(const )?(real|int) \\*(const )?([a-z0-9_]+) = (\\([a-z ]+\\*\\))?buf(\\.at)?\\[([0-9]+)\\];",
     "\\1\\2 *\\3\\4 = (\\1\\2 *)buf\\6[\\7] + 4;",
     {"past the end of buffer", "in none of its buffers", "of which the launch says",
      "nobody has written in this", "what block"},
     8},
    {"two threads in one place",
     "(const int thread) = threadIdx.x;",
     "\\1 = threadIdx.x / 64 * 64;",
     {"writes shared memory that thread", "writes what block"},
     4},
    {"a sum stored by a thread of each warp",
     "threadIdx.x == 0\\)",
     "threadIdx.x % 32 == 0)",
     {"what block", "writes shared memory that thread"},
     1},
    {"a block that does not wait for the others",
     "if \\(!mla_is_last_block\\([^;]*\\)\\) return;",
     "",
     {"what block", "nobody has written in this launch"},
     3},
    {"a block that waits for one too few",
     "(mla_is_last_block\\([a-z +]+, [0-9A-Z]+)",
     "\\1 - 1",
     {"what block", "nobody has written in this launch", "ticket"},
     3},
    {"a partial sum that is not stored",
     "\n[^\n]*mla_store\\(partial[^\n]*;",
     "\n",
     {"nobody has written in this launch"},
     2}};
enum { N_RULES = sizeof rules / sizeof *rules };

// ---- changing a text ----

static void put_replacement(StrBuf *out, const char *text, const char *replacement,
                            const regmatch_t *groups) {
  for (const char *at = replacement; *at; at++) {
    if (*at != '\\') {
      strbuf_printf(out, "%c", *at);
      continue;
    }
    const regmatch_t *group = &groups[*++at - '0'];
    if (group->rm_so >= 0)
      strbuf_printf(out, "%.*s", (int)(group->rm_eo - group->rm_so), text + group->rm_so);
  }
}

// The text with its k-th match changed; NULL: it has not so many.
static const char *changed(Arena *arena, const Rule *rule, const char *text, int k) {
  regex_t pattern;
  regmatch_t groups[MAX_GROUPS];
  if (regcomp(&pattern, rule->pattern, REG_EXTENDED)) exit(EXIT_FAILURE);
  const char *at = text, *result = NULL;
  while (!regexec(&pattern, at, MAX_GROUPS, groups, 0) && k-- > 0) at += groups[0].rm_eo;
  if (k < 0) {
    StrBuf out = strbuf_new(arena);
    strbuf_printf(&out, "%.*s", (int)(at + groups[0].rm_so - text), text);
    put_replacement(&out, at, rule->replacement, groups);
    strbuf_put(&out, at + groups[0].rm_eo);
    result = out.text;
  }
  regfree(&pattern);
  return result;
}

// ---- a program with all changed kernels behind its own ----

typedef struct Mutant {
  const Rule *rule;
  int kernel, own; // changed; as emitted
} Mutant;

typedef struct Mutants {
  Arena *arena;
  MlaProgram program;
  MlaKernel *kernels;
  MlaLaunch *launches; // of the training step; a changed kernel takes the place of its own
  Mutant mutants[MAX_MUTANTS];
  int n;
} Mutants;

static void add_mutant(Mutants *m, const Rule *rule, int own, const char *text) {
  if (m->n == MAX_MUTANTS) exit(EXIT_FAILURE);
  MlaKernel kernel = m->kernels[own];
  kernel.symbol = arena_printf(m->arena, "%s_bug%d", kernel.symbol, m->n);
  kernel.text = pool_rename(m->arena, text, m->kernels[own].symbol, kernel.symbol);
  m->kernels[m->program.n_kernels] = kernel;
  m->mutants[m->n++] = (Mutant){rule, m->program.n_kernels++, own};
}

static bool is_launched(const MlaStep *step, int kernel) {
  for (int i = 0; i < step->n_launches; i++)
    if (step->launches[i].kernel == kernel) return true;
  return false;
}

static void make_mutants(Mutants *m, const MlaProgram *program) {
  int n_own = program->n_kernels;
  m->program = *program;
  m->kernels = ARENA_ARRAY(m->arena, MlaKernel, n_own + MAX_MUTANTS);
  memcpy(m->kernels, program->kernels, sizeof *m->kernels * (size_t)n_own);
  m->launches =
      arena_copy(m->arena, program->train.launches, sizeof *m->launches * (size_t)program->train.n_launches);
  m->program.kernels = m->kernels;
  m->program.train.launches = m->launches;
  const char *text;
  for (int r = 0; r < N_RULES; r++)
    for (int own = 0; own < n_own; own++)
      for (int k = 0; is_launched(&program->train, own) &&
                      (text = changed(m->arena, &rules[r], m->kernels[own].text, k));
           k++)
        add_mutant(m, &rules[r], own, text);
}

// ---- running ----

typedef struct Memory { // of the device, as it was before the first step
  unsigned char *bytes;
  int64_t n;
} Memory;

// True if the emulation finds no fault.
static bool run_mutant(Trial *trial, Mutants *m, const Mutant *mutant, const Memory *memory,
                       MlaError *error) {
  const MlaDeviceOps *ops = trial->device.ops;
  trial_check(ops->upload(trial->loaded, trial->loaded->base, memory->bytes, memory->n, error), error);
  for (int i = 0; i < m->program.train.n_launches && mutant; i++)
    if (m->launches[i].kernel == mutant->own) m->launches[i].kernel = mutant->kernel;
  MlaBatch batch = trial_batch(trial, 0, m->program.recipe.batch);
  bool good = mla_step_run(trial->loaded, &m->program.train, &batch, 0.01, 0, error);
  for (int i = 0; i < m->program.train.n_launches && mutant; i++)
    if (m->launches[i].kernel == mutant->kernel) m->launches[i].kernel = mutant->own;
  return good;
}

// The changed kernel or, where it left wrong things behind, another one; and the line where that was seen.
static bool is_named(const Mutants *m, const Mutant *mutant, const char *said) {
  const char *symbol = m->kernels[mutant->kernel].symbol;
  return strstr(said, symbol) != NULL;
}

static bool is_told(const Mutants *m, const Mutant *mutant, const char *said) {
  bool is_right = false;
  for (int i = 0; i < 6 && mutant->rule->said[i]; i++)
    is_right |= strstr(said, mutant->rule->said[i]) != NULL;
  return is_right && is_named(m, mutant, said);
}

static int check_rule(Trial *trial, Mutants *m, const Rule *rule, const Memory *memory) {
  int n = 0, n_found = 0, n_unclear = 0, n_kernels = 0, last = -1;
  char example[sizeof((MlaError *)0)->text] = "";
  for (int i = 0; i < m->n; i++) {
    const Mutant *mutant = &m->mutants[i];
    if (mutant->rule != rule) continue;
    MlaError error = {0};
    bool is_missed = run_mutant(trial, m, mutant, memory, &error),
         is_clear = !is_missed && is_told(m, mutant, error.text);
    n++;
    n_found += is_clear;
    n_unclear += !is_missed && !is_clear;
    if (is_clear && mutant->own != last) n_kernels++, last = mutant->own;
    if (is_clear) snprintf(example, sizeof example, "%s", error.text);
    if (!is_clear)
      printf("  %s: %s: %s\n", rule->name, m->kernels[mutant->own].symbol,
             is_missed ? "not found" : error.text);
  }
  printf("%s: %d of %d found, in %d kernels; the last one:\n%s\n", rule->name, n_found, n, n_kernels,
         example);
  return n_unclear > 0 || n_kernels < rule->least;
}

int main(int argc, char **argv) {
  static const Page page = {"examples/split.mlaan", ""};
  Arena *arena = arena_new();
  Compilation compiled =
      page_compile(arena, argc > 1 ? &(Page){argv[1], ""} : &page, "--batch 8 --device emulated-cuda");
  Mutants mutants = {.arena = arena};
  make_mutants(&mutants, compiled.program);
  Trial trial = {.arena = compiled.arena, .program = &mutants.program};
  MlaError error = {0};
  MlaDeviceOptions options = {.threads = 1};
  trial_check(mla_device_open(&trial.device, "emulated-cuda", &options, &error), &error);
  trial.loaded = trial.device.ops->load(&trial.device, trial.program, &error);
  trial_check(trial.loaded && mla_init_states(trial.loaded, 1, &error), &error);
  printf("%s: %d kernels, %d changed ones\n", page.file, compiled.program->n_kernels, mutants.n);
  Memory memory = {.n = trial.loaded->n_bytes};
  memory.bytes = arena_alloc(arena, (size_t)memory.n);
  trial_check(trial.device.ops->download(trial.loaded, memory.bytes, trial.loaded->base, memory.n, &error),
              &error);
  trial_check(run_mutant(&trial, &mutants, NULL, &memory, &error), &error);
  int n_wrong = 0;
  for (int r = 0; r < N_RULES; r++) n_wrong += check_rule(&trial, &mutants, &rules[r], &memory);
  trial_close(&trial);
  arena_free(arena);
  return n_wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}
