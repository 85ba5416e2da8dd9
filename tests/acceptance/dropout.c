// Dropout's mask is a function of the seed, the step, the dropout and the element: the gradient sees the mask that the
// forward pass saw, every step, layer and seed has another one, every device the same, evaluation none; and as many
// elements are dropped as were asked for.
#include "tests/acceptance/trial.h"

enum { BATCH = 32, WIDTH = 256, N_STEPS = 40 };

// The first module's output is its bias alone, once the test has set its weight to zero.
static const char text[] = "data tiny { format idx  root \"data\"  classes 10 }\n"
                           "param p = 0.3\n"
                           "model net {\n"
                           "  input image[8, 8, 1]\n"
                           "  body   = image | flatten | linear(256)\n"
                           "  logits = body | dropout(p) | relu | linear(classes)\n"
                           "}\n"
                           "split net at body\n"
                           "auxiliary mask {\n"
                           "  loss mean(x | dropout(p)) as once\n"
                           "  loss mean(scalar(1) * (stop(x) | dropout(p) | dropout(p))) as twice\n"
                           "}\n"
                           "train { optimizer sgd(lr: 0.1, momentum: 0.9)  seed 5 }\n";

enum { ONCE, TWICE }; // losses

static int n_wrong;

static void expect(bool is_right, const char *what, double value) {
  if (!is_right) printf("%s: %.9g\n", what, value);
  n_wrong += !is_right;
}

static void set_all(Trial *trial, const char *name, double value) {
  int index = trial_find(trial, name);
  int64_t n = mla_n_elems(&trial->program->states[index]);
  double *values = ARENA_ARRAY(trial->arena, double, n);
  for (int64_t i = 0; i < n; i++) values[i] = value;
  trial_set_state(trial, index, values);
}

static void open(Trial *trial, const char *sets, const char *device, MlaElem elem) {
  trial_open(trial, text, sets, BATCH, device, elem);
  set_all(trial, "body.linear1.weight", 0);
}

// x = b, so once = sum over images and j of mask[j] b[j], divided by their number: linear in b. Its derivative times b
// is the loss itself, if the masks are the same.
static void check_gradient(const char *device, MlaElem elem, double limit) {
  Trial trial;
  open(&trial, "", device, elem);
  double bias[WIDTH], sum = 0;
  for (int j = 0; j < WIDTH; j++) bias[j] = trial_number((uint64_t)j) - 0.25;
  trial_set_state(&trial, trial_find(&trial, "body.linear1.bias"), bias);
  trial_step(&trial, 3, BATCH, 0);
  const double *gradient = trial_gradient(&trial, "body.linear1.bias");
  for (int j = 0; j < WIDTH; j++) sum += bias[j] * gradient[j];
  double off = fabs(sum - trial_loss(&trial, ONCE));
  printf("%s, f%d: loss %.6f, gradient times bias apart by %.1e\n", device, elem == MLA_F64 ? 64 : 32,
         trial_loss(&trial, ONCE), off);
  expect(off <= limit, "forward and backward masks differ", off);
  trial_close(&trial);
}

// With b = 1 a loss is the share of elements kept, over what is expected.
static void check_rate(void) {
  Trial trial;
  open(&trial, "", "cpu", MLA_F32);
  set_all(&trial, "body.linear1.bias", 1);
  double once = 0, twice = 0, last = 0, n = (double)BATCH * WIDTH * N_STEPS;
  for (int step = 0; step < N_STEPS; step++) {
    trial_step(&trial, step, BATCH, 0);
    double now = trial_loss(&trial, ONCE);
    once += now / N_STEPS;
    twice += trial_loss(&trial, TWICE) / N_STEPS;
    expect(now != last, "two steps have one mask", step);
    expect(fabs(now - 1) < 5 * sqrt(0.3 / 0.7 * N_STEPS / n), "share kept in a step", now);
    last = now;
  }
  printf("kept %.5f of %.0f elements, 0.7 expected; through two dropouts %.5f, 0.49 expected\n", 0.7 * once,
         n, 0.49 * twice);
  expect(fabs(once - 1) < 4 * sqrt(0.3 / 0.7 / n), "share kept", 0.7 * once);
  expect(fabs(twice - 1) < 4 * sqrt((1 / 0.49 - 1) / n), "two dropouts are not independent", 0.49 * twice);
  trial_close(&trial);
}

static double loss_of(const char *sets, const char *device, int64_t step) {
  Trial trial;
  open(&trial, sets, device, MLA_F64);
  trial_step(&trial, step, BATCH - 1, 0);
  double loss = trial_loss(&trial, ONCE);
  trial_close(&trial);
  return loss;
}

static void check_sameness(void) {
  double loss = loss_of("", "cpu", 7);
  expect(fabs(loss - loss_of("", "reference", 7)) < 1e-14, "another mask on another device", loss);
  expect(loss == loss_of("", "cpu", 7), "another mask in another run", loss);
  expect(loss != loss_of("train.seed=6", "cpu", 7), "another seed, the same mask", loss);
  expect(loss != loss_of("", "cpu", 8), "another step, the same mask", loss);
}

static void check_evaluation(void) {
  Trial with, without;
  trial_open(&with, text, "p=0.9", BATCH, "cpu", MLA_F32);
  trial_open(&without, text, "p=0", BATCH, "cpu", MLA_F32);
  double *a = trial_scores(&with, 0, BATCH), *b = trial_scores(&without, 0, BATCH);
  expect(memcmp(a, b, sizeof(double) * BATCH * 10) == 0, "evaluation drops something", a[0] - b[0]);
  expect(without.program->train.keys < 0 && with.program->train.keys >= 0 && with.program->eval.keys < 0,
         "keys where there is no dropout", without.program->train.keys);
  trial_close(&with);
  trial_close(&without);
}

int main(void) {
  check_gradient("cpu", MLA_F64, 1e-14);
  check_gradient("reference", MLA_F64, 1e-14);
  check_gradient("cpu", MLA_F32, 1e-6);
  check_rate();
  check_sameness();
  check_evaluation();
  printf("%d wrong\n", n_wrong);
  return n_wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}
