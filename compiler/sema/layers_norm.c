// The layers layer_norm and dropout in terms of operators.
#include "compiler/sema/internal.h"

static NodeId build(LayerCall *call, OpKind op, const NodeId *in, int n_in, const Attr *attr) {
  return tensor_op(call->sema, op, in, n_in, attr, call->name, call->span);
}

// Normalised rows, then weight and bias by channel like any other: their gradients are sums over the rows.
NodeId layer_norm_apply(LayerCall *call) {
  double eps = 1e-6;
  if (call->given[0] && !expect_number(call->sema, call->args[0], "layer_norm's eps", &eps)) return NO_NODE;
  if (!(eps > 0)) {
    sema_error(call->sema, call->span, "layer_norm needs eps above 0, it is %g", eps);
    return NO_NODE;
  }
  Attr *attrs = tensor_attrs(call->sema, OP_row_stats);
  attr_set(OP_row_stats, attrs, "eps", eps);
  NodeId stats = build(call, OP_row_stats, call->in, 1, attrs);
  NodeId y = build(call, OP_row_norm, (NodeId[]){call->in[0], stats}, 2, NULL);
  if (y == NO_NODE) return NO_NODE;
  Shape shape = {.rank = 1, .dim = {shape_channels(tensor_shape(call->sema, y))}};
  ParamSpec weight = {.leaf = "weight", .shape = shape, .init = INIT_ONE}, bias = weight;
  weight.positions = bias.positions = flattened_positions(call->sema, y, call->span);
  bias.leaf = "bias";
  bias.init = INIT_ZERO;
  NodeId scaled =
      build(call, OP_mul, (NodeId[]){y, place_param(call->sema, call->place, weight, call->span)}, 2, NULL);
  return build(call, OP_add, (NodeId[]){scaled, place_param(call->sema, call->place, bias, call->span)}, 2,
               NULL);
}

// Two words for one more dropout of this graph: a row of the graph's keys.
static NodeId next_key(LayerCall *call) {
  Graph *graph = call->sema->build->graph;
  if (graph->keys == NO_NODE) {
    Node input = {.op = OP_input,
                  .dtype = DT_INDEX,
                  .shape = {.rank = 2, .dim = {0, 2}},
                  .state = NO_STATE,
                  .name = "keys",
                  .span = call->span};
    Attr *kind = tensor_attrs(call->sema, OP_input);
    attr_set(OP_input, kind, "kind", 3);
    graph->keys = graph_add(graph, input, NULL, 0, kind, op_n_attrs(OP_input));
  }
  Attr *attrs = tensor_attrs(call->sema, OP_part);
  attr_set(OP_part, attrs, "index", (double)graph_node(graph, graph->keys)->shape.dim[0]++);
  return build(call, OP_part, &graph->keys, 1, attrs);
}

NodeId dropout_apply(LayerCall *call) {
  Sema *sema = call->sema;
  Attr *attrs = tensor_attrs(sema, OP_dropout);
  double p;
  if (!expect_number(sema, call->args[0], "dropout's p", &p)) return NO_NODE;
  if (!(p >= 0 && p < 1)) {
    sema_error(sema, call->span, "dropout needs p from 0 to below 1, it is %g", p);
    return NO_NODE;
  }
  if (p == 0 || !sema->build->is_training) return call->in[0];
  attr_set(OP_dropout, attrs, "p", p);
  return build(call, OP_dropout, (NodeId[]){call->in[0], next_key(call)}, 2, attrs);
}
