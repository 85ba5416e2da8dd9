// Whole runs of a small program: however a run is broken off, the continued one ends with the unbroken run's
// weights, metrics and checkpoint, bit for bit.
#include "runtime/train/progress.h"
#include "tests/runtime/train_toy.h"

#include <dirent.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EPOCHS = 3, N_BATCHES = 6, N_STEPS = EPOCHS * N_BATCHES };

static const char *data_root;

static bool train_on_files(MlaLoaded *loaded, const MlaRunOptions *options, MlaRunResult *result,
                           MlaError *error) {
  MlaRunData data;
  if (!mla_run_data_open(&data, &loaded->program->data, data_root, error)) return false;
  bool good = mla_train(loaded, &data, options, result, error);
  mla_run_data_close(&data);
  return good;
}

static MlaRunOptions options_for(const char *run_dir) {
  return (MlaRunOptions){
      .run_dir = run_dir, .quiet = true, .checkpoint_keep = 2, .model_text = "model toy\n"};
}

static const char *run_path(const char *name) {
  static char paths[8][1024];
  static int next;
  char *path = paths[next++ % 8];
  snprintf(path, sizeof paths[0], "%s/runs/%s", test_folder(), name);
  return path;
}

static size_t read_all(const char *folder, const char *name, char *bytes, size_t size) {
  char path[1536];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = fopen(path, "rb");
  CHECK(file);
  size_t n = fread(bytes, 1, size - 1, file);
  bytes[n] = 0;
  fclose(file);
  return n;
}

// The metrics without their timing, which ends every line.
static size_t read_metrics(const char *folder, char *text, size_t size) {
  size_t n = read_all(folder, "metrics.jsonl", text, size), kept = 0;
  bool skipping = false;
  for (size_t i = 0; i < n; i++) {
    if (strncmp(text + i, ",\"seconds\"", 10) == 0) skipping = true;
    if (text[i] == '\n') skipping = false;
    if (!skipping) text[kept++] = text[i];
  }
  text[kept] = 0;
  return kept;
}

static char first_text[1 << 16], second_text[1 << 16];

static void expect_same_run(const char *a, const char *b, const Toy *toy_a, const Toy *toy_b) {
  CHECK(toy_same_states(toy_a, toy_b));
  read_metrics(a, first_text, sizeof first_text);
  read_metrics(b, second_text, sizeof second_text);
  if (strcmp(first_text, second_text) != 0) printf("---\n%s---\n%s", first_text, second_text);
  CHECK(strcmp(first_text, second_text) == 0);
  size_t n = read_all(a, "latest", first_text, sizeof first_text);
  CHECK(n > 0 && n == read_all(b, "latest", second_text, sizeof second_text));
  CHECK(memcmp(first_text, second_text, n) == 0);
}

static int count_files(const char *folder, const char *prefix) {
  DIR *stream = opendir(folder);
  CHECK(stream);
  int n = 0;
  for (struct dirent *entry; (entry = readdir(stream));)
    n += strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
  closedir(stream);
  return n;
}

static MlaRunResult train(Toy *toy, MlaElem elem, const MlaRunOptions *options) {
  MlaError error = {0};
  MlaRunResult result;
  toy_open(toy, elem, EPOCHS);
  CHECK_GOOD(train_on_files(&toy->loaded, options, &result, &error), error);
  return result;
}

static Toy whole; // the unbroken run of float32, in runs/whole

static void test_whole(void) {
  MlaRunOptions options = options_for(run_path("whole"));
  MlaRunResult result = train(&whole, MLA_F32, &options);
  CHECK(result.epochs_done == EPOCHS && result.steps_done == N_STEPS && !result.was_interrupted &&
        result.was_evaluated);
  CHECK(whole.plan.n_steps == N_STEPS && result.best_accuracy >= result.test_accuracy &&
        result.images_per_second > 0);
  CHECK(count_files(options.run_dir, "ckpt-") == 2 &&
        count_files(options.run_dir, "ckpt-0004-000000.safetensors") == 1);
  CHECK(count_files(options.run_dir, "") == 2 + 2 + 2 + 1 + 1); // . .. checkpoints model run metrics latest
  read_all(options.run_dir, "model.mlaan", first_text, sizeof first_text);
  CHECK(strcmp(first_text, "model toy\n") == 0);
  read_all(options.run_dir, "run.json", first_text, sizeof first_text);
  CHECK(strstr(first_text, "\"seed\": \"42\""));
  read_all(options.run_dir, "metrics.jsonl", first_text, sizeof first_text);
  int n_lines = 0;
  for (const char *p = first_text; *p; p++) n_lines += *p == '\n';
  CHECK(n_lines == N_STEPS + EPOCHS);
  CHECK(strstr(first_text, "\"losses\":{\"0.square\":") && strstr(first_text, ",\"1.cross_entropy\":"));
  printf("%.*s\n", (int)strcspn(first_text, "\n"), first_text);
  char *epoch_line = strstr(first_text, "{\"type\":\"epoch\"");
  printf("%.*s\n", (int)strcspn(epoch_line, "\n"), epoch_line);
}

// Ctrl-C at every step in turn; then resumed.
static void test_interruptions(MlaElem elem) {
  Toy unbroken, broken, resumed;
  char name[32];
  snprintf(name, sizeof name, "unbroken-%d", (int)elem);
  const char *reference = run_path(name);
  MlaRunOptions options = options_for(reference);
  train(&unbroken, elem, &options);
  for (int step = 1; step <= N_STEPS; step++) {
    snprintf(name, sizeof name, "interrupted-%d-%d", (int)elem, step);
    options = options_for(run_path(name));
    toy_open(&broken, elem, EPOCHS);
    broken.plan.interrupt_at = step;
    options.interrupted = &broken.plan.interrupted;
    MlaError error = {0};
    MlaRunResult result;
    CHECK_GOOD(train_on_files(&broken.loaded, &options, &result, &error), error);
    CHECK(result.was_interrupted && result.steps_done == step && broken.plan.n_steps == step);
    toy_close(&broken);
    options.interrupted = NULL, options.resume = true;
    result = train(&resumed, elem, &options);
    CHECK(result.steps_done == N_STEPS && resumed.plan.n_steps == N_STEPS - step && result.was_evaluated);
    expect_same_run(reference, options.run_dir, &unbroken, &resumed);
    toy_close(&resumed);
  }
  toy_close(&unbroken);
}

static int64_t kill_at;
static void killing_train(const void *call, void *const *buf, int64_t batch) {
  toy_train(call, buf, batch);
  if (((const ToyPlan *)call)->n_steps == kill_at) raise(SIGKILL);
}

// kill -9 at every step, with checkpoints every 4 steps; the lines behind the checkpoint are written again.
static void test_kills(void) {
  for (kill_at = 1; kill_at <= N_STEPS; kill_at++) {
    char name[32];
    snprintf(name, sizeof name, "killed-%d", (int)kill_at);
    MlaRunOptions options = options_for(run_path(name));
    options.checkpoint_steps = 4;
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
      Toy toy;
      toy_open(&toy, MLA_F32, EPOCHS);
      toy.train.host = killing_train;
      train_on_files(&toy.loaded, &options, &(MlaRunResult){0}, &(MlaError){0});
      _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    // A line cut in the middle, as a crash may leave it.
    char path[1200];
    snprintf(path, sizeof path, "%s/metrics.jsonl", options.run_dir);
    FILE *file = fopen(path, "a");
    CHECK(file && fputs("{\"type\":\"step\",\"epo", file) >= 0 && fclose(file) == 0);
    options.resume = true;
    Toy resumed;
    train(&resumed, MLA_F32, &options);
    CHECK(resumed.plan.n_steps <= N_STEPS - kill_at + 4 && resumed.plan.n_steps > N_STEPS - kill_at);
    expect_same_run(run_path("whole"), options.run_dir, &whole, &resumed);
    toy_close(&resumed);
  }
}

static void test_max_steps(void) {
  Toy toy;
  MlaRunOptions options = options_for(run_path("limited"));
  options.max_steps = 8;
  MlaRunResult result = train(&toy, MLA_F32, &options);
  CHECK(result.steps_done == 8 && result.epochs_done == 1 && result.was_evaluated && !result.was_interrupted);
  CHECK(count_files(options.run_dir, "ckpt-0002-000002.safetensors") == 1);
  toy_close(&toy);
  options.resume = true;
  result = train(&toy, MLA_F32, &options);
  CHECK(result.steps_done == 8 && toy.plan.n_steps == 0);
  toy_close(&toy);
  options.max_steps = 0;
  train(&toy, MLA_F32, &options);
  expect_same_run(run_path("whole"), options.run_dir, &whole, &toy);
  toy_close(&toy);
  // A finished run that is resumed is evaluated, and changes nothing.
  result = train(&toy, MLA_F32, &options);
  CHECK(toy.plan.n_steps == 0 && result.was_evaluated && result.epochs_done == EPOCHS);
  expect_same_run(run_path("whole"), options.run_dir, &whole, &toy);
  toy_close(&toy);
}

static void test_without_directory(void) {
  Toy toy;
  MlaRunOptions options = options_for(NULL);
  MlaRunResult result = train(&toy, MLA_F32, &options);
  CHECK(result.steps_done == N_STEPS && toy_same_states(&whole, &toy));
  toy_close(&toy);
}

static void test_nan(void) {
  Toy toy;
  MlaError error = {0};
  MlaRunResult result;
  MlaRunOptions options = options_for(run_path("nan"));
  options.checkpoint_steps = 2;
  toy_open(&toy, MLA_F32, EPOCHS);
  toy.plan.nan_at = 11;
  EXPECT_ERROR("nan", train_on_files(&toy.loaded, &options, &result, &error), error,
               "epoch 2, batch 5 (step 11)", "loss cross_entropy of module 1 (fc) is not a number",
               "last good checkpoint is", "runs/nan/ckpt-0002-000004.safetensors");
  CHECK(error.kind == MLA_ERROR_INPUT && count_files(options.run_dir, "ckpt-0002-000005") == 0);
  toy_close(&toy);
  options.resume = true;
  train(&toy, MLA_F32, &options); // this time without the accident
  expect_same_run(run_path("whole"), options.run_dir, &whole, &toy);
  toy_close(&toy);
  // A weight that overflows in the very step before a checkpoint is not saved.
  options = options_for(run_path("overflow"));
  options.checkpoint_steps = 2, error = (MlaError){0};
  toy_open(&toy, MLA_F32, EPOCHS);
  toy.plan.huge_at = 2;
  EXPECT_ERROR("overflow", train_on_files(&toy.loaded, &options, &result, &error), error,
               "fc.weight holds numbers that are not finite", "last good checkpoint is", "ckpt-0001-000000");
  toy_close(&toy);
}

static void test_refusals(void) {
  Toy toy;
  MlaError error = {0};
  MlaRunResult result;
  MlaRunOptions options = options_for(run_path("whole"));
  toy_open(&toy, MLA_F32, EPOCHS);
  EXPECT_ERROR("existing run", train_on_files(&toy.loaded, &options, &result, &error), error,
               "already holds a run", "--resume");
  error = (MlaError){0}, options.resume = true, toy.program.recipe.seed = 43;
  EXPECT_ERROR("other seed", train_on_files(&toy.loaded, &options, &result, &error), error, "seed 42",
               "seed 43");
  toy.program.recipe.seed = 42;
  error = (MlaError){0}, options.run_dir = run_path("nothing");
  EXPECT_ERROR("nothing to resume", train_on_files(&toy.loaded, &options, &result, &error), error,
               "nothing to resume");
  error = (MlaError){0}, options = options_for("/dev/null/no");
  EXPECT_ERROR("no folder", train_on_files(&toy.loaded, &options, &result, &error), error,
               "cannot make the run directory /dev/null/no");
  error = (MlaError){0}, options = options_for(run_path("whole/model.mlaan"));
  EXPECT_ERROR("a file", train_on_files(&toy.loaded, &options, &result, &error), error, "Not a directory");
  error = (MlaError){0}, options = options_for(NULL), toy.program.data.classes = 2;
  EXPECT_ERROR("classes", train_on_files(&toy.loaded, &options, &result, &error), error, "has label 2");
  toy.program.data.classes = TOY_OUT;
  error = (MlaError){0}, toy.buffers[B_IMAGE].n_bytes -= 4;
  EXPECT_ERROR("plan", train_on_files(&toy.loaded, &options, &result, &error), error, "image buffer");
  toy_close(&toy);
}

// The disk fills in the middle of a run: an error with the last checkpoint's name; room again, and it goes
// on.
static void test_full_disk(void) {
  struct rlimit old;
  getrlimit(RLIMIT_FSIZE, &old);
  signal(SIGXFSZ, SIG_IGN);
  for (int k = 0; k < 8; k++) {
    char name[32];
    snprintf(name, sizeof name, "full-%d", k);
    MlaRunOptions options = options_for(run_path(name));
    Toy toy;
    MlaError error = {0};
    toy_open(&toy, MLA_F32, EPOCHS);
    struct rlimit limit = {(rlim_t)(2200 + 131 * k), old.rlim_max}; // a checkpoint fits, the metrics do not
    setrlimit(RLIMIT_FSIZE, &limit);
    bool good = train_on_files(&toy.loaded, &options, &(MlaRunResult){0}, &error);
    setrlimit(RLIMIT_FSIZE, &old);
    CHECK(!good && error.kind == MLA_ERROR_SYSTEM && strstr(error.text, "cannot write") &&
          strstr(error.text, "last good checkpoint is"));
    if (k == 0) printf("ok full disk: %s\n", error.text);
    toy_close(&toy);
    options.resume = true;
    train(&toy, MLA_F32, &options);
    expect_same_run(run_path("whole"), options.run_dir, &whole, &toy);
    toy_close(&toy);
  }
}

// Loss and accuracy of the test split against a plain loop.
static void test_evaluate(void) {
  MlaDataset test;
  MlaError error = {0};
  MlaEvaluation found;
  double expected = 0;
  int n_right = 0;
  CHECK_GOOD(mla_dataset_open(&test, &whole.program.data, data_root, false, &error), error);
  const volatile sig_atomic_t interrupted = 1;
  CHECK_GOOD(mla_evaluate(&whole.loaded, &test, &interrupted, &found, &error), error);
  CHECK(found.was_interrupted);
  CHECK_GOOD(mla_evaluate(&whole.loaded, &test, NULL, &found, &error), error);
  const float *weight = (const float *)mla_state(&whole.loaded, S_WEIGHT).address;
  for (int n = 0; n < TOY_N_TEST; n++) {
    double logit[TOY_OUT] = {0}, sum = 0;
    for (int k = 0; k < TOY_IN * TOY_OUT; k++)
      logit[k % TOY_OUT] += (float)(test.images[n * TOY_IN + k / TOY_OUT] / 255.0) * (double)weight[k];
    for (int o = 0; o < TOY_OUT; o++) sum += exp(logit[o]);
    expected -= log(exp(logit[test.labels[n]]) / sum) / TOY_N_TEST;
    int best = logit[1] > logit[0] ? 1 : 0;
    n_right += (logit[2] > logit[best] ? 2 : best) == test.labels[n];
  }
  CHECK(fabs(found.loss - expected) < 1e-5 && found.accuracy == (double)n_right / TOY_N_TEST);
  printf("ok evaluation: loss %.4f, accuracy %.2f\n", found.loss, found.accuracy);
  mla_dataset_close(&test);
}

static void test_losses_text(void) {
  char text[128];
  const double losses[] = {2.3026, 1.5, 0.25, 10.125};
  mla_losses_text(text, sizeof text, losses, 4, 100);
  CHECK(strcmp(text, "2.303 1.500 0.250 10.125") == 0);
  mla_losses_text(text, sizeof text, losses, 4, 20);
  CHECK(strcmp(text, "2.30 1.50 0.25 10.12") == 0);
  for (int width = 0; width < 40; width++) {
    mla_losses_text(text, sizeof text, losses, 4, width);
    CHECK((int)strlen(text) <= width);
  }
  mla_losses_text(text, sizeof text, losses, 0, 10);
  CHECK(text[0] == 0);
}

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  data_root = make_folder("data");
  write_idx_set(data_root, TOY_N, TOY_N_TEST, TOY_SIDE, TOY_OUT);
  test_whole();
  test_interruptions(MLA_F32);
  test_interruptions(MLA_F64);
  test_kills();
  test_max_steps();
  test_without_directory();
  test_nan();
  test_full_disk();
  test_refusals();
  test_evaluate();
  test_losses_text();
  toy_close(&whole);
  printf("ok runs\n");
  return 0;
}
