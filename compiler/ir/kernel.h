// Kernel groups: what pass_fuse makes of the nodes, pass_schedule orders and the emitters write out.
// A group is computed by one kernel (a reduction: by a kernel and its finish). Values inside a group that nobody
// else needs never reach memory.
#pragma once
#include "compiler/ir/graph.h"

typedef enum GroupKind {
  GROUP_POINT,  // element-wise expression over rows x channels; any number of outputs of one shape
  GROUP_REDUCE, // element-wise prologue, then sums over rows (per channel) or over everything
  GROUP_SINGLE, // one node with a kernel of its own (convolution, pooling, loss rows, update)
} GroupKind;

struct Group {
  GroupKind kind;
  NodeId *nodes; // topological; computed here (cheap ones may be computed by several groups)
  int n_nodes;
  NodeId *inputs; // materialised values read, views resolved to the node that is written down as input
  int n_inputs;
  NodeId *outputs; // values that are materialised by this group
  int n_outputs;
  int module;
  Phase phase;
};
