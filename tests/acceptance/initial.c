// `init:` of conv, linear and bn: the deviation of drawn weights, zero biases, the start of batch norm's
// weights; in the model, in copies and in fresh copies.
#include "tests/acceptance/trial.h"

static const char text[] =
    "data tiny { format idx  root \"data\"  classes 10  normalize { mean [0.5]  std [0.25] } }\n"
    "model net {\n"
    "  input image[8, 8, 1]\n"
    "  a = image | conv(32, 5, init: 0.25, bias: true) | bn(init: 0.5) | relu\n"
    "  b = a | conv(32, 3, init: 0) | bn(init: 0) | relu\n"
    "  c = b | conv(32, 3, bias: true) | bn | relu\n"
    "  logits = c | avgpool | linear(classes, init: 0)\n"
    "}\n"
    "split net at a\n"
    "auxiliary two {\n"
    "  y = ema(b, 0.9)(x) + copy(b, init: fresh)(x)\n"
    "  loss cross_entropy(y | avgpool | linear(300, init: 2) | linear(classes), label)\n"
    "}\n";

static int n_wrong;

static void expect(bool is_right, const char *name, const char *what) {
  if (is_right) return;
  printf("%s %s\n", name, what);
  n_wrong++;
}

// Deviation `wanted` around 0 up to what chance allows; 0: all zeros.
static void check_drawn(Trial *trial, const char *name, double wanted) {
  int index = trial_find(trial, name);
  const double *values = trial_state(trial, index);
  int64_t n = mla_n_elems(&trial->program->states[index]);
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < n; i++) {
    sum += values[i];
    squares += values[i] * values[i];
  }
  double deviation = sqrt(squares / (double)n), tolerance = 4 * wanted / sqrt((double)n);
  expect(fabs(deviation - wanted) <= tolerance && fabs(sum / (double)n) <= tolerance, name,
         arena_printf(trial->arena, "has deviation %g, not %g", deviation, wanted));
}

static void check_equal(Trial *trial, const char *name, double wanted) {
  int index = trial_find(trial, name);
  const double *values = trial_state(trial, index);
  for (int64_t i = 0; i < mla_n_elems(&trial->program->states[index]); i++)
    expect(values[i] == wanted, name, arena_printf(trial->arena, "has %g, not %g", values[i], wanted));
}

int main(void) {
  Trial trial;
  trial_open(&trial, text, "", 2, "reference", MLA_F64);
  check_drawn(&trial, "a.conv1.weight", 0.25);
  check_equal(&trial, "a.conv1.bias", 0);
  check_equal(&trial, "a.bn1.weight", 0.5);
  check_drawn(&trial, "b.conv1.weight", 0);
  check_equal(&trial, "b.bn1.weight", 0);
  check_drawn(&trial, "c.conv1.weight", sqrt(2.0 / (9 * 32)));
  check_equal(&trial, "c.bn1.weight", 1);
  check_equal(&trial, "logits.linear1.weight", 0);
  check_equal(&trial, "logits.linear1.bias", 0);
  check_equal(&trial, "aux0.ema1.bn1.weight", 0);
  check_equal(&trial, "aux0.copy1.bn1.weight", 0);
  check_drawn(&trial, "aux0.linear1.weight", 2);
  check_equal(&trial, "aux0.linear1.bias", 0);
  trial_close(&trial);
  printf("%d wrong\n", n_wrong);
  return n_wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}
