// What a replay found: a table for people, a line of JSON for programs.
#pragma once
#include "compiler/driver/replay_plan.h"

// Returns whether every row is within its limit.
bool replay_passed(const MlaReplayRow *rows);
void replay_print_head(const ReplayInput *input, const char *page);
void replay_print_table(const MlaTrajectory *trajectory, const MlaReplayRow *rows);
void replay_print_json(const ReplayInput *input, const char *page, const MlaTrajectory *trajectory,
                       const MlaReplayRow *rows);
