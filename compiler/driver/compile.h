// From the user's input to a program: either a model through the whole compiler, or a directory that `emit`
// or `run` wrote. Every verb stands on this.
#pragma once
#include "compiler/driver/options.h"
#include "compiler/driver/timing.h"
#include "compiler/emit/emit.h"
#include "compiler/passes/pass.h"
#include "compiler/sema/sema.h"
#include "runtime/device/device.h"

// A split that was planned to be chosen from.
typedef struct SplitCandidate {
  const char *text; // as `--set split=` takes it
  int n_modules;
  int64_t batch, bytes;
  double seconds; // of a step, predicted
  bool is_chosen;
} SplitCandidate;

// A split that was chosen (choose.h).
typedef struct ChosenSplit {
  const char *text; // as `--set split=` takes it; NULL: none was to choose
  int64_t batch;    // 0: as the options say
  int n_trials;
  // Of a choice within a limit, else 0 and none: what end to end takes, and the fastest splits, or the best of each batch.
  int64_t limit, end_to_end_bytes;
  SplitCandidate *candidates;
  int n_candidates;
} ChosenSplit;

typedef struct Compilation {
  Arena *arena;
  SourceMap *map;
  Diag *diag;
  Model *model;        // NULL if the program was loaded
  MlaProgram *program; // NULL if --stop-after left the road early
  MlaProgram *loaded;  // owned: the program read from a directory
  ChosenSplit split;
  Timing timing;
  const char *device;     // a name of runtime/device/devices.def
  const char *device_why; // NULL: the command line names it
} Compilation;

// Fills `c`; in every case compile_end releases it. Returns a STATUS_; mistakes have been said. A split that is left to the
// compiler is not chosen: choose_begin does that, on which the verbs stand.
int compile_begin(Compilation *c, const Options *options);
// The parts of compile_begin for a model, in order: the checked model, of which nothing has been said if it could be loaded;
// what there is to say of it; the pipeline over it; or all that follows.
int compile_load(Compilation *c, const Options *options);
void compile_say(const Compilation *c, const Options *options);
int compile_passes(Compilation *c, const Options *options, const char *stop_after);
int compile_model(Compilation *c, const Options *options);
// Emits the compiled model once more, with choices of the caller's.
void compile_emit(Compilation *c, const Options *options, EmitChoices *choices);
void compile_end(Compilation *c);

// Says a runtime error (as JSON too with --json) and returns the status that belongs to it.
int report_error(const Options *options, const MlaError *error);

// Path of DIR/plan.json's folder if `input` is such a directory or a run directory that holds one; else NULL.
// The result lives in the arena.
const char *plan_dir(Arena *arena, const char *input);
