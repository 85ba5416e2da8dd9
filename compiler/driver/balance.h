// `split NET into K balanced by bytes|flops|parameters`: chooses the places to split at.
#pragma once
#include "compiler/driver/compile.h"

// `c` holds a loaded model with a balance, as one module. Loads it again with the split whose largest module is least, and says
// which. Returns a STATUS_.
int balance_choose(Compilation *c, const Options *options);
