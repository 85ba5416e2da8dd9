// The C kernels of all cases (see harness.c) at precision bf16: activations are stored as bf16, products multiply pairs of
// bf16. Every kernel that touches such a tensor, each operator alone and as pass_fuse groups them, is run on what is
// stored (host values, rounded) and compared with the host reference of the same numbers; for products those are rounded
// operands. So what remains is a result's own rounding, and sums in float32. With the machine's instructions; products
// also with the prelude's stand-ins, on shorter vectors.
// label: slow
#include "tests/ops/case_graph.h"
#include "tests/ops/kernel_run.h"
#include <glob.h>

enum { N_SETS = 2 };
static const KernelConfig configs[N_SETS] = {
    {4, 64, 0, &c_skeletons, NULL, {0}, MLA_PRECISION_BF16, "-O0"},
    {4, 16, 3, &c_skeletons, NULL, {0}, MLA_PRECISION_BF16, "-O0 -mno-avx512f"},
};

static bool is_tested(const KernelSet *set, const Graph *graph, const Group *group) {
  bool touches = false;
  if (set->config.vector_bytes < 64 && !op_is_product(graph_node(graph, group->nodes[0])->op)) return false;
  for (int i = 0; i < group->n_inputs; i++) touches |= kernel_is_bf16(graph, group, group->inputs[i]);
  for (int i = 0; i < group->n_outputs; i++) touches |= kernel_is_bf16(graph, group, group->outputs[i]);
  return touches;
}

static void set_types(Graph *graph, const Group *group, DType from, DType to) {
  const NodeId *lists[] = {group->inputs, group->outputs};
  const int n[] = {group->n_inputs, group->n_outputs};
  for (int k = 0; k < 2; k++)
    for (int i = 0; i < n[k]; i++) {
      Node *node = graph_node(graph, lists[k][i]);
      if (node->dtype == from && kernel_is_bf16(graph, group, lists[k][i])) node->dtype = to;
    }
}

// Operands of a product are rounded, however they are stored and whether another kernel or this one makes them.
static bool is_operand(const Graph *graph, const Group *group, NodeId id) {
  const Node *last = graph_node(graph, group->nodes[group->n_nodes - 1]);
  for (int i = 0; i < last->n_in; i++)
    if (last->in[i] == id) return op_is_product(last->op) && node_takes_bf16(last);
  return false;
}

static bool is_rounded(const Graph *graph, const Group *group, NodeId id) {
  if (graph_node(graph, id)->dtype == DT_INDEX) return false;
  return kernel_is_bf16(graph, group, id) || is_operand(graph, group, id);
}

static double *rounded(const Case *c, const double *from, NodeId id) {
  const int64_t n = shape_elems(graph_node(c->graph, id)->shape, c->batch);
  double *to = ARENA_ARRAY(c->arena, double, n + 1);
  for (int64_t k = 0; k < n; k++) to[k] = bf16_value(bf16_of(from[k]));
  return to;
}

// The values of the group's nodes from what it reads in memory.
static Values *stored_values(const Case *c, const Values *from, const Group *group) {
  const Graph *graph = c->graph;
  Values *values = ARENA_NEW(c->arena, Values);
  *values = (Values){arena_copy(c->arena, from->data, sizeof(double *) * graph->n_nodes), from->index};
  for (int i = 0; i < group->n_inputs; i++) {
    NodeId id = group->inputs[i];
    if (is_rounded(graph, group, id)) values->data[id] = rounded(c, from->data[id], id);
  }
  for (int i = 0; i < group->n_nodes; i++) {
    NodeId id = group->nodes[i];
    values->data[id] = ARENA_ARRAY(c->arena, double, shape_elems(graph_node(graph, id)->shape, c->batch) + 1);
    host_node(c, values, id);
    if (is_operand(graph, group, id)) values->data[id] = rounded(c, values->data[id], id);
  }
  return values;
}

static void add_group(KernelSet *set, const Case *c, const Values *values, const Group *group) {
  if (!is_tested(set, c->graph, group)) return;
  values = stored_values(c, values, group);
  set_types(c->graph, group, DT_REAL, DT_BF16);
  kernel_add_group(set, c, values, group);
  set_types(c->graph, group, DT_BF16, DT_REAL);
}

static void add_groups(KernelSet *set, const Case *c, const Values *values, bool unfused) {
  PassCtx ctx = {.scratch = set->arena,
                 .batch = c->graph->batch,
                 .elem_bytes = 4,
                 .is_training = true,
                 .products = emit_product_fusion(EMIT_C, MLA_PRECISION_BF16),
                 .unfused = unfused};
  c->graph->groups = NULL;
  c->graph->n_groups = 0;
  pass_fuse(c->graph, &ctx);
  for (int g = 0; g < c->graph->n_groups; g++)
    if (unfused || c->graph->groups[g].n_nodes > 1) add_group(set, c, values, &c->graph->groups[g]);
}

static void add_case(void *data, Case *c) {
  KernelSet *sets = data;
  if (c->error || c->fails) return;
  case_train(c);
  Values *values = ARENA_NEW(c->arena, Values);
  *values = host_values(c);
  host_run(c, values, c->graph->n_nodes);
  for (int i = 0; i < N_SETS; i++) {
    c->graph->batch = c->batch + sets[i].config.spare;
    c->graph->elem_bytes = 4;
    kernel_place_states(c);
    add_groups(&sets[i], c, values, true);
    add_groups(&sets[i], c, values, false);
  }
}

// A result in bf16 may be off by half a unit of its last place, and by what float32 sums make of a tie; so may an operand
// that is made in the same kernel.
static double tolerance(const KernelRun *run) {
  for (int i = 0; i < run->group.n_nodes; i++)
    if (is_operand(run->c->graph, &run->group, run->group.nodes[i])) return 1.0 / 256;
  for (int i = 0; i < run->group.n_outputs; i++)
    if (kernel_is_bf16(run->c->graph, &run->group, run->group.outputs[i])) return 1.0 / 256;
  return run->c->rough > 2e-5 ? run->c->rough : 2e-5;
}

static int check_set(KernelSet *set, const char *folder) {
  int n_failures = 0;
  double worst = 0;
  if (!kernel_compile(set, folder)) return 1;
  for (int i = 0; i < set->n_runs; i++) {
    const KernelRun *run = &set->runs[i];
    bool is_intact;
    double off = kernel_run(set, run, &is_intact);
    worst = fmax(worst, off / tolerance(run));
    if (is_intact && off <= tolerance(run)) continue;
    fprintf(stderr, "%s: %s: kernel_%d (%s) of %s is off by %.2e%s\n", run->c->file, run->c->title,
            run->symbols[0], run->drafts[0].stem, set->name, off,
            is_intact ? "" : " and writes beyond its buffers");
    n_failures++;
  }
  printf("%d lanes: %d runs of %d kernels, worst %.2f of what is allowed; %d failures\n",
         set->config.vector_bytes / 4, set->n_runs, set->n_texts, worst, n_failures);
  mla_jit_unload(&set->code);
  return n_failures + (set->n_runs < 50);
}

int main(int argc, char **argv) {
  Arena *arena = arena_new(), *scratch = arena_new();
  KernelSet sets[N_SETS];
  for (int i = 0; i < N_SETS; i++) sets[i] = (KernelSet){.arena = arena, .config = configs[i]};
  glob_t files = {0};
  if (argc < 2 && glob("tests/ops/*.case", 0, NULL, &files)) return 1;
  for (size_t i = 0; i < files.gl_pathc; i++)
    case_file_read(files.gl_pathv[i], arena, scratch, add_case, sets);
  for (int i = 1; i < argc; i++) case_file_read(argv[i], arena, scratch, add_case, sets);
  const char *folder = getenv("TEST_TMP");
  signal(SIGSEGV, kernel_crashed);
  signal(SIGBUS, kernel_crashed);
  int n_failures = 0;
  for (int i = 0; i < N_SETS; i++) n_failures += check_set(&sets[i], folder ? folder : "/tmp");
  globfree(&files);
  arena_free(scratch);
  arena_free(arena);
  return n_failures ? 1 : 0;
}
