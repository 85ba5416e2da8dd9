// What `emit -o DIR` writes beside the plan.
#pragma once
#include "runtime/error.h"
#include "runtime/program.h"
#include <stdio.h>

// A program for CUDA as sources of a stand-alone trainer: the runtime's files, model.c, kernels.c, a Makefile.
bool emit_trainer(const MlaProgram *program, const char *dir, MlaError *error);
// README.md and steps.md: what each file is; every launch of a step.
bool emit_readme(const MlaProgram *program, const char *dir, MlaError *error);

// DIR/NAME with what `print` prints.
typedef void PrintFile(FILE *out, const MlaProgram *program);
bool emit_printed(const MlaProgram *program, const char *dir, const char *name, PrintFile *print,
                  MlaError *error);
