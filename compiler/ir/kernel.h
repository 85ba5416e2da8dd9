// Kernel groups: what pass_fuse makes of the nodes, pass_schedule orders and the emitters write out.
// A group is computed by one kernel (a reduction: by a kernel and its finish). Values inside a group that
// nobody else needs never reach memory.
#pragma once
#include "compiler/ir/graph.h"

typedef enum GroupKind {
  GROUP_POINT,   // element-wise expression over rows x channels; any number of outputs of one shape
  GROUP_REDUCE,  // element-wise prologue, then sums over rows (per channel) or over everything
  GROUP_SINGLE,  // one node with a kernel of its own (convolution, pooling, loss rows, update)
  GROUP_PRODUCT, // a product of matrices with what it takes in, see below
} GroupKind;

// A product (convolution, linear layer or a gradient of one) may take in
//   before it   element-wise nodes from which input 0 follows, out of one tensor of its shape and values per channel or
//               scalars; where the product pads, the padding is 0 and not what the nodes would make of 0;
//               or else one node that gathers input 0 from a smaller tensor (op_is_gathered);
//               and the transposition of its weight;
//   behind it   element-wise nodes of the result's shape, which may read more tensors, each element for itself;
//               and one reduction over its rows.
// A node may stand on both sides. The result is an output only if another kernel reads it.
typedef struct ProductFusion { // what the products of a target take in
  bool before, before_weights; // of activations, and of gradients of weights
  bool behind, sums, transposed;
  bool gathered; // an operand that is gathered, of either
  bool in_pairs; // before a product, its operand is made in pairs of channels: an even number of them
} ProductFusion;

// A GROUP_REDUCE ends in its reductions (all over one space); its element-wise values may be outputs too.
// An element-wise output may lie in the very bytes of an input of equal size that nobody reads later: every
// element must be read before it is written, and buffers must not be declared `restrict` against each other.
struct Group {
  GroupKind kind;
  NodeId *nodes; // topological; computed here (cheap ones may be computed by several groups)
  int n_nodes;
  NodeId *inputs; // values read from memory, as they are written in Node.in (leaves and views too), each once
  int n_inputs;
  NodeId *outputs; // values that are materialised by this group; updates have none
  NodeId product;  // GROUP_PRODUCT
  int n_outputs;
  int module;
  Phase phase;
  int parts;              // see group_parts
  int64_t partial_bytes;  // of the partial sums, 0: none
  int64_t partial_offset; // in the work arena; set by pass_plan_memory
};

// Sums are cut into a number of parts that the shapes alone fix; part p writes its sums to row p of the
// partial buffer and the finish adds the rows in order. So results do not depend on the number of threads.
enum {
  PART_ELEMS = 16384,
  PRODUCT_PART_ROWS = 64,
  MAX_PARTS = 32,
  MAX_WEIGHT_PARTS = 8,
  MAX_WEIGHT_PARTIAL_BYTES = 8 << 20,
  WEIGHT_TILE = 1024
};

// POINT and REDUCE: parts of the rows. Gradients of weights: parts of the batch, fewer for a large weight, which is work
// for many blocks by itself; never more than images. A product with a reduction behind it:
// its row tiles are dealt to the parts. Any other single kernel: 1 here, its emitter is free to choose since no sums
// cross parts.
int group_parts(const Graph *graph, const Group *group);
// [parts][elements of all sums] of DT_REAL for REDUCE, behind a product and a row of pivots; and for gradients of weights of more than one part (a
// single part writes the result itself); 0 for the others.
int64_t kernel_partial_bytes(const Graph *graph, const Group *group);
// The shape whose rows x channels the kernel of a POINT or REDUCE group visits.
Shape group_space(const Graph *graph, const Group *group);
// True if the kernel reads `value` (a node with memory) only at the very element of `output` that it writes
// next.
bool group_may_overwrite(const Graph *graph, const Group *group, NodeId output, NodeId value);

// True if the kernel of a node can read and write the node's tensors as bfloat16: it touches them by mla_load and
// mla_store alone, or multiplies pairs of them.
bool node_takes_bf16(const Node *node);

// ---- products ----
bool op_is_product(OpKind op);
// Many instructions an element: exponentials, error functions, hashes. A product meets an element of its operand once for
// each tap and each block of columns.
bool op_is_costly(OpKind op);
// An image's elements are gathered from a smaller image, in a few instructions each.
bool op_is_gathered(OpKind op);
// The result is an activation and may have something behind it; else it is a weight's gradient.
bool product_has_rows(OpKind op);
// The node of a GROUP_PRODUCT that gathers its operand, NO_NODE: none.
NodeId group_gathered(const Graph *graph, const Group *group);
// Of a GROUP_PRODUCT: the node stands before (behind) the product. The product itself is neither.
bool group_is_before(const Graph *graph, const Group *group, NodeId id);
bool group_is_behind(const Graph *graph, const Group *group, NodeId id);
// The node that the group is known by: its product or its last node.
const Node *group_root(const Graph *graph, const Group *group);
