// `split NET within BYTES` and `--memory BYTES`: chooses the places to split at.
#pragma once
#include "compiler/driver/trial.h"

// `model` has a memory limit and was loaded as one module. Finds the split of least time that stays within the limit, and
// says which; or says that there is none. Returns a STATUS_.
int within_choose(const Model *model, const Options *options, Arena *arena, ChosenSplit *chosen);
