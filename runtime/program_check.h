// Whether a program makes sense as data: every index, offset and range, before a device believes it.
#pragma once
#include "runtime/error.h"
#include "runtime/program.h"

// The error names the place as in plan.json: "train.launches[3].buffers[1]: ...".
bool mla_program_check(const MlaProgram *program, MlaError *error);
// A kernel's symbol is a C identifier and so a safe file name.
bool mla_is_symbol(const char *text);
