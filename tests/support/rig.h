// A small planned model built by hand, for the tests of the emitter: the same graph as fused kernels in C and
// as unfused host functions in double, on the same values; every buffer lies between guard bytes.
#pragma once
#include "compiler/emit/emit.h"

typedef struct Rig {
  Arena *arena;
  Model model;
  Graph *graph;
  bool unfused;
  int group_capacity;
  double *low, *high; // [node] the range of a leaf's values
} Rig;

// A graph for batches of up to `batch` images.
void rig_begin(Rig *rig, Arena *arena, bool unfused, int64_t batch, int elem_bytes);
// Leaves: values between low and high; labels below `classes`.
NodeId rig_leaf(Rig *rig, Shape shape, double low, double high);
NodeId rig_labels(Rig *rig, int classes);
NodeId rig_scalar(Rig *rig, double low, double high);
StateId rig_state(Rig *rig, StateKind kind, Shape shape);
NodeId rig_read(Rig *rig, StateId state);
// A node; attributes by position, the others at their fallback.
NodeId rig_op(Rig *rig, OpKind op, const NodeId *in, int n_in, const double *attr, int n_attr);
// A group of nodes, some of which are written to memory.
void rig_group(Rig *rig, GroupKind kind, const NodeId *nodes, int n_nodes, const NodeId *outputs,
               int n_outputs);
// Offsets for everything; then `rig->model` can be emitted.
void rig_plan(Rig *rig);

// Runs a training step over `batch` images and returns the memory of all regions (malloc). `fn[kernel]` are
// the compiled kernels (NULL for the reference). False: a guard byte was overwritten; the message says where.
typedef void (*RigKernel)(void *const *buf, long batch, void *scratch, int part, int parts);
unsigned char *rig_run(const Rig *rig, const MlaProgram *program, const RigKernel *fn, int64_t batch,
                       bool reversed);
// Element i of a value or a state, in a memory that rig_run returned.
double rig_value(const MlaProgram *program, const unsigned char *memory, MlaRegion region, int64_t offset,
                 int64_t i);
