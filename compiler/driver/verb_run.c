// mlaanc run: compile, show the memory plan, train.
#include "compiler/driver/interrupt.h"
#include "compiler/driver/options_check.h"
#include "compiler/driver/plan.h"
#include "compiler/driver/profile.h"
#include "compiler/driver/rundir.h"
#include "compiler/driver/session.h"
#include "runtime/program_json.h"
#include "runtime/train/train.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <unistd.h>

enum { STATUS_INTERRUPTED = 130 };

// A run that was stopped has not been tested.
static json_t *of_test(const MlaRunResult *result, double value) {
  return result->was_evaluated ? json_real(value) : json_null();
}

static void print_result(const Options *options, const Session *session, const MlaRunResult *result,
                         const char *dir) {
  if (options->json) {
    json_t *json =
        json_pack("{s:{s:s,s:i,s:I,s:o,s:o,s:f,s:f,s:f,s:I,s:b,s:I}}", "result", "run_dir", dir, "epochs",
                  result->epochs_done, "steps", (json_int_t)result->steps_done, "test_accuracy",
                  of_test(result, result->test_accuracy), "test_loss", of_test(result, result->test_loss),
                  "best_accuracy", result->best_accuracy, "seconds", result->seconds, "images_per_second",
                  result->images_per_second, "allocated_bytes", (json_int_t)session->loaded->n_bytes,
                  "interrupted", result->was_interrupted, "bad_records", (json_int_t)result->n_bad_records);
    if (options->profile)
      profile_add_json(session->compilation.arena, session->loaded, json_object_get(json, "result"));
    json_dumpf(json, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(json);
    return;
  }
  if (result->n_bad_records)
    printf("%" PRId64 " record%s left out because unreadable\n", result->n_bad_records,
           result->n_bad_records == 1 ? "" : "s");
  if (!result->was_evaluated) {
    printf("stopped after %" PRId64 " steps; go on with --resume --run-dir %s\n", result->steps_done, dir);
    return;
  }
  printf("test accuracy %.2f%% (best %.2f%%), %d epoch%s in %.1f s, %.0f images/s; %s\n",
         100 * result->test_accuracy, 100 * result->best_accuracy, result->epochs_done,
         result->epochs_done == 1 ? "" : "s", result->seconds, result->images_per_second, dir);
}

// The plan is kept beside the weights, so that `eval DIR` and `run DIR --resume` need neither the model's
// file nor the compiler. The reference device's program has no text and cannot be kept; a run that is there
// already keeps its own.
static bool save_plan(const Session *session, const Options *options, const char *dir, MlaError *error) {
  const Compilation *c = &session->compilation;
  if (options_are_reference(options) || access(arena_printf(c->arena, "%s/run.json", dir), F_OK) == 0)
    return true;
  return mla_program_save(c->program, arena_printf(c->arena, "%s/plan", dir), error);
}

static int train(Session *session, MlaRunData *data, const Options *options, const char *dir) {
  Compilation *c = &session->compilation;
  MlaError error = {0};
  MlaRunResult result = {0};
  MlaRunOptions run = {
      .run_dir = dir,
      .resume = options->resume,
      .json = options->json,
      .max_steps = options->max_steps > 0 ? options->max_steps : 0,
      .checkpoint_steps = options->checkpoint_every > 0 ? options->checkpoint_every : 0,
      .checkpoint_keep = 2,
      .model_text = rundir_model_text(c, options),
      .interrupted = interrupt_catch(),
  };
  if (!save_plan(session, options, dir, &error)) return report_error(options, &error);
  timing_end_phase(&c->timing, "save plan", "%s", dir);
  if (!mla_train(session->loaded, data, &run, &result, &error)) return report_error(options, &error);
  Timing *timing = &c->timing;
  timing_add(timing, "initial values", result.init_seconds, "%d tensors", c->program->n_states);
  timing_add(timing, "begin run", result.begin_seconds, "run directory, first checkpoint");
  timing_add(timing, "first step", result.first_step_seconds, "batch %" PRId64, c->program->recipe.batch);
  print_result(options, session, &result, dir);
  if (options->profile && !options->json) profile_print(c->arena, session->loaded, stdout);
  if (options->trace && !profile_write_trace(session->loaded, options->trace, &error))
    return report_error(options, &error);
  return result.was_interrupted ? STATUS_INTERRUPTED : STATUS_OK;
}

static int lock_and_train(Session *session, MlaRunData *data, const Options *options) {
  MlaError error = {0};
  int lock;
  const char *dir = rundir_path(session->compilation.arena, options, options->resume);
  if (!mla_run_lock(dir, !options->resume, &lock, &error)) return report_error(options, &error);
  int status = train(session, data, options, dir);
  mla_run_unlock(lock);
  return status;
}

static int load_and_train(Session *session, MlaRunData *data, const Options *options) {
  int status = session_load(session, options);
  if (status != STATUS_OK) return status;
  PlanFacts facts = plan_facts(&session->compilation);
  if (!options->json) {
    plan_print_summary(&facts, stdout);
    fflush(stdout);
    session_print_device(session);
    session_print_kernels(session);
  }
  return lock_and_train(session, data, options);
}

int verb_run(const Options *options) {
  if (options->name && options->run_dir)
    return usage_error("--name and --run-dir both say where the run directory is: give one of them");
  Session session;
  Options compared = *options;
  compared.is_compared = !options->json; // the summary is
  int status = session_compile(&session, &compared);
  const MlaProgram *program = session.compilation.program;
  if (status == STATUS_OK && program) {
    MlaRunData data;
    MlaError error = {0};
    if (mla_run_data_open(&data, &program->data, options->data_root, &error)) {
      timing_end_phase(&session.compilation.timing, "open data", "%" PRId64 " images", data.train.n);
      status = load_and_train(&session, &data, options);
      mla_run_data_close(&data);
    } else {
      status = report_error(options, &error);
    }
  }
  session_end(&session);
  return status;
}
