// mlaanc eval: loss and accuracy of a checkpoint on the test split.
#include "compiler/driver/rundir.h"
#include "compiler/driver/session.h"
#include "runtime/train/train.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void print_result(const Options *options, const char *checkpoint, int64_t n, double loss,
                         double accuracy) {
  if (!options->json) {
    printf("test accuracy %.2f%%, loss %.4f on %" PRId64 " images; %s\n", 100 * accuracy, loss, n,
           checkpoint);
    return;
  }
  json_t *json = json_pack("{s:s,s:I,s:f,s:f}", "checkpoint", checkpoint, "images", (json_int_t)n,
                           "test_accuracy", accuracy, "test_loss", loss);
  json_dumpf(json, stdout, JSON_COMPACT);
  putchar('\n');
  json_decref(json);
}

static bool test(Session *session, const Options *options, const char *checkpoint, MlaError *error) {
  MlaLoaded *loaded = session->loaded;
  MlaProgress progress = {0};
  MlaDataset set = {0};
  MlaEvaluation found;
  if (!mla_init_states(loaded, loaded->program->recipe.seed, error)) return false; // constants, for instance
  if (!mla_checkpoint_load(loaded, checkpoint, true, &progress, error)) return false;
  if (!mla_dataset_open(&set, &loaded->program->data, options->data_root, false, error)) return false;
  bool ok = mla_evaluate(loaded, &set, NULL, &found, error);
  char *notes = mla_dataset_take_notes(&set);
  if (notes) fprintf(stderr, "%s\n", notes);
  free(notes);
  if (ok) print_result(options, checkpoint, set.n - set.n_bad, found.loss, found.accuracy);
  mla_dataset_close(&set);
  return ok;
}

int verb_eval(const Options *options) {
  Session session;
  int status = session_begin(&session, options);
  if (status == STATUS_OK && session.loaded) {
    Arena *arena = session.compilation.arena;
    MlaError error = {0};
    const char *checkpoint = options->checkpoint;
    const char *dir = rundir_path(arena, options, true);
    if (!checkpoint) checkpoint = arena_printf(arena, "%s/latest", dir);
    if (!options->checkpoint && access(checkpoint, F_OK) != 0)
      mla_fail(&error, MLA_ERROR_INPUT,
               "nothing to test: %s holds no `latest` checkpoint; `mlaanc run` makes one, --checkpoint FILE "
               "names one",
               dir);
    if (error.kind || !test(&session, options, checkpoint, &error)) status = report_error(options, &error);
  }
  session_end(&session);
  return status;
}
