// `split NET into K balanced by bytes|flops|parameters`: chooses the places to split at.
#pragma once
#include "compiler/driver/trial.h"

// `model` has a balance and was loaded as one module. Finds the split whose largest module is least, and says which.
void balance_choose(const Model *model, const Options *options, Arena *arena, ChosenSplit *chosen);
