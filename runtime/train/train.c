// The step loop. A run is a place (epoch, batch, step) that moves on; everything random is a function of the
// seed and the place, so that a run continued from a checkpoint computes what the unbroken one would have.
#include "runtime/train/train.h"
#include "runtime/train/batches.h"
#include "runtime/train/losses.h"
#include "runtime/train/metrics.h"
#include "runtime/train/progress.h"
#include "runtime/train/run_dir.h"
#include "runtime/train/step.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// A loss that is not finite is noticed this long after its step at the latest, or after as many steps as the log holds.
static const double most_unseen_seconds = 1;

typedef struct Run {
  MlaLoaded *loaded;
  const MlaProgram *program;
  const MlaRunOptions *options;
  MlaRunResult *result;
  MlaRunData *data;
  int64_t n_batches; // of an epoch
  MlaProgress progress;
  MlaMetrics metrics;
  MlaDisplay display;
  MlaLosses losses;
  double waiting_since;   // when the wait for the batch of the first step began whose losses are not read yet
  double *terms, *values; // [n_losses] of one step
  double *modules;        // [n_modules] weighted sums of one step
  char *last_checkpoint;  // path of the newest good one, NULL: none yet
  double epoch_seconds;   // in steps of this epoch, by this process
  int64_t epoch_images;
  double all_seconds; // the same, of all its epochs
  int64_t all_images;
} Run;

static bool is_interrupted(const Run *run) {
  return run->options->interrupted && *run->options->interrupted;
}

static bool should_stop(const Run *run) {
  return is_interrupted(run) ||
         (run->options->max_steps > 0 && run->progress.step >= run->options->max_steps);
}

static bool fail_memory(MlaError *error) {
  return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
}

// The metrics are synced first: a checkpoint never stands behind them.
static bool save(Run *run, MlaError *error) {
  const char *dir = run->options->run_dir;
  if (!dir) return true;
  if (!mla_metrics_sync(&run->metrics, error)) return false;
  if (!mla_run_dir_save(dir, run->loaded, &run->progress, run->options->checkpoint_keep, error)) return false;
  free(run->last_checkpoint);
  run->last_checkpoint = mla_run_dir_checkpoint(dir, &run->progress);
  return true;
}

// A loss names its module; the arithmetic of the step is done, but nothing of it is kept.
static bool check_finite(const Run *run, const MlaProgress *at, MlaError *error) {
  for (int i = 0; i < run->program->n_losses; i++) {
    double bad = isfinite(run->terms[i]) ? run->values[i] : run->terms[i];
    if (isfinite(bad)) continue;
    const MlaLoss *loss = &run->program->losses[i];
    return mla_fail(error, MLA_ERROR_INPUT,
                    "epoch %d, batch %" PRId64 " (step %" PRId64
                    "): loss %s of %s is %s; training stopped (a smaller train.lr, or a warm-up, may help)",
                    at->epoch, at->batch, at->step, loss->name, run->program->modules[loss->module].name,
                    isnan(bad) ? "not a number" : "infinite");
  }
  return true;
}

// ---- steps done ----

static bool is_checkpoint_due(const Run *run) {
  int64_t every = run->options->checkpoint_steps;
  // At the end of an epoch the one after the evaluation serves.
  return every > 0 && run->progress.step % every == 0 && run->progress.batch < run->n_batches;
}

static void get_losses(Run *run, int waiting) {
  mla_losses_get(&run->losses, waiting, run->terms, run->values);
  memset(run->modules, 0, (size_t)run->program->n_modules * sizeof *run->modules);
  for (int i = 0; i < run->program->n_losses; i++)
    run->modules[run->program->losses[i].module] += run->values[i];
}

static bool report_step(Run *run, int waiting, double lr, double seconds, MlaError *error) {
  const MlaStepDone *done = &run->losses.waiting[waiting];
  get_losses(run, waiting);
  if (!check_finite(run, &done->progress, error)) {
    run->progress = done->progress;
    return false;
  }
  run->epoch_seconds += seconds;
  run->epoch_images += done->n_images;
  run->all_seconds += seconds;
  run->all_images += done->n_images;
  MlaStepRecord record = {.progress = done->progress,
                          .lr = lr,
                          .n_images = done->n_images,
                          .n_bytes = run->loaded->n_bytes,
                          .terms = run->terms,
                          .modules = run->modules,
                          .seconds = seconds};
  mla_display_step(&run->display, &record);
  return mla_metrics_step(&run->metrics, &record, error);
}

// Reads the losses of all steps that wait, and says what is said of a step. Steps read together share their time.
static bool report_steps(Run *run, double lr, MlaError *error) {
  int n = run->losses.n_waiting;
  if (n == 0) return true;
  if (!mla_losses_read(&run->losses, error)) return false;
  double seconds = (mla_seconds() - run->waiting_since) / n;
  bool good = true;
  for (int i = 0; i < n && good; i++) good = report_step(run, i, lr, seconds, error);
  run->losses.n_waiting = 0;
  return good;
}

// A log that is full must be read; otherwise somebody wants to know, or a bad loss would stay unseen for too long.
static bool is_report_due(const Run *run) {
  return run->losses.n_waiting == run->losses.n_most || is_checkpoint_due(run) ||
         mla_display_is_due(&run->display) || mla_seconds() - run->waiting_since >= most_unseen_seconds;
}

// `seconds` of a step begin where the wait for its batch did: a loader that is too slow shows in the speed.
static bool train_step(Run *run, const MlaBatch *batch, double lr, MlaError *error) {
  if (!mla_step_run(run->loaded, &run->program->train, batch, lr, run->progress.step, error)) return false;
  if (run->result->first_step_seconds == 0)
    run->result->first_step_seconds = mla_seconds() - run->waiting_since;
  run->progress.batch++;
  run->progress.step++;
  mla_losses_wait(&run->losses, &run->progress, batch->n);
  return !is_report_due(run) || report_steps(run, lr, error);
}

static void note_bad_records(Run *run, MlaDataset *set) {
  char *notes = mla_dataset_take_notes(set);
  if (notes) mla_display_note(&run->display, notes);
  free(notes);
}

static bool train_batches(Run *run, MlaBatches *batches, double lr, MlaError *error) {
  while (!should_stop(run)) {
    if (run->losses.n_waiting == 0) run->waiting_since = mla_seconds();
    const MlaBatch *batch;
    if (!mla_batches_next(batches, &batch, error)) {
      MlaError other;
      report_steps(run, lr, &other); // they were good
      return false;
    }
    note_bad_records(run, &run->data->train);
    if (!batch) break;
    if (batch->n == 0) { // nothing of it can be read
      run->progress.batch++;
      continue;
    }
    if (!train_step(run, batch, lr, error)) return false;
    if (is_checkpoint_due(run) && !save(run, error)) return false;
  }
  return report_steps(run, lr, error);
}

static bool evaluate(Run *run, MlaError *error) {
  MlaRunResult *result = run->result;
  MlaEvaluation found;
  if (!mla_evaluate(run->loaded, &run->data->test, run->options->interrupted, &found, error)) return false;
  note_bad_records(run, &run->data->test);
  if (found.was_interrupted) return true;
  result->test_loss = found.loss;
  result->test_accuracy = found.accuracy;
  if (!isfinite(result->test_loss))
    return mla_fail(
        error, MLA_ERROR_INPUT,
        "epoch %d: the test loss is %s; training stopped (a smaller train.lr, or a warm-up, may help)",
        run->progress.epoch, isnan(result->test_loss) ? "not a number" : "infinite");
  result->was_evaluated = true;
  return true;
}

// Interrupted while it evaluates, the epoch ends when the run goes on: all its batches are done.
static bool end_epoch(Run *run, double lr, MlaError *error) {
  const MlaRunResult *result = run->result;
  run->result->was_evaluated = false;
  if (!evaluate(run, error)) return false;
  if (!result->was_evaluated) return save(run, error);
  if (result->test_accuracy > run->progress.best_accuracy)
    run->progress.best_accuracy = result->test_accuracy;
  MlaEpochRecord record = {.epoch = run->progress.epoch,
                           .step = run->progress.step,
                           .n_bytes = run->loaded->n_bytes,
                           .lr = lr,
                           .test_loss = result->test_loss,
                           .test_accuracy = result->test_accuracy,
                           .best_accuracy = run->progress.best_accuracy,
                           .seconds = run->epoch_seconds,
                           .n_timed_images = run->epoch_images};
  for (int i = 0; i < run->program->n_modules; i++)
    run->modules[i] =
        run->metrics.module_sums[i] / (double)(run->metrics.n_images > 0 ? run->metrics.n_images : 1);
  mla_display_epoch(&run->display, &record, run->modules);
  if (!mla_metrics_epoch(&run->metrics, &record, error)) return false;
  run->progress.epoch++;
  run->progress.batch = 0;
  run->epoch_seconds = 0;
  run->epoch_images = 0;
  return save(run, error);
}

static bool train_epoch(Run *run, MlaError *error) {
  const MlaRecipe *recipe = &run->program->recipe;
  double lr = mla_learning_rate(recipe, run->progress.epoch);
  MlaEpoch epoch = {.step = &run->program->train,
                    .is_train = true,
                    .number = run->progress.epoch,
                    .first_batch = run->progress.batch};
  MlaBatches batches;
  if (!mla_batches_start(&batches, run->loaded, &run->data->train, &epoch, error)) return false;
  bool good = train_batches(run, &batches, lr, error);
  mla_batches_stop(&batches);
  if (!good) return false;
  return run->progress.batch < run->n_batches ? save(run, error) : end_epoch(run, lr, error);
}

static bool resume(Run *run, MlaError *error) {
  char *path = mla_run_dir_latest(run->options->run_dir, error);
  if (!path || !mla_checkpoint_load(run->loaded, path, false, &run->progress, error)) {
    free(path);
    return false;
  }
  run->last_checkpoint = path;
  if (run->progress.seed != run->program->recipe.seed)
    return mla_fail(error, MLA_ERROR_INPUT,
                    "%s was trained with seed %" PRIu64 ", this run asks for seed %" PRIu64, path,
                    run->progress.seed, run->program->recipe.seed);
  if (run->progress.batch > run->n_batches)
    return mla_fail(error, MLA_ERROR_INPUT,
                    "%s has done %" PRId64 " batches of an epoch, the data make %" PRId64, path,
                    run->progress.batch, run->n_batches);
  char note[256];
  snprintf(note, sizeof note, "resumed at epoch %d, batch %" PRId64 " (step %" PRId64 ")",
           run->progress.epoch, run->progress.batch, run->progress.step);
  mla_display_note(&run->display, note);
  return true;
}

// The first checkpoint of a new run is its start, so that there always is one to go back to.
static bool begin(Run *run, MlaError *error) {
  const MlaRunOptions *options = run->options;
  bool resuming = options->resume && options->run_dir;
  run->progress = (MlaProgress){.epoch = 1, .seed = run->program->recipe.seed};
  if (options->run_dir && !resuming && !mla_run_dir_create(options->run_dir, error)) return false;
  mla_display_open(&run->display, run->program, options, &run->progress, run->n_batches);
  double started = mla_seconds();
  if (!mla_init_states(run->loaded, run->program->recipe.seed, error)) return false;
  run->result->init_seconds = mla_seconds() - started;
  if ((resuming && !resume(run, error)) || !mla_losses_begin(&run->losses, error)) return false;
  if (options->run_dir && !mla_run_dir_describe(options->run_dir, run->program, options->model_text, error))
    return false;
  run->display.first_step = run->progress.step;
  if (!mla_metrics_open(&run->metrics, run->program, options->run_dir, options->json,
                        resuming ? &run->progress : NULL, error))
    return false;
  return resuming || save(run, error);
}

static bool open_run(Run *run, MlaError *error) {
  const MlaProgram *program = run->program;
  if (!mla_step_check(program, &program->train, error)) return false;
  run->n_batches = mla_n_batches(run->data->train.n, program->recipe.batch);
  run->terms = calloc((size_t)program->n_losses + 1, sizeof *run->terms);
  run->values = calloc((size_t)program->n_losses + 1, sizeof *run->values);
  run->modules = calloc((size_t)program->n_modules + 1, sizeof *run->modules);
  return (run->terms && run->values && run->modules && mla_losses_open(&run->losses, run->loaded)) ||
         fail_memory(error);
}

static void close_run(Run *run) {
  mla_display_close(&run->display);
  mla_metrics_close(&run->metrics);
  mla_losses_close(&run->losses);
  free(run->terms);
  free(run->values);
  free(run->modules);
  free(run->last_checkpoint);
}

static bool train_epochs(Run *run, MlaError *error) {
  while (run->progress.epoch <= run->program->recipe.epochs && !should_stop(run))
    if (!train_epoch(run, error)) return false;
  bool is_done = run->progress.epoch > run->program->recipe.epochs;
  if (is_done && !run->result->was_evaluated && !evaluate(run, error)) return false;
  run->result->was_interrupted = is_interrupted(run) && !(is_done && run->result->was_evaluated);
  return true;
}

static void name_checkpoint(const Run *run, MlaError *error) {
  if (run->last_checkpoint) mla_explain(error, "the last good checkpoint is %s", run->last_checkpoint);
}

bool mla_run_data_open(MlaRunData *data, const MlaData *what, const char *root, MlaError *error) {
  *data = (MlaRunData){0};
  if (mla_dataset_open(&data->train, what, root, true, error) &&
      mla_dataset_open(&data->test, what, root, false, error) &&
      mla_dataset_agree(&data->train, &data->test, error))
    return true;
  mla_run_data_close(data);
  return false;
}

void mla_run_data_close(MlaRunData *data) {
  mla_dataset_close(&data->train);
  mla_dataset_close(&data->test);
}

bool mla_train(MlaLoaded *loaded, MlaRunData *data, const MlaRunOptions *options, MlaRunResult *result,
               MlaError *error) {
  Run run = {
      .loaded = loaded, .program = loaded->program, .options = options, .result = result, .data = data};
  *result = (MlaRunResult){0};
  double called = mla_seconds();
  bool good = open_run(&run, error) && begin(&run, error);
  result->begin_seconds = mla_seconds() - called - result->init_seconds;
  if (good) {
    double started = mla_seconds();
    good = train_epochs(&run, error);
    result->seconds = mla_seconds() - started;
    if (!good) name_checkpoint(&run, error);
  }
  result->images_per_second = run.all_seconds > 0 ? (double)run.all_images / run.all_seconds : 0;
  result->epochs_done = run.progress.epoch - 1;
  result->steps_done = run.progress.step;
  result->best_accuracy = run.progress.best_accuracy;
  result->n_bad_records = run.data->train.n_bad + run.data->test.n_bad;
  close_run(&run);
  return good;
}
