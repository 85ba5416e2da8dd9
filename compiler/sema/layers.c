// The layers of layers.def, each in terms of operators and parameters. Initial values are PyTorch's and, for
// convolutions, the ResNet convention: N(0, sqrt(2 / (k^2 * out))); `init` replaces them.
#include "compiler/sema/internal.h"

#include <math.h>

enum { MAX_EXTENT = 65536 };

static NodeId build(LayerCall *call, OpKind op, const NodeId *in, int n_in, const Attr *attr) {
  return tensor_op(call->sema, op, in, n_in, attr, call->name, call->span);
}

static NodeId param(LayerCall *call, const char *leaf, Shape shape, InitKind init, double init_arg,
                    Layout layout) {
  ParamSpec spec = {.leaf = leaf, .shape = shape, .init = init, .init_arg = init_arg, .layout = layout};
  return place_param(call->sema, call->place, spec, call->span);
}

// One whose first extent goes over the features of x.
static NodeId feature_param(LayerCall *call, ParamSpec spec) {
  spec.positions = flattened_positions(call->sema, call->in[0], call->span);
  return place_param(call->sema, call->place, spec, call->span);
}

static bool whole(LayerCall *call, int i, const char *what, int64_t least, int64_t fallback, int64_t *out) {
  *out = fallback;
  return !call->given[i] || expect_whole(call->sema, call->args[i], what, least, MAX_EXTENT, out);
}

static bool truth(LayerCall *call, int i, const char *what, bool fallback, bool *out) {
  *out = fallback;
  return !call->given[i] || expect_truth(call->sema, call->args[i], what, out);
}

static bool number(LayerCall *call, int i, const char *what, double fallback, double *out) {
  *out = fallback;
  return !call->given[i] || expect_number(call->sema, call->args[i], what, out);
}

// A standard deviation, below 0 if it is not given.
static bool deviation(LayerCall *call, int i, const char *what, double *out) {
  if (!number(call, i, what, -1, out)) return false;
  if (!call->given[i] || *out >= 0) return true;
  sema_error(call->sema, call->args[i].span, "%s is the standard deviation of initial weights, not %g", what,
             *out);
  return false;
}

static bool expect_rank(LayerCall *call, int rank, const char *wanted) {
  Sema *sema = call->sema;
  const Node *x = tensor_node(sema, call->in[0]);
  if (x->shape.rank == rank) return true;
  sema_error(sema, call->span, "%s expects %s, x is %s", call->layer->name, wanted,
             shape_text(sema->arena, x->shape));
  sema_note(sema, x->span, "x is made here");
  return false;
}

// Drawn from U(-bound, bound), or zeros.
static NodeId add_bias(LayerCall *call, NodeId x, int64_t channels, double bound) {
  Shape shape = {.rank = 1, .dim = {channels}};
  NodeId bias = param(call, "bias", shape, bound > 0 ? INIT_UNIFORM : INIT_ZERO, bound, LAYOUT_PLAIN);
  return build(call, OP_add, (NodeId[]){x, bias}, 2, NULL);
}

static bool groups_fit(LayerCall *call, int64_t in, int64_t out, int64_t groups) {
  if (in % groups == 0 && out % groups == 0) return true;
  sema_error(call->sema, call->span,
             "conv: %lld input and %lld output channels cannot both be divided into %lld groups",
             (long long)in, (long long)out, (long long)groups);
  return false;
}

static NodeId conv_apply(LayerCall *call) {
  enum { OUT, KERNEL, STRIDE, PAD, GROUPS, BIAS, INIT };
  int64_t out, kernel, stride, pad, groups;
  bool has_bias;
  double drawn;
  if (!whole(call, OUT, "conv's out_channels", 1, 0, &out) ||
      !whole(call, KERNEL, "conv's kernel", 1, 0, &kernel) ||
      !whole(call, STRIDE, "conv's stride", 1, 1, &stride) ||
      !whole(call, PAD, "conv's pad", 0, (kernel - 1) / 2, &pad) ||
      !whole(call, GROUPS, "conv's groups", 1, 1, &groups) ||
      !truth(call, BIAS, "conv's bias", false, &has_bias) || !deviation(call, INIT, "conv's init", &drawn) ||
      !expect_rank(call, 4, "[batch, height, width, channels]"))
    return NO_NODE;
  int64_t in = shape_channels(tensor_shape(call->sema, call->in[0]));
  if (!groups_fit(call, in, out, groups)) return NO_NODE;
  Shape shape = {.rank = 4, .dim = {kernel, kernel, in / groups, out}};
  double fallback = sqrt(2.0 / (double)(kernel * kernel * out));
  NodeId weight = param(call, "weight", shape, INIT_NORMAL, drawn < 0 ? fallback : drawn, LAYOUT_CONV);
  Attr *attrs = tensor_attrs(call->sema, OP_conv2d);
  attr_set(OP_conv2d, attrs, "stride", (double)stride);
  attr_set(OP_conv2d, attrs, "pad", (double)pad);
  attr_set(OP_conv2d, attrs, "groups", (double)groups);
  NodeId y = build(call, OP_conv2d, (NodeId[]){call->in[0], weight}, 2, attrs);
  if (!has_bias || y == NO_NODE) return y;
  return add_bias(call, y, out, drawn < 0 ? 1 / sqrt((double)(in / groups * kernel * kernel)) : 0);
}

static NodeId reshape(LayerCall *call, NodeId x, Shape shape) {
  if (x == NO_NODE) return NO_NODE;
  Attr *attrs = tensor_attrs(call->sema, OP_reshape);
  static const char *const extents[MAX_RANK] = {"d0", "d1", "d2", "d3"};
  attr_set(OP_reshape, attrs, "rank", shape.rank);
  for (int i = 0; i < shape.rank; i++) attr_set(OP_reshape, attrs, extents[i], (double)shape.dim[i]);
  return build(call, OP_reshape, &x, 1, attrs);
}

static bool is_tokens(Shape shape) {
  return shape.rank == 4 && shape.dim[2] == 1;
}

// Tokens are the rows of one matrix product: a pointwise convolution.
static NodeId linear_product(LayerCall *call, NodeId weight, int64_t in, int64_t out) {
  if (!is_tokens(tensor_shape(call->sema, call->in[0])))
    return build(call, OP_linear, (NodeId[]){call->in[0], weight}, 2, NULL);
  NodeId kernel = reshape(call, weight, (Shape){.rank = 4, .dim = {1, 1, in, out}});
  if (kernel == NO_NODE) return NO_NODE;
  return build(call, OP_conv2d, (NodeId[]){call->in[0], kernel}, 2, tensor_attrs(call->sema, OP_conv2d));
}

static NodeId linear_apply(LayerCall *call) {
  enum { FEATURES, BIAS, INIT };
  int64_t out;
  bool has_bias;
  double drawn;
  if (!whole(call, FEATURES, "linear's features", 1, 0, &out) ||
      !truth(call, BIAS, "linear's bias", true, &has_bias) || !deviation(call, INIT, "linear's init", &drawn))
    return NO_NODE;
  Shape x = tensor_shape(call->sema, call->in[0]);
  if (!is_tokens(x) && !expect_rank(call, 2, "[batch, features] or tokens")) {
    sema_note(call->sema, NO_SPAN, "`avgpool` or `flatten` make features of an image, `tokens` make tokens");
    return NO_NODE;
  }
  int64_t in = shape_channels(x);
  double bound = drawn < 0 ? 1 / sqrt((double)in) : 0;
  NodeId weight = feature_param(call, (ParamSpec){.leaf = "weight",
                                                  .shape = {.rank = 2, .dim = {in, out}},
                                                  .init = drawn < 0 ? INIT_UNIFORM : INIT_NORMAL,
                                                  .init_arg = drawn < 0 ? bound : drawn,
                                                  .layout = LAYOUT_LINEAR});
  NodeId y = linear_product(call, weight, in, out);
  return has_bias && y != NO_NODE ? add_bias(call, y, out, bound) : y;
}

// ---- tokens
// ------------------------------------------------------------------------------------------------------

static const double token_deviation = 0.02; // as transformers start

static NodeId tokens_apply(LayerCall *call) {
  if (!expect_rank(call, 4, "an image [batch, height, width, channels]")) return NO_NODE;
  Shape x = tensor_shape(call->sema, call->in[0]);
  return reshape(call, call->in[0], (Shape){.rank = 4, .dim = {x.dim[0], x.dim[1] * x.dim[2], 1, x.dim[3]}});
}

static bool expect_tokens(LayerCall *call) {
  Sema *sema = call->sema;
  const Node *x = tensor_node(sema, call->in[0]);
  if (is_tokens(x->shape)) return true;
  sema_error(sema, call->span, "%s expects tokens [batch, tokens, 1, channels], x is %s", call->layer->name,
             shape_text(sema->arena, x->shape));
  sema_note(sema, x->span, "x is made here");
  if (x->shape.rank == 4) sema_note(sema, NO_SPAN, "`tokens` makes them of an image");
  return false;
}

static NodeId class_token_apply(LayerCall *call) {
  if (!expect_tokens(call)) return NO_NODE;
  Shape shape = {.rank = 1, .dim = {shape_channels(tensor_shape(call->sema, call->in[0]))}};
  NodeId token = param(call, "weight", shape, INIT_NORMAL, token_deviation, LAYOUT_PLAIN);
  if (token == NO_NODE) return NO_NODE;
  return build(call, OP_class_token, (NodeId[]){call->in[0], token}, 2, NULL);
}

// Added as one long row of features: what is the same for all images is broadcast like a bias.
static NodeId position_apply(LayerCall *call) {
  if (!expect_tokens(call)) return NO_NODE;
  Shape x = tensor_shape(call->sema, call->in[0]);
  int64_t n_elems = x.dim[1] * x.dim[3];
  NodeId weight = param(call, "weight", (Shape){.rank = 2, .dim = {x.dim[1], x.dim[3]}}, INIT_NORMAL,
                        token_deviation, LAYOUT_PLAIN);
  NodeId row = reshape(call, weight, (Shape){.rank = 1, .dim = {n_elems}});
  NodeId features = build(call, OP_flatten, call->in, 1, NULL);
  if (row == NO_NODE || features == NO_NODE) return NO_NODE;
  return reshape(call, build(call, OP_add, (NodeId[]){features, row}, 2, NULL), x);
}

// Statistics of the batch, which the backbone also accumulates; or, in the evaluation graph, the accumulated
// ones.
static bool bn_statistics(LayerCall *call, double momentum, int64_t channels, NodeId *mean, NodeId *var) {
  Sema *sema = call->sema;
  Build *graph_build = sema->build;
  StateId running_mean = NO_STATE, running_var = NO_STATE;
  if (!graph_build->is_aux) {
    int positions = flattened_positions(sema, call->in[0], call->span);
    running_mean =
        place_running(sema, call->place, "running_mean", channels, INIT_ZERO, positions, call->span);
    running_var = place_running(sema, call->place, "running_var", channels, INIT_ONE, positions, call->span);
  }
  if (!graph_build->is_training) {
    *mean = state_node(sema, running_mean, call->span);
    *var = state_node(sema, running_var, call->span);
    return true;
  }
  Attr *attrs = tensor_attrs(sema, OP_bn_stats), *first = tensor_attrs(sema, OP_part),
       *second = tensor_attrs(sema, OP_part);
  attr_set(OP_bn_stats, attrs, "momentum", momentum);
  attr_set(OP_part, second, "index", 1);
  NodeId stats = build(call, OP_bn_stats, call->in, 1, attrs);
  if (stats == NO_NODE) return false;
  Node *node = graph_node(graph_build->graph, stats);
  node->state = running_mean;
  node->n_states = running_mean == NO_STATE ? 0 : 2;
  *mean = build(call, OP_part, &stats, 1, first);
  *var = build(call, OP_part, &stats, 1, second);
  return true;
}

static const double *values_of(LayerCall *call, int64_t n, double value) {
  double *values = ARENA_ARRAY(call->sema->arena, double, n);
  for (int64_t i = 0; i < n; i++) values[i] = value;
  return values;
}

static NodeId bn_apply(LayerCall *call) {
  enum { EPS, MOMENTUM, INIT };
  double eps, momentum, start;
  if (!number(call, EPS, "bn's eps", 1e-5, &eps) ||
      !number(call, MOMENTUM, "bn's momentum", 0.1, &momentum) || !number(call, INIT, "bn's init", 1, &start))
    return NO_NODE;
  if (eps <= 0 || momentum < 0 || momentum > 1) {
    sema_error(call->sema, call->span, "bn needs eps above 0 and momentum from 0 to 1, these are %g and %g",
               eps, momentum);
    return NO_NODE;
  }
  Shape x = tensor_shape(call->sema, call->in[0]);
  if (x.rank != 4 && !expect_rank(call, 2, "an image or features")) return NO_NODE;
  Shape shape = {.rank = 1, .dim = {shape_channels(x)}};
  ParamSpec weight = {.leaf = "weight", .shape = shape, .init = INIT_ONE}, bias = weight;
  if (start != 1) {
    weight.init = INIT_VALUES;
    weight.init_values = values_of(call, shape.dim[0], start);
  }
  bias.leaf = "bias";
  bias.init = INIT_ZERO;
  NodeId gamma = feature_param(call, weight), beta = feature_param(call, bias);
  NodeId mean, var;
  if (gamma == NO_NODE || beta == NO_NODE || !bn_statistics(call, momentum, shape.dim[0], &mean, &var))
    return NO_NODE;
  Attr *attrs = tensor_attrs(call->sema, OP_batch_norm);
  attr_set(OP_batch_norm, attrs, "eps", eps);
  return build(call, OP_batch_norm, (NodeId[]){call->in[0], mean, var, gamma, beta}, 5, attrs);
}

static StateId constant(Sema *sema, const char *name, const double *values, int n, Span span) {
  StateTable *states = sema->build->graph->states;
  StateId known = state_find(states, name);
  if (known != NO_STATE) return known;
  State state = {.name = name,
                 .kind = STATE_CONST,
                 .shape = {.rank = n == 1 ? 0 : 1, .dim = {n}},
                 .is_aux = true,
                 .init = INIT_VALUES,
                 .init_values = arena_copy(sema->arena, values, sizeof *values * (size_t)n),
                 .source = NO_STATE,
                 .span = span};
  return state_add(states, state);
}

static NodeId scalar_apply(LayerCall *call) {
  double value;
  if (!number(call, 0, "scalar's value", 0, &value)) return NO_NODE;
  ParamSpec spec = {.leaf = "value", .init = INIT_VALUES, .init_values = values_of(call, 1, value)};
  return place_param(call->sema, call->place, spec, call->span);
}

static NodeId avgpool_apply(LayerCall *call) {
  if (!expect_rank(call, 4, "[batch, height, width, channels]")) return NO_NODE;
  Attr *attrs = tensor_attrs(call->sema, OP_adaptive_avg_pool);
  attr_set(OP_adaptive_avg_pool, attrs, "height", 1);
  attr_set(OP_adaptive_avg_pool, attrs, "width", 1);
  NodeId pooled = build(call, OP_adaptive_avg_pool, call->in, 1, attrs);
  return build(call, OP_flatten, &pooled, 1, NULL);
}

static NodeId mean_of_terms(LayerCall *call, OpKind op) {
  NodeId terms = build(call, op, call->in, 2, NULL);
  return build(call, OP_mean, &terms, 1, NULL);
}

static NodeId bce_apply(LayerCall *call) {
  return mean_of_terms(call, OP_bce_terms);
}
static NodeId bce_logits_apply(LayerCall *call) {
  return mean_of_terms(call, OP_bce_logits_terms);
}

// Rows of unit length; centred and divided by norm + 1e-8 where the similarities are cosines of deviations.
static NodeId unit_rows(LayerCall *call, NodeId x, bool is_centred) {
  Attr *attrs = tensor_attrs(call->sema, OP_normalize);
  if (is_centred) {
    attr_set(OP_normalize, attrs, "center", 1);
    attr_set(OP_normalize, attrs, "eps", 1e-8);
  }
  return build(call, OP_normalize, &x, 1, attrs);
}

static NodeId contrast_apply(LayerCall *call) {
  Attr *attrs = tensor_attrs(call->sema, OP_contrast_rows);
  double temperature;
  if (!number(call, 0, "contrast's temperature", attrs[0].r, &temperature) ||
      !expect_rank(call, 2, "[batch, features]"))
    return NO_NODE;
  attr_set(OP_contrast_rows, attrs, "temperature", temperature);
  NodeId x = unit_rows(call, call->in[0], false), label = call->in[1];
  NodeId rows = build(call, OP_contrast_rows, (NodeId[]){x, label}, 2, attrs);
  return build(call, OP_contrast, (NodeId[]){x, label, rows}, 3, attrs);
}

// What is compared of an image: the deviation of each channel, or everything if there are few channels.
static NodeId similarity_features(LayerCall *call) {
  Shape x = tensor_shape(call->sema, call->in[0]);
  if (x.rank != 4) return call->in[0];
  bool has_deviation = x.dim[3] > 3 && x.dim[1] > 1;
  return build(call, has_deviation ? OP_spatial_std : OP_flatten, call->in, 1, NULL);
}

static NodeId similarity_apply(LayerCall *call) {
  Shape x = tensor_shape(call->sema, call->in[0]);
  if (x.rank != 4 && !expect_rank(call, 2, "an image or features")) return NO_NODE;
  Attr *attrs = tensor_attrs(call->sema, OP_similarity_terms);
  attr_set(OP_similarity_terms, attrs, "classes", call->sema->data.classes);
  NodeId u = unit_rows(call, similarity_features(call), true);
  NodeId rows = build(call, OP_similarity_terms, (NodeId[]){u, call->in[1]}, 2, attrs);
  return build(call, OP_mean, &rows, 1, NULL);
}

static NodeId restore_apply(LayerCall *call) {
  Sema *sema = call->sema;
  const MlaData *data = &sema->data;
  const Node *x = tensor_node(sema, call->in[0]);
  if (!sema->has_data || data->n_mean == 0) return call->in[0];
  if (shape_channels(x->shape) != data->n_mean) {
    sema_error(sema, call->span, "restore: data %s normalises %d channels, x is %s", data->name, data->n_mean,
               shape_text(sema->arena, x->shape));
    sema_note(sema, x->span, "x is made here");
    return NO_NODE;
  }
  NodeId std = state_node(sema, constant(sema, "data.std", data->std, data->n_mean, call->span), call->span);
  NodeId mean =
      state_node(sema, constant(sema, "data.mean", data->mean, data->n_mean, call->span), call->span);
  NodeId scaled = build(call, OP_mul, (NodeId[]){call->in[0], std}, 2, NULL);
  return build(call, OP_add, (NodeId[]){scaled, mean}, 2, NULL);
}

#define PARAMS                                        true
#define PLAIN                                         false
#define LAYER(name, n_in, has_params, signature, doc) {#name, n_in, has_params, signature, doc, name##_apply},
const LayerInfo layer_table[] = {
#include "compiler/sema/layers.def"
};
const int n_layers = sizeof layer_table / sizeof *layer_table;
