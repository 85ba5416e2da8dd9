// The one header through which operators write kernel text, and through which the driver gets a program.
//
// An operator's <op>_emit says *what one element is*; a skeleton (compiler/emit/c/*.c) says how elements are visited.
// The text an operator writes is the same for every target: it uses `real`, `vec` (a vector of reals, possibly of one
// lane) and the mla_* functions that every target's prelude defines for both:
//   mla_max mla_min mla_exp mla_log mla_sqrt mla_rsqrt mla_sigmoid mla_erf mla_abs
//   mla_gate(y, g) [g where y > 0, else 0]   mla_total mla_largest [of all lanes]   mla_drop(x, key0, key1, e, threshold, scale) [see the prelude]
// Numbers are written with emit_number, so that they have the right type.
#pragma once
#include "compiler/emit/choices.h"
#include "compiler/ir/kernel.h"
#include "compiler/ir/model.h"
#include "compiler/ir/op.h"

// ---- for every operator ---------------------------------------------------------------------------------------
Arena *emit_arena(Emit *emit);
const char *emit_number(Emit *emit, double value); // "((real)1e-05)"
Shape emit_input_shape(Emit *emit, int i);         // of the node's input; the batch extent stays DIM_BATCH

// ---- POINT and REDUCE: expressions ----------------------------------------------------------------------------
// Input `i` at the element being computed: a variable of type vec. A [channels] or scalar input of a wider group is
// already spread. Inputs computed in the same group are variables too; the operator cannot tell.
const char *emit_in(Emit *emit, int i);
// Input `i`, an index tensor, as the address of its words (const int *).
const char *emit_words(Emit *emit, int i);
// A value that depends only on the channel: computed once before the rows are visited. The expression may use only
// inputs that are [channels] or scalar, numbers, emit_rows and earlier emit_channel values. Returns its variable.
const char *emit_channel(Emit *emit, const char *format, ...) __attribute__((format(printf, 2, 3)));
// Number of rows (batch x positions) / elements of the iteration space, as a real expression known at run time.
const char *emit_rows(Emit *emit);
const char *emit_elems(Emit *emit);
// POINT: the element's value.
void emit_result(Emit *emit, const char *format, ...) __attribute__((format(printf, 2, 3)));
// REDUCE: the k-th sum (k = 0, 1, ...) of an expression over rows (result [k][channels]), or over all elements if the
// node is a scalar. Order of summation is fixed by the plan, whatever the number of threads.
void emit_sum(Emit *emit, int k, const char *format, ...) __attribute__((format(printf, 3, 4)));
// REDUCE: input `i` at row 0, per channel: a pivot near the values, so that sums of squares do not cancel.
// Usable in emit_sum and emit_reduced expressions.
const char *emit_pivot(Emit *emit, int i);
// REDUCE: row k of the result, from "sum0", "sum1", the pivot and emit_rows; without a call it is sum k.
void emit_reduced(Emit *emit, int k, const char *format, ...) __attribute__((format(printf, 3, 4)));

// REDUCE with a pivot: sum k of one part of the rows, about the pivot of the whole. Parts may have pivots of their own;
// the expression may use the part's "sum0", "sum1" (about its pivot), "moved" (its pivot minus the whole's) and
// "part_rows". Needed for every sum of an operator that uses emit_pivot.
void emit_moved(Emit *emit, int k, const char *format, ...) __attribute__((format(printf, 3, 4)));

// ---- SINGLE: a kernel of its own ------------------------------------------------------------------------------
// One line of the body; indentation is the skeleton's affair.
void emit_line(Emit *emit, const char *format, ...) __attribute__((format(printf, 2, 3)));
// Gather kernels: every output element from input elements. Opens loops over `n` (image), `y`, `x` (long) and channel
// vectors from channel `c`; the body ends with emit_result. A vector's lanes divide every channel count concerned and
// `lanes_divide` (1: scalars; 0: no further limit).
void emit_gather(Emit *emit, const Node *node, int lanes_divide);
// The vector of input `i` at a position, channels from `c` (emit_load) or from another channel expression.
const char *emit_load(Emit *emit, int i, const char *n, const char *y, const char *x);
const char *emit_load_from(Emit *emit, int i, const char *n, const char *y, const char *x,
                           const char *channel);
// How much output `to` of an axis takes from each input: weight[to][from]. All zero at first.
typedef struct EmitAxis {
  int64_t n_out, n_in;
  double *weight;
} EmitAxis;
EmitAxis emit_axis(Emit *emit, int64_t n_out, int64_t n_in);
// A gather kernel whose elements are weighted sums over rows and columns; is_gradient: of outputs, where the weights are
// read the other way. False: the target would rather have a gather's lines.
bool emit_separable(Emit *emit, EmitAxis rows, EmitAxis columns, bool is_gradient);
// The mean over the batch: the lines written so far are the body for image `n`, plain scalar code; `term` is what the
// image adds, computed once. In the body, as by images: `batch` (long), `in0`, `in1`, ... (const real * or, for an index tensor, const int *).
void emit_mean(Emit *emit, const Node *node, const char *term);
// Pairs of rows of input `rows` ([batch, features]): the lines written so far are the body for row `a`, with its dot
// products with all rows in `dot[b]` (real). is_combined: the body leaves coefficients there, and row a of the result
// is the sum of dot[b] * row b; else the body writes `out`.
void emit_pairs(Emit *emit, const Node *node, int rows, bool is_combined);
// Kernels over rows: the lines written so far are the body for row `r` of input 0, one position of one image or one
// row of features; emit_by_rows comes last. `vec` has emit_row_lanes lanes, which divide input 0's channels.
int emit_row_lanes(Emit *emit, const Node *node);
void emit_by_rows(Emit *emit, const Node *node);
void emit_by_images(Emit *emit, const Node *node); // the same, for image `n`
// A target may give a row (an image) to several threads: all run the same lines, and share the loops that are written with
// emit_each: "for (long c = ...)" over 0 .. n, `lanes` at a time. What a thread summed up there becomes the row's by
// emit_total (of a vec or a real), the largest it found by emit_largest. emit_once stands before what is done once.
const char *emit_each(Emit *emit, const char *index, long n, int lanes);
const char *emit_total(Emit *emit, const char *value, bool is_vec);
const char *emit_largest(Emit *emit, const char *value, bool is_vec);
const char *emit_once(Emit *emit);
// The matrix families and the updates have skeletons of their own, chosen by the operator:
void emit_layer_forward(Emit *emit, const Node *node);
void emit_layer_grad_input(Emit *emit, const Node *node);
void emit_layer_grad_weight(Emit *emit, const Node *node);
void emit_transpose_weight(Emit *emit, const Node *node);
void emit_attention(Emit *emit, const Node *node);      // x
void emit_attention_grad(Emit *emit, const Node *node); // g, x
void emit_sgd(Emit *emit, const Node *node);
void emit_adam(Emit *emit, const Node *node);
void emit_ema(Emit *emit, const Node *node);
void emit_running(Emit *emit, const Node *node);

// ---- for the driver -------------------------------------------------------------------------------------------
typedef enum EmitTarget {
  EMIT_C,
  EMIT_CUDA,
  EMIT_REFERENCE /* host functions in double, no text */
} EmitTarget;

typedef struct EmitOptions {
  EmitTarget target;
  MlaPrecision precision; // REFERENCE: always f64; tf32: CUDA alone
  int vector_bytes;       // of the target machine: 64, 32, 16; 0: ask the host
  const SourceMap *map;   // for the DSL lines that open each kernel
  EmitChoices *choices;   // NULL: the first of what is offered everywhere
  bool is_each_written;   // no group takes over the text of another: for tests
} EmitOptions;

// For PipelineOptions.sums: enough parts to keep the target busy.
SumLimits emit_sum_limits(EmitTarget target);
// For PipelineOptions.products: what the products of the target take in.
ProductFusion emit_product_fusion(EmitTarget target, MlaPrecision precision);
// For PipelineOptions.stores_bf16: at precision bf16 the CPU keeps activations as bf16; CUDA rounds operands of products
// alone (see docs/language.md).
bool emit_stores_bf16(EmitTarget target, MlaPrecision precision);
// Builds the program of a planned model (train and eval graphs both planned). Everything lives in `arena`.
MlaProgram *emit_program(Arena *arena, const Model *model, const EmitOptions *options);
