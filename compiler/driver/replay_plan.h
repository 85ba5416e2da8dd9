// From a map, a fixture and a compiled program to what is compared with what.
#pragma once
#include "compiler/driver/replay_map.h"

typedef struct ReplayInput {
  const ReplayMap *map;
  const MlaFixture *fixture;
  const MlaProgram *program;
  ReplayText text;
} ReplayInput;

// Every weight, copy and running statistic of the program gets its counterpart and every recorded tensor ours, or a
// reason in the map's "left_out"; modules must be cut alike. All in `input->text.arena`.
bool replay_plan(const ReplayInput *input, MlaReplayPlan *plan, MlaError *error);
// What gradients may deviate by: `factor` times the noise recorded between two float32 programs.
void replay_plan_noise(const ReplayInput *input, MlaReplayPlan *plan, double factor);
