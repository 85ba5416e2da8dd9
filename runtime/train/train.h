// Training and evaluation of a loaded program: initial values, the step loop, metrics, checkpoints, resuming.
#pragma once
#include "runtime/data/data.h"
#include "runtime/device/device.h"
#include <signal.h>

typedef struct MlaRunOptions {
  const char *run_dir;      // made if missing; NULL: nothing is written
  bool resume;              // continue from run_dir's newest checkpoint
  bool quiet, json;         // no human text; metrics lines on stdout
  int64_t max_steps;        // 0: no limit; stops (with a checkpoint) after this many steps in all
  int64_t checkpoint_steps; // 0: only at the end of epochs
  int checkpoint_keep;      // how many to keep (at least 1)
  const char *model_text;   // the resolved model, written to run_dir/model.mlaan
  const volatile sig_atomic_t *interrupted; // set by Ctrl-C: write a checkpoint and stop
} MlaRunOptions;

typedef struct MlaRunResult {
  int epochs_done;
  int64_t steps_done;
  bool was_evaluated; // test_accuracy and test_loss are set: always, when the last epoch is done
  double test_accuracy, test_loss, best_accuracy; // in [0, 1]
  // Until the first step was done: initial values; run directory and first checkpoint; the first batch and its step.
  double init_seconds, begin_seconds, first_step_seconds;
  double seconds, images_per_second; // of the whole call; while training (evaluations left out)
  bool was_interrupted;
  int64_t n_bad_records; // left out because they cannot be read
} MlaRunResult;

// Both splits of a run. Opened before anything is compiled or written, so that what is wrong with them is said first.
typedef struct MlaRunData {
  MlaDataset train, test;
} MlaRunData;
// `root` NULL: the model's.
bool mla_run_data_open(MlaRunData *data, const MlaData *what, const char *root, MlaError *error);
void mla_run_data_close(MlaRunData *data);

// Sets every state to its initial value. Each tensor's numbers depend on (seed, its name) alone. Values that the
// program spells out (MLA_INIT_VALUES) are in the program's layout.
bool mla_init_states(MlaLoaded *loaded, uint64_t seed, MlaError *error);
// The learning rate of step `number`, from 0, and Adam's bias corrections; nothing where the step takes none.
bool mla_upload_rates(MlaLoaded *loaded, const MlaStep *step, double learning_rate, int64_t number,
                      MlaError *error);
// Fills the keys of step `number`, from 0, where the step takes any: random words of the recipe's seed and the number.
bool mla_upload_keys(MlaLoaded *loaded, const MlaStep *step, int64_t number, MlaError *error);
// Makes the directory, if it is to be `made`, and keeps other processes out of it until mla_run_unlock: two runs in one
// directory would lose each other's data. Take it before anything is written there. *lock is -1 where the file system has no locks.
bool mla_run_lock(const char *run_dir, bool is_made, int *lock, MlaError *error);
void mla_run_unlock(int lock);
// Initialises (or resumes) and trains to the recipe's last epoch. A loss that is not finite stops the run with the
// module's name; the last good checkpoint stays and the message names it.
bool mla_train(MlaLoaded *loaded, MlaRunData *data, const MlaRunOptions *options, MlaRunResult *result,
               MlaError *error);
// Loss (mean cross entropy) and accuracy of the backbone on the test split, without the records left out (`on_bad skip`).
typedef struct MlaEvaluation {
  double loss, accuracy;
  bool was_interrupted; // and so has no result
} MlaEvaluation;
// `interrupted` as in MlaRunOptions; may be NULL.
bool mla_evaluate(MlaLoaded *loaded, MlaDataset *test, const volatile sig_atomic_t *interrupted,
                  MlaEvaluation *result, MlaError *error);

// lr of an epoch counted from 1 (methods.md 2.4).
double mla_learning_rate(const MlaRecipe *recipe, int epoch);

// Checkpoints: safetensors with PyTorch's names and layouts, written to a temporary file, synced and renamed.
typedef struct MlaProgress {
  int epoch;     // being trained, from 1
  int64_t batch; // batches of it already done
  int64_t step;  // steps done in all
  uint64_t seed;
  double best_accuracy;
} MlaProgress;
bool mla_checkpoint_save(MlaLoaded *loaded, const char *path, const MlaProgress *progress, MlaError *error);
// Every tensor of the program must be there with its shape and type; unknown ones are an error too. Constants that the
// program gives itself are in no file: call mla_init_states before. A failing load may have changed nothing or, if the
// device failed, some states.
// weights_only (for eval): the backbone's parameters and running statistics are enough, the rest of the file is not
// looked at, F32 and F64 are converted, and `progress` is zeros. `progress` may be NULL.
bool mla_checkpoint_load(MlaLoaded *loaded, const char *path, bool weights_only, MlaProgress *progress,
                         MlaError *error);
