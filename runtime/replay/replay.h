// Repeating recorded training steps: the fixture's start is set, its batches are trained, and everything it recorded is
// compared with what came out. Which number belongs to which is the caller's plan; here is only the doing.
#pragma once
#include "runtime/device/device.h"
#include "runtime/replay/fixture.h"

typedef enum MlaCheck {
#define CHECK(id, title, measure) MLA_CHECK_##id,
#include "runtime/replay/checks.def"
#undef CHECK
  MLA_N_CHECKS
} MlaCheck;

// A state of the program and its counterpart in the fixture.
typedef struct MlaReplayState {
  int state;
  int momentum;     // the state that holds its momentum; -1: it is not trained
  const char *name; // "layer1.0.conv1.weight"
  const char *init; // the name its start is recorded under
  int grad_row;     // of P/grad1_stats and of
  int final_row;    // P/final_stats; -1: not there
  bool is_null;     // the true gradient is zero: what is recorded is rounding
  double allowed;   // for its gradient, where this is more than the limit (its recorded noise)
} MlaReplayState;

typedef struct MlaReplayLoss { // a column of P/loss_terms
  int loss;                    // of the program; -1: the recorded code computes it and does not use it
  int total;                   // column of P/loss_totals it belongs to
} MlaReplayLoss;

typedef struct MlaReplayPlan {
  const MlaFixture *fixture;
  const MlaReplayState *states;
  int n_states;
  const MlaReplayLoss *losses;
  int n_losses, n_totals;
} MlaReplayPlan;

typedef struct MlaTrajectory {
  const char *group; // "f64", "calm_f32"
  double learning_rate;
  bool has_gradients, has_final; // recorded
  double limit[MLA_N_CHECKS];    // INFINITY: none
} MlaTrajectory;

typedef struct MlaReplayRow {
  bool is_compared;
  double deviation, limit;
  char where[192]; // what deviates most; empty if the check is of everything together
  int n;           // tensors or numbers compared
} MlaReplayRow;

const char *mla_check_title(MlaCheck check);
const char *mla_check_name(MlaCheck check);
bool mla_replay_passed(const MlaReplayRow *row); // what is not a number has not passed

// Trains `plan`'s steps on a loaded program and fills rows[MLA_N_CHECKS].
bool mla_replay_run(MlaLoaded *loaded, const MlaReplayPlan *plan, const MlaTrajectory *trajectory,
                    MlaReplayRow *rows, MlaError *error);
