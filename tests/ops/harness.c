// Tests every operator by its .case files (see case_file.h for their language):
//   - the shape rule, also with shapes that do not fit;
//   - the host reference against values worked out by hand;
//   - the gradient rule: the case's graph is differentiated, run with the host references in double precision
//     and compared with central differences of sum(result * weights);
//   - the emitted kernels of that graph, forward and backward, each operator alone and as pass_fuse groups
//     them, against the host references, for several element types, vector widths and batches.
// A row of ops.def that no case runs is a failure.
// timeout: 900
#include "tests/ops/case_graph.h"
#include "tests/ops/kernel_run.h"
#include <glob.h>
#include <math.h>
#include <stdarg.h>

typedef struct Tally {
  int n_cases, n_failures, n_values, n_gradients, n_refusals, n_kernels, n_fused;
  bool is_run[N_OPS], is_emitted[N_OPS];
  double worst_gradient, worst_float, worst_double;
  KernelSet sets[6];
} Tally;

// Element bytes, vector bytes, and images that the plan has more than the run. Of the widest vectors optimised code runs, of
// the others what the compiler makes of the text as it stands, in less than half the time.
static const KernelConfig configs[6] = {
    {4, 64, 0, &c_skeletons, NULL, {true, true, true, true, false, true, false}, MLA_PRECISION_F32, NULL},
    {4, 32, 2, &c_skeletons, NULL, {true, true, true, true, false, true, false}, MLA_PRECISION_F32, "-O0"},
    {4, 16, 9, &c_skeletons, NULL, {true, true, true, true, false, true, false}, MLA_PRECISION_F32, "-O0"},
    {8, 64, 2, &c_skeletons, NULL, {true, true, true, true, false, true, false}, MLA_PRECISION_F64, NULL},
    {8, 32, 9, &c_skeletons, NULL, {true, true, true, true, false, true, false}, MLA_PRECISION_F64, "-O0"},
    {8, 16, 0, &c_skeletons, NULL, {true, true, true, true, false, true, false}, MLA_PRECISION_F64, "-O0"}};

static void fail(Tally *tally, const Case *c, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void fail(Tally *tally, const Case *c, const char *format, ...) {
  va_list args;
  fprintf(stderr, "%s: %s: ", c->file, c->title);
  va_start(args, format);
  vfprintf(stderr, format, args);
  va_end(args);
  fputc('\n', stderr);
  tally->n_failures++;
}

// ---- values and gradients ----

static bool is_near(double a, double b, double scale, double tolerance) {
  return fabs(a - b) <= tolerance * fmax(scale, 1e-3);
}

static double largest(const double *values, int64_t n) {
  double most = 0;
  for (int64_t i = 0; i < n; i++) most = fmax(most, fabs(values[i]));
  return most;
}

static void check_expected(Tally *tally, Case *c, const Values *values, const Expected *expected) {
  NodeId id = case_need(c, expected->name)->node;
  if (expected->is_gradient) id = c->graph->grads[graph_node(c->graph, id)->state];
  if (id == NO_NODE) {
    fail(tally, c, "no gradient reaches %s", expected->name);
    return;
  }
  int64_t n = shape_elems(graph_node(c->graph, id)->shape, c->batch);
  if (n != expected->n_values)
    fail(tally, c, "%s has %lld elements, %d are expected", expected->name, (long long)n, expected->n_values);
  for (int64_t i = 0; i < n && i < expected->n_values; i++, tally->n_values++)
    if (!is_near(values->data[id][i], expected->values[i], fabs(expected->values[i]), 1e-9))
      fail(tally, c, "%s%s[%lld] is %.12g, expected %.12g", expected->is_gradient ? "gradient of " : "",
           expected->name, (long long)i, values->data[id][i], expected->values[i]);
}

static double loss_at(const Case *c, const Values *values, NodeId loss, double *x, double value) {
  double before = *x;
  *x = value;
  host_run(c, values, loss + 1);
  *x = before;
  return values->data[loss][0];
}

static void check_gradient(Tally *tally, const Case *c, const Values *values, NodeId loss,
                           const Named *named) {
  const double h = 1e-5;
  const Node *node = graph_node(c->graph, named->node);
  NodeId grad = c->graph->grads[node->state];
  if (grad == NO_NODE) {
    fail(tally, c, "no gradient reaches %s", named->name);
    return;
  }
  int64_t n = shape_elems(node->shape, c->batch);
  double scale = largest(values->data[grad], n), *x = values->data[named->node];
  for (int64_t i = 0; i < n; i++, tally->n_gradients++) {
    double slope =
        (loss_at(c, values, loss, &x[i], x[i] + h) - loss_at(c, values, loss, &x[i], x[i] - h)) / (2 * h);
    double off = fabs(slope - values->data[grad][i]) / fmax(scale, 1e-3);
    tally->worst_gradient = fmax(tally->worst_gradient, off);
    if (!(off <= 1e-7))
      fail(tally, c, "gradient of %s[%lld] is %.12g, differences give %.12g", named->name, (long long)i,
           values->data[grad][i], slope);
  }
}

static void check_gradients(Tally *tally, const Case *c, const Values *values, NodeId loss) {
  for (int i = 0; i < c->n_names; i++)
    if (is_param(c, &c->names[i]) && !expects_gradient(c, c->names[i].name))
      check_gradient(tally, c, values, loss, &c->names[i]);
}

// ---- cases ----

static void check_refusal(Tally *tally, const Case *c) {
  tally->n_refusals++;
  if (!c->error)
    fail(tally, c, "the shape rule should refuse: %s", c->fails);
  else if (!c->fails)
    fail(tally, c, "%s", c->error);
  else if (!strstr(c->error, c->fails))
    fail(tally, c, "the shape rule says \"%s\", expected \"%s\"", c->error, c->fails);
}

static void run_case(void *data, Case *c) {
  Tally *tally = data;
  tally->n_cases++;
  if (c->error || c->fails) {
    check_refusal(tally, c);
    return;
  }
  NodeId loss = case_train(c);
  Values *values = ARENA_NEW(c->arena, Values);
  *values = host_values(c);
  host_run(c, values, c->graph->n_nodes);
  for (int i = 0; i < c->n_expected; i++) check_expected(tally, c, values, &c->expected[i]);
  for (NodeId id = 1; id < c->graph->n_nodes; id++) tally->is_run[graph_node(c->graph, id)->op] = true;
  if (loss != NO_NODE) {
    check_gradients(tally, c, values, loss);
    host_run(c, values, c->graph->n_nodes);
  }
  for (int i = 0; i < 6; i++) kernel_add_case(&tally->sets[i], c, values);
}

// ---- kernels ----

static void check_kernel(Tally *tally, const KernelSet *set, const KernelRun *run) {
  bool is_intact, is_double = set->config.elem_bytes == 8;
  double off = kernel_run(set, run, &is_intact),
         *worst = is_double ? &tally->worst_double : &tally->worst_float;
  const char *stem = run->drafts[0].stem;
  if (!is_intact)
    fail(tally, run->c, "kernel_%d (%s) of %s writes beyond its buffers", run->symbols[0], stem, set->name);
  if (!(off <= (is_double ? 1e-11 : run->c->rough)))
    fail(tally, run->c, "kernel_%d (%s) of %s is off by %.2e", run->symbols[0], stem, set->name, off);
  *worst = fmax(*worst, off);
  if (run->group.n_nodes == 1) tally->is_emitted[graph_node(run->c->graph, run->group.nodes[0])->op] = true;
  tally->n_kernels++;
  tally->n_fused += run->group.n_nodes > 1;
}

static void check_kernels(Tally *tally, KernelSet *set, const char *folder) {
  if (!kernel_compile(set, folder)) {
    tally->n_failures++;
    return;
  }
  for (int i = 0; i < set->n_runs; i++) check_kernel(tally, set, &set->runs[i]);
  mla_jit_unload(&set->code);
}

static void check_coverage(Tally *tally) {
  for (int op = OP_none + 1; op < N_OPS; op++) {
    FuseKind fuse = op_info((OpKind)op)->fuse;
    bool has_kernel = fuse != FUSE_LEAF && fuse != FUSE_VIEW;
    if (tally->is_run[op] && (!has_kernel || tally->is_emitted[op])) continue;
    fprintf(stderr, "no case in tests/ops runs %s\n", op_info((OpKind)op)->name);
    tally->n_failures++;
  }
}

// Without arguments: all cases. With files: those.
int main(int argc, char **argv) {
  Tally tally = {0};
  Arena *arena = arena_new(), *scratch = arena_new();
  for (int i = 0; i < 6; i++) tally.sets[i] = (KernelSet){.arena = arena, .config = configs[i]};
  glob_t files = {0};
  if (argc < 2 && glob("tests/ops/*.case", 0, NULL, &files)) return 1;
  for (size_t i = 0; i < files.gl_pathc; i++)
    case_file_read(files.gl_pathv[i], arena, scratch, run_case, &tally);
  for (int i = 1; i < argc; i++) case_file_read(argv[i], arena, scratch, run_case, &tally);
  const char *folder = getenv("TEST_TMP");
  signal(SIGSEGV, kernel_crashed);
  signal(SIGBUS, kernel_crashed);
  for (int i = 0; i < 6; i++) check_kernels(&tally, &tally.sets[i], folder ? folder : "/tmp");
  if (argc < 2) check_coverage(&tally);
  printf("%d cases: %d refusals, %d values by hand, %d gradients (worst %.1e)\n", tally.n_cases,
         tally.n_refusals, tally.n_values, tally.n_gradients, tally.worst_gradient);
  printf("%d kernel runs, %d of fused operators (worst float %.1e, double %.1e); %d failures\n",
         tally.n_kernels, tally.n_fused, tally.worst_float, tally.worst_double, tally.n_failures);
  globfree(&files);
  arena_free(scratch);
  arena_free(arena);
  return tally.n_failures ? 1 : 0;
}
