// See replay.h. Numbers are compared in double precision whatever the program computes in. The gradient of the first
// step is read from the momentum: from a zero start it is gradient + weight_decay * weight.
#include "runtime/replay/replay.h"
#include "runtime/replay/measure.h"
#include "runtime/train/layout.h"
#include "runtime/train/step.h"
#include "runtime/train/train.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Replay {
  MlaLoaded *loaded;
  const MlaReplayPlan *plan;
  const MlaTrajectory *trajectory;
  MlaReplayRow *rows;
  int64_t n_most; // elements of the largest state, batch or output
  // Room for so many numbers each:
  double *ours, *recorded, *start;
  void *device_form;  // as the program holds them
  double *deviations; // [states] of gradients
} Replay;

const char *mla_check_title(MlaCheck check) {
  static const char *const titles[] = {
#define CHECK(id, title, measure) title,
#include "runtime/replay/checks.def"
#undef CHECK
  };
  return titles[check];
}

const char *mla_check_name(MlaCheck check) {
  static const char *const names[] = {
#define CHECK(id, title, measure) #id,
#include "runtime/replay/checks.def"
#undef CHECK
  };
  return names[check];
}

bool mla_replay_passed(const MlaReplayRow *row) {
  return !row->is_compared || row->deviation <= row->limit;
}

static double limit_of(const Replay *replay, MlaCheck check) {
  return replay->trajectory->limit[check];
}

static const MlaProgram *program_of(const Replay *replay) {
  return replay->loaded->program;
}

static int elem_bytes_of(const Replay *replay) {
  return program_of(replay)->elem == MLA_F64 ? 8 : 4;
}

// ---- room ----

static int64_t larger(int64_t a, int64_t b) {
  return a > b ? a : b;
}

static bool open_room(Replay *replay, MlaError *error) {
  const MlaProgram *program = program_of(replay);
  const MlaFixture *fixture = replay->plan->fixture;
  int64_t image = fixture->image[0] * fixture->image[1] * fixture->image[2];
  int64_t n = larger(fixture->batch * image, fixture->batch * program->data.classes);
  for (int s = 0; s < program->n_states; s++) n = larger(n, mla_n_elems(&program->states[s]));
  replay->n_most = n;
  replay->ours = calloc((size_t)n, sizeof *replay->ours);
  replay->recorded = calloc((size_t)n, sizeof *replay->recorded);
  replay->start = calloc((size_t)n, sizeof *replay->start);
  replay->device_form = calloc((size_t)n, sizeof(double));
  replay->deviations = calloc((size_t)replay->plan->n_states + 1, sizeof *replay->deviations);
  bool good = replay->ours && replay->recorded && replay->start && replay->device_form && replay->deviations;
  return good || mla_fail(error, MLA_ERROR_SYSTEM, "%s: out of memory", fixture->path);
}

static void close_room(Replay *replay) {
  free(replay->ours);
  free(replay->recorded);
  free(replay->start);
  free(replay->device_form);
  free(replay->deviations);
}

// ---- numbers in and out ----

static void widen(const Replay *replay, double *numbers, int64_t n) {
  const float *singles = replay->device_form;
  const double *doubles = replay->device_form;
  bool is_double = program_of(replay)->elem == MLA_F64;
  for (int64_t i = 0; i < n; i++) numbers[i] = is_double ? doubles[i] : (double)singles[i];
}

static void narrow(Replay *replay, const double *numbers, int64_t n) {
  float *singles = replay->device_form;
  double *doubles = replay->device_form;
  bool is_double = program_of(replay)->elem == MLA_F64;
  for (int64_t i = 0; i < n; i++) {
    if (is_double) doubles[i] = numbers[i];
    if (!is_double) singles[i] = (float)numbers[i];
  }
}

// Every stride-th element of a recorded tensor's whole.
static int64_t read_recorded(const Replay *replay, const MlaRecorded *found, double *numbers) {
  int64_t n = mla_tensor_elems(found->tensor);
  for (int64_t i = 0; i < n; i++) numbers[i] = mla_fixture_number(replay->plan->fixture, found->tensor, i);
  return n;
}

static void sample(double *numbers, int64_t stride, int64_t n) {
  for (int64_t i = 0; i < n; i++) numbers[i] = numbers[i * stride];
}

// A state in the layout of files.
static bool read_state(const Replay *replay, int index, double *numbers, MlaError *error) {
  const MlaState *state = &program_of(replay)->states[index];
  int64_t n = mla_n_elems(state);
  if (!replay->loaded->device->ops->download(replay->loaded, replay->device_form,
                                             mla_state(replay->loaded, index), n * elem_bytes_of(replay),
                                             error))
    return false;
  double *here = malloc(sizeof *here * (size_t)n);
  if (!here) return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  widen(replay, here, n);
  mla_to_file_layout(state, sizeof *here, here, numbers);
  free(here);
  return true;
}

static bool need_state(const Replay *replay, const char *group, const char *name, int index,
                       MlaRecorded *found, MlaError *error) {
  const MlaState *state = &program_of(replay)->states[index];
  int64_t dim[MLA_MAX_RANK];
  mla_file_dims(state, dim);
  return mla_fixture_need(replay->plan->fixture, group, name, state->rank, dim, found, error);
}

// ---- the start ----

static bool set_start(Replay *replay, MlaError *error) {
  if (!mla_init_states(replay->loaded, 0, error)) return false;
  for (int i = 0; i < replay->plan->n_states; i++) {
    const MlaReplayState *s = &replay->plan->states[i];
    const MlaState *state = &program_of(replay)->states[s->state];
    MlaRecorded found;
    if (!need_state(replay, "init", s->init, s->state, &found, error)) return false;
    if (found.stride != 1)
      return mla_fail(error, MLA_ERROR_INPUT, "%s: tensor %s is a sample, a start must be whole",
                      replay->plan->fixture->path, found.tensor->name);
    int64_t n = read_recorded(replay, &found, replay->recorded);
    mla_from_file_layout(state, sizeof(double), replay->recorded, replay->ours);
    narrow(replay, replay->ours, n);
    if (!replay->loaded->device->ops->upload(replay->loaded, mla_state(replay->loaded, s->state),
                                             replay->device_form, n * elem_bytes_of(replay), error))
      return false;
  }
  return true;
}

// ---- a step ----

static bool read_labels(const Replay *replay, int64_t step, int32_t *labels, MlaError *error) {
  const MlaFixture *fixture = replay->plan->fixture;
  const MlaTensor *recorded = mla_fixture_find(fixture, "batch", "labels").tensor;
  int classes = program_of(replay)->data.classes;
  for (int64_t i = 0; i < fixture->batch; i++) {
    double label = mla_fixture_number(fixture, recorded, step * fixture->batch + i);
    if (!(label >= 0 && label < classes))
      return mla_fail(error, MLA_ERROR_INPUT,
                      "%s: tensor batch/labels has the label %g; there are %d classes", fixture->path, label,
                      classes);
    labels[i] = (int32_t)label;
  }
  return true;
}

// Images of the fixture are [channels, height, width], the program's [height, width, channels].
static void read_images(Replay *replay, int64_t step) {
  const MlaFixture *fixture = replay->plan->fixture;
  const MlaTensor *recorded = mla_fixture_find(fixture, "batch", "images").tensor;
  int64_t channels = fixture->image[0], area = fixture->image[1] * fixture->image[2];
  int64_t from = step * fixture->batch * channels * area;
  for (int64_t i = 0; i < fixture->batch; i++)
    for (int64_t c = 0; c < channels; c++)
      for (int64_t p = 0; p < area; p++)
        replay->ours[(i * area + p) * channels + c] = mla_fixture_number(fixture, recorded, from++);
  narrow(replay, replay->ours, fixture->batch * channels * area);
}

static bool run_step(Replay *replay, const MlaStep *what, int64_t step, MlaError *error) {
  int64_t batch = replay->plan->fixture->batch;
  int32_t *labels = malloc(sizeof *labels * (size_t)batch);
  if (!labels) return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  read_images(replay, step);
  MlaBatch data = {.n = batch, .images = replay->device_form, .labels = labels};
  bool good = read_labels(replay, step, labels, error) &&
              mla_step_run(replay->loaded, what, &data, replay->trajectory->learning_rate, step, error);
  free(labels);
  return good;
}

static bool read_output(Replay *replay, const MlaStep *what, MlaError *error) {
  int64_t n = replay->plan->fixture->batch * program_of(replay)->data.classes;
  bool good = replay->loaded->device->ops->download(replay->loaded, replay->device_form,
                                                    mla_buffer(replay->loaded, what->output),
                                                    n * elem_bytes_of(replay), error);
  if (good) widen(replay, replay->ours, n);
  return good;
}

// ---- what a step is compared in ----

static double recorded_at(const Replay *replay, const MlaRecorded *found, int64_t step, int64_t i) {
  return mla_fixture_number(replay->plan->fixture, found->tensor, step * found->tensor->dim[1] + i);
}

static bool compare_losses(Replay *replay, int64_t step, MlaError *error) {
  const MlaReplayPlan *plan = replay->plan;
  MlaCheck check = step == 0   ? MLA_CHECK_loss_first
                   : step == 1 ? MLA_CHECK_loss_second
                               : MLA_CHECK_loss_later;
  const char *group = replay->trajectory->group;
  MlaRecorded terms, totals;
  int64_t steps = plan->fixture->steps;
  if (!mla_fixture_need(plan->fixture, group, "loss_terms", 2, (int64_t[]){steps, plan->n_losses}, &terms,
                        error) ||
      !mla_fixture_need(plan->fixture, group, "loss_totals", 2, (int64_t[]){steps, plan->n_totals}, &totals,
                        error))
    return false;
  double *sums = calloc((size_t)plan->n_totals, sizeof *sums);
  if (!sums) return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  bool good = true;
  for (int i = 0; i < plan->n_losses && good; i++) {
    if (plan->losses[i].loss < 0) continue;
    const MlaLoss *loss = &program_of(replay)->losses[plan->losses[i].loss];
    double term = 0, value = 0;
    good = mla_read_number(replay->loaded, loss->term, &term, error) &&
           mla_read_number(replay->loaded, loss->value, &value, error);
    sums[plan->losses[i].total] += value;
    row_worst(&replay->rows[check], relative_difference(term, recorded_at(replay, &terms, step, i)),
              limit_of(replay, check), "module %d, %s, step %" PRId64, loss->module, loss->name, step + 1);
  }
  for (int t = 0; t < plan->n_totals && good; t++)
    row_worst(&replay->rows[check], relative_difference(sums[t], recorded_at(replay, &totals, step, t)),
              limit_of(replay, check), "total %d, step %" PRId64, t, step + 1);
  free(sums);
  return good;
}

static bool compare_train_logits(Replay *replay, MlaError *error) {
  const MlaFixture *fixture = replay->plan->fixture;
  int64_t classes = program_of(replay)->data.classes, n = fixture->batch * classes;
  MlaRecorded found;
  if (!mla_fixture_need(fixture, replay->trajectory->group, "train_logits", 3,
                        (int64_t[]){fixture->steps, fixture->batch, classes}, &found, error) ||
      !read_output(replay, &program_of(replay)->train, error))
    return false;
  for (int64_t i = 0; i < n; i++) replay->recorded[i] = mla_fixture_number(fixture, found.tensor, i);
  Distance distance = {0};
  distance_add(&distance, replay->ours, replay->recorded, n);
  row_set(&replay->rows[MLA_CHECK_train_logits], distance_relative(&distance),
          limit_of(replay, MLA_CHECK_train_logits), 1);
  return true;
}

// The whole tensor in replay->ours against its row of a table of sums, if the fixture has one. Tensors may be recorded as
// samples; the sums see every element.
static void compare_sums(Replay *replay, MlaCheck check, const MlaReplayState *s, const char *table,
                         int row) {
  const MlaFixture *fixture = replay->plan->fixture;
  const MlaState *state = &program_of(replay)->states[s->state];
  const MlaTensor *recorded = mla_fixture_find(fixture, replay->trajectory->group, table).tensor;
  if (!recorded || recorded->rank != 2 || recorded->dim[1] != 4 || row < 0 || row >= recorded->dim[0]) return;
  double four[4];
  for (int i = 0; i < 4; i++) four[i] = mla_fixture_number(fixture, recorded, 4 * row + i);
  row_worst(&replay->rows[check], sums_difference(replay->ours, mla_n_elems(state), four),
            limit_of(replay, check), "%s", state->name);
}

// ---- gradients ----

// From the momentum after the first step. What the sum of the two loses of the gradient to rounding is no gradient.
static bool read_gradient(Replay *replay, const MlaReplayState *s, MlaError *error) {
  MlaRecorded start;
  if (!need_state(replay, "init", s->init, s->state, &start, error) ||
      !read_state(replay, s->momentum, replay->ours, error))
    return false;
  int64_t n = read_recorded(replay, &start, replay->start);
  double rounding = program_of(replay)->elem == MLA_F64 ? DBL_EPSILON : (double)FLT_EPSILON;
  for (int64_t i = 0; i < n; i++) {
    double decay = program_of(replay)->recipe.weight_decay * replay->start[i];
    replay->ours[i] -= decay;
    if (fabs(replay->ours[i]) <= 4 * rounding * fabs(decay)) replay->ours[i] = 0;
  }
  return true;
}

static bool compare_gradients(Replay *replay, MlaError *error) {
  char group[64];
  snprintf(group, sizeof group, "%s/grad1", replay->trajectory->group);
  Distance all = {0};
  for (int i = 0; i < replay->plan->n_states; i++) {
    const MlaReplayState *s = &replay->plan->states[i];
    if (s->momentum < 0 || s->is_null) continue;
    MlaRecorded found;
    if (!need_state(replay, group, s->name, s->state, &found, error) || !read_gradient(replay, s, error))
      return false;
    compare_sums(replay, MLA_CHECK_gradient_sums, s, "grad1_stats", s->grad_row);
    int64_t n = read_recorded(replay, &found, replay->recorded);
    sample(replay->ours, found.stride, n);
    Distance one = {0};
    distance_add(&one, replay->ours, replay->recorded, n);
    replay->deviations[all.n] = distance_relative(&one);
    row_worst(&replay->rows[MLA_CHECK_gradient], replay->deviations[all.n],
              fmax(limit_of(replay, MLA_CHECK_gradient), s->allowed), "%s",
              program_of(replay)->states[s->state].name);
    distance_join(&all, &one);
  }
  row_set(&replay->rows[MLA_CHECK_gradients], distance_relative(&all), limit_of(replay, MLA_CHECK_gradients),
          all.n);
  row_set(&replay->rows[MLA_CHECK_gradient_median], median(replay->deviations, all.n),
          limit_of(replay, MLA_CHECK_gradient_median), all.n);
  return true;
}

// ---- the end ----

typedef struct FinalSums {
  Distance change, ema_change, running;
} FinalSums;

static bool compare_final_state(Replay *replay, const MlaReplayState *s, const char *group, FinalSums *sums,
                                MlaError *error) {
  const MlaState *state = &program_of(replay)->states[s->state];
  MlaRecorded found, start;
  if (!need_state(replay, group, s->name, s->state, &found, error) ||
      !need_state(replay, "init", s->init, s->state, &start, error) ||
      !read_state(replay, s->state, replay->ours, error))
    return false;
  compare_sums(replay, MLA_CHECK_final_sums, s, "final_stats", s->final_row);
  read_recorded(replay, &start, replay->start);
  int64_t n = read_recorded(replay, &found, replay->recorded);
  sample(replay->ours, found.stride, n);
  sample(replay->start, found.stride, n);
  Distance one = {0};
  distance_add(&one, replay->ours, replay->recorded, n);
  row_worst(&replay->rows[MLA_CHECK_final_tensor], distance_relative(&one),
            limit_of(replay, MLA_CHECK_final_tensor), "%s", state->name);
  if (state->region == MLA_RUNNING) {
    distance_join(&sums->running, &one);
    return true;
  }
  one.size = 0; // by how far it went, not by how large it is
  for (int64_t i = 0; i < n; i++) {
    double moved = replay->recorded[i] - replay->start[i];
    one.size += moved * moved;
  }
  distance_join(state->region == MLA_EMA ? &sums->ema_change : &sums->change, &one);
  return true;
}

static bool compare_final(Replay *replay, MlaError *error) {
  char group[64];
  snprintf(group, sizeof group, "%s/final", replay->trajectory->group);
  FinalSums sums = {0};
  for (int i = 0; i < replay->plan->n_states; i++)
    if (!compare_final_state(replay, &replay->plan->states[i], group, &sums, error)) return false;
  const struct {
    MlaCheck check;
    const Distance *distance;
  } rows[] = {{MLA_CHECK_change, &sums.change},
              {MLA_CHECK_ema_change, &sums.ema_change},
              {MLA_CHECK_running, &sums.running}};
  for (int i = 0; i < 3; i++)
    row_set(&replay->rows[rows[i].check], distance_relative(rows[i].distance),
            limit_of(replay, rows[i].check), rows[i].distance->n);
  return true;
}

static bool compare_eval_logits(Replay *replay, MlaError *error) {
  const MlaFixture *fixture = replay->plan->fixture;
  const MlaStep *eval = &program_of(replay)->eval;
  int64_t classes = program_of(replay)->data.classes;
  MlaRecorded found;
  if (!mla_fixture_need(fixture, replay->trajectory->group, "eval_logits", 2,
                        (int64_t[]){fixture->batch, classes}, &found, error) ||
      !run_step(replay, eval, 0, error) || !read_output(replay, eval, error))
    return false;
  int64_t n = read_recorded(replay, &found, replay->recorded);
  row_set(&replay->rows[MLA_CHECK_eval_logits], largest_difference(replay->ours, replay->recorded, n),
          limit_of(replay, MLA_CHECK_eval_logits), 1);
  return true;
}

static bool train_and_compare(Replay *replay, MlaError *error) {
  for (int64_t step = 0; step < replay->plan->fixture->steps; step++) {
    if (!run_step(replay, &program_of(replay)->train, step, error) || !compare_losses(replay, step, error))
      return false;
    if (step > 0) continue;
    if (!compare_train_logits(replay, error)) return false;
    if (replay->trajectory->has_gradients && !compare_gradients(replay, error)) return false;
  }
  return (!replay->trajectory->has_final || compare_final(replay, error)) &&
         compare_eval_logits(replay, error);
}

bool mla_replay_run(MlaLoaded *loaded, const MlaReplayPlan *plan, const MlaTrajectory *trajectory,
                    MlaReplayRow *rows, MlaError *error) {
  Replay replay = {.loaded = loaded, .plan = plan, .trajectory = trajectory, .rows = rows};
  memset(rows, 0, sizeof *rows * MLA_N_CHECKS);
  bool good = open_room(&replay, error) && set_start(&replay, error) && train_and_compare(&replay, error);
  close_room(&replay);
  return good;
}
