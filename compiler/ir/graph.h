// The graph: one training step (or one evaluation) as pure tensor operations in SSA form.
//
// Nodes are numbered from 1 in creation order and a node's inputs have smaller numbers, so walking the array
// upwards is a topological order and nothing printed ever depends on an address. Activations are
// channels-last: [batch, height, width, channels] or [batch, features]; the batch extent stays the symbol
// DIM_BATCH until the memory plan. State that outlives a step (parameters, momenta, EMA copies, running
// statistics) is in the StateTable, is read through OP_state nodes and is written only by update nodes (op
// effect WRITES_STATE), which must run after every node that reads the old value.
#pragma once
#include "compiler/support/arena.h"
#include "compiler/support/source.h"
#include <stdbool.h>
#include <stdint.h>

typedef uint32_t NodeId; // 0: none
typedef int32_t StateId; // -1: none
#define NO_NODE  0u
#define NO_STATE (-1)

enum { MAX_RANK = 4, DIM_BATCH = -1 };
enum { STATE_ALIGNMENT = 16 }; // elements: where a state may begin in the arena of its kind

typedef struct Shape {
  int rank; // 0: scalar
  int64_t dim[MAX_RANK];
} Shape;

// The plan's floating type; int32 class labels; a real that is kept in memory as bfloat16 (pass_narrow): a kernel reads
// and writes it as the plan's floating type, rounded to nearest even on the way to memory.
typedef enum DType { DT_REAL, DT_INDEX, DT_BF16 } DType;

typedef union Attr {
  int64_t i;
  double r;
} Attr;

typedef enum Phase { PHASE_FORWARD, PHASE_BACKWARD, PHASE_UPDATE } Phase;

typedef enum OpKind {
  OP_none,
#define OP(name, ...) OP_##name,
#include "compiler/ir/ops.def"
#undef OP
  N_OPS
} OpKind;

typedef struct Node {
  OpKind op;
  Phase phase;
  DType dtype;
  Shape shape;
  int module;     // whose step runs it: 0..n_modules-1
  bool is_aux;    // belongs to the module's auxiliary, not to the backbone
  bool recompute; // a clone made by pass_recompute: scheduled just before its first consumer
  int n_in;
  NodeId *in;
  Attr *attr;    // as many as the operator's AttrDefs
  StateId state; // OP_state: the state read. Update nodes: the first state written
  int n_states;  // update nodes: how many consecutive states are written
  int seed_of;   // a `fill` that starts the backward pass of a loss (or is folded from such): its index + 1,
                 // else 0
  const char *name; // the user's layer, "stage1.2/conv1"
  Span span;
  // Set by the planning passes; see ir/kernel.h.
  int group;      // the kernel group that computes it, -1: none (leaf or view)
  int64_t offset; // byte offset in the work arena; only for materialised nodes, -1 otherwise
} Node;

typedef enum StateKind {
  STATE_PARAM,
  STATE_MOMENTUM,
  STATE_EMA,
  STATE_RUNNING,
  STATE_CONST,
  N_STATE_KINDS
} StateKind;

typedef enum InitKind {
  INIT_ZERO,
  INIT_ONE,
  INIT_NORMAL,  // N(0, a)
  INIT_UNIFORM, // U(-a, a)
  INIT_VALUES,  // `values`
  INIT_COPY,    // the initial value of state `source`
} InitKind;

// How the tensor is laid out here against the file format's convention (PyTorch's).
typedef enum Layout {
  LAYOUT_PLAIN,
  LAYOUT_CONV /* HWIO here, OIHW there */,
  LAYOUT_LINEAR /* IO here, OI there */
} Layout;

typedef struct State {
  const char *name; // "stage1.2.conv1.weight": unique, the name in checkpoints
  StateKind kind;
  Shape shape;
  Layout layout;
  int positions; // of the flattened image that the first extent goes over; 0, 1: none. Files go over its channels first
  int module;
  bool is_aux;
  bool is_used; // set by pass_prune: some node of the training or evaluation graph needs it
  InitKind init;
  double init_arg; // standard deviation or bound
  const double *init_values;
  StateId source; // EMA: the parameter it follows. INIT_COPY: where the start value comes from. Momentum: its
                  // parameter
  double ema_momentum;
  StateId
      same; // an EMA copy that stays equal to an earlier one for ever: that one, in whose bytes it lies; set by
            // pass_copies, NO_STATE before and for all others
  Span span;
  int64_t offset; // in elements, in the arena of its kind; set by pass_plan_memory
} State;

typedef struct StateTable {
  Arena *arena;
  State *items;
  int n, capacity;
  int64_t arena_elems[N_STATE_KINDS]; // set by pass_plan_memory
} StateTable;

// A gradient-isolated module: a run of backbone units between two split points.
typedef struct Module {
  const char *name; // "module 3 (stage1[2], stage1[3])"
  NodeId input;     // NO_NODE for the first
  NodeId output;    // the activation handed on (a_i)
  Span span;        // where the split, or the model's end, was written
} Module;

// A loss belongs to a module. How far its gradient runs is on the OP_tap nodes between it and the backbone.
typedef struct Loss {
  NodeId value; // scalar, already multiplied by its weight; the seed of the backward pass is 1
  NodeId term;  // the unweighted scalar, for reports
  NodeId seed;  // the `fill` its backward pass starts from; set by pass_differentiate, NO_NODE before
  int reach; // how many modules its gradient runs through: the longest of its taps; set by pass_differentiate
  int module;
  const char *name; // "cross_entropy", made unique inside a module: "cross_entropy.2"
  Span span;
} Loss;

typedef struct Group Group; // ir/kernel.h

// How a target likes sums to be cut into parts; 0: as the constants of kernel.h say.
typedef struct SumLimits {
  int max_parts;     // blocks that add up one sum
  int part_channels; // of a row that such a block has; 0: all of them
  int weight_blocks; // that compute the gradient of one weight, WEIGHT_TILE elements each; 0: MAX_WEIGHT_PARTS
} SumLimits;

typedef struct Graph {
  Arena *arena;
  Node *nodes;              // nodes[0] is unused
  NodeId n_nodes, capacity; // n_nodes: one more than the largest id
  StateTable *states;       // shared by the training and the evaluation graph
  Module *modules;
  int n_modules;
  Loss *losses;
  int n_losses;
  NodeId image, label; // OP_input nodes
  NodeId output;       // logits
  // OP_input, a scalar or [3] with Adam's bias corrections; set by pass_update, NO_NODE before and in evaluation graphs
  NodeId learning_rate;
  // OP_input [n, 2] of DT_INDEX: two words of noise a step for each dropout; NO_NODE: there is none
  NodeId keys;
  NodeId *grads; // [n_grads] total gradient of each state, set by pass_differentiate; NULL before
  int n_grads;   // as many as there were states before the momenta
  // Planning:
  int64_t batch;  // extent put in for DIM_BATCH
  int elem_bytes; // of DT_REAL: 4 or 8
  SumLimits sums;
  Group *groups; // in launch order after pass_schedule
  int n_groups;
  bool is_scheduled;    // the order of the groups is the order of the launches
  bool is_planned;      // offsets are set
  int64_t work_bytes;   // the work arena: the schedule's peak, exactly
  int64_t live_bound;   // largest sum of live bytes: no plan of this order can be smaller
  int64_t *module_live; // [n_modules] the same while a module's launches run
} Graph;

Graph *graph_new(Arena *arena, StateTable *states);
Node *graph_node(const Graph *graph, NodeId id);
// Adds a node without checking shapes (see op_build in ir/op.h, which applies the operator's shape rule).
NodeId graph_add(Graph *graph, Node node, const NodeId *in, int n_in, const Attr *attr, int n_attr);
// Drops the nodes with keep[id] false, renumbers the rest in order, rewrites every id in the graph (an id of
// a dropped node becomes NO_NODE). Before pass_fuse only.
void graph_compact(Graph *graph, const bool *keep);
// Puts map[id] in place of every id in the graph; the replaced nodes stay, unused.
void graph_replace(Graph *graph, const NodeId *map);
// A copy with ids of its own, in `arena`; states, names and attributes are shared. Before pass_fuse only.
Graph *graph_copy(const Graph *graph, Arena *arena);
// Reorders nodes so that inputs precede users again after a pass broke that; keeps the order otherwise.
// Before pass_fuse only.
void graph_sort(Graph *graph);

// Who reads a node, views included: users.items[users.first[id]] up to users.first[id + 1]; twice if it reads
// it twice.
typedef struct Users {
  NodeId *first, *items;
} Users;
Users graph_users(const Graph *graph, Arena *arena);

StateTable *state_table_new(Arena *arena);
StateId state_add(StateTable *table, State state); // the name is copied
StateId state_find(const StateTable *table, const char *name);
State *state_get(const StateTable *table, StateId id);
// Orders the table by kind, as created within a kind, and rewrites the ids in the graphs that share it. So
// the parameters of a module are neighbours, and one update serves them all.
void state_table_sort(StateTable *table, Graph *const *graphs, int n_graphs);

Shape shape_of(int rank, const int64_t *dim);
bool shape_equal(Shape a, Shape b);
int64_t shape_elems(Shape shape, int64_t batch); // with `batch` for DIM_BATCH
int64_t shape_channels(Shape shape);             // last extent; 1 for a scalar
int64_t shape_rows(Shape shape, int64_t batch);  // elements / channels
// "[batch, 32, 32, 16]", "scalar"
const char *shape_text(Arena *arena, Shape shape);
int64_t node_bytes(const Graph *graph, const Node *node); // as it is stored
// The node whose memory this node shares: follows OP views (reshape, part); adds the byte offset of the view.
NodeId node_storage(const Graph *graph, NodeId id, int64_t *byte_offset);

// One line a node: `%12 = conv2d(%3, %4) {kernel_h=3 ...} : [batch,32,32,16]  # stage1.0/conv1 module 0
// backward`.
void graph_print(const Graph *graph, void *file /* FILE* */);
