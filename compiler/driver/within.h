// `split NET within BYTES` and `--memory BYTES`: chooses the places to split at.
#pragma once
#include "compiler/driver/compile.h"

// "512MiB", "1.5 GiB", as `--memory` takes it. False: it is none.
bool within_parse(const char *text, int64_t *bytes);
// `c` holds a loaded model with a memory limit, as one module. Loads it again with the split of least time that stays
// within the limit, and says which; or says that there is none. Returns a STATUS_.
int within_choose(Compilation *c, const Options *options);
// Loads `c` again with a split that was chosen, and with a batch (0: as the options say).
void within_load_chosen(Compilation *c, const Options *options, const char *split, int64_t batch,
                        int n_trials, int *status);
