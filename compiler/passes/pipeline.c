// Runs the rows of passes.def over the graphs of a model; dumps, times and verifies between them.
#include "compiler/ir/verify.h"
#include "compiler/passes/pass.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct PassRow {
  const char *name, *doc;
  void (*run)(Graph *graph, PassCtx *ctx);
  bool training_only, is_optional;
} PassRow;

#define ALWAYS   false
#define TRAINING true
#define REQUIRED false
#define OPTIONAL true
static const PassRow passes[] = {
#define PASS(name, when, optional, doc) {#name, doc, pass_##name, when, optional},
#include "compiler/passes/passes.def"
#undef PASS
};

enum { N_PASSES = sizeof passes / sizeof *passes };

int pipeline_n_passes(void) {
  return N_PASSES;
}
const char *pipeline_pass_name(int i) {
  return passes[i].name;
}
const char *pipeline_pass_doc(int i) {
  return passes[i].doc;
}
bool pipeline_pass_is_optional(int i) {
  return passes[i].is_optional;
}

typedef struct Pipeline {
  const PipelineOptions *options;
  PassCtx ctx;
  Graph *graph;
  const char *graph_name;
  PassTime *times; // of this graph's passes; NULL: not wanted
  int n_times;
  double verifying;
} Pipeline;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static bool is_named(const char *wanted, const char *name) {
  return wanted && (!strcmp(wanted, name) || !strcmp(wanted, "all"));
}

static bool is_disabled(const PipelineOptions *options, const PassRow *pass) {
  for (int i = 0; pass->is_optional && i < options->n_disabled; i++)
    if (!strcmp(options->disabled[i], pass->name)) return true;
  return false;
}

static void dump(const Pipeline *pipeline, const char *when, const char *pass) {
  FILE *out = pipeline->options->dump ? pipeline->options->dump : stdout;
  fprintf(out, "== %s graph %s %s: %u nodes\n", pipeline->graph_name, when, pass,
          pipeline->graph->n_nodes - 1);
  graph_print(pipeline->graph, out);
}

// ---- violated rules ----

static void save_graph(const Graph *graph, char *path) {
  int file = mkstemp(path);
  FILE *out = file >= 0 ? fdopen(file, "w") : NULL;
  if (!out) {
    strcpy(path, "(could not be saved)");
    return;
  }
  graph_print(graph, out);
  fclose(out);
}

static void verify(Pipeline *pipeline, const char *pass) {
  const Graph *graph = pipeline->graph;
  double start = now();
  const char *wrong = verify_structure(graph, pipeline->ctx.scratch);
  if (!wrong) wrong = verify_isolation(graph, pipeline->ctx.scratch);
  if (!wrong && graph->is_planned) wrong = verify_plan(graph, pipeline->ctx.scratch);
  pipeline->verifying += now() - start;
  if (!wrong) return;
  char path[] = "/tmp/mlaanc-graph-XXXXXX";
  save_graph(graph, path);
  fprintf(stderr,
          "mlaanc: internal fault: the %s graph breaks a rule after pass %s: %s\nThe graph is in %s\n",
          pipeline->graph_name, pass, wrong, path);
  abort();
}

// ---- running ----

static void run_pass(Pipeline *pipeline, const PassRow *pass) {
  const PipelineOptions *options = pipeline->options;
  PassTime time = {.name = pass->name, .nodes_before = pipeline->graph->n_nodes - 1};
  if (is_named(options->dump_before, pass->name)) dump(pipeline, "before", pass->name);
  double start = now();
  pass->run(pipeline->graph, &pipeline->ctx);
  time.seconds = now() - start;
  time.nodes_after = pipeline->graph->n_nodes - 1;
  if (pipeline->times) pipeline->times[pipeline->n_times++] = time;
  if (is_named(options->dump_after, pass->name)) dump(pipeline, "after", pass->name);
  arena_reset(pipeline->ctx.scratch);
  verify(pipeline, pass->name);
  arena_reset(pipeline->ctx.scratch);
}

// ---- what is computed again ----

// The passes from pass_rerun on, over a copy.
static RerunTrial plan_rerun(void *context, const bool *given_up, Arena *arena) {
  const Pipeline *pipeline = context;
  PassCtx ctx = pipeline->ctx;
  Arena *copies = arena_new();
  Graph *graph = graph_copy(pipeline->graph, copies);
  ctx.scratch = arena_new();
  ctx.plan_rerun = NULL;
  ctx.given_up = given_up;
  for (int i = 0, is_behind = 0; i < N_PASSES; i++) {
    is_behind |= passes[i].run == pass_rerun;
    if (is_behind && !is_disabled(pipeline->options, &passes[i])) passes[i].run(graph, &ctx);
    arena_reset(ctx.scratch);
  }
  size_t live_bytes = sizeof *graph->module_live * (size_t)graph->n_modules;
  RerunTrial trial = {graph->work_bytes, arena_copy(arena, graph->module_live, live_bytes)};
  arena_free(ctx.scratch);
  arena_free(copies);
  return trial;
}

static void run_graph(Pipeline *pipeline) {
  pipeline->graph->batch = pipeline->options->batch;
  pipeline->graph->elem_bytes = pipeline->options->elem_bytes;
  pipeline->graph->sums = pipeline->options->sums;
  verify(pipeline, "elaboration");
  arena_reset(pipeline->ctx.scratch);
  pipeline->ctx.plan_rerun = plan_rerun;
  pipeline->ctx.planner = pipeline;
  for (int i = 0; i < N_PASSES; i++) {
    const PassRow *pass = &passes[i];
    if (pass->training_only && !pipeline->ctx.is_training) continue;
    if (!is_disabled(pipeline->options, pass)) run_pass(pipeline, pass);
    if (pipeline->options->stop_after && !strcmp(pipeline->options->stop_after, pass->name)) break;
  }
}

static void run_other(Pipeline *train, Graph *graph, const char *name, PassCtx ctx, const char *what) {
  if (!graph) return;
  PassTime time = {.name = what, .nodes_before = graph->n_nodes - 1};
  double start = now();
  Pipeline pipeline = {.options = train->options, .ctx = ctx, .graph = graph, .graph_name = name};
  run_graph(&pipeline);
  time.seconds = now() - start;
  time.nodes_after = graph->n_nodes - 1;
  if (train->times) train->times[train->n_times++] = time;
}

void pipeline_run(Model *model, Arena *arena, const PipelineOptions *options, PassTime *times, int *n_times) {
  (void)arena; // graphs know theirs
  PassCtx ctx = {.scratch = arena_new(),
                 .model = model,
                 .batch = options->batch,
                 .elem_bytes = options->elem_bytes,
                 .is_training = true,
                 .unfused = options->unfused,
                 .overlap = options->overlap,
                 .products = options->products,
                 .stores_bf16 = options->stores_bf16};
  Pipeline train = {
      .options = options, .ctx = ctx, .graph = model->train, .graph_name = "training", .times = times};
  run_graph(&train);
  unsigned n_nodes = model->train->n_nodes - 1;
  if (times) times[train.n_times++] = (PassTime){"verify", train.verifying, n_nodes, n_nodes};
  ctx.is_training = false;
  run_other(&train, model->eval, "evaluation", ctx, "evaluation");
  Model whole = *model;
  whole.train = model->end_to_end;
  whole.eval = NULL;
  whole.recompute = false; // what it is compared with keeps everything
  ctx.is_training = true;
  ctx.model = &whole;
  run_other(&train, model->end_to_end, "end-to-end", ctx, "end to end");
  if (n_times) *n_times = train.n_times;
  arena_free(ctx.scratch);
}
