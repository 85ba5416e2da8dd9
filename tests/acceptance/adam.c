// Adam and AdamW. One learnable number w = 1.5 with the loss w^2 / 2 goes five steps as in PyTorch (in double
// precision); then every state of a shipped model obeys the recurrence, whose gradient is taken from the mean:
//   g = (m' - beta1 m) / (1 - beta1);  v' = beta2 v + (1 - beta2) g^2;  w' from m', v' and the step's number.
// timeout: 600
#include "tests/acceptance/trial.h"

enum { BATCH = 4, N_STEPS = 5 };
static int n_wrong;

static void expect(bool is_right, const char *what, const char *name) {
  if (is_right || n_wrong++ >= 20) return;
  printf("%s: %s\n", name, what);
}

// ---- a number on its way to zero ----

static const char number_model[] = //
    "data squares { format idx  root \".\"  classes 3 }\n"
    "model net { input image[2, 2, 1]  body = image | conv(2, 1)  logits = body | avgpool | linear(3) }\n"
    "split net at body\n"
    "auxiliary number { let w = scalar(1.5)  loss 0.5 * (w * w)  loss mean(x) }\n"
    "train { optimizer sgd  epochs 1 }\n";

typedef struct Path {
  const char *optimizer;
  double w[N_STEPS], mean, square; // PyTorch 2's
} Path;

static const Path paths[] = {
    {"adam(lr:0.1)",
     {1.4000000006666666, 1.3002390629683902, 1.2009028715453671, 1.1021989378531514, 1.0043581712001535},
     0.52409551637343765,
     0.0085379494769357682},
    {"adam(lr:0.1,weight_decay:0.01,beta1:0.8,beta2:0.99,eps:0.001)",
     {1.400065963060686, 1.3005586278598169, 1.2017989176843127, 1.1041347043588512, 1.0079387592828561},
     0.85429135695157832,
     0.085383287988350778},
    {"adamw(lr:0.1,weight_decay:0.05)",
     {1.3925000006666666, 1.2858001110400634, 1.1801006026133749, 1.075624923838034, 0.97262122914968718},
     0.51784960566185223,
     0.0083724491759522551},
};

static double number(Trial *trial, const char *suffix) {
  for (int i = 0; i < trial->program->n_states; i++) {
    const char *name = trial->program->states[i].name, *at = strstr(name, suffix);
    if (strncmp(name, "aux0", 4) == 0 && at && strcmp(at, suffix) == 0) return trial_state(trial, i)[0];
  }
  return NAN;
}

static void check_path(const Path *path, const char *device, MlaElem elem) {
  Trial trial;
  double tolerance = elem == MLA_F64 ? 1e-14 : 1e-6;
  char *sets = NULL;
  if (asprintf(&sets, "train.optimizer=%s", path->optimizer) < 0) exit(EXIT_FAILURE);
  trial_open(&trial, number_model, sets, BATCH, device, elem);
  for (int t = 0; t < N_STEPS; t++) {
    trial_step(&trial, t, BATCH, 0.1);
    expect(fabs(number(&trial, ".value") - path->w[t]) <= tolerance, "is not where PyTorch's is",
           path->optimizer);
  }
  expect(fabs(number(&trial, ".value.exp_avg") - path->mean) <= tolerance, "has another mean",
         path->optimizer);
  expect(fabs(number(&trial, ".value.exp_avg_sq") - path->square) <= tolerance, "has another mean square",
         path->optimizer);
  trial_close(&trial);
  free(sets);
}

// ---- the recurrence, in a model ----

typedef struct Weights {
  const double *w, *m, *v;
} Weights;

static Weights weights_of(Trial *trial, int index) {
  const char *name = trial->program->states[index].name;
  int m = trial_find(trial, arena_printf(trial->arena, "%s.exp_avg", name));
  int v = trial_find(trial, arena_printf(trial->arena, "%s.exp_avg_sq", name));
  if (m < 0 || v < 0) return (Weights){NULL, NULL, NULL};
  return (Weights){trial_state(trial, index), trial_state(trial, m), trial_state(trial, v)};
}

static bool is_recurrence(const MlaRecipe *recipe, Weights old, Weights new, int64_t n, int t, double lr) {
  double c1 = 1 - pow(recipe->beta1, t), c2 = 1 - pow(recipe->beta2, t), far = 0;
  for (int64_t i = 0; i < n; i++) {
    double g = (new.m[i] - recipe->beta1 *old.m[i]) / (1 - recipe->beta1);
    double v = recipe->beta2 * old.v[i] + (1 - recipe->beta2) * g * g;
    double w = old.w[i] * (1 - lr * recipe->weight_decay) - lr / c1 * new.m[i] / (sqrt(v / c2) + recipe->eps);
    far = fmax(far, fabs(w - new.w[i]));
    far = fmax(far, fabs(v - new.v[i]) / (fabs(v) + 1e-30));
  }
  return far < 1e-9;
}

static void check_model(const char *device) {
  Trial trial;
  trial_open(&trial, "models/fashion/man.mlaan",
             "small_resnet.width=4 train.optimizer=adamw(weight_decay:0.1)", BATCH, device, MLA_F64);
  const MlaProgram *program = trial.program;
  Weights *old = ARENA_ARRAY(trial.arena, Weights, program->n_states);
  int n_trained = 0;
  for (int i = 0; i < program->n_states; i++) old[i] = weights_of(&trial, i);
  for (int t = 1; t <= N_STEPS; t++) {
    trial_step(&trial, t - 1, BATCH, 0.01);
    for (int i = 0; i < program->n_states; i++) {
      if (!old[i].w) continue;
      Weights new = weights_of(&trial, i);
      int64_t n = mla_n_elems(&program->states[i]);
      expect(is_recurrence(&program->recipe, old[i], new, n, t, 0.01), "breaks the recurrence",
             program->states[i].name);
      n_trained += t == 1;
      old[i] = new;
    }
  }
  printf("%s: %d tensors, %d steps\n", device, n_trained, N_STEPS);
  if (n_trained == 0) n_wrong++;
  trial_close(&trial);
}

int main(void) {
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
    check_path(&paths[i], "reference", MLA_F64);
    check_path(&paths[i], "cpu", MLA_F64);
    check_path(&paths[i], "cpu", MLA_F32);
  }
  check_model("reference");
  check_model("cpu");
  printf("%d wrong\n", n_wrong);
  return n_wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}
