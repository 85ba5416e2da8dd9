// The road with a split that is left to the compiler: `within BYTES`, `--memory`, `balanced by`. It is chosen by compiling
// splits that are tried (trial.h), then the model is loaded with it.
#pragma once
#include "compiler/driver/compile.h"

// As compile_load and compile_begin, of which they are the same where nothing is to choose; Compilation.split is what was
// chosen. What there is to say of the model is said.
int choose_load(Compilation *c, const Options *options);
int choose_begin(Compilation *c, const Options *options);
