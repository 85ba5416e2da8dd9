// What the compiler knows of an operator: the row of ops.def and the five definitions of compiler/ops/<name>.c.
// Passes ask these facts; none names an operator where a fact will do.
#pragma once
#include "compiler/ir/graph.h"
#include "compiler/support/diag.h"

typedef enum AttrKind { ATTR_INT, ATTR_REAL, ATTR_BOOL } AttrKind;

typedef struct AttrDef {
  const char *name; // NULL ends the list
  AttrKind kind;
  bool is_required; // in a call of the language; positional in this order after the inputs
  double fallback;  // value where the call leaves it out
  const char *doc;
} AttrDef;

typedef enum FuseKind { FUSE_LEAF, FUSE_VIEW, FUSE_POINT, FUSE_REDUCE, FUSE_SINGLE, FUSE_MARK } FuseKind;
typedef enum Effect { EFFECT_PURE, EFFECT_WRITES_STATE } Effect;

// What a shape rule sees. It fills `out` and returns true, or describes the mistake with shape_fail.
typedef struct ShapeQuery {
  const Shape *in;
  int n_in;
  const Attr *attr;
  Shape out;
  Arena *arena;
  const char *error; // set by shape_fail
  int culprit;       // the input at fault, -1: none in particular
} ShapeQuery;

// Always returns false. The text states both sides: "conv2d expects 64 input channels, x has 32".
bool shape_fail(ShapeQuery *query, int culprit, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// What a gradient rule sees: it adds the cotangent of each input that needs one.
typedef struct Grad Grad;
bool grad_needed(const Grad *grad, int input);
void grad_add(Grad *grad, int input, NodeId cotangent); // adds up if called twice
// Builds a node of the backward pass, in the name of the forward node; the shape follows from the operator's rule.
NodeId grad_build(Grad *grad, OpKind op, const NodeId *in, int n_in, const Attr *attr);
Graph *grad_graph(Grad *grad);
// The forward node whose rule runs, as an input of the gradient (relu and max_pool use their output).
NodeId grad_output(const Grad *grad);

// One call of a host reference: plain loops in double, batch extents filled in. An index tensor is in `index`.
typedef struct HostTensor {
  double *data;
  const int32_t *index;
  Shape shape;
} HostTensor;
typedef struct HostCall {
  const HostTensor *in;
  int n_in;
  HostTensor out;
  const Attr *attr;
  // Update operators: the states written, in order; optimisers: the momenta of the same states, Adam's squares, EMA copies.
  HostTensor *states, *momenta, *squares, *copies;
  int n_states;
  int64_t batch; // images in this step
} HostCall;

typedef struct Emit Emit; // compiler/emit/emit.h

typedef struct OpInfo {
  const char *name;
  int min_in, max_in;
  FuseKind fuse;
  Effect effect;
  bool is_shown;
  const char *doc;
  const AttrDef *attrs;
  bool (*shape)(ShapeQuery *query);
  void (*grad)(Grad *grad, const Node *node, NodeId cotangent);
  void (*host)(const HostCall *call);
  void (*emit)(Emit *emit, const Node *node);
} OpInfo;

#define ANY 64000
extern const OpInfo op_table[N_OPS];

const OpInfo *op_info(OpKind op);
OpKind op_find(const char *name); // OP_none if there is none
int op_n_attrs(OpKind op);
// Index of an attribute by name; the name must exist.
int op_attr_index(OpKind op, const char *name);
// The first of the states that an update writes beside its own, by attribute: `momentum_state`, `square_state`, `copy_state`;
// NO_STATE if the operator has none.
StateId op_beside(const Node *node, const char *name);
// The first of each run of n_states states that an update writes: its own and those beside. Returns their number.
enum { MAX_RUNS = 4 };
int op_written_runs(const Node *node, StateId runs[MAX_RUNS]);
// True for the update of parameters: in[0] is the learning rate, in[1 + i] the gradient of the i-th state.
bool op_is_optimiser(const Graph *graph, const Node *node);

// Of the operator's result: a view has its input's.
DType op_dtype(const Graph *graph, OpKind op, const NodeId *in);

// Adds a node after applying the shape rule; module, phase, name and span are taken from `like`. The caller has made
// sure that the shapes fit: a failing rule here is a fault of the compiler and ends it with a message.
NodeId op_build(Graph *graph, const Node *like, OpKind op, const NodeId *in, int n_in, const Attr *attr);

#define OP(name, ...)                                                                                        \
  extern const AttrDef name##_attrs[];                                                                       \
  bool name##_shape(ShapeQuery *query);                                                                      \
  void name##_grad(Grad *grad, const Node *node, NodeId cotangent);                                          \
  void name##_host(const HostCall *call);                                                                    \
  void name##_emit(Emit *emit, const Node *node);
#include "compiler/ir/ops.def"
#undef OP
