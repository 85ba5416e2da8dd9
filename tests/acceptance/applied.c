// An auxiliary applied to a tensor is the sum of its losses: its modules train as if the losses had been
// written out, weights multiply, and a chosen base (`param base`) is the base written by name.
#include "tests/acceptance/expect.h"
#include "tests/acceptance/trial.h"

#include <stdarg.h>

enum { BATCH = 4 };

// The same losses twice: by the auxiliary `base`, and, with `apply` false, written out. Factors are such that
// their products are exact.
static const char text[] =
    "import \"lib/resnet.mlaan\"\n"
    "import \"lib/heads.mlaan\"\n"
    "data tiny { format idx  root \"data\"  classes 10  normalize { mean [0.5]  std [0.25] } }\n"
    "model net(width = 4) {\n"
    "  input image[8, 8, 1]\n"
    "  stem   = image  | conv(width, 3) | bn | relu\n"
    "  stage1 = stem   | chain 2 { basic(width) }\n"
    "  stage2 = stage1 | basic(2 * width, stride: 2) | basic(2 * width)\n"
    "  logits = stage2 | avgpool | linear(classes)\n"
    "}\n"
    "param apply = true\n"
    "param outer = 0.5\n"
    "param inner = 0.75\n"
    "param base = two\n"
    "split net into 3 at blocks\n"
    "auxiliary two(w = 1) {\n"
    "  loss w * cross_entropy(x | head_0c1f(classes), label) as one\n"
    "  loss 2 * (1 + index) * cross_entropy(x | head_0c2f(classes), label)\n"
    "}\n"
    "auxiliary other { loss cross_entropy(x | linear(classes), label) }\n"
    "auxiliary man(momentum = 0.5) {\n"
    "  y = ema(next(1), momentum)(x) + copy(next(1), init: fresh)(x)\n"
    "  let c = cascade(index + 1)\n"
    "  if apply {\n"
    "    loss outer * base(y, w: inner)\n"
    "    loss (c | base) / 4 + mean(x) - 8 * mean(c) as far\n"
    "  } else {\n"
    "    loss outer * inner * cross_entropy(y | head_0c1f(classes), label)\n"
    "    loss outer * 2 * (1 + index) * cross_entropy(y | head_0c2f(classes), label)\n"
    "    loss 0.25 * cross_entropy(c | head_0c1f(classes), label)\n"
    "    loss 0.5 * (1 + index) * cross_entropy(c | head_0c2f(classes), label)\n"
    "    loss mean(x)\n"
    "    loss -8 * mean(c)\n"
    "  }\n"
    "}\n"
    "final { if apply { loss outer * other(cascade(2)) }\n"
    "        else { loss outer * cross_entropy(cascade(2) | linear(classes), label) } }\n"
    "train { optimizer sgd(lr: 0.1, momentum: 0.9)  auxiliary man }\n";

// aux0.two_2.head_0c1f.linear1.weight, applied, is aux0.head_0c1f_2.linear1.weight, written out.
static const char *written_name(Arena *arena, const char *name) {
  static const char *const applied[] = {".two.", ".two_2.", ".other."};
  for (size_t i = 0; i < sizeof applied / sizeof *applied; i++) {
    const char *at = strstr(name, applied[i]);
    if (!at) continue;
    const char *network = at + strlen(applied[i]), *dot = strchr(network, '.');
    return arena_printf(arena, "%.*s.%.*s%s%s", (int)(at - name), name, (int)(dot - network), network,
                        i == 1 ? "_2" : "", dot);
  }
  return name;
}

static int twin_of(Trial *written, const MlaState *state) {
  return trial_find(written, written_name(written->arena, state->name));
}

static bool is_equal(Trial *a, int i, Trial *b, int j) {
  size_t n_bytes = sizeof(double) * (size_t)mla_n_elems(&a->program->states[i]);
  return !memcmp(trial_state(a, i), trial_state(b, j), n_bytes);
}

static void open_twins(Trial *applied, Trial *written, const char *device, MlaElem elem) {
  trial_open(applied, text, "apply=true", BATCH, device, elem);
  trial_open(written, text, "apply=false", BATCH, device, elem);
  for (int i = 0; i < applied->program->n_states; i++) {
    int twin = twin_of(written, &applied->program->states[i]);
    expect(twin >= 0, "%s has no twin", applied->program->states[i].name);
    if (twin >= 0) trial_set_state(written, twin, trial_state(applied, i));
  }
}

static void check_written_out(const char *device, MlaElem elem) {
  Trial applied, written;
  open_twins(&applied, &written, device, elem);
  expect(applied.program->n_states == written.program->n_states, "%d and %d states",
         applied.program->n_states, written.program->n_states);
  expect(applied.program->n_losses == written.program->n_losses, "%d and %d losses",
         applied.program->n_losses, written.program->n_losses);
  for (int step = 0; step < 2; step++) {
    trial_step(&applied, step, BATCH, 0.1);
    trial_step(&written, step, BATCH, 0.1);
  }
  for (int i = 0; i < applied.program->n_states; i++) {
    int twin = twin_of(&written, &applied.program->states[i]);
    if (twin >= 0)
      expect(is_equal(&applied, i, &written, twin), "%s is not as written out",
             applied.program->states[i].name);
  }
  for (int i = 0; i < applied.program->n_losses; i++)
    expect(trial_loss(&applied, i) == trial_loss(&written, i), "loss %s differs",
           applied.program->losses[i].name);
  printf("%s: %d states and %d losses are those written out\n", device, applied.program->n_states,
         applied.program->n_losses);
  trial_close(&applied);
  trial_close(&written);
}

static void check_names(void) {
  static const char *const names[] = {"one",      "cross_entropy", "far.one", "far.cross_entropy",
                                      "far.mean", "far.mean.2"};
  Trial trial;
  trial_open(&trial, text, "", BATCH, "reference", MLA_F64);
  for (int i = 0; i < 6; i++)
    expect(!strcmp(trial.program->losses[6 + i].name, names[i]), "a loss is called %s, not %s",
           trial.program->losses[6 + i].name, names[i]);
  expect(trial_find(&trial, "aux1.two_2.head_0c1f.linear1.weight") >= 0, "a weight has another name");
  trial_close(&trial);
}

static void expect_multiple(Trial *a, Trial *b, double factor, const char *head) {
  const double *x = trial_gradient(a, head), *y = trial_gradient(b, head);
  int64_t n = mla_n_elems(&a->program->states[trial_find(a, head)]);
  for (int64_t i = 0; i < n; i++)
    expect(x[i] == factor * y[i] && x[i] != 0, "%s: gradient %g, not %g * %g", head, x[i], factor, y[i]);
}

static void open_stepped(Trial *trial, const char *sets) {
  trial_open(trial, text, sets, BATCH, "reference", MLA_F64);
  trial_step(trial, 0, BATCH, 0.1);
}

// Weights multiply: with both factors halved a quarter of the gradient is left. Arguments may come with the
// base; those of the application are stronger.
static void check_weights(void) {
  static const char near[] = "aux0.two.head_0c1f.linear1.weight",
                    far[] = "aux0.two_2.head_0c1f.linear1.weight";
  Trial plain, quarter, twofold;
  open_stepped(&plain, "");
  open_stepped(&quarter, "outer=0.25 inner=0.375");
  open_stepped(&twofold, "base=two(w:2)");
  expect_multiple(&plain, &quarter, 4, near);
  expect_multiple(&twofold, &plain, 2, far);
  expect_multiple(&twofold, &plain, 1, near);
  expect(trial_loss(&plain, 0) == trial_loss(&quarter, 0), "the weight is in the reported loss");
  trial_close(&plain);
  trial_close(&quarter);
  trial_close(&twofold);
}

int main(void) {
  check_written_out("reference", MLA_F64);
  check_written_out("cpu", MLA_F32);
  check_names();
  check_weights();
  printf("%d wrong\n", n_wrong);
  return n_wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}
