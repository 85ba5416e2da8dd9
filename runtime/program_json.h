// A program as files: DIR/plan.json and DIR/kernels/<file>.c (plus DIR/prelude.h); of a program for CUDA .cu and
// prelude.cuh. A file holds kernels of one kind, each behind a line that marks it.
#pragma once
#include "runtime/error.h"
#include "runtime/program.h"
#include <stdio.h>

// Writes the directory (made if missing). Deterministic: the same program gives the same bytes.
bool mla_program_save(const MlaProgram *program, const char *dir, MlaError *error);
// The same as a C definition `const MlaProgram NAME = {...};`, without the kernels' texts.
void mla_program_print_c(const MlaProgram *program, const char *name, FILE *out);
// Writes DIR/NAME, which appears by rename; its folders are made.
bool mla_write_text(const char *dir, const char *name, const char *text, MlaError *error);
// Loads and checks everything (ranges, indices, missing keys): a corrupt file is an error that names the key.
// The result is one block: release it with mla_program_free.
MlaProgram *mla_program_load(const char *dir, MlaError *error);
void mla_program_free(MlaProgram *program);
