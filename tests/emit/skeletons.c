// Every skeleton of the emitter against the host references: both precisions, three vector widths, full, odd
// and single batches, parts in both orders (the results must be the same bits). Shapes are chosen so that
// channels are fewer, more and no multiple of a vector's lanes, and so that groups have one part and several.
// timeout: 900
// label: slow
#include "compiler/support/strbuf.h"
#include "tests/support/kernels.h"
#include "tests/support/rig.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 32 };

#define LIST(...)  (const NodeId[]){__VA_ARGS__}, (int)(sizeof((NodeId[]){__VA_ARGS__}) / sizeof(NodeId))
#define ATTRS(...) (const double[]){__VA_ARGS__}, (int)(sizeof((double[]){__VA_ARGS__}) / sizeof(double))
#define NO_ATTRS   NULL, 0

static Shape image(int64_t h, int64_t w, int64_t c) {
  return (Shape){.rank = 4, .dim = {DIM_BATCH, h, w, c}};
}
static Shape row(int64_t c) {
  return (Shape){.rank = 2, .dim = {DIM_BATCH, c}};
}
static Shape vector(int64_t c) {
  return (Shape){.rank = 1, .dim = {c}};
}

static void single(Rig *rig, NodeId node) {
  rig_group(rig, GROUP_SINGLE, LIST(node), LIST(node));
}

// ---- the cases ----

// batch_norm + relu + add of a skip connection, two outputs; then the backward pass of the same.
static void batch_norm_case(Rig *rig, Shape shape) {
  int64_t c = shape_channels(shape);
  NodeId x = rig_leaf(rig, shape, -1, 3), skip = rig_leaf(rig, shape, -1, 1), g = rig_leaf(rig, shape, -1, 1);
  NodeId gamma = rig_leaf(rig, vector(c), 0.5, 1.5), beta = rig_leaf(rig, vector(c), -1, 1);
  NodeId stats = rig_op(rig, OP_bn_stats, LIST(x), NO_ATTRS);
  rig_group(rig, GROUP_REDUCE, LIST(stats), LIST(stats));
  NodeId mean = rig_op(rig, OP_part, LIST(stats), ATTRS(0)),
         var = rig_op(rig, OP_part, LIST(stats), ATTRS(1));
  NodeId bn = rig_op(rig, OP_batch_norm, LIST(x, mean, var, gamma, beta), NO_ATTRS);
  NodeId sum = rig_op(rig, OP_add, LIST(bn, skip), NO_ATTRS),
         relu = rig_op(rig, OP_relu, LIST(sum), NO_ATTRS);
  rig_group(rig, GROUP_POINT, LIST(bn, sum, relu), LIST(bn, relu));
  NodeId gate = rig_op(rig, OP_gate, LIST(g, relu), NO_ATTRS);
  NodeId sums = rig_op(rig, OP_bn_grad_sums, LIST(gate, x, mean, var), NO_ATTRS);
  rig_group(rig, GROUP_REDUCE, LIST(gate, sums), LIST(sums));
  NodeId sum_gx = rig_op(rig, OP_part, LIST(sums), ATTRS(0)),
         sum_g = rig_op(rig, OP_part, LIST(sums), ATTRS(1));
  NodeId dx = rig_op(rig, OP_bn_grad_input, LIST(gate, x, mean, var, gamma, sum_gx, sum_g), NO_ATTRS);
  NodeId half = rig_op(rig, OP_affine, LIST(dx), ATTRS(0.5, 0.25));
  rig_group(rig, GROUP_POINT, LIST(gate, dx, half), LIST(dx, half));
}

// Sums with a prologue: a pivot of a computed value, two roots of one pass, an element-wise output beside
// them.
static void reduce_case(Rig *rig, Shape shape) {
  NodeId x = rig_leaf(rig, shape, -1, 1), scale = rig_leaf(rig, vector(shape_channels(shape)), 5, 6);
  NodeId big = rig_op(rig, OP_add, LIST(x, scale), NO_ATTRS);
  NodeId stats = rig_op(rig, OP_bn_stats, LIST(big), NO_ATTRS);
  NodeId sums = rig_op(rig, OP_channel_sum, LIST(big), NO_ATTRS);
  NodeId all = rig_op(rig, OP_mean, LIST(big), NO_ATTRS);
  rig_group(rig, GROUP_REDUCE, LIST(big, all, sums, stats), LIST(big, all, sums, stats));
  NodeId y = rig_op(rig, OP_relu, LIST(x), NO_ATTRS), total = rig_op(rig, OP_total_sum, LIST(y), NO_ATTRS);
  rig_group(rig, GROUP_REDUCE, LIST(y, total), LIST(y, total));
}

// Flat kernels: nothing varies by channel; elements behind the last full vector.
static void flat_case(Rig *rig, Shape shape) {
  NodeId z = rig_leaf(rig, shape, -2, 2), t = rig_leaf(rig, shape, 0, 1), g = rig_scalar(rig, 0.5, 2);
  NodeId p = rig_op(rig, OP_sigmoid, LIST(z), NO_ATTRS), scaled = rig_op(rig, OP_mul, LIST(p, g), NO_ATTRS);
  rig_group(rig, GROUP_POINT, LIST(p, scaled), LIST(p, scaled));
  NodeId terms = rig_op(rig, OP_bce_terms, LIST(p, t), NO_ATTRS),
         bce = rig_op(rig, OP_mean, LIST(terms), NO_ATTRS);
  rig_group(rig, GROUP_REDUCE, LIST(terms, bce), LIST(bce));
  NodeId logits = rig_op(rig, OP_bce_logits_terms, LIST(z, t), NO_ATTRS);
  NodeId sum = rig_op(rig, OP_sum, LIST(logits), NO_ATTRS);
  rig_group(rig, GROUP_REDUCE, LIST(logits, sum), LIST(sum));
  double target[] = {
      shape.rank, (double)shape.dim[0], (double)shape.dim[1], (double)shape.dim[2], (double)shape.dim[3], 1,
      1};
  NodeId spread = rig_op(rig, OP_broadcast, LIST(g), target, 7);
  NodeId slope = rig_op(rig, OP_bce_grad, LIST(spread, p, t), NO_ATTRS);
  rig_group(rig, GROUP_POINT, LIST(spread, slope), LIST(slope));
}

// Values without a batch, down to one element; a scalar computed inside a wider group.
static void narrow_case(Rig *rig, int64_t c) {
  NodeId a = rig_leaf(rig, vector(c), -1, 1), s = rig_scalar(rig, 1, 2);
  NodeId twice = rig_op(rig, OP_affine, LIST(s), ATTRS(2, 1));
  NodeId product = rig_op(rig, OP_mul, LIST(a, twice), NO_ATTRS);
  rig_group(rig, GROUP_POINT, LIST(twice, product), LIST(product));
  NodeId one = rig_op(rig, OP_fill, NULL, 0, ATTRS(1)),
         weighted = rig_op(rig, OP_mul, LIST(one, s), NO_ATTRS);
  rig_group(rig, GROUP_POINT, LIST(one, weighted), LIST(weighted));
  NodeId x = rig_leaf(rig, row(c), -1, 1), bias = rig_op(rig, OP_affine, LIST(a), ATTRS(3, 0));
  NodeId biased = rig_op(rig, OP_add, LIST(x, bias), NO_ATTRS);
  rig_group(rig, GROUP_POINT, LIST(bias, biased), LIST(biased));
}

static void gather_case(Rig *rig, int64_t c) {
  NodeId x = rig_leaf(rig, image(9, 8, c), -1, 1), other = rig_leaf(rig, image(9, 8, 2 * c), -1, 1);
  NodeId pooled = rig_op(rig, OP_max_pool, LIST(x), ATTRS(3, 2, 1));
  single(rig, pooled);
  NodeId g = rig_leaf(rig, graph_node(rig->graph, pooled)->shape, -1, 1);
  single(rig, rig_op(rig, OP_max_pool_grad, LIST(g, x, pooled), ATTRS(3, 2, 1)));
  single(rig, rig_op(rig, OP_avg_pool, LIST(x), ATTRS(2, 2, 0)));
  single(rig, rig_op(rig, OP_adaptive_avg_pool, LIST(x), ATTRS(2, 3)));
  NodeId up = rig_op(rig, OP_resize, LIST(x), ATTRS(17, 15));
  single(rig, up);
  single(rig, rig_op(rig, OP_resize_grad, LIST(up), ATTRS(9, 8)));
  NodeId cut = rig_op(rig, OP_slice, LIST(x), ATTRS(1, 2, 4, 5));
  single(rig, cut);
  single(rig, rig_op(rig, OP_concat, LIST(x, other), NO_ATTRS));
  single(rig, rig_op(rig, OP_channels, LIST(other), ATTRS((double)c, (double)c)));
}

static void loss_case(Rig *rig) {
  NodeId logits = rig_leaf(rig, row(10), -3, 3), label = rig_labels(rig, 10), g = rig_scalar(rig, 0.5, 1);
  single(rig, rig_op(rig, OP_cross_entropy, LIST(logits, label), NO_ATTRS));
  single(rig, rig_op(rig, OP_cross_entropy_grad, LIST(g, logits, label), NO_ATTRS));
}

static void row_case(Rig *rig, Shape shape) {
  NodeId x = rig_leaf(rig, shape, -2, 3), g = rig_leaf(rig, shape, -1, 1);
  NodeId stats = rig_op(rig, OP_row_stats, LIST(x), NO_ATTRS);
  single(rig, stats);
  NodeId y = rig_op(rig, OP_row_norm, LIST(x, stats), NO_ATTRS);
  single(rig, y);
  single(rig, rig_op(rig, OP_row_norm_grad, LIST(g, y, stats), NO_ATTRS));
  NodeId log_softmax = rig_op(rig, OP_log_softmax, LIST(x), NO_ATTRS);
  single(rig, log_softmax);
  single(rig, rig_op(rig, OP_log_softmax_grad, LIST(g, log_softmax), NO_ATTRS));
}

static void matrix_case(Rig *rig) {
  NodeId x = rig_leaf(rig, image(8, 8, 16), -1, 1), w = rig_leaf(rig, (Shape){4, {3, 3, 16, 24}}, -1, 1);
  NodeId y = rig_op(rig, OP_conv2d, LIST(x, w), ATTRS(2, 1, 1));
  single(rig, y);
  NodeId turned = rig_op(rig, OP_transpose_weight, LIST(w), ATTRS(1));
  single(rig, turned);
  single(rig, rig_op(rig, OP_conv2d_grad_input, LIST(y, turned), ATTRS(2, 1, 1, 8, 8)));
  single(rig, rig_op(rig, OP_conv2d_grad_weight, LIST(x, y), ATTRS(2, 1, 1, 3, 3)));
  NodeId f = rig_leaf(rig, row(48), -1, 1), v = rig_leaf(rig, (Shape){2, {48, 10}}, -1, 1);
  NodeId z = rig_op(rig, OP_linear, LIST(f, v), NO_ATTRS);
  single(rig, z);
  single(rig, rig_op(rig, OP_linear_grad_input, LIST(z, v), NO_ATTRS));
  single(rig, rig_op(rig, OP_linear_grad_weight, LIST(f, z), NO_ATTRS));
}

static void update(Rig *rig, NodeId node, StateId first, int n) {
  graph_node(rig->graph, node)->state = first;
  graph_node(rig->graph, node)->n_states = n;
  rig_group(rig, GROUP_SINGLE, LIST(node), NULL, 0);
}

static void sgd_case(Rig *rig, const Shape *shapes, int n, double momentum, bool nesterov) {
  NodeId in[8] = {rig_scalar(rig, 0.1, 0.2)};
  StateId first = NO_STATE, velocity = NO_STATE;
  for (int i = 0; i < n; i++) {
    StateId id = rig_state(rig, STATE_PARAM, shapes[i]);
    if (i == 0) first = id;
    in[i + 1] = rig_leaf(rig, shapes[i], -1, 1);
  }
  for (int i = 0; i < n && momentum > 0; i++) {
    StateId id = rig_state(rig, STATE_MOMENTUM, shapes[i]);
    if (i == 0) velocity = id;
  }
  update(rig, rig_op(rig, OP_sgd_step, in, n + 1, ATTRS(momentum, nesterov, 1e-2, velocity)), first, n);
}

static void update_cases(Rig *rig) {
  Shape shapes[] = {{4, {3, 3, 64, 64}}, vector(64), vector(3), {2, {128, 10}}};
  int n = (int)(sizeof shapes / sizeof *shapes);
  NodeId sources[4];
  StateId first = rig->graph->states->n, copies = first + n;
  for (int i = 0; i < n; i++) rig_state(rig, STATE_PARAM, shapes[i]);
  for (int i = 0; i < n; i++) rig_state(rig, STATE_EMA, shapes[i]);
  for (int i = 0; i < n; i++) sources[i] = rig_read(rig, first + i);
  update(rig, rig_op(rig, OP_ema_step, sources, n, ATTRS(0.995)), copies, n);
  sgd_case(rig, shapes, n, 0.9, true);
  sgd_case(rig, shapes, n, 0.9, false);
  sgd_case(rig, shapes, n, 0, false);
  NodeId stats = rig_leaf(rig, (Shape){2, {2, 24}}, 0.1, 1);
  StateId mean = rig_state(rig, STATE_RUNNING, vector(24));
  rig_state(rig, STATE_RUNNING, vector(24));
  update(rig, rig_op(rig, OP_running_step, LIST(stats), ATTRS(0.1, 64)), mean, 2);
}

static void build(Rig *rig, Arena *arena, bool unfused, int elem_bytes) {
  static const int64_t channels[] = {1, 3, 8, 12, 16, 24, 64, 160};
  rig_begin(rig, arena, unfused, BATCH, elem_bytes);
  for (size_t i = 0; i < sizeof channels / sizeof *channels; i++) {
    batch_norm_case(rig, image(8, 8, channels[i]));
    reduce_case(rig, image(4, 16, channels[i]));
    gather_case(rig, channels[i]);
    narrow_case(rig, channels[i]);
  }
  row_case(rig, image(5, 7, 24));
  row_case(rig, image(32, 32, 16));
  row_case(rig, row(10));
  batch_norm_case(rig, image(1, 3, 100));
  batch_norm_case(rig, image(32, 32, 16));
  reduce_case(rig, row(7));
  reduce_case(rig, row(100));
  flat_case(rig, image(28, 28, 1));
  flat_case(rig, image(5, 7, 3));
  flat_case(rig, row(1));
  loss_case(rig);
  matrix_case(rig);
  update_cases(rig);
  rig_plan(rig);
}

// ---- the comparison ----

static const char *node_text(const Graph *graph, Arena *arena, NodeId id) {
  const Node *node = graph_node(graph, id);
  return arena_printf(arena, "%%%u %s %s", (unsigned)id, op_info(node->op)->name,
                      shape_text(arena, node->shape));
}

typedef struct Side {
  const MlaProgram *program;
  const unsigned char *memory;
} Side;

static bool values_agree(Side a, int64_t offset_a, Side b, int64_t offset_b, MlaRegion region, int64_t n,
                         double tolerance, const char *what) {
  double top = 1e-3, worst = 0;
  int64_t at = 0;
  for (int64_t i = 0; i < n; i++) top = fmax(top, fabs(rig_value(b.program, b.memory, region, offset_b, i)));
  for (int64_t i = 0; i < n; i++) {
    double x = rig_value(a.program, a.memory, region, offset_a, i),
           y = rig_value(b.program, b.memory, region, offset_b, i);
    double error = fabs(x - y) / top;
    if (error <= worst) continue;
    worst = error;
    at = i;
    if (isnan(error)) break;
  }
  if (worst <= tolerance) return true;
  fprintf(stderr, "%s: element %lld of %lld is %.9g, expected %.9g\n", what, (long long)at, (long long)n,
          rig_value(a.program, a.memory, region, offset_a, at),
          rig_value(b.program, b.memory, region, offset_b, at));
  return false;
}

static int compare(const Rig *fused, Side kernels, const Rig *unfused, Side reference, int64_t batch) {
  double tolerance = kernels.program->elem == MLA_F64 ? 1e-12 : 3e-5;
  const Graph *graph = fused->graph;
  int n_wrong = 0;
  for (int g = 0; g < graph->n_groups; g++) {
    for (int i = 0; i < graph->groups[g].n_outputs; i++) {
      NodeId id = graph->groups[g].outputs[i];
      const Node *node = graph_node(graph, id);
      n_wrong +=
          !values_agree(kernels, node->offset, reference, graph_node(unfused->graph, id)->offset, MLA_WORK,
                        shape_elems(node->shape, batch), tolerance, node_text(graph, fused->arena, id));
    }
  }
  for (int i = 0; i < kernels.program->n_states; i++) {
    const MlaState *a = &kernels.program->states[i], *b = &reference.program->states[i];
    int64_t n = 1;
    for (int d = 0; d < a->rank; d++) n *= a->dim[d];
    n_wrong += !values_agree(kernels, a->offset, reference, b->offset, a->region, n, tolerance, a->name);
  }
  return n_wrong;
}

static int check_batch(const Rig *fused, const MlaProgram *program, const RigKernel *fn, const Rig *unfused,
                       const MlaProgram *reference, int64_t batch) {
  Side expected = {reference, rig_run(unfused, reference, NULL, batch, false)};
  Side forward = {program, rig_run(fused, program, fn, batch, false)};
  Side backward = {program, rig_run(fused, program, fn, batch, true)};
  int n_wrong = !expected.memory || !forward.memory || !backward.memory;
  if (n_wrong == 0) {
    n_wrong = compare(fused, forward, unfused, expected, batch);
    if (memcmp(forward.memory, backward.memory, (size_t)program->region_bytes[MLA_WORK])) {
      fprintf(stderr, "batch %lld: the order of the parts changes the result\n", (long long)batch);
      n_wrong++;
    }
  }
  free((void *)expected.memory);
  free((void *)forward.memory);
  free((void *)backward.memory);
  return n_wrong;
}

static const char *all_text(Arena *arena, const MlaProgram *program) {
  StrBuf text = strbuf_new(arena);
  for (int i = 0; i < program->n_kernels; i++) {
    strbuf_put(&text, program->kernels[i].text);
    strbuf_put(&text, "\n");
  }
  return text.text;
}

static int check_machine(int elem_bytes, int vector_bytes) {
  Arena *arena = arena_new();
  Rig fused, unfused;
  build(&fused, arena, false, elem_bytes);
  build(&unfused, arena, true, 8);
  EmitOptions options = {.target = EMIT_C,
                         .precision = elem_bytes == 8 ? MLA_PRECISION_F64 : MLA_PRECISION_F32,
                         .vector_bytes = vector_bytes};
  EmitOptions plain = {.target = EMIT_REFERENCE};
  const MlaProgram *program = emit_program(arena, &fused.model, &options);
  const MlaProgram *reference = emit_program(arena, &unfused.model, &plain);
  const char *text = all_text(arena, program);
  int n_wrong = strcmp(text, all_text(arena, emit_program(arena, &fused.model, &options))) != 0;
  if (n_wrong) fprintf(stderr, "the emitted text differs from one time to the next\n");
  // Optimised for the widest vectors; the text of the others as it stands, which takes half the time.
  KernelLib *lib =
      kernels_compile(text, (KernelMachine){elem_bytes, vector_bytes, false}, vector_bytes == 64);
  if (!lib) return 1;
  RigKernel *fn = ARENA_ARRAY(arena, RigKernel, program->n_kernels);
  for (int i = 0; i < program->n_kernels; i++) fn[i] = kernels_find(lib, program->kernels[i].symbol);
  static const int64_t batches[] = {BATCH, 5, 1};
  for (int i = 0; i < 3; i++) n_wrong += check_batch(&fused, program, fn, &unfused, reference, batches[i]);
  printf("f%d, vectors of %d bytes: %d kernels, %d launches, %d wrong\n", elem_bytes * 8, vector_bytes,
         program->n_kernels, program->train.n_launches, n_wrong);
  kernels_close(lib);
  arena_free(arena);
  return n_wrong;
}

int main(void) {
  int n_wrong = 0;
  for (int elem_bytes = 4; elem_bytes <= 8; elem_bytes += 4) {
    for (int vector_bytes = 64; vector_bytes >= 16; vector_bytes /= 2)
      n_wrong += check_machine(elem_bytes, vector_bytes);
  }
  return n_wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}
