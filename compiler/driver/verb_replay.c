// mlaanc replay: trains the steps that another program recorded and compares everything it recorded. A fixture is
// found its map, the map names the page and says what its settings are; each precision is compiled once and runs both
// trajectories, the recorded learning rate and the calm one.
#include "compiler/driver/locate.h"
#include "compiler/driver/options_check.h"
#include "compiler/driver/replay_print.h"
#include "compiler/driver/session.h"

#include <stdio.h>
#include <string.h>

typedef struct Replaying {
  const Options *options;
  Arena *arena;
  MlaFixture fixture;
  ReplayMap map;
  const char *page;
  bool all_passed;
} Replaying;

// ---- which trajectories ----

static bool wants(const char *chosen, const char *name) {
  return !chosen || strcmp(chosen, name) == 0;
}

// 0: the fixture has no such trajectory.
static double learning_rate_of(const MlaFixture *fixture, bool is_calm) {
  const json_t *part = json_object_get(fixture->sidecar, is_calm ? "calm" : "optimizer");
  return json_number_value(json_object_get(part, "lr"));
}

static MlaTrajectory trajectory_of(const Replaying *r, const char *precision, bool is_calm) {
  const json_t *calm = json_object_get(r->fixture.sidecar, "calm");
  return (MlaTrajectory){.group = arena_printf(r->arena, "%s%s", is_calm ? "calm_" : "", precision),
                         .learning_rate = learning_rate_of(&r->fixture, is_calm),
                         .has_gradients = !is_calm,
                         .has_final = !is_calm || json_is_true(json_object_get(calm, "final_tensors"))};
}

// ---- one fixture ----

static ReplayText text_of(const Replaying *r) {
  return (ReplayText){r->arena, r->fixture.sidecar, r->fixture.sidecar_path,
                      replay_map_section(&r->map, "blocks")};
}

static bool run_trajectory(Replaying *r, const ReplayInput *input, MlaLoaded *loaded, MlaReplayPlan *plan,
                           MlaTrajectory *trajectory, MlaError *error) {
  MlaReplayRow rows[MLA_N_CHECKS];
  double noise;
  if (!replay_map_limits(&r->map, trajectory, &noise, error)) return false;
  replay_plan_noise(input, plan, noise);
  if (!mla_replay_run(loaded, plan, trajectory, rows, error)) return false;
  if (r->options->json)
    replay_print_json(input, r->page, trajectory, rows);
  else
    replay_print_table(trajectory, rows);
  r->all_passed = r->all_passed && replay_passed(rows);
  return true;
}

static bool run_trajectories(Replaying *r, const Session *session, const char *precision, MlaError *error) {
  ReplayInput input = {&r->map, &r->fixture, session->compilation.program, text_of(r)};
  MlaReplayPlan plan;
  if (!replay_plan(&input, &plan, error)) return false;
  for (int is_calm = 0; is_calm < 2; is_calm++) {
    if (is_calm ? r->options->recorded : r->options->calm) continue;
    MlaTrajectory trajectory = trajectory_of(r, precision, is_calm);
    if (trajectory.learning_rate <= 0 && is_calm) continue;
    if (trajectory.learning_rate <= 0)
      return mla_fail(error, MLA_ERROR_INPUT, "%s has no optimizer.lr", r->fixture.sidecar_path);
    if (!run_trajectory(r, &input, session->loaded, &plan, &trajectory, error)) return false;
  }
  return true;
}

// The page with the map's settings, then the command line's.
static int replay_precision(Replaying *r, const Options *with_sets, const char *precision) {
  Options options = *with_sets;
  options.precision = precision;
  Session session;
  MlaError error = {0};
  int status = session_begin(&session, &options);
  if (status == STATUS_OK && !run_trajectories(r, &session, precision, &error))
    status = report_error(r->options, &error);
  session_end(&session);
  return status;
}

static bool open_fixture(Replaying *r, Options *with_sets, MlaError *error) {
  const char *dir = r->options->maps ? r->options->maps : locate_parity(r->arena);
  bool good = r->options->map ? replay_map_open(r->arena, &r->map, r->options->map, error)
                              : replay_map_choose(r->arena, &r->map, dir, &r->fixture, error);
  *with_sets = *r->options;
  const ReplayText text = text_of(r);
  good = good && (r->page = replay_map_model(r->arena, &r->map, error)) &&
         replay_map_sets(&text, &r->map, &with_sets->sets, error);
  with_sets->input = r->page;
  const TextList *own = &r->options->sets;
  for (int i = 0; good && i < own->n && with_sets->sets.n < OPTIONS_MAX_LIST; i++)
    with_sets->sets.items[with_sets->sets.n++] = own->items[i];
  return good;
}

static int replay_opened(Replaying *r) {
  static const char *const precisions[] = {"f64", "f32"};
  Options with_sets;
  MlaError error = {0};
  if (!open_fixture(r, &with_sets, &error)) return report_error(r->options, &error);
  ReplayInput head = {&r->map, &r->fixture, NULL, text_of(r)};
  if (!r->options->json) replay_print_head(&head, r->page);
  int status = STATUS_OK;
  for (int i = 0; i < 2 && status == STATUS_OK; i++) {
    bool can =
        i == 0 || !options_are_reference(r->options) || r->options->precision; // the reference is f64 alone
    if (can && wants(r->options->precision, precisions[i]))
      status = replay_precision(r, &with_sets, precisions[i]);
  }
  return status;
}

static int replay_fixture(const Options *options, const char *path, bool *all_passed) {
  Replaying r = {.options = options, .arena = arena_new(), .all_passed = true};
  MlaError error = {0};
  int status = mla_fixture_open(&r.fixture, path, &error) ? replay_opened(&r) : report_error(options, &error);
  replay_map_close(&r.map);
  mla_fixture_close(&r.fixture);
  arena_free(r.arena);
  *all_passed = *all_passed && r.all_passed;
  return status;
}

int verb_replay(const Options *options) {
  if (options->calm && options->recorded) return usage_error("--calm or --recorded, not both");
  if (options->precision && strcmp(options->precision, "f64") != 0 && strcmp(options->precision, "f32") != 0)
    return usage_error("--precision is f32 or f64, not `%s`", options->precision);
  if (options->map && options->maps) return usage_error("--map or --maps, not both");
  bool all_passed = true;
  int status = STATUS_OK;
  for (int i = 0; i < options->inputs.n; i++) {
    int one = replay_fixture(options, options->inputs.items[i], &all_passed);
    if (one > status) status = one;
  }
  if (status == STATUS_OK && !options->json)
    puts(all_passed ? "all within the limits" : "FAILED: beyond a limit");
  return status == STATUS_OK && !all_passed ? STATUS_MODEL : status;
}
