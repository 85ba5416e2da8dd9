// Learning rates, random numbers and initial values.
#include "runtime/data/rng.h"
#include "runtime/train/layout.h"
#include "tests/runtime/train_toy.h"

static bool near(double a, double b, double tolerance) {
  return fabs(a - b) <= tolerance;
}

static void test_cosine(void) {
  MlaRecipe recipe = {.lr = 0.8,
                      .schedule = MLA_SCHEDULE_COSINE,
                      .epochs = 400,
                      .start = 1,
                      .warmup = 10,
                      .warmup_start = 0.001};
  CHECK(near(mla_learning_rate(&recipe, 1), 0.01, 1e-15));
  CHECK(near(mla_learning_rate(&recipe, 11), 0.7985, 5e-5));
  CHECK(mla_learning_rate(&recipe, 400) == 0);
  double plain = 0.4 * (1 + cos(3.14159265358979323846 * 5 / 400));
  CHECK(near(mla_learning_rate(&recipe, 5), plain * 4 / 10 + 0.006, 1e-15));
  plain = 0.4 * (1 + cos(3.14159265358979323846 * 10 / 400));
  CHECK(near(mla_learning_rate(&recipe, 10), plain * 9 / 10 + 0.001, 1e-15));
  recipe.warmup = 0;
  CHECK(near(mla_learning_rate(&recipe, 1), 0.4 * (1 + cos(3.14159265358979323846 / 400)), 1e-15));
  recipe.start = 0;
  CHECK(mla_learning_rate(&recipe, 1) == 0.8);
  CHECK(near(mla_learning_rate(&recipe, 400), 0.4 * (1 + cos(3.14159265358979323846 * 399 / 400)), 1e-15));
}

static void test_steps(void) {
  MlaRecipe recipe = {.lr = 0.8,
                      .schedule = MLA_SCHEDULE_STEP,
                      .epochs = 160,
                      .n_milestones = 2,
                      .milestones = {80, 120},
                      .factor = 0.1};
  CHECK(mla_learning_rate(&recipe, 1) == 0.8 && mla_learning_rate(&recipe, 79) == 0.8);
  CHECK(near(mla_learning_rate(&recipe, 80), 0.08, 1e-15) &&
        near(mla_learning_rate(&recipe, 119), 0.08, 1e-15));
  CHECK(near(mla_learning_rate(&recipe, 120), 0.008, 1e-15) &&
        near(mla_learning_rate(&recipe, 160), 0.008, 1e-15));
  recipe.n_milestones = 0;
  recipe.every = 15;
  recipe.factor = 0.2;
  CHECK(mla_learning_rate(&recipe, 15) == 0.8 && near(mla_learning_rate(&recipe, 16), 0.16, 1e-15));
  CHECK(near(mla_learning_rate(&recipe, 160), 0.8 * pow(0.2, 10), 1e-18));
  recipe.schedule = MLA_SCHEDULE_CONSTANT;
  CHECK(mla_learning_rate(&recipe, 1) == 0.8 && mla_learning_rate(&recipe, 160) == 0.8);
}

// Moments, tails and a 64-cell histogram of 2^18 numbers.
static void test_distributions(void) {
  enum { N = 1 << 18 };
  MlaRng rng = mla_rng_named(3, "stage1.0.conv1.weight");
  double sum = 0, square = 0, fourth = 0, lag = 0, before = 0, uniform_sum = 0, uniform_square = 0, chi = 0;
  int cells[64] = {0}, beyond = 0;
  for (int i = 0; i < N; i++) {
    double x = mla_rng_normal(rng, (uint64_t)i), u = mla_rng_uniform(rng, (uint64_t)i);
    CHECK(isfinite(x) && u >= 0 && u < 1);
    sum += x, square += x * x, fourth += x * x * x * x, lag += x * before, before = x;
    beyond += fabs(x) > 3;
    uniform_sum += u, uniform_square += u * u;
    cells[(int)(u * 64)]++;
  }
  CHECK(near(sum / N, 0, 0.01) && near(square / N, 1, 0.015) && near(fourth / N, 3, 0.12) &&
        near(lag / N, 0, 0.01));
  CHECK(near((double)beyond / N, 0.0027, 0.0005));
  CHECK(near(uniform_sum / N, 0.5, 0.003) && near(uniform_square / N, 1.0 / 3, 0.003));
  for (int i = 0; i < 64; i++) chi += (cells[i] - N / 64.0) * (cells[i] - N / 64.0) / (N / 64.0);
  CHECK(chi > 25 && chi < 120); // 63 degrees of freedom
}

// Many at once, from any place: the same bits.
static void test_many_normals(void) {
  MlaRng rng = mla_rng_named(3, "w");
  double many[200];
  for (int first = 0; first < 100; first += 33) {
    mla_rng_normals(rng, (uint64_t)first, 200 - first, many);
    for (int i = 0; i < 200 - first; i++) CHECK(many[i] == mla_rng_normal(rng, (uint64_t)(first + i)));
  }
}

static void test_streams(void) {
  MlaRng a = mla_rng_stream(0, 'S', 1), b = mla_rng_stream(0, 'S', 2), c = mla_rng_stream(0, 'A', 1),
         d = mla_rng_stream(1, 'S', 1);
  for (uint64_t i = 0; i < 1000; i++) {
    uint64_t x = mla_rng_bits(a, i);
    CHECK(x == mla_rng_bits(a, i) && x != mla_rng_bits(b, i) && x != mla_rng_bits(c, i) &&
          x != mla_rng_bits(d, i));
  }
  CHECK(mla_rng_named(0, "a.b").key != mla_rng_named(0, "ab.").key);
}

// The same tensor as a plain, a convolution's and a linear layer's: element (o, i, y, x) of the file is the
// same number.
static void test_layouts(void) {
  Toy toy;
  toy_open(&toy, MLA_F64, 1);
  enum { KH = 3, KW = 2, IN = 4, OUT = 2 };
  toy.states[S_WEIGHT] = (MlaState){.name = "w",
                                    .region = MLA_PARAM,
                                    .rank = 4,
                                    .dim = {OUT, IN, KH, KW},
                                    .init = MLA_INIT_NORMAL,
                                    .init_arg = 2};
  MlaError error = {0};
  double plain[OUT * IN * KH * KW], conv[OUT * IN * KH * KW];
  CHECK_GOOD(mla_init_states(&toy.loaded, 9, &error), error);
  memcpy(plain, mla_state(&toy.loaded, S_WEIGHT).address, sizeof plain);
  toy.states[S_WEIGHT] = (MlaState){.name = "w",
                                    .region = MLA_PARAM,
                                    .rank = 4,
                                    .dim = {KH, KW, IN, OUT},
                                    .layout = MLA_LAYOUT_CONV,
                                    .init = MLA_INIT_NORMAL,
                                    .init_arg = 2};
  CHECK_GOOD(mla_init_states(&toy.loaded, 9, &error), error);
  memcpy(conv, mla_state(&toy.loaded, S_WEIGHT).address, sizeof conv);
  for (int o = 0; o < OUT; o++)
    for (int i = 0; i < IN; i++)
      for (int y = 0; y < KH; y++)
        for (int x = 0; x < KW; x++)
          CHECK(plain[((o * IN + i) * KH + y) * KW + x] == conv[((y * KW + x) * IN + i) * OUT + o]);
  CHECK(plain[0] == 2 * mla_rng_normal(mla_rng_named(9, "w"), 0));
  toy_close(&toy);
}

// What stands on a flattened image: channels of positions in files, positions of channels here.
static void test_flattened(void) {
  enum { POSITIONS = 4, CHANNELS = 3, OUT = 2, N = POSITIONS * CHANNELS * OUT };
  MlaState weight = {
      .rank = 2, .dim = {POSITIONS * CHANNELS, OUT}, .layout = MLA_LAYOUT_LINEAR, .positions = POSITIONS};
  MlaState gamma = {.rank = 1, .dim = {POSITIONS * CHANNELS}, .positions = POSITIONS};
  double here[N], in_file[N], back[N];
  for (int i = 0; i < N; i++) here[i] = i;
  mla_to_file_layout(&weight, sizeof *here, here, in_file);
  mla_from_file_layout(&weight, sizeof *here, in_file, back);
  CHECK(!memcmp(here, back, sizeof here));
  int64_t dim[MLA_MAX_RANK];
  mla_file_dims(&weight, dim);
  CHECK(dim[0] == OUT && dim[1] == POSITIONS * CHANNELS);
  for (int o = 0; o < OUT; o++)
    for (int c = 0; c < CHANNELS; c++)
      for (int p = 0; p < POSITIONS; p++)
        CHECK(in_file[(o * CHANNELS + c) * POSITIONS + p] == here[(p * CHANNELS + c) * OUT + o]);
  mla_to_file_layout(&gamma, sizeof *here, here, in_file);
  for (int c = 0; c < CHANNELS; c++)
    for (int p = 0; p < POSITIONS; p++) CHECK(in_file[c * POSITIONS + p] == here[p * CHANNELS + c]);
}

static void test_initial_states(void) {
  Toy toy, single;
  MlaError error = {0};
  toy_open(&toy, MLA_F64, 1);
  toy_open(&single, MLA_F32, 1);
  toy.states[S_RUNNING].init = single.states[S_RUNNING].init = MLA_INIT_UNIFORM;
  toy.states[S_RUNNING].init_arg = single.states[S_RUNNING].init_arg = 0.25;
  CHECK_GOOD(mla_init_states(&toy.loaded, 5, &error), error);
  CHECK_GOOD(mla_init_states(&single.loaded, 5, &error), error);
  const double *weight = (const double *)mla_state(&toy.loaded, S_WEIGHT).address;
  const double *ema = (const double *)mla_state(&toy.loaded, S_EMA).address;
  const float *rounded = (const float *)mla_state(&single.loaded, S_WEIGHT).address;
  for (int k = 0; k < TOY_IN * TOY_OUT; k++)
    CHECK(weight[k] == ema[k] && rounded[k] == (float)weight[k] && weight[k] != 0);
  CHECK(*(const double *)mla_state(&toy.loaded, S_SCALE).address == 1);
  CHECK(fabs(*(const double *)mla_state(&toy.loaded, S_RUNNING).address) < 0.25);
  const double *constant = (const double *)mla_state(&toy.loaded, S_CONST).address;
  CHECK(constant[0] == 1.5 && constant[1] == 2.5);
  double before = weight[3];
  CHECK_GOOD(mla_init_states(&toy.loaded, 6, &error), error);
  CHECK(weight[3] != before);
  toy.states[S_WEIGHT].init = MLA_INIT_COPY, toy.states[S_WEIGHT].source = S_EMA;
  EXPECT_ERROR("circle of copies", mla_init_states(&toy.loaded, 6, &error), error, "fc.weight");
  toy_close(&toy);
  toy_close(&single);
}

int main(void) {
  test_cosine();
  test_steps();
  test_distributions();
  test_many_normals();
  test_streams();
  test_layouts();
  test_flattened();
  test_initial_states();
  return 0;
}
