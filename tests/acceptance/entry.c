// The entry of a module computes, trains and is evaluated as the same layers are that stand in the model, in
// front of the module's blocks: the losses that reach the module train it, and none else; copies have none.
#include "tests/acceptance/expect.h"
#include "tests/acceptance/trial.h"

#include <stdarg.h>

enum { BATCH = 4, K = 4 };

// Four modules, three of them entered. `form`: as `entry`; "hand": with the same layers in the model; "chain":
// as `entry`, two of the modules being neighbours in one stage.
static const char text[] =
    "import \"lib/resnet.mlaan\"\n"
    "import \"lib/heads.mlaan\"\n"
    "data tiny { format idx  root \"data\"  classes 10  normalize { mean [0.5]  std [0.25] } }\n"
    "param form = \"entry\"\n"
    "param reach = 1\n"
    "param heavy = -1\n"
    "model net(width = 4) {\n"
    "  input image[8, 8, 1]\n"
    "  stem = image | conv(width, 3) | bn | relu\n"
    "  if form == \"chain\" {\n"
    "    s = stem | chain 2 { basic(width) }\n"
    "    c = s | basic(2 * width, stride: 2)\n"
    "  } else { if form == \"entry\" {\n"
    "    a = stem | basic(width)\n"
    "    b = a | basic(width)\n"
    "    c = b | basic(2 * width, stride: 2)\n"
    "  } else {\n"
    "    a = stem + (image | conv(width, 3) | bn) | basic(width)\n"
    "    b = a + (stop(stem) | conv(width, 3) | bn) | basic(width)\n"
    "    c = b + (stop(a) | conv(width, 3) | bn) | basic(2 * width, stride: 2)\n"
    "  } }\n"
    "  logits = c | avgpool | linear(classes)\n"
    "}\n"
    "split net at if form == \"chain\" then [stem, s[0], s[1]] else [stem, a, b]\n"
    "entry see {\n"
    "  let seen = if index == 1 then image else previous(2)\n"
    "  return if form == \"hand\" then x else x + (seen | conv(channels(x), 3) | bn)\n"
    "}\n"
    "auxiliary both {\n"
    "  let weight = if index == heavy then 1.5 else 1\n"
    "  loss weight * cross_entropy(x | head_0c1f(classes), label)\n"
    "  y = copy(next(1))(cascade(min(reach, index + 1)))\n"
    "  loss weight * cross_entropy(y | head_0c2f(classes), label)\n"
    "}\n"
    "final { loss (if heavy == 3 then 1.5 else 1) * cross_entropy(cascade(reach), label) }\n"
    "train { optimizer sgd(lr: 0.1, momentum: 0.9) }\n";

// The name in another form of the model: entry1.conv1.weight is a.conv1.weight by hand; s.0... is a.0...
static const char *name_in(Arena *arena, const char *form, const char *name) {
  static const char *const names[][3] = {{"entry1.", "hand", "a."},
                                         {"entry2.", "hand", "b."},
                                         {"entry3.", "hand", "c."},
                                         {"a.", "chain", "s."},
                                         {"b.0.", "chain", "s.1."}};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    size_t n = strlen(names[i][0]);
    if (!strcmp(form, names[i][1]) && !strncmp(name, names[i][0], n))
      return arena_printf(arena, "%s%s", names[i][2], name + n);
  }
  return name;
}

static int twin_of(Trial *other, const char *form, const MlaState *state) {
  return trial_find(other, name_in(other->arena, form, state->name));
}

static void open_twins(Trial *entry, Trial *other, const char *form, const char *device, int reach) {
  char sets[64];
  snprintf(sets, sizeof sets, "reach=%d", reach);
  trial_open(entry, text, sets, BATCH, device, MLA_F64);
  snprintf(sets, sizeof sets, "reach=%d form=\"%s\"", reach, form);
  trial_open(other, text, sets, BATCH, device, MLA_F64);
  for (int i = 0; i < entry->program->n_states; i++) {
    const MlaState *state = &entry->program->states[i];
    int twin = twin_of(other, form, state);
    expect(twin >= 0, "%s: %s has no twin", form, state->name);
    if (twin < 0) continue;
    expect(other->program->states[twin].module == state->module, "%s: %s is of another module", form,
           state->name);
    trial_set_state(other, twin, trial_state(entry, i));
  }
}

// Three steps; then every state (so every gradient), and what the network as evaluated says.
static void check_form(const char *form, const char *device, int reach) {
  Trial entry, other;
  open_twins(&entry, &other, form, device, reach);
  expect(entry.program->n_states == other.program->n_states, "%s: other states", form);
  for (int step = 0; step < 3; step++) {
    trial_step(&entry, step, BATCH, 0.1);
    trial_step(&other, step, BATCH, 0.1);
  }
  double worst = 0;
  for (int i = 0; i < entry.program->n_states; i++) {
    const MlaState *state = &entry.program->states[i];
    int twin = twin_of(&other, form, state);
    if (twin < 0) continue;
    double apart = trial_distance(trial_state(&entry, i), trial_state(&other, twin), mla_n_elems(state));
    expect(apart <= 1e-12, "%s, reach %d: %s is apart by %.3g", form, reach, state->name, apart);
    worst = fmax(worst, apart);
  }
  int64_t n = BATCH * entry.program->data.classes;
  double apart = trial_distance(trial_scores(&entry, 9, BATCH), trial_scores(&other, 9, BATCH), n);
  expect(apart <= 1e-12, "%s, reach %d: scores are apart by %.3g", form, reach, apart);
  printf("%s on %s, reach %d: %d states within %.1e, scores %.1e\n", form, device, reach,
         entry.program->n_states, worst, apart);
  trial_close(&entry);
  trial_close(&other);
}

// ---- isolation ----

static bool is_equal(Trial *a, Trial *b, int i) {
  size_t n_bytes = sizeof(double) * (size_t)mla_n_elems(&a->program->states[i]);
  return !memcmp(trial_state(a, i), trial_state(b, i), n_bytes);
}

// A step with the losses of module j weighted otherwise changes what module j trains and not a bit else.
static void check_module(Trial *plain, int j, int *n_entry) {
  Trial weighted;
  char sets[32];
  snprintf(sets, sizeof sets, "heavy=%d", j);
  trial_open(&weighted, text, sets, BATCH, "reference", MLA_F64);
  trial_step(&weighted, 0, BATCH, 0.1);
  for (int i = 0; i < plain->program->n_states; i++) {
    const MlaState *state = &plain->program->states[i];
    bool is_trained = state->region == MLA_PARAM || state->region == MLA_MOMENTUM;
    bool is_inside = is_trained && state->module == j;
    expect(is_equal(plain, &weighted, i) != is_inside, "loss of module %d: %s is %s", j, state->name,
           is_inside ? "unchanged" : "changed");
    *n_entry += is_inside && !strncmp(state->name, "entry", 5);
  }
  trial_close(&weighted);
}

// The plan counts an entry's weights as the entered module's own.
static void check_counts(const Trial *trial) {
  int64_t n[K] = {0};
  for (int i = 0; i < trial->program->n_states; i++) {
    const MlaState *state = &trial->program->states[i];
    if (state->region == MLA_PARAM && !state->is_aux) n[state->module] += mla_n_elems(state);
  }
  int64_t basic = 2 * 9 * 4 * 4 + 4 * 4, entry = 9 * 4 * 4 + 2 * 4;
  for (int m = 0; m < K; m++)
    expect(trial->program->modules[m].n_params == n[m], "module %d has not %lld parameters", m,
           (long long)n[m]);
  expect(n[2] == basic + entry, "module 2 has %lld parameters", (long long)n[2]);
}

static void check_isolation(void) {
  Trial plain;
  int n_entry = 0;
  trial_open(&plain, text, "", BATCH, "reference", MLA_F64);
  trial_step(&plain, 0, BATCH, 0.1);
  check_counts(&plain);
  for (int j = 0; j < K; j++) check_module(&plain, j, &n_entry);
  for (int i = 0; i < plain.program->n_states; i++) {
    const MlaState *state = &plain.program->states[i];
    if (!strncmp(state->name, "entry", 5))
      expect(!state->is_aux && state->module == state->name[5] - '0', "%s is of another module", state->name);
    expect(!strstr(state->name, "copy") || !strstr(state->name, "entry"), "%s is a copy of an entry",
           state->name);
  }
  expect(n_entry == 2 * 3 * 3, "%d states of entries are trained", n_entry);
  printf("isolation: %d states, %d of entries trained by their modules alone\n", plain.program->n_states,
         n_entry);
  trial_close(&plain);
}

int main(void) {
  check_form("hand", "reference", 1);
  check_form("hand", "reference", 2);
  check_form("hand", "cpu", 2);
  check_form("chain", "reference", 2);
  check_isolation();
  printf("%d wrong\n", n_wrong);
  return n_wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}
