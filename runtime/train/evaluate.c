// The backbone over the test split. Logits come back to the host, where loss and accuracy are summed in
// double precision and in the order of the images.
#include "runtime/train/batches.h"
#include "runtime/train/step.h"
#include "runtime/train/train.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

typedef struct Score {
  double loss;
  int64_t n_right, n;
} Score;

static double logit_at(const void *logits, bool is_double, int64_t i) {
  return is_double ? ((const double *)logits)[i] : ((const float *)logits)[i];
}

// Cross entropy of one image: log(sum exp) - logit of the label, shifted by the largest logit. Of equal
// largest logits the first counts as the answer.
static void score_image(Score *score, const void *logits, bool is_double, int64_t first, int classes,
                        int label) {
  int answer = 0;
  for (int c = 1; c < classes; c++)
    if (logit_at(logits, is_double, first + c) > logit_at(logits, is_double, first + answer)) answer = c;
  double largest = logit_at(logits, is_double, first + answer), sum = 0;
  for (int c = 0; c < classes; c++) sum += exp(logit_at(logits, is_double, first + c) - largest);
  score->loss += log(sum) + largest - logit_at(logits, is_double, first + label);
  score->n_right += answer == label;
  score->n++;
}

static bool score_batch(MlaLoaded *loaded, const MlaBatch *batch, void *logits, Score *score,
                        MlaError *error) {
  const MlaProgram *program = loaded->program;
  bool is_double = program->elem == MLA_F64;
  int classes = program->data.classes;
  DevPtr output = mla_buffer(loaded, program->eval.output);
  if (!mla_step_run(loaded, &program->eval, batch, 0, 0, error) ||
      !loaded->device->ops->download(loaded, logits, output, batch->n * classes * (is_double ? 8 : 4), error))
    return false;
  for (int64_t i = 0; i < batch->n; i++)
    score_image(score, logits, is_double, i * classes, classes, batch->labels[i]);
  return true;
}

// Ends early if interrupted.
static bool score_split(MlaLoaded *loaded, MlaDataset *test, void *logits,
                        const volatile sig_atomic_t *interrupted, Score *score, MlaError *error) {
  MlaBatches batches;
  MlaEpoch epoch = {.step = &loaded->program->eval};
  if (!mla_batches_start(&batches, loaded, test, &epoch, error)) return false;
  const MlaBatch *batch;
  bool good = mla_batches_next(&batches, &batch, error);
  while (good && batch && !(interrupted && *interrupted))
    good = (batch->n == 0 || score_batch(loaded, batch, logits, score, error)) &&
           mla_batches_next(&batches, &batch, error);
  mla_batches_stop(&batches);
  return good;
}

bool mla_evaluate(MlaLoaded *loaded, MlaDataset *test, const volatile sig_atomic_t *interrupted,
                  MlaEvaluation *result, MlaError *error) {
  const MlaProgram *program = loaded->program;
  *result = (MlaEvaluation){0};
  if (program->eval.output < 0) return mla_fail(error, MLA_ERROR_INPUT, "the plan has no output to evaluate");
  if (!mla_step_check(program, &program->eval, error)) return false;
  void *logits = malloc((size_t)program->recipe.batch * (size_t)program->data.classes * sizeof(double));
  if (!logits) return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  Score score = {0};
  bool good = score_split(loaded, test, logits, interrupted, &score, error);
  free(logits);
  result->was_interrupted = good && score.n + test->n_bad < test->n;
  if (!good || result->was_interrupted) return good;
  if (score.n == 0)
    return mla_fail(error, MLA_ERROR_INPUT, "none of the %" PRId64 " test images can be read", test->n);
  result->loss = score.loss / (double)score.n;
  result->accuracy = (double)score.n_right / (double)score.n;
  return true;
}
