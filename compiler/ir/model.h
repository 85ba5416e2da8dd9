// A checked model: what elaboration hands to the passes. Everything a user can get wrong has been said by now.
#pragma once
#include "compiler/ir/graph.h"
#include "runtime/program.h"

// By what the largest module of a split is to be as small as it can be.
typedef enum Balance { BALANCE_NONE, BALANCE_BYTES, BALANCE_FLOPS, BALANCE_PARAMETERS } Balance;

typedef struct Model {
  const char *name;
  Graph *train;       // forward of backbone and auxiliaries, modules and losses set; no backward yet
  Graph *eval;        // the backbone alone, batch norm with running statistics
  Graph *end_to_end;  // the same backbone as one module with the final loss alone: what `plan` compares with
  StateTable *states; // shared by train and eval (end_to_end has a table of its own)
  MlaData data;       // in the form the runtime reads
  MlaRecipe recipe;
  Span precision_span; // where recipe.precision was set
  bool recompute;      // modules keep few values and compute the others again in the backward pass
  // `split ... within BYTES`: who compiles is to choose the split. Until one is given there is one module. 0: no limit.
  int64_t memory_limit;
  Balance balance; // `split ... balanced by`: the same, into `n_balanced` modules
  int n_balanced;
  const char *const
      *places; // [n_places] behind which a split can stand, in order, as `--set split=[...]` takes them
  int n_places;
  double parse_seconds; // of loading it: reading and parsing its files
} Model;
