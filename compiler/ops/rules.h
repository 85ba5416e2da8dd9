// What many operator files need: the checks of shape rules, in the user's terms, and the definitions of
// operators that have no kernel or no derivative.
#pragma once
#include "compiler/emit/emit.h"
#include "compiler/ir/op.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define END_ATTRS                                                                                            \
  { .name = NULL }

// Extents beyond this are a slip of the pen; below it, products of extents stay far inside 64 bits.
enum { MAX_EXTENT = 65536 };

// ---- attributes ----

static inline Attr attr_int(int64_t value) {
  return (Attr){.i = value};
}
static inline Attr attr_real(double value) {
  return (Attr){.r = value};
}

static inline bool expect_range(ShapeQuery *query, const char *op, const char *name, int64_t value,
                                int64_t least) {
  if (value >= least && value <= MAX_EXTENT) return true;
  return shape_fail(query, -1, "%s: %s must be between %lld and %d, it is %lld", op, name, (long long)least,
                    MAX_EXTENT, (long long)value);
}

// ---- shapes ----

// [batch] alone is the labels; every computed value keeps its features or is a scalar.
static inline bool is_labels(Shape shape) {
  return shape.rank == 1 && shape.dim[0] == DIM_BATCH;
}

static inline bool expect_numbers(ShapeQuery *query, const char *op, int input) {
  if (!is_labels(query->in[input])) return true;
  return shape_fail(query, input, "%s works on numbers, and this is the class labels", op);
}

static inline bool expect_image(ShapeQuery *query, const char *op, int input) {
  if (query->in[input].rank == 4) return true;
  return shape_fail(query, input, "%s expects [batch, height, width, channels], x is %s", op,
                    shape_text(query->arena, query->in[input]));
}

// Tokens are an image of width 1.
static inline bool expect_tokens(ShapeQuery *query, const char *op, int input) {
  Shape shape = query->in[input];
  if (shape.rank == 4 && shape.dim[2] == 1) return true;
  return shape_fail(query, input, "%s expects tokens [batch, tokens, 1, channels], x is %s%s", op,
                    shape_text(query->arena, shape),
                    shape.rank == 4 ? ": `tokens` makes them of an image" : "");
}

static inline bool expect_equal(ShapeQuery *query, const char *op, int first, int second) {
  if (shape_equal(query->in[first], query->in[second])) return true;
  return shape_fail(query, second, "%s expects two tensors of one shape, they are %s and %s", op,
                    shape_text(query->arena, query->in[first]), shape_text(query->arena, query->in[second]));
}

// A [channels] vector for x, or a scalar.
static inline bool expect_per_channel(ShapeQuery *query, const char *op, int input, int64_t channels) {
  Shape shape = query->in[input];
  if (shape.rank == 0 || (shape.rank == 1 && shape.dim[0] == channels)) return true;
  return shape_fail(query, input, "%s expects one value for each of %lld channels, input %d is %s", op,
                    (long long)channels, input + 1, shape_text(query->arena, shape));
}

static inline bool shape_is_input(ShapeQuery *query, int input) {
  query->out = query->in[input];
  return true;
}

static inline bool shape_is_scalar(ShapeQuery *query) {
  query->out = (Shape){.rank = 0};
  return true;
}

static inline Shape image_shape(int64_t height, int64_t width, int64_t channels) {
  return (Shape){.rank = 4, .dim = {DIM_BATCH, height, width, channels}};
}

// ---- operators without a kernel, without a derivative ----

static inline void no_second_derivative(Grad *grad, const Node *node, NodeId cotangent) {
  (void)grad;
  (void)cotangent;
  fprintf(stderr, "mlaanc: internal fault: %s is part of a backward pass and has no derivative itself\n",
          op_info(node->op)->name);
  abort();
}

static inline void stops_gradient(Grad *grad, const Node *node, NodeId cotangent) {
  (void)grad;
  (void)node;
  (void)cotangent;
}

static inline void no_kernel(Emit *emit, const Node *node) {
  (void)emit;
  fprintf(stderr, "mlaanc: internal fault: %s is memory that exists already and has no kernel\n",
          op_info(node->op)->name);
  abort();
}

// ---- host references ----

static inline int64_t host_elems(const HostTensor *tensor) {
  return shape_elems(tensor->shape, 1);
}
static inline int64_t host_channels(const HostTensor *tensor) {
  return shape_channels(tensor->shape);
}
static inline int64_t host_rows(const HostTensor *tensor) {
  return shape_rows(tensor->shape, 1);
}

static inline void host_copy(const HostCall *call) {
  memcpy(call->out.data, call->in[0].data, sizeof(double) * (size_t)host_elems(&call->out));
}

static inline void host_zero(const HostTensor *tensor) {
  memset(tensor->data, 0, sizeof(double) * (size_t)host_elems(tensor));
}

// EMA copies: copy <- momentum copy + (1 - momentum) source.
static inline void host_ema(const HostTensor *copy, const HostTensor *source, double momentum) {
  for (int64_t i = 0, n = host_elems(copy); i < n; i++)
    copy->data[i] = momentum * copy->data[i] + (1 - momentum) * source->data[i];
}
// Those that move with an optimiser's step, before it.
static inline void host_follow(const HostCall *call, double momentum) {
  for (int i = 0; call->copies && i < call->n_states; i++)
    host_ema(&call->copies[i], &call->states[i], momentum);
}

// Element (n, y, x, c) of an image tensor.
static inline double *host_at(const HostTensor *tensor, int64_t n, int64_t y, int64_t x, int64_t c) {
  const int64_t *dim = tensor->shape.dim;
  return tensor->data + ((n * dim[1] + y) * dim[2] + x) * dim[3] + c;
}

// Element `i` of the result's index space in an operand that is a full tensor, a [channels] vector or a
// scalar.
static inline double host_spread(const HostTensor *tensor, int64_t i) {
  return tensor->data[i % host_elems(tensor)];
}
