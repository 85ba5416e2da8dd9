// From source text to a checked model. All errors of the user end here, in `diag`.
#pragma once
#include "compiler/ir/model.h"
#include "compiler/support/diag.h"

typedef struct Override { // --set name=value
  const char *name, *value;
} Override;

typedef struct SemaOptions {
  const char *library_dir; // where imports are looked up after the importing file's own folder
  const Override *overrides;
  int n_overrides;
  int64_t memory_limit; // bytes: choose the split by them, whatever the program says. 0: as it says
} SemaOptions;

// Reads `path` and what it imports. NULL if diag has errors (a missing file is one).
Model *sema_load(Arena *arena, SourceMap *map, Diag *diag, const char *path, const SemaOptions *options);
// The same from a text in memory (tests, documentation examples).
Model *sema_load_text(Arena *arena, SourceMap *map, Diag *diag, const char *name, const char *text,
                      const SemaOptions *options);
// Everything the model can be asked to change with --set: "name = value  # where", for plan and error
// messages.
void sema_print_parameters(const Model *model, FILE *out);
// Layers, operators and functions of the language, in Markdown: a section of docs/language.md.
void sema_print_operators(FILE *out);
