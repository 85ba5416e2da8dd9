// Networks built by hand for the tests of the passes: layers over op_build, residual networks, and training
// graphs with auxiliary heads, EMA copies and cascades.
#pragma once
#include "compiler/ir/op.h"
#include "compiler/passes/pass.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_UNITS = 64 };

typedef struct Net {
  Arena *arena;
  Graph *graph;
  Node like;          // module, is_aux of what is built next
  const char *prefix; // of names
  int n_names;
  StateKind kind;  // of parameters made next
  StateId follow;  // STATE_EMA: the next parameter that is followed
  bool is_eval;    // batch norm reads running statistics
  StateId running; // eval: the next pair of running statistics; else ignored
} Net;

static inline const char *net_name(Net *net, const char *what) {
  return arena_printf(net->arena, "%s.%s%d", net->prefix, what, net->n_names++);
}

static inline NodeId net_op(Net *net, OpKind op, int n_in, const NodeId *in, const Attr *attr) {
  net->like.name = op_info(op)->name;
  Attr *attrs = ARENA_ARRAY(net->arena, Attr, op_n_attrs(op) + 1);
  for (int i = 0; i < op_n_attrs(op); i++) {
    const AttrDef *def = &op_info(op)->attrs[i];
    if (attr)
      attrs[i] = attr[i];
    else if (def->kind == ATTR_REAL)
      attrs[i].r = def->fallback;
    else
      attrs[i].i = (int64_t)def->fallback;
  }
  return op_build(net->graph, &net->like, op, in, n_in, attrs);
}

#define NET_OP(net, op, ...)                                                                                 \
  net_op((net), (op), (int)(sizeof((NodeId[]){__VA_ARGS__}) / sizeof(NodeId)), (NodeId[]){__VA_ARGS__}, NULL)

static inline Net *net_new(Arena *arena, int n_modules) {
  Net *net = ARENA_NEW(arena, Net);
  net->arena = arena;
  net->graph = graph_new(arena, state_table_new(arena));
  net->graph->modules = ARENA_ARRAY(arena, Module, n_modules);
  net->graph->n_modules = n_modules;
  net->graph->losses = ARENA_ARRAY(arena, Loss, 4 * n_modules);
  net->prefix = "net";
  return net;
}

static inline NodeId net_input(Net *net, int kind, Shape shape, DType dtype) {
  Attr attr = {.i = kind};
  Node node = {
      .op = OP_input, .dtype = dtype, .shape = shape, .state = NO_STATE, .name = kind ? "label" : "image"};
  return graph_add(net->graph, node, NULL, 0, &attr, 1);
}

static inline void net_inputs(Net *net, int64_t size, int64_t channels) {
  net->graph->image = net_input(net, 0, (Shape){4, {DIM_BATCH, size, size, channels}}, DT_REAL);
  net->graph->label = net_input(net, 1, (Shape){1, {DIM_BATCH}}, DT_INDEX);
}

static inline NodeId net_read(Net *net, StateId id) {
  const State *state = state_get(net->graph->states, id);
  Node node = net->like;
  node.op = OP_state;
  node.dtype = DT_REAL;
  node.shape = state->shape;
  node.state = id;
  node.name = state->name;
  return graph_add(net->graph, node, NULL, 0, NULL, 0);
}

static inline StateId net_state(Net *net, StateKind kind, Shape shape, const char *what) {
  State state = {.name = net_name(net, what),
                 .kind = kind,
                 .shape = shape,
                 .module = net->like.module,
                 .is_aux = net->like.is_aux,
                 .source = NO_STATE};
  if (kind == STATE_EMA) {
    while (state_get(net->graph->states, net->follow)->kind != STATE_PARAM) net->follow++;
    state.source = net->follow++;
    state.ema_momentum = 0.995;
    state.init = INIT_COPY;
  }
  return state_add(net->graph->states, state);
}

static inline NodeId net_param(Net *net, Shape shape, const char *what) {
  return net_read(net, net_state(net, net->kind, shape, what));
}

// ---- layers ----

static inline int64_t net_channels(const Net *net, NodeId x) {
  return shape_channels(graph_node(net->graph, x)->shape);
}

static inline NodeId net_conv(Net *net, NodeId x, int64_t out, int kernel, int stride) {
  NodeId weight = net_param(net, (Shape){4, {kernel, kernel, net_channels(net, x), out}}, "conv");
  Attr attr[] = {{.i = stride}, {.i = (kernel - 1) / 2}, {.i = 1}};
  return net_op(net, OP_conv2d, 2, (NodeId[]){x, weight}, attr);
}

static inline NodeId net_part(Net *net, NodeId x, int index) {
  Attr attr = {.i = index};
  return net_op(net, OP_part, 1, &x, &attr);
}

static inline NodeId net_bn(Net *net, NodeId x) {
  Shape channels = {1, {net_channels(net, x)}};
  NodeId gamma = net_param(net, channels, "gamma"), beta = net_param(net, channels, "beta");
  NodeId stats = NET_OP(net, OP_bn_stats, x);
  if (!net->like.is_aux) {
    StateId mean = net_state(net, STATE_RUNNING, channels, "running_mean");
    net_state(net, STATE_RUNNING, channels, "running_var");
    graph_node(net->graph, stats)->state = mean;
    graph_node(net->graph, stats)->n_states = 2;
  }
  NodeId mean = net_part(net, stats, 0), var = net_part(net, stats, 1);
  return NET_OP(net, OP_batch_norm, x, mean, var, gamma, beta);
}

static inline NodeId net_conv_bn_relu(Net *net, NodeId x, int64_t out, int kernel, int stride) {
  return NET_OP(net, OP_relu, net_bn(net, net_conv(net, x, out, kernel, stride)));
}

static inline NodeId net_basic(Net *net, NodeId x, int64_t out, int stride) {
  NodeId y = net_bn(net, net_conv(net, net_conv_bn_relu(net, x, out, 3, stride), out, 3, 1));
  bool is_projected = stride != 1 || net_channels(net, x) != out;
  NodeId shortcut = is_projected ? net_bn(net, net_conv(net, x, out, 1, stride)) : x;
  return NET_OP(net, OP_relu, NET_OP(net, OP_add, y, shortcut));
}

static inline NodeId net_linear(Net *net, NodeId x, int64_t out) {
  NodeId weight = net_param(net, (Shape){2, {net_channels(net, x), out}}, "linear");
  NodeId bias = net_param(net, (Shape){1, {out}}, "bias");
  return NET_OP(net, OP_add, NET_OP(net, OP_linear, x, weight), bias);
}

static inline NodeId net_pool(Net *net, NodeId x) {
  Attr attr[] = {{.i = 1}, {.i = 1}};
  return NET_OP(net, OP_flatten, net_op(net, OP_adaptive_avg_pool, 1, &x, attr));
}

static inline NodeId net_tap(Net *net, NodeId x, int reach) {
  Attr attr = {.i = reach};
  return net_op(net, OP_tap, 1, &x, &attr);
}

static inline NodeId net_scaled(Net *net, NodeId x, double scale) {
  Attr attr[] = {{.r = scale}, {.r = 0}};
  return net_op(net, OP_affine, 1, &x, attr);
}

static inline void net_loss(Net *net, NodeId term, double weight, const char *name) {
  Loss *loss = &net->graph->losses[net->graph->n_losses++];
  *loss = (Loss){.term = term, .value = weight == 1 ? term : net_scaled(net, term, weight), .name = name};
  loss->module = net->like.module;
}

static inline void net_cross_entropy(Net *net, NodeId logits, double weight, const char *name) {
  net_loss(net, NET_OP(net, OP_cross_entropy, logits, net->graph->label), weight, name);
}

// ---- a residual network: stem and 3 n basic blocks, module by module ----

typedef struct Unit {
  int64_t width;
  int stride;
  NodeId output;
  StateId first_state; // of its parameters
} Unit;

typedef struct ResNet {
  Net *net;
  Unit units[MAX_UNITS]; // the blocks; the stem belongs to the first
  int n_units;
  NodeId logits;
} ResNet;

static inline void net_at(Net *net, int module, bool is_aux, const char *prefix) {
  net->like.module = module;
  net->like.is_aux = is_aux;
  net->prefix = prefix;
  net->n_names = 0;
  net->kind = STATE_PARAM;
}

// `module_of[i]` is the module of block i.
static inline ResNet *resnet_new(Arena *arena, int n, int64_t width, int64_t size, const int *module_of) {
  ResNet *resnet = ARENA_NEW(arena, ResNet);
  resnet->n_units = 3 * n;
  int n_modules = module_of[3 * n - 1] + 1;
  Net *net = resnet->net = net_new(arena, n_modules);
  net_inputs(net, size, 3);
  net_at(net, 0, false, "stem");
  NodeId x = net_conv_bn_relu(net, net->graph->image, width, 3, 1);
  for (int i = 0; i < 3 * n; i++) {
    Unit *unit = &resnet->units[i];
    *unit = (Unit){width << (i / n), i > 0 && i % n == 0 ? 2 : 1, NO_NODE, net->graph->states->n};
    if (i > 0 && module_of[i] != module_of[i - 1]) net->graph->modules[module_of[i]].input = x;
    net_at(net, module_of[i], false, arena_printf(arena, "block%d", i));
    x = unit->output = net_basic(net, x, unit->width, unit->stride);
    net->graph->modules[module_of[i]].output = x;
  }
  net_at(net, n_modules - 1, false, "tail");
  resnet->logits = net->graph->output = net_linear(net, net_pool(net, x), 10);
  net->graph->modules[n_modules - 1].output = resnet->logits;
  for (int m = 0; m < n_modules; m++) net->graph->modules[m].name = "module";
  return resnet;
}

static inline void resnet_final_loss(ResNet *resnet, int reach, double weight) {
  Net *net = resnet->net;
  net_at(net, net->graph->n_modules - 1, true, "final");
  net_cross_entropy(net, net_tap(net, resnet->logits, reach), weight, "final");
}

// The basic block like `unit` on x: with parameters of its own, or EMA copies of the unit's.
static inline NodeId resnet_copy(ResNet *resnet, const Unit *unit, NodeId x, bool is_ema) {
  Net *net = resnet->net;
  net->kind = is_ema ? STATE_EMA : STATE_PARAM;
  net->follow = unit->first_state;
  NodeId y = net_basic(net, x, unit->width, unit->stride);
  net->kind = STATE_PARAM;
  return y;
}

// GAP and a linear layer.
static inline void net_head(Net *net, NodeId x, double weight, const char *name) {
  net_cross_entropy(net, net_linear(net, net_pool(net, x), 10), weight, name);
}

static inline void net_decoder(Net *net, NodeId x, int64_t size, double weight) {
  Attr attr[] = {{.i = size}, {.i = size}};
  NodeId y = net_conv_bn_relu(net, net_op(net, OP_resize, 1, &x, attr), 12, 3, 1);
  NodeId bias = net_param(net, (Shape){1, {3}}, "bias");
  NodeId p = NET_OP(net, OP_sigmoid, NET_OP(net, OP_add, net_conv(net, y, 3, 3, 1), bias));
  Attr half[] = {{.r = 0.5}, {.r = 0.5}};
  NodeId target = net_op(net, OP_affine, 1, &net->graph->image, half);
  NodeId terms = NET_OP(net, OP_bce_terms, p, target);
  net_loss(net, NET_OP(net, OP_mean, terms), weight, "bce");
}

// 2c2f on x, and the reconstruction decoder.
static inline void net_infopro(Net *net, NodeId x, int64_t size) {
  net_decoder(net, x, size, 3.9);
  int64_t width = net_channels(net, x) < 64 ? 2 * net_channels(net, x) : 64;
  NodeId y = net_conv_bn_relu(net, x, width, 3, net_channels(net, x) < 64 ? 2 : 1);
  y = net_pool(net, net_conv_bn_relu(net, y, width, 3, 1));
  y = NET_OP(net, OP_relu, net_linear(net, y, 128));
  net_cross_entropy(net, net_linear(net, y, 10), 0.4, "ce");
}

// EMA copy and learnable copy of the next block, then decoder and classifier, at every split.
static inline ResNet *resnet_man(Arena *arena, int n, int64_t width, int64_t size) {
  int module_of[MAX_UNITS];
  for (int i = 0; i < 3 * n; i++) module_of[i] = i;
  ResNet *resnet = resnet_new(arena, n, width, size, module_of);
  Net *net = resnet->net;
  for (int i = 0; i + 1 < 3 * n; i++) {
    net_at(net, i, true, arena_printf(arena, "aux%d", i));
    NodeId x = net_tap(net, resnet->units[i].output, 1);
    NodeId z = NET_OP(net, OP_add, resnet_copy(resnet, &resnet->units[i + 1], x, true),
                      resnet_copy(resnet, &resnet->units[i + 1], x, false));
    net_infopro(net, z, size);
  }
  resnet_final_loss(resnet, 1, 1);
  return resnet;
}

// Independent heads, and cascades of `window` modules through chains of copies of later blocks. links[i]: the
// blocks of module i's chain, ended by -1.
static inline ResNet *resnet_cascade(Arena *arena, int n, int64_t width, int64_t size, int window,
                                     const int (*links)[5]) {
  int module_of[MAX_UNITS];
  for (int i = 0; i < 3 * n; i++) module_of[i] = i;
  ResNet *resnet = resnet_new(arena, n, width, size, module_of);
  Net *net = resnet->net;
  for (int i = 0; i + 1 < 3 * n; i++) {
    net_at(net, i, true, arena_printf(arena, "aux%d", i));
    net_head(net, net_tap(net, resnet->units[i].output, 1), 0.001, "independent");
    NodeId z = net_tap(net, resnet->units[i].output, i + 1 < window ? i + 1 : window);
    for (int k = 0; links[i][k] >= 0; k++) {
      const Unit *unit = &resnet->units[links[i][k]];
      NodeId copy = resnet_copy(resnet, unit, z, false);
      z = k == 0 ? NET_OP(net, OP_add, copy, resnet_copy(resnet, unit, z, true)) : copy;
    }
    net_head(net, z, 0.999, "cascade");
  }
  resnet_final_loss(resnet, 1, 0.001);
  resnet_final_loss(resnet, window, 0.999);
  return resnet;
}

static inline ResNet *resnet_end_to_end(Arena *arena, int n, int64_t width, int64_t size) {
  int module_of[MAX_UNITS] = {0};
  ResNet *resnet = resnet_new(arena, n, width, size, module_of);
  resnet_final_loss(resnet, 1, 1);
  return resnet;
}

// The chains of MLAAN for ResNet-32 in 15 modules.
static const int mlaan_links[15][5] = {{5, 10, 12, 14, -1},
                                       {5, 10, 12, 14, -1},
                                       {5, 10, 13, 14, -1},
                                       {5, 10, 12, 14, -1},
                                       {5, 10, 13, 14, -1},
                                       {10, 12, 13, 14, -1},
                                       {10, 12, 13, 14, -1},
                                       {10, 12, 13, 14, -1},
                                       {10, 12, 13, 14, -1},
                                       {10, 12, 13, 14, -1},
                                       {11, 12, 14, -1},
                                       {12, 13, 14, -1},
                                       {13, 14, -1},
                                       {14, -1},
                                       {-1}};

// ---- compiling ----

static inline Model *net_model(Net *net) {
  Model *model = ARENA_NEW(net->arena, Model);
  model->name = "test";
  model->train = net->graph;
  model->states = net->graph->states;
  model->recipe = (MlaRecipe){.lr = 0.1, .momentum = 0.9, .nesterov = true, .weight_decay = 1e-4};
  return model;
}

static inline Graph *net_compile(Net *net, int64_t batch, int elem_bytes, bool unfused,
                                 const char *stop_after) {
  PipelineOptions options = {
      .batch = batch, .elem_bytes = elem_bytes, .unfused = unfused, .stop_after = stop_after};
  pipeline_run(net_model(net), net->arena, &options, NULL, NULL);
  return net->graph;
}

static inline int count_ops(const Graph *graph, OpKind op) {
  int n = 0;
  for (NodeId id = 1; id < graph->n_nodes; id++) n += graph_node(graph, id)->op == op;
  return n;
}
