// The run directory: where it is, and what the driver puts there before training (the model's text and the
// plan).
#pragma once
#include "compiler/driver/compile.h"

// --run-dir, else runs/NAME with --name, else runs/ and the input's name; a run directory given as input is
// its own. The input's name gets a number where it is taken: a new run's is the first free one, otherwise the
// newest there is.
const char *rundir_path(Arena *arena, const Options *options, bool exists);
// The main file with what it imports in place of the import lines, headed by the overrides; NULL for a loaded
// program.
const char *rundir_model_text(const Compilation *c, const Options *options);
