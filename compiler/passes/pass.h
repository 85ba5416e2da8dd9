// A pass changes one graph, does one thing, and is one file with one public function whose contract stands above it
// (needs / gives / breaks). A pass may not print, read options of the command line, or call another pass. The rows of
// passes.def are the order; pipeline.c runs them and does all dumping, timing and verifying.
#pragma once
#include "compiler/ir/kernel.h"
#include "compiler/ir/model.h"
#include <stdio.h>

// What a choice takes, by a plan of a copy of the graph in which the values `given_up` ([nodes], NULL: none) are computed
// again. The result lives in `arena`.
typedef struct RerunTrial {
  int64_t work_bytes;
  int64_t *module_live; // [modules]
} RerunTrial;
typedef RerunTrial RerunPlanner(void *context, const bool *given_up, Arena *arena);

typedef struct PassCtx {
  Arena *scratch; // reset when the pass returns
  const Model *model;
  int64_t batch;
  int elem_bytes;   // 4 or 8
  bool is_training; // the training graph, else an evaluation graph
  bool unfused;     // every node a kernel of its own: the reference device
  int overlap;      // modules whose work may run at the same time
  ProductFusion products;
  bool stores_bf16;
  RerunPlanner *plan_rerun; // by which pass_rerun chooses; NULL: `given_up` is what it computes again
  void *planner;            // its context
  const bool *given_up;     // [nodes]; NULL: nothing
} PassCtx;

#define PASS(name, ...) void pass_##name(Graph *graph, PassCtx *ctx);
#include "compiler/passes/passes.def"
#undef PASS

typedef struct PassTime {
  const char *name;
  double seconds;
  unsigned nodes_before, nodes_after;
} PassTime;

typedef struct PipelineOptions {
  int64_t batch;
  int elem_bytes;
  SumLimits sums;         // as the target likes them
  ProductFusion products; // what the target's products take in
  bool stores_bf16;       // activations are kept as bf16 where the kernels can (see pass_narrow)
  int overlap;            // 1 or 0: the step's launches run in order
  bool unfused;
  const char *dump_before, *dump_after; // pass names, NULL: none; "all" for every pass
  const char *stop_after;               // NULL: run all
  const char *const *disabled;          // passes to leave out (only optional ones: see passes.def)
  int n_disabled;
  FILE *dump; // where dumps go
} PipelineOptions;

// Runs all passes over model->train, model->eval (and model->end_to_end if it is there), verifying after each. A
// violated rule is a fault of the compiler: the graph is saved to a file, the message names the pass, and the process
// ends. Returns times through `times` (may be NULL): of the training graph's passes and of verifying it, then of the other
// two graphs as wholes.
enum { PIPELINE_MORE_TIMES = 3 }; // `times` has pipeline_n_passes() and these
void pipeline_run(Model *model, Arena *arena, const PipelineOptions *options, PassTime *times, int *n_times);
int pipeline_n_passes(void);
const char *pipeline_pass_name(int i);
const char *pipeline_pass_doc(int i);
bool pipeline_pass_is_optional(int i);
