// The run directory: where it is, and what the driver puts there before training (the model's text and the plan).
#pragma once
#include "compiler/driver/compile.h"

// --run-dir, else runs/NAME with --name or the input's name; a run directory given as input is its own.
const char *rundir_path(Arena *arena, const Options *options);
// The main file with what it imports in place of the import lines, headed by the overrides; NULL for a loaded program.
const char *rundir_model_text(const Compilation *c, const Options *options);
