// contrast and similarity as the language applies them, against their definitions written out with whole matrices. The
// module is a 1x1 convolution with the identity as weight, so that its output is the image.
#include "tests/acceptance/trial.h"

enum {
  BATCH = 7,
  HEIGHT = 2,
  WIDTH = 3,
  CHANNELS = 5,
  PIXELS = HEIGHT * WIDTH,
  FEATURES = PIXELS * CHANNELS,
  CLASSES = 3
};

static const char model[] =
    "data squares { format idx  root \".\"  classes 3 }\n"
    "model net { input image[2, 3, 5]  body = image | conv(5, 1)  logits = body | avgpool | linear(3) }\n"
    "split net at body\n"
    "auxiliary pairs {\n"
    "  loss contrast(x | flatten, label)\n"
    "  loss contrast(x | flatten, label, temperature: 0.5) as warm\n"
    "  loss similarity(x, label) as deviations\n"               // of each channel
    "  loss similarity(x | flatten, label) as features\n"       // of everything
    "  loss similarity(x | slice(0, 0, 1, 3), label) as line\n" // one row of pixels: of everything
    "}\n"
    "train { optimizer sgd(lr: 0)  epochs 1 }\n";

typedef struct Rows {
  double x[BATCH][FEATURES];
  int n;
} Rows;

typedef double Matrix[BATCH][BATCH];

static double dot(const double *a, const double *b, int n) {
  double sum = 0;
  for (int i = 0; i < n; i++) sum += a[i] * b[i];
  return sum;
}

static double contrast(Rows rows, const int32_t *label, double temperature) {
  double total = 0;
  for (int a = 0; a < BATCH; a++) {
    double norm = sqrt(dot(rows.x[a], rows.x[a], rows.n));
    for (int i = 0; i < rows.n; i++) rows.x[a][i] /= fmax(norm, 1e-12);
  }
  for (int a = 0; a < BATCH; a++) {
    double sum = 0, cost = 0, n = 0;
    for (int b = 0; b < BATCH; b++)
      if (b != a) sum += exp(dot(rows.x[a], rows.x[b], rows.n) / temperature);
    for (int b = 0; b < BATCH; b++) {
      if (b == a || label[a] != label[b]) continue;
      cost -= dot(rows.x[a], rows.x[b], rows.n) / temperature - log(sum);
      n++;
    }
    if (n > 0) total += cost / n;
  }
  return total / BATCH;
}

static void similarities(Rows rows, Matrix out) {
  for (int a = 0; a < BATCH; a++) {
    double mean = 0;
    for (int i = 0; i < rows.n; i++) mean += rows.x[a][i] / rows.n;
    for (int i = 0; i < rows.n; i++) rows.x[a][i] -= mean;
    double norm = sqrt(dot(rows.x[a], rows.x[a], rows.n));
    for (int i = 0; i < rows.n; i++) rows.x[a][i] /= 1e-8 + norm;
  }
  for (int a = 0; a < BATCH; a++)
    for (int b = 0; b < BATCH; b++) out[a][b] = fmax(-1, fmin(1, dot(rows.x[a], rows.x[b], rows.n)));
}

static double similarity(const Rows *rows, const int32_t *label) {
  Rows hot = {.n = CLASSES};
  Matrix r, t;
  double sum = 0;
  for (int a = 0; a < BATCH; a++) hot.x[a][label[a]] = 1;
  similarities(*rows, r);
  similarities(hot, t);
  for (int a = 0; a < BATCH; a++)
    for (int b = 0; b < BATCH; b++) sum += (r[a][b] - t[a][b]) * (r[a][b] - t[a][b]);
  return sum / (BATCH * BATCH);
}

static Rows deviations(const double *images) {
  Rows rows = {.n = CHANNELS};
  for (int a = 0; a < BATCH; a++)
    for (int c = 0; c < CHANNELS; c++) {
      const double *x = images + a * FEATURES + c;
      double mean = 0, squares = 0;
      for (int p = 0; p < PIXELS; p++) mean += x[p * CHANNELS] / PIXELS;
      for (int p = 0; p < PIXELS; p++) squares += pow(x[p * CHANNELS] - mean, 2);
      rows.x[a][c] = sqrt(squares / (PIXELS - 1));
    }
  return rows;
}

static Rows first_features(const double *images, int n) {
  Rows rows = {.n = n};
  for (int a = 0; a < BATCH; a++) memcpy(rows.x[a], images + a * FEATURES, sizeof(double) * (size_t)n);
  return rows;
}

static void set_identity(Trial *trial) {
  double weight[CHANNELS * CHANNELS] = {0};
  for (int c = 0; c < CHANNELS; c++) weight[c * CHANNELS + c] = 1;
  trial_set_state(trial, trial_find(trial, "body.conv1.weight"), weight);
}

static int check(const char *device, MlaElem elem) {
  Trial trial;
  int n_wrong = 0;
  trial_open(&trial, model, "", BATCH, device, elem);
  set_identity(&trial);
  trial_step(&trial, 1, BATCH, 0);
  double images[BATCH * FEATURES];
  int32_t label[BATCH];
  MlaBatch batch = trial_batch(&trial, 1, BATCH);
  memcpy(label, batch.labels, sizeof label);
  for (int i = 0; i < BATCH * FEATURES; i++)
    images[i] =
        elem == MLA_F64 ? ((const double *)batch.images)[i] : (double)((const float *)batch.images)[i];
  Rows all = first_features(images, FEATURES), line = first_features(images, WIDTH * CHANNELS),
       channel = deviations(images);
  double wanted[] = {contrast(all, label, 0.07), contrast(all, label, 0.5), similarity(&channel, label),
                     similarity(&all, label), similarity(&line, label)};
  for (int i = 0; i < (int)(sizeof wanted / sizeof *wanted); i++) {
    double off = fabs(trial_loss(&trial, i) / wanted[i] - 1);
    bool is_right = off <= (elem == MLA_F64 ? 1e-13 : 1e-5);
    n_wrong += !is_right;
    printf("%s %s: %s is %.12g, off by %.1e%s\n", device, elem == MLA_F64 ? "f64" : "f32",
           trial.program->losses[i].name, wanted[i], off, is_right ? "" : "  WRONG");
  }
  trial_close(&trial);
  return n_wrong;
}

int main(void) {
  int n_wrong = check("reference", MLA_F64) + check("cpu", MLA_F64) + check("cpu", MLA_F32);
  return n_wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}
