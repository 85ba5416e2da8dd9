// What `plan` and the head of `run` say about a program before it runs: one set of facts, printed as a table
// or JSON.
#pragma once
#include "compiler/driver/compile.h"

#include <stdio.h>

// Bytes of one allocation.
typedef struct PlanBytes {
  int64_t region[MLA_N_REGIONS]; // MLA_WORK: activations, gradients and temporaries
  int64_t total;                 // what a run allocates: the regions, each from a multiple of 64
  int64_t live_bound;            // no plan of this order of launches can need less work memory; 0: not known
} PlanBytes;

typedef struct PlanFacts {
  const MlaProgram *program;
  ChosenSplit split;
  const Graph *train; // NULL for a loaded program: no shapes, no comparison
  PlanBytes bytes;
  PlanBytes end_to_end; // the same backbone as one module
  bool has_end_to_end;
  // Of the same page with `recompute off`; 0: this one has it off, or it was not compiled.
  int64_t kept_work_bytes, kept_step_flops;
  int64_t scratch_bytes;                                           // one worker's, apart from the allocation
  int64_t n_params, n_aux_params, n_ema, forward_macs, step_flops; // sums over the modules
} PlanFacts;

PlanFacts plan_facts(const Compilation *c);
void plan_print_table(const PlanFacts *facts, FILE *out);
void plan_print_summary(const PlanFacts *facts, FILE *out); // a few lines: what `run` shows
void plan_print_json(const PlanFacts *facts, FILE *out);
