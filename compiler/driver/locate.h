// Where the program's own files are.
#pragma once
#include "compiler/support/arena.h"

// The folder of the shipped models: ../share/mlaanc/models from the running program, in the build tree as
// after installation.
const char *locate_library(Arena *arena);
// The folder of the name maps that come with the program: ../share/mlaanc/parity.
const char *locate_parity(Arena *arena);
