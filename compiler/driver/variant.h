// The same model compiled otherwise, only to see what comes of it. Nothing is said.
#pragma once
#include "compiler/driver/compile.h"

// Compiles to a program. False: it cannot be. compile_end in any case. `split`: the places, as `--set split=` takes them;
// NULL: as the options say. `batch`: -1: as they say.
bool variant_compile(Compilation *c, const Options *options, const char *split, int64_t batch);
// Bytes that its plan allocates; -1: it cannot be compiled.
int64_t variant_bytes(const Options *options, const char *split, int64_t batch);
enum { VARIANT_LEAST_BATCH = 2 }; // batch norm needs two images
// The same page with `recompute off`.
bool variant_without_recompute(Compilation *c, const Options *options, const char *split);
// A batch whose plan stays within `room` bytes, not always the largest; 0: none was found. `program` is that of the options
// and `split`.
int64_t variant_fitting_batch(const Options *options, const char *split, const MlaProgram *program,
                              int64_t room);
