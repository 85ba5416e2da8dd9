// What the files of this room share. The road: load.c reads files and finds items; model.c elaborates the
// backbone with eval.c / body.c / network.c / tensor.c; split.c cuts it into modules; auxiliary.c evaluates
// the auxiliary once per module, losses.c records its losses; check.c looks for what cannot be meant.
#pragma once
#include "compiler/ast/ast.h"
#include "compiler/ir/op.h"
#include "compiler/sema/sema.h"
#include "compiler/support/strbuf.h"

typedef struct Sema Sema;
typedef struct Env Env;
typedef struct Scope Scope;
typedef struct Network Network;
typedef struct Item Item;
typedef struct Args Args;
typedef struct FunctionInfo FunctionInfo;
typedef struct LayerInfo LayerInfo;

// ---- values of expressions (value.c)
// ---------------------------------------------------------------------------

typedef enum ValueKind {
  VAL_ERROR, // already reported; whatever uses it is silent
  VAL_NUMBER,
  VAL_TRUTH,
  VAL_STRING,
  VAL_LIST,
  VAL_TABLE,    // entries are evaluated when they are looked up
  VAL_TENSOR,   // a node of the graph being built
  VAL_NETWORK,  // an instance: its parameters are made once and shared by all its applications
  VAL_STAGE,    // a binding of the model, seen from outside
  VAL_UNIT,     // one block of a stage, or a stage without blocks
  VAL_FUNCTION, // functions.def
  VAL_LAYER,    // layers.def
  VAL_OPERATOR, // a SHOWN row of ops.def
  VAL_BLOCK,    // a block definition
  VAL_ITEM,     // a model, data set or auxiliary, with the arguments given so far
  VAL_LOSSES,   // what an auxiliary gives that is applied to a tensor
  VAL_LATER,    // an argument that its function evaluates if it needs it
} ValueKind;

typedef struct Value {
  ValueKind kind;
  Span span; // the expression that made it
  union {
    double number; // NUMBER; TRUTH: 0 or 1
    const char *text;
    struct ValueList *list;
    struct ValueTable *table; // TABLE, LATER
    NodeId node;
    Network *network;
    int index; // STAGE, UNIT: in the backbone's table
    const FunctionInfo *function;
    const LayerInfo *layer;
    OpKind op;
    Item *block;
    const struct Reference *reference;
    struct LossList *losses;
  };
} Value;

typedef struct ValueList {
  Value *items;
  int n, capacity;
} ValueList;

typedef struct ValueTable {
  const Ast *ast;
  Env *env;
} ValueTable;

Value value_error(Span span);
Value value_number(double number, Span span);
Value value_truth(bool truth, Span span);
Value value_string(const char *text, Span span);
Value value_tensor(NodeId node, Span span);
Value value_network(Network *network, Span span);
Value value_list(Sema *sema, Span span); // empty
void value_list_add(Sema *sema, ValueList *list, Value item);
// "the number 3", "a tensor [batch, 8, 8, 64]", "the block stage2[0]"
const char *value_describe(Sema *sema, Value value);
// As an expression, where it can be written as one; else described.
const char *value_text(Sema *sema, Value value);
// Numbers, truths, strings, blocks, references, parts of the model, lists of such; others are never equal.
bool value_equal(Value a, Value b);
// These report what was found instead and return false; an error value is silent.
bool expect_number(Sema *sema, Value value, const char *what, double *out);
bool expect_whole(Sema *sema, Value value, const char *what, int64_t least, int64_t most, int64_t *out);
bool expect_truth(Sema *sema, Value value, const char *what, bool *out);
bool expect_string(Sema *sema, Value value, const char *what, const char **out);
bool expect_tensor(Sema *sema, Value value, const char *what, NodeId *out);

typedef struct Binding {
  const char *name;
  Value value;
  bool is_stage; // a named stage of the model
  struct Binding *next;
} Binding;

struct Env {
  Env *parent;
  Binding *first;
};

Env *env_new(Sema *sema, Env *parent);
void env_set(Sema *sema, Env *env, const char *name, Value value);
Binding *env_find(Env *env, const char *name);

// ---- networks (network.c)
// -----------------------------------------------------------------------------------------

// How a network's parameters come to be.
typedef enum Role {
  ROLE_OWN,   // trained here
  ROLE_COPY,  // trained here, starting as another network's
  ROLE_EMA,   // following another network's
  ROLE_SHARE, // another network's, read only
} Role;

// Where the parameters of a network are named, and what they mirror.
typedef struct Place {
  const char *path;        // "stage1.2"; "" at the top
  const char *source_path; // the same place in the network that is copied, followed or shared; NULL: none
  Role role;
  double momentum; // ROLE_EMA
  bool is_fresh;   // COPY, EMA: initial values are drawn, not taken from the source
  bool is_replay;  // applied before: every parameter is there and is found by its name
} Place;

typedef struct NameCount {
  const char *name;
  int n;
  struct NameCount *next;
} NameCount;

// A place while a body is evaluated: names are counted in it.
struct Scope {
  Place place;
  bool is_stage; // a stage of the model: its blocks are named 0, 1, ... and are units
  NameCount *counts;
};

typedef enum NetworkKind { NET_LAYER, NET_OPERATOR, NET_BLOCK, NET_CHAIN, NET_PIPE, NET_COPY } NetworkKind;

enum { MAX_ARGUMENTS = 12 };

struct Network {
  NetworkKind kind;
  Span span;         // where it was made
  const char *label; // the name it was bound to, or NULL
  Scope *scope;      // where it was made: gives its name
  bool is_backbone;  // made by the model itself; auxiliaries may copy it, not apply it
  int n_applied;
  const char *name, *path; // given at the first application; path is the whole place
  Shape in_shape;          // of the first application
  Span in_span;
  const LayerInfo *layer;
  Value args[MAX_ARGUMENTS]; // LAYER
  bool given[MAX_ARGUMENTS];
  OpKind op;
  Attr *attrs; // OPERATOR
  Item *block;
  Env *env;             // BLOCK: its parameters. PIPE: the model's names
  Network **members;    // CHAIN
  const Ast **elements; // PIPE: the layers of a stage without blocks
  int n_members;        // CHAIN, PIPE
  Network *source;      // COPY
  Place place;          // COPY: role, momentum, is_fresh
};

Network *network_new(Sema *sema, NetworkKind kind, Span span);
Network *network_chain(Sema *sema, Network **members, int n, Span span);
Value network_apply(Sema *sema, Network *network, Value input, Span span);
// The network of a value: a network, a unit of the backbone, a layer or block without arguments, a list of
// such. Reports and returns NULL for anything else.
Network *network_of(Sema *sema, Value value);
// "block basic", "conv", "stage2[0]"
const char *network_word(Sema *sema, const Network *network);

Scope *scope_new(Sema *sema, Place place);
// A name not used in the scope yet: base1, base2, ... or (plain) base, base_2, ...
const char *scope_name(Sema *sema, Scope *scope, const char *base, bool is_plain);
Place place_inside(Sema *sema, Place place, const char *name);

typedef struct ParamSpec {
  const char *leaf; // "weight"
  Shape shape;
  InitKind init;
  double init_arg;
  const double *init_values; // INIT_VALUES
  Layout layout;
  int positions; // State.positions
} ParamSpec;
// The node that reads a parameter of a place, which is made, mirrored or found. NO_NODE after a reported
// error.
NodeId place_param(Sema *sema, Place place, ParamSpec spec, Span span);
// A running statistic of the backbone.
StateId place_running(Sema *sema, Place place, const char *leaf, int64_t channels, InitKind init,
                      int positions, Span span);
// Of the image that the features x are, flattened: through what works element by element. 1: there is none. `span`: of the layer
// that reads them, for the message if they have no order that files know.
int flattened_positions(Sema *sema, NodeId x, Span span);
NodeId state_node(Sema *sema, StateId state, Span span);

// ---- tensors (tensor.c)
// -------------------------------------------------------------------------------------------

const Node *tensor_node(Sema *sema, NodeId node);
Shape tensor_shape(Sema *sema, NodeId node);
// Applies the shape rule; a failure is reported at `span` with a note where the tensor at fault was made.
NodeId tensor_op(Sema *sema, OpKind op, const NodeId *in, int n_in, const Attr *attr, const char *name,
                 Span span);
// Their channels, one after another.
NodeId tensor_join(Sema *sema, const NodeId *in, int n_in, const Attr *attr, Span span);
Attr *tensor_attrs(Sema *sema, OpKind op); // the defaults
void attr_set(OpKind op, Attr *attrs, const char *name, double value);
NodeId tensor_affine(Sema *sema, NodeId x, double scale, double shift, Span span);
Value tensor_binary(Sema *sema, const char *operator, Value a, Value b, Span span);

// ---- layers, functions, calls
// -------------------------------------------------------------------------------------

typedef struct LayerCall {
  Sema *sema;
  const LayerInfo *layer;
  Span span;
  Place place;      // of its parameters
  const char *name; // of its nodes
  NodeId in[2];
  Value *args;
  const bool *given;
} LayerCall;

struct LayerInfo {
  const char *name;
  int n_in; // tensors; 0: the call itself makes a tensor
  bool has_params;
  const char *signature; // "out_channels, kernel, stride: 1": a parameter with `:` may be left out
  const char *doc;
  NodeId (*apply)(LayerCall *call); // NO_NODE after a reported error
};
extern const LayerInfo layer_table[];
NodeId layer_norm_apply(LayerCall *call); // layers_norm.c
NodeId dropout_apply(LayerCall *call);
extern const int n_layers;

typedef struct FunctionCall {
  Sema *sema;
  Env *env;
  Span span;
  Value arg[MAX_ARGUMENTS];
  bool given[MAX_ARGUMENTS];
} FunctionCall;

struct FunctionInfo {
  const char *name, *signature, *doc;
  bool only_auxiliary, is_last_late; // late: the last argument is VAL_LATER
  Value (*call)(FunctionCall *call);
};
extern const FunctionInfo function_table[];
extern const int n_functions;

// Call arguments by position and by name.
struct Args {
  Value *positional;
  int n_positional;
  const Ast **names; // of the named ones
  Value *named;
  int n_named;
  Span span;
};
Args *args_evaluate(Sema *sema, Env *env, const Ast *call_args);
// The same but for one parameter, whose argument is left VAL_LATER.
Args *args_evaluate_but(Sema *sema, Env *env, const Ast *call_args, int late, const char *late_name);
Args *args_none(Sema *sema, Span span);
// Names in a signature text; `required[i]` where no default is written.
int signature_parse(Sema *sema, const char *signature, const char **names, bool *required);
bool args_bind(Sema *sema, const Args *args, const char *what, const char *const *names, const bool *required,
               int n, Value *out, bool *given);
// Binds the parameters of a block, model or auxiliary in `env`; `override_scope` names them for --set (NULL:
// cannot be).
bool args_bind_formals(Sema *sema, const Args *args, const char *what, const Ast *params,
                       const char *override_scope, Env *env);
// A callable applied to arguments; `piped` (may be NULL) is the tensor or network on the left of `|`.
Value call_value(Sema *sema, Env *env, Value callee, const Ast *call_args, const Value *piped, Span span);

// ---- evaluation (eval.c, body.c)
// ----------------------------------------------------------------------------------

Value eval(Sema *sema, Env *env, const Ast *ast);
// The entry for a key, or the error in its place; false if there is none.
bool table_find(Sema *sema, const ValueTable *table, Value key, Value *out);
Value eval_pipe_element(Sema *sema, Env *env, Value left, const Ast *element, Span span);

typedef enum BodyKind { BODY_BLOCK, BODY_MODEL, BODY_AUXILIARY, BODY_ENTRY } BodyKind;
typedef struct Body {
  BodyKind kind;
  Env *env;
  Value result;            // of `return`; kind VAL_ERROR and is_returned false before
  struct LossList *losses; // AUXILIARY: what its `loss` statements add to
  bool is_returned, is_failed;
} Body;
void body_run(Sema *sema, Body *body, const Ast *statements);

// ---- building
// -----------------------------------------------------------------------------------------------------

typedef struct Stage {
  const char *name;
  int first_unit, n_units;
  bool has_blocks;
  Span span;
} Stage;

// The smallest piece that a module may consist of.
typedef struct Unit {
  int stage, index; // the address: stages[stage].name[index]
  Network *network; // NULL: cannot be copied
  NodeId input, output;
  int module; // after the split
  Span span;
} Unit;

// One graph being built. While a backbone is elaborated Node.module and State.module hold unit numbers.
typedef struct Build {
  Graph *graph;
  bool is_training; // batch norm takes the statistics of the batch
  bool is_replay;   // the states exist
  bool is_aux, is_final;
  int module;
  Scope *stage_scope; // of the stage whose pipeline is evaluated; blocks applied there are units
  Stage *stages;
  int n_stages, stage_capacity;
  Unit *units;
  int n_units, unit_capacity;
  Env *inside, *outside; // the model's names as it sees them, and as splits and auxiliaries see them
  bool is_failed;
  NodeId *state_nodes; // by state: its OP_state node in this graph
  int state_node_capacity;
  Span *origins; // by state: the outermost application it was made in, NO_SPAN if none
  int origin_capacity;
  NodeId *taps; // of the present module, by reach
  int n_modules;
  Loss *losses;
  int n_losses;
  int *node_units; // the unit of each node that the backbone's elaboration made
  NodeId n_unit_nodes;
  int *repeats; // by unit: how often the running statistics move in a step
  // For entries:
  const struct Build *like; // the same backbone, cut into modules already; NULL: no entries are made
  bool is_entry;            // the entry of module `entered` is evaluated, with the tensor `handed`
  int entered;
  NodeId handed;
} Build;

typedef enum ItemState { ITEM_NEW, ITEM_RUNNING, ITEM_DONE } ItemState;

struct Item {
  AstKind kind;
  const char *name; // "" for split, train, final
  const Ast *ast;
  int depth; // imports between the file that was loaded and its own; 0: written there
  bool is_used;
  ItemState state; // of the value of a let or param
  Value value;
  Item *next;
};

typedef struct Frame {
  Span span;
  const char *text;
  const struct Frame *outer;
  bool is_application; // of a block; else an evaluation of the auxiliary
} Frame;

// A value that --set can change.
typedef struct Parameter {
  const char *name, *value, *where; // where: "  # file:line:col" or ""
  struct Parameter *next;
} Parameter;

struct Sema {
  Arena *arena;
  SourceMap *map;
  Diag *diag;
  const SemaOptions *options;
  bool *override_used;
  Item *items, *last_item;
  struct FileEntry *files; // load.c
  Parameter *parameters, *last_parameter;
  const Frame *frame;
  int depth, nesting; // of blocks; of expressions
  int n_networks;     // made so far, against models that never end
  Scope *scope;       // where networks made now are named
  Build *build;       // the graph being built, NULL outside
  Build *backbone;    // the training build, for units and stages
  MlaData data;
  Shape stored; // of the images of the data set, [height, width, channels]; rank 0: not said
  bool has_data;
  MlaRecipe recipe;
  Span precision_span;
  bool recompute;
  const Ast *wanted_model, *wanted_auxiliary, *wanted_data, *wanted_entry; // by `train`; NULL: the only one
  const struct Reference *model;                                           // the one that is trained
  const struct Reference *entry;                                           // in use; NULL: none
  const Item *split;                                                       // NULL: one module
  int64_t memory_limit;                                                    // see Model
  Balance balance;
  int n_balanced;
};

// Errors with notes of the calls they happened in.
void sema_error(Sema *sema, Span span, const char *format, ...) __attribute__((format(printf, 3, 4)));
#define sema_note(sema, ...) diag_note((sema)->diag, __VA_ARGS__)
// "; did you mean `x`?" or "".
const char *suggestion(Sema *sema, const char *name, const char *const *candidates, int n);
// "a, b and c"
const char *word_list(Sema *sema, const char *const *words, int n);

Item *item_find(Sema *sema, AstKind kind, const char *name); // NULL: none
// The value of a global name: let, param, block; false if there is none.
bool item_value(Sema *sema, const char *name, Value *out);
// The only item of a kind in the main file, else the only one. NULL if there is none; several are an error.
Item *item_only(Sema *sema, AstKind kind, const char *how, bool *is_failed);

// ---- references (reference.c)
// ---------------------------------------------------------------------------------------------

typedef struct Reference {
  Item *item; // a model, data set or auxiliary
  Value *args;
  bool *given; // by parameter
  Span span;   // of the arguments; the item's name if there are none
} Reference;

Value reference_of(Sema *sema, Item *item, Span span); // without arguments
bool reference_find(Sema *sema, const char *name, Value *out);
// The same with more arguments; later ones replace earlier ones.
Value reference_call(Sema *sema, Value callee, const Args *args, Span span);
bool reference_equal(const Reference *a, const Reference *b);       // same item, same arguments
const char *reference_text(Sema *sema, const Reference *reference); // "cifar_resnet(n: 18)"
Args *reference_args(Sema *sema, const Reference *reference);       // what its item is evaluated with
// What `ast` refers to, which must be of the kind; NULL after an error.
const Reference *reference_read(Sema *sema, AstKind kind, const Ast *ast);
// The one meant: the wanted one, or the only one as `item_only` has it.
const Reference *reference_choose(Sema *sema, AstKind kind, const Ast *wanted, const char *how,
                                  bool *is_failed);

// --set (override.c): the expression given for a parameter, or NULL.
const Ast *override_take(Sema *sema, const char *name);
void parameter_note(Sema *sema, const char *name, Value value, Span span);
void override_report_unknown(Sema *sema);

bool settings_data(Sema *sema);
bool settings_train(Sema *sema);
bool data_fits_input(Sema *sema, Shape image, Span span);
// The shape [batch, height, width, channels] that the data gives a model.
bool data_input_shape(Sema *sema, Shape *shape, Span span);

// model.c
bool model_choose(Sema *sema); // sets sema->model
// Builds the graph of a backbone; NULL after errors. Called once more with is_replay for the evaluation
// graph, which finds the parameters that the first build made. `like`: see Build.
Build *model_elaborate(Sema *sema, const Item *model, const Args *args, StateTable *states, bool is_training,
                       bool is_replay, const Build *like);
// Called when a block is applied in a stage; gives the tensor to apply it to.
Value model_begin_unit(Sema *sema, Network *network, Value input, Span span);
void model_bind_stage(Sema *sema, Body *body, const Ast *bind);
void model_input(Sema *sema, Body *body, const Ast *input);
const char *unit_word(Sema *sema, int unit); // "stage2[0]"
const char *stage_word(Sema *sema, int stage);
int unit_count_splittable(const Build *build); // the tail left out
int unit_end_of_stage(const Build *build, int stage);
Value unit_value(int unit, Span span);

// split.c
// Decides which unit of the backbone belongs to which module. False after errors.
bool split_resolve(Sema *sema);
// Model.memory_limit and places.
void split_places(Sema *sema, Model *model);
// The units behind which `into K at blocks` cuts, as a list.
Value split_even(Sema *sema, Value count, Span span);
// Gives nodes (and, if it made them, states) their modules, as `like` has them or, if NULL, one module.
void split_apply(Sema *sema, Build *build, const Build *like, Span span);
// What a module may read from before it: the output of the one before, and through `stop` those of others.
bool split_check_borders(Sema *sema, const Build *build);

// auxiliary.c
bool auxiliary_elaborate(Sema *sema, const Item *model);
// An auxiliary applied to a tensor, the piped one (may be NULL) or the first of `args`, which are changed.
Value auxiliary_apply(Sema *sema, Value callee, Args *args, const Value *piped, Span span);
NodeId auxiliary_tap(Sema *sema, int reach, Span span);
// Cross entropy of the output, the loss of a model without `final`.
void auxiliary_default_loss(Sema *sema, Build *build, Span span);

// entry.c
// If the program has an entry and several modules, builds sema->backbone again with entries, in new states.
bool entry_insert(Sema *sema, const Item *model, const Args *args, StateTable **states);
// The tensor with which the unit begins that was made last: `handed`, or what the entry makes of it.
Value entry_pass(Sema *sema, Value handed);
Value entry_previous(Sema *sema, Value argument, bool is_given, Span span);

// statistics.c
void statistics_begin(Sema *sema, Build *build);
void statistics_statement(Sema *sema, Body *body, const Ast *statement);
void statistics_apply(Build *build);

// losses.c
typedef struct LossTerm {
  NodeId value;     // scalar, multiplied by its weight
  const char *base; // what it is called: its `as`, or its operator
  const char *name; // base, made unique in the list
  Span span;
} LossTerm;

typedef struct LossList {
  LossTerm *items;
  int n, capacity;
} LossList;

void losses_statement(Sema *sema, Body *body, const Ast *loss);
// A scalar or the losses of an applied auxiliary; `name` may be NULL. False after a reported error.
bool losses_add(Sema *sema, LossList *list, Value value, const Ast *name, Span span);
// Arithmetic in which at least one side is VAL_LOSSES.
Value losses_binary(Sema *sema, const char *operator, Value a, Value b, Span span);
// Makes the list losses of the present module.
void losses_publish(Sema *sema, const LossList *list);

// check.c
// What cannot be meant: losses that train nothing, weights that nothing trains, weights trained from two
// modules.
bool check_training(Sema *sema);
void check_unused(Sema *sema);
