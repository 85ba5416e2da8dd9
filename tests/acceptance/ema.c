// EMA copies in the shipped models. They start as their sources; a step reads the sources as they were before
// it, so after the first step a copy is what its source was; after the second m copy + (1 - m) source.
// timeout: 600
#include "tests/acceptance/trial.h"

#include <float.h>

enum { BATCH = 3 };
static const double momentum = 0.995;
static int n_wrong;

static void expect(bool is_right, const char *model, const MlaState *state, const char *what) {
  if (is_right || n_wrong++ >= 20) return;
  printf("%s: %s %s\n", model, state->name, what);
}

// All states, as they are now.
static double **snapshot(Trial *trial) {
  double **values = ARENA_ARRAY(trial->arena, double *, trial->program->n_states);
  for (int i = 0; i < trial->program->n_states; i++) values[i] = trial_state(trial, i);
  return values;
}

// Every element is m a + (1 - m) b, up to the last bit of the larger one.
static bool is_mean(const double *actual, const double *a, const double *b, int64_t n, double epsilon) {
  for (int64_t i = 0; i < n; i++) {
    double mean = momentum * a[i] + (1 - momentum) * b[i];
    if (!(fabs(actual[i] - mean) <= epsilon * fmax(fabs(a[i]), fabs(b[i])))) return false;
  }
  return true;
}

static int check_copies(Trial *trial, const char *model, double *const *start, double *const *first,
                        double *const *second) {
  double epsilon = trial->program->elem == MLA_F64 ? DBL_EPSILON : (double)FLT_EPSILON;
  int n_copies = 0;
  for (int i = 0; i < trial->program->n_states; i++) {
    const MlaState *state = &trial->program->states[i];
    if (state->region != MLA_EMA) continue;
    int from = state->source;
    int64_t n = mla_n_elems(state);
    size_t n_bytes = sizeof(double) * (size_t)n;
    n_copies++;
    expect(state->init == MLA_INIT_COPY && !trial->program->states[from].is_aux, model, state,
           "is no copy of the backbone");
    expect(!memcmp(start[i], start[from], n_bytes), model, state, "starts apart from its source");
    expect(memcmp(first[from], start[from], n_bytes) != 0, model, state, "has a source that stands still");
    expect(is_mean(first[i], start[from], start[from], n, epsilon), model, state,
           "is not the old source after one step");
    expect(is_mean(second[i], first[i], first[from], n, epsilon), model, state,
           "breaks the recurrence in the second step");
    expect(memcmp(second[i], first[i], n_bytes) != 0, model, state, "never moves");
  }
  return n_copies;
}

static void check_model(const char *model, const char *sets, const char *device, MlaElem elem) {
  Trial trial;
  trial_open(&trial, model, sets, BATCH, device, elem);
  double **start = snapshot(&trial);
  trial_step(&trial, 0, BATCH, 0.1);
  double **first = snapshot(&trial);
  trial_step(&trial, 1, BATCH, 0.1);
  int n_copies = check_copies(&trial, model, start, first, snapshot(&trial));
  if (n_copies == 0) n_wrong++;
  printf("%s on %s, %s: %d EMA copies\n", model, device, elem == MLA_F64 ? "f64" : "f32", n_copies);
  trial_close(&trial);
}

int main(void) {
  static const char man[] = "models/man.mlaan", mlaan[] = "models/fashion/mlaan.mlaan";
  static const char man_sets[] = "cifar_resnet.width=4 cifar_resnet.n=1 K=3";
  static const char mlaan_sets[] = "small_resnet.width=4 K=6";
  check_model(man, man_sets, "reference", MLA_F64);
  check_model(man, man_sets, "cpu", MLA_F64);
  check_model(man, man_sets, "cpu", MLA_F32);
  check_model(mlaan, mlaan_sets, "reference", MLA_F64);
  check_model(mlaan, mlaan_sets, "cpu", MLA_F64);
  check_model("models/mlaan.mlaan", "cifar_resnet.width=4 K=8 mlaan.ema_links=9", "reference", MLA_F64);
  printf("%d wrong\n", n_wrong);
  return n_wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}
