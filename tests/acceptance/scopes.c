// Which weights a loss trains, and with what gradient: isolation bit by bit, the cascades' merged backward
// walks against every loss by itself and against modules that are really merged, and the limits (one module,
// a window over all modules) against end-to-end training.
// timeout: 600
#include "tests/acceptance/expect.h"
#include "tests/acceptance/trial.h"

#include <stdarg.h>

enum { BATCH = 4, K = 5 };

// Five units. Module i has an independent loss and one with a gradient reach of reach[i], behind a copy and
// an EMA copy of the following block. `heavy`: the module whose losses weigh 1.5 times as much; `only`: the
// one loss (2 * module + kind) that is left; `merge` = m: modules m - 1 and m are one.
static const char cascades[] =
    "import \"lib/resnet.mlaan\"\n"
    "import \"lib/heads.mlaan\"\n"
    "data tiny { format idx  root \"data\"  classes 10  normalize { mean [0.5]  std [0.25] } }\n"
    "train { optimizer sgd(lr: 0.1, momentum: 0.9, nesterov: true)  epochs 1  batch 4 }\n"
    "model net(width = 4) {\n"
    "  input image[8, 8, 1]\n"
    "  stem   = image  | conv(width, 3) | bn | relu\n"
    "  stage1 = stem   | chain 2 { basic(width) }\n"
    "  stage2 = stage1 | basic(2 * width, stride: 2) | basic(2 * width)\n"
    "  logits = stage2 | avgpool | linear(classes)\n"
    "}\n"
    "param w_x = 0.3\n"
    "param w_y = 0.7\n"
    "param reach = [1, 2, 2, 2, 2]\n"
    "param heavy = -1\n"
    "param only = -1\n"
    "param merge = 0\n"
    "let last = if merge > 0 then 3 else 4\n"
    "split net at {0: [stem, stage1[0], stage1[1], stage2[0]],\n"
    "              1: [stage1[0], stage1[1], stage2[0]], 2: [stem, stage1[1], stage2[0]],\n"
    "              3: [stem, stage1[0], stage2[0]],      4: [stem, stage1[0], stage1[1]]}[merge]\n"
    "auxiliary both {\n"
    "  let here = if index == heavy then 1.5 else 1\n"
    "  let x_on = if only < 0 or only == 2 * index then here else 0\n"
    "  let y_on = if only < 0 or only == 2 * index + 1 then here else 0\n"
    "  if w_x > 0 { loss x_on * w_x * cross_entropy(x | head_0c1f(classes), label) as independent }\n"
    "  if w_y > 0 {\n"
    "    let c = cascade(reach[index])\n"
    "    y = ema(next(1), 0.9)(c) + copy(next(1))(c)\n"
    "    loss y_on * w_y * cross_entropy(y | head_0c2f(classes), label) as cascade\n"
    "  }\n"
    "}\n"
    "final {\n"
    "  let here = if last == heavy then 1.5 else 1\n"
    "  let x_on = if only < 0 or only == 2 * last then here else 0\n"
    "  let y_on = if only < 0 or only == 2 * last + 1 then here else 0\n"
    "  if w_x > 0 { loss x_on * w_x * cross_entropy(x, label) as independent }\n"
    "  if w_y > 0 { loss y_on * w_y * cross_entropy(cascade(reach[last]), label) as cascade }\n"
    "}\n";

static void open_stepped(Trial *trial, const char *model, const char *sets, const char *device,
                         MlaElem elem) {
  trial_open(trial, model, sets, BATCH, device, elem);
  trial_step(trial, 0, BATCH, 0.1);
}

// ---- isolation: methods.md's acceptance check 1 ----

static const struct Scope {
  const char *name, *sets;
  int reach[K]; // of the furthest loss
  bool also_compiled;
} scopes[] = {
    {"local", "w_y=0", {1, 1, 1, 1, 1}, false},
    {"window 2", "reach=[1,2,2,2,2]", {1, 2, 2, 2, 2}, true},
    {"window 3", "reach=[1,2,3,3,3]", {1, 2, 3, 3, 3}, false},
    {"mixed", "reach=[1,1,3,1,4]", {1, 1, 3, 1, 4}, true},
};

static bool equal_states(Trial *a, Trial *b, int index) {
  const MlaState *state = &a->program->states[index];
  int twin = trial_find(b, state->name);
  return twin >= 0 &&
         !memcmp(trial_state(a, index), trial_state(b, twin), sizeof(double) * (size_t)mla_n_elems(state));
}

// A step with the losses of module j weighted otherwise: what lies in their scope changes, nothing else does.
static int check_module(Trial *plain, Trial *weighted, const struct Scope *scope, int j) {
  int n_inside = 0;
  for (int i = 0; i < plain->program->n_states; i++) {
    const MlaState *state = &plain->program->states[i];
    bool in_window = state->module <= j && state->module > j - scope->reach[j];
    bool is_inside = (state->region == MLA_PARAM || state->region == MLA_MOMENTUM) &&
                     (state->is_aux ? state->module == j : in_window);
    bool is_equal = equal_states(plain, weighted, i);
    n_inside += is_inside;
    expect(is_equal != is_inside, "%s, loss of module %d: %s is %s", scope->name, j, state->name,
           is_equal ? "unchanged" : "changed");
  }
  return n_inside;
}

static void check_scope(const struct Scope *scope, const char *device, MlaElem elem) {
  Trial plain;
  open_stepped(&plain, cascades, scope->sets, device, elem);
  int n_inside = 0;
  for (int j = 0; j < K; j++) {
    Trial weighted;
    char sets[96];
    snprintf(sets, sizeof sets, "%s heavy=%d", scope->sets, j);
    open_stepped(&weighted, cascades, sets, device, elem);
    n_inside += check_module(&plain, &weighted, scope, j);
    trial_close(&weighted);
  }
  printf("%s on %s: %d states, %d in the scopes of %d modules\n", scope->name, device,
         plain.program->n_states, n_inside, K);
  trial_close(&plain);
}

// ---- merged walks: check 2 ----

// Adds the gradient that `part` has for the weight, under the name it has there.
static void add_gradient(double *sum, const MlaState *weight, Trial *part, const char *name) {
  const double *gradient = trial_gradient(part, name);
  for (int64_t i = 0, n = mla_n_elems(weight); gradient && i < n; i++) sum[i] += gradient[i];
}

static double *zeros(Trial *trial, const MlaState *weight) {
  double *values = ARENA_ARRAY(trial->arena, double, mla_n_elems(weight));
  memset(values, 0, sizeof *values * (size_t)mla_n_elems(weight));
  return values;
}

static double expect_gradient(Trial *whole, const MlaState *weight, const double *sum, const char *what) {
  double distance = trial_distance(trial_gradient(whole, weight->name), sum, mla_n_elems(weight));
  expect(distance <= 1e-12, "%s: gradient of %s is apart by %.3g", what, weight->name, distance);
  return distance;
}

// The gradients of all losses together are the sums of the gradients of each alone.
static void check_sum_of_losses(const char *sets) {
  Trial whole, part[2 * K];
  open_stepped(&whole, cascades, sets, "reference", MLA_F64);
  for (int l = 0; l < 2 * K; l++) {
    char alone[96];
    snprintf(alone, sizeof alone, "%s only=%d", sets, l);
    open_stepped(&part[l], cascades, alone, "reference", MLA_F64);
  }
  double worst = 0;
  for (int i = 0; i < whole.program->n_states; i++) {
    const MlaState *weight = &whole.program->states[i];
    if (weight->region != MLA_PARAM) continue;
    double *sum = zeros(&whole, weight);
    for (int l = 0; l < 2 * K; l++) add_gradient(sum, weight, &part[l], weight->name);
    worst = fmax(worst, expect_gradient(&whole, weight, sum, "sum of losses"));
  }
  printf("%s: all losses at once against each alone: %.1e\n", sets, worst);
  for (int l = 0; l < 2 * K; l++) trial_close(&part[l]);
  trial_close(&whole);
}

// The same auxiliary one module earlier.
static const char *renamed(Arena *arena, const MlaState *state, int module) {
  if (!state->is_aux) return state->name;
  return arena_printf(arena, "aux%d%s", module, strchr(state->name, '.'));
}

// Module m's cascade as a local loss of modules m - 1 and m made one; m = 0: of module 0 as it is.
static void open_merged(Trial *merged, Trial *whole, int m) {
  char sets[96];
  snprintf(sets, sizeof sets, "w_x=0 reach=[1,1,1,1,1] merge=%d", m);
  trial_open(merged, cascades, sets, BATCH, "reference", MLA_F64);
  for (int i = 0; i < merged->program->n_states; i++) {
    const MlaState *state = &merged->program->states[i];
    if (!state->is_aux || state->module != (m ? m - 1 : 0)) continue;
    int source = trial_find(whole, renamed(whole->arena, state, m));
    expect(source >= 0, "module %d: no state is like %s of the merged module", m, state->name);
    if (source >= 0) trial_set_state(merged, i, trial_state(whole, source));
  }
  trial_step(merged, 0, BATCH, 0.1);
}

// Window 2: a weight of module i gets the gradients of its independent loss, of its own cascade and of the
// next module's cascade. Each is computed by a model that has no cascade at all.
static void check_merged_modules(void) {
  Trial whole, independent, merged[K];
  trial_open(&whole, cascades, "", BATCH, "reference", MLA_F64);
  for (int m = 0; m < K; m++) open_merged(&merged[m], &whole, m);
  trial_step(&whole, 0, BATCH, 0.1);
  open_stepped(&independent, cascades, "w_y=0", "reference", MLA_F64);
  double worst = 0;
  for (int i = 0; i < whole.program->n_states; i++) {
    const MlaState *weight = &whole.program->states[i];
    if (weight->region != MLA_PARAM) continue;
    int m = weight->module;
    double *sum = zeros(&whole, weight);
    add_gradient(sum, weight, &independent, weight->name);
    add_gradient(sum, weight, &merged[m], renamed(whole.arena, weight, m ? m - 1 : 0));
    if (!weight->is_aux && m + 1 < K) add_gradient(sum, weight, &merged[m + 1], weight->name);
    worst = fmax(worst, expect_gradient(&whole, weight, sum, "merged modules"));
  }
  printf("window 2 against modules that are merged: %.1e\n", worst);
  for (int m = 0; m < K; m++) trial_close(&merged[m]);
  trial_close(&independent);
  trial_close(&whole);
}

// ---- limits: check 6 ----

// Three steps; `limit` 0: the same bits. States that only `b` has (auxiliaries) do not count.
static void check_same_training(const char *what, const char *a, const char *a_sets, const char *b,
                                const char *b_sets, const char *device, double limit) {
  Trial one, other;
  trial_open(&one, a, a_sets, BATCH, device, MLA_F64);
  trial_open(&other, b, b_sets, BATCH, device, MLA_F64);
  double worst = 0;
  for (int step = 0; step < 3; step++) {
    trial_step(&one, step, BATCH, 0.05);
    trial_step(&other, step, BATCH, 0.05);
  }
  for (int i = 0; i < one.program->n_states; i++) {
    const MlaState *state = &one.program->states[i];
    int twin = trial_find(&other, state->name);
    double distance =
        twin < 0 ? INFINITY
                 : trial_distance(trial_state(&one, i), trial_state(&other, twin), mla_n_elems(state));
    expect(distance <= limit, "%s: %s is apart by %.3g", what, state->name, distance);
    worst = fmax(worst, distance);
  }
  printf("%s: %d states within %.1e\n", what, one.program->n_states, worst);
  trial_close(&one);
  trial_close(&other);
}

static void check_limits(void) {
  static const char small[] = "cifar_resnet.n=1 cifar_resnet.width=4";
  static const char one[] = "cifar_resnet.n=1 cifar_resnet.width=4 K=1";
  const char *e2e = "models/e2e.mlaan";
  check_same_training("greedy, K = 1", e2e, small, "models/greedy.mlaan", one, "reference", 0);
  check_same_training("man, K = 1", e2e, small, "models/man.mlaan", one, "cpu", 0);
  check_same_training("mlaan, K = 1", e2e, small, "models/mlaan.mlaan", one, "reference", 1e-12);
}

// Every module by itself, but the last loss runs through all of them and the others weigh nothing.
static void check_full_window(void) {
  char text[sizeof cascades];
  snprintf(text, sizeof text, "%s", cascades);
  char *split = strstr(text, "split net"), *auxiliary = strstr(text, "auxiliary both");
  memset(split, ' ', (size_t)(auxiliary - split)); // no split and no auxiliary:
  memset(auxiliary, ' ', strlen(auxiliary));       // end to end
  const char *whole = "w_x=0 w_y=1 only=9 reach=[1,1,1,1,5]";
  check_same_training("full window", text, "", cascades, whole, "reference", 1e-12);
}

int main(void) {
  for (size_t i = 0; i < sizeof scopes / sizeof *scopes; i++) {
    check_scope(&scopes[i], "reference", MLA_F64);
    if (scopes[i].also_compiled) check_scope(&scopes[i], "cpu", MLA_F32);
  }
  check_sum_of_losses("reach=[1,2,2,2,2]");
  check_sum_of_losses("reach=[1,2,3,1,3]");
  check_merged_modules();
  check_full_window();
  check_limits();
  printf("%d wrong\n", n_wrong);
  return n_wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}
