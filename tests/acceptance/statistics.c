// `statistics N of UNITS`: after a step the running statistics are where N explicit moves
//   r <- (1 - u) r + u b
// with the same statistic b of the batch would have put them; those of other units moved once.
#include "tests/acceptance/trial.h"

enum { BATCH = 4 };

static const char text[] =
    "import \"lib/resnet.mlaan\"\n"
    "import \"lib/heads.mlaan\"\n"
    "data tiny { format idx  root \"data\"  classes 10  normalize { mean [0.5]  std [0.25] } }\n"
    "param u = 0.1\n"
    "param repeat = true\n"
    "block res(planes) {\n"
    "  return x + (x | conv(planes, 3) | bn(momentum: u) | relu | conv(planes, 3) | bn(momentum: u)) | relu\n"
    "}\n"
    "model net(width = 4) {\n"
    "  input image[8, 8, 1]\n"
    "  stem   = image  | conv(width, 3) | bn(momentum: u) | relu\n"
    "  stage1 = stem   | chain 3 { res(width) }\n"
    "  stage2 = stage1 | chain 3 { res(width) }\n"
    "  logits = stage2 | avgpool | linear(classes)\n"
    "}\n"
    "split net at stage1[0], stage1[2], stage2[1]\n"
    "entry see { return x + (image | conv(channels(x), 3) | bn(momentum: u)) }\n"
    "auxiliary base { loss cross_entropy(x | head_0c1f(classes), label)  if index == 2 { statistics 7 } }\n"
    "auxiliary greedy {\n"
    "  if repeat and index == 0 { statistics 2  statistics 1 of stem }\n"
    "  if repeat and index == 1 { statistics 5 of [stage1[2], stage2[0]]  statistics 0 of stage2 }\n"
    "  loss base(x)\n"
    "}\n"
    "final {\n"
    "  loss cross_entropy(x, label)\n"
    "  if repeat { statistics 3 of stage2 }\n"
    "}\n"
    "train { auxiliary greedy }\n";

// How often each should move; the entry belongs to the first unit of its module.
static const struct Expected {
  const char *name;
  int n;
} expected[] = {{"stem.bn1", 1},     {"stage1.0.bn2", 2}, {"entry1.bn1", 1},   {"stage1.1.bn1", 1},
                {"stage1.2.bn1", 5}, {"entry2.bn1", 7},   {"stage2.0.bn1", 7}, {"stage2.1.bn2", 7},
                {"entry3.bn1", 3},   {"stage2.2.bn1", 3}};

static void open_stepped(Trial *trial, const char *sets, const char *device) {
  trial_open(trial, text, sets, BATCH, device, MLA_F64);
  trial_step(trial, 0, BATCH, 0.1);
}

static bool check(Trial *moved, Trial *batch, const char *leaf, double start, const struct Expected *what) {
  const char *name = arena_printf(moved->arena, "%s.%s", what->name, leaf);
  int index = trial_find(moved, name);
  int64_t n = mla_n_elems(&moved->program->states[index]);
  double *b = trial_state(batch, trial_find(batch, name)), *r = ARENA_ARRAY(moved->arena, double, n);
  for (int64_t i = 0; i < n; i++) {
    r[i] = start;
    for (int k = 0; k < what->n; k++) r[i] = 0.9 * r[i] + 0.1 * b[i];
  }
  double apart = trial_distance(trial_state(moved, index), r, n);
  if (apart > 1e-15) printf("%s is %.3g from %d moves\n", name, apart, what->n);
  return apart <= 1e-15;
}

static int check_device(const char *device) {
  Trial moved, batch; // with momentum 1 the running statistics are the batch's
  open_stepped(&moved, "", device);
  open_stepped(&batch, "u=1 repeat=false", device);
  int n_wrong = 0, n = sizeof expected / sizeof *expected;
  for (int i = 0; i < n; i++)
    n_wrong += !check(&moved, &batch, "running_mean", 0, &expected[i]) +
               !check(&moved, &batch, "running_var", 1, &expected[i]);
  printf("%s: %d batch norms, %d wrong\n", device, n, n_wrong);
  trial_close(&moved);
  trial_close(&batch);
  return n_wrong;
}

int main(void) {
  int n_wrong = check_device("reference") + check_device("cpu");
  return n_wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}
