// Nodes of the graph from operations of the language: shape rules become located errors, arithmetic becomes
// operators.
#include "compiler/sema/internal.h"

#include <string.h>

enum { MAX_NODES = 400000 };

const Node *tensor_node(Sema *sema, NodeId node) {
  return graph_node(sema->build->graph, node);
}
Shape tensor_shape(Sema *sema, NodeId node) {
  return tensor_node(sema, node)->shape;
}

Attr *tensor_attrs(Sema *sema, OpKind op) {
  int n = op_n_attrs(op);
  const AttrDef *defs = op_info(op)->attrs;
  Attr *attrs = ARENA_ARRAY(sema->arena, Attr, n + 1);
  for (int i = 0; i < n; i++) attr_set(op, attrs, defs[i].name, defs[i].fallback);
  return attrs;
}

void attr_set(OpKind op, Attr *attrs, const char *name, double value) {
  int i = op_attr_index(op, name);
  if (op_info(op)->attrs[i].kind == ATTR_REAL)
    attrs[i].r = value;
  else
    attrs[i].i = (int64_t)value;
}

// Where the tensors of a conflict come from; not the weights, which follow from them, nor the labels.
static void note_inputs(Sema *sema, const ShapeQuery *query, const NodeId *in) {
  for (int i = 0, n = 0; i < query->n_in && n < 3; i++) {
    const Node *made = tensor_node(sema, in[i]);
    if (made->op == OP_state || made->dtype == DT_INDEX) continue;
    sema_note(sema, made->span, "%s is made here", shape_text(sema->arena, made->shape));
    n++;
  }
}

NodeId tensor_op(Sema *sema, OpKind op, const NodeId *in, int n_in, const Attr *attr, const char *name,
                 Span span) {
  Build *build = sema->build;
  ShapeQuery query = {.n_in = n_in, .attr = attr, .arena = sema->arena, .culprit = -1};
  Shape *shapes = ARENA_ARRAY(sema->arena, Shape, n_in + 1);
  for (int i = 0; i < n_in; i++) {
    if (in[i] == NO_NODE) return NO_NODE;
    shapes[i] = tensor_shape(sema, in[i]);
  }
  query.in = shapes;
  if (!op_info(op)->shape(&query)) {
    sema_error(sema, span, "%s", query.error);
    note_inputs(sema, &query, in);
    return NO_NODE;
  }
  if (build->graph->n_nodes > MAX_NODES) {
    sema_error(sema, span, "the model has more than %d operations", MAX_NODES);
    return NO_NODE;
  }
  const char *prefix = sema->scope && *sema->scope->place.path ? sema->scope->place.path : NULL;
  if (!name) name = sema->scope ? scope_name(sema, sema->scope, op_info(op)->name, false) : op_info(op)->name;
  Node node = {.op = op,
               .phase = PHASE_FORWARD,
               .dtype = op_dtype(build->graph, op, in),
               .shape = query.out,
               .module = build->module,
               .is_aux = build->is_aux,
               .state = NO_STATE,
               .name = prefix ? arena_printf(sema->arena, "%s/%s", prefix, name)
                              : arena_strdup(sema->arena, name),
               .span = span};
  return graph_add(build->graph, node, in, n_in, attr, op_n_attrs(op));
}

NodeId tensor_affine(Sema *sema, NodeId x, double scale, double shift, Span span) {
  Attr *attrs = tensor_attrs(sema, OP_affine);
  attr_set(OP_affine, attrs, "scale", scale);
  attr_set(OP_affine, attrs, "shift", shift);
  return tensor_op(sema, OP_affine, &x, 1, attrs, NULL, span);
}

// ---- arithmetic
// ---------------------------------------------------------------------------------------------------

static NodeId two_tensors(Sema *sema, char operator, NodeId a, NodeId b, Span span) {
  if (operator== '-') b = tensor_affine(sema, b, -1, 0, span);
  NodeId in[] = {a, b};
  return tensor_op(sema, operator== '*' ? OP_mul : OP_add, in, 2, NULL, NULL, span);
}

static NodeId tensor_and_number(Sema *sema, char operator, NodeId a, double b, Span span) {
  if (operator== '+') return tensor_affine(sema, a, 1, b, span);
  if (operator== '-') return tensor_affine(sema, a, 1, -b, span);
  if (operator== '*') return tensor_affine(sema, a, b, 0, span);
  if (b == 0) {
    sema_error(sema, span, "division of a tensor by 0");
    return NO_NODE;
  }
  return tensor_affine(sema, a, 1 / b, 0, span);
}

Value tensor_binary(Sema *sema, const char *operator, Value a, Value b, Span span) {
  bool is_arithmetic = strlen(operator) == 1 && strchr("+-*/", *operator);
  bool a_fits = a.kind == VAL_TENSOR || a.kind == VAL_NUMBER,
       b_fits = b.kind == VAL_TENSOR || b.kind == VAL_NUMBER;
  bool can_divide = *operator!= '/' || b.kind == VAL_NUMBER;
  if (!is_arithmetic || !a_fits || !b_fits || !can_divide) {
    sema_error(sema, span, "`%s` does not combine %s with %s", operator, value_describe(sema, a),
               value_describe(sema, b));
    if (!is_arithmetic && a_fits && b_fits)
      sema_note(sema, NO_SPAN, "values of tensors are not known when the model is compiled");
    return value_error(span);
  }
  if (a.kind == VAL_TENSOR && b.kind == VAL_TENSOR)
    return value_tensor(two_tensors(sema, *operator, a.node, b.node, span), span);
  if (a.kind == VAL_TENSOR)
    return value_tensor(tensor_and_number(sema, *operator, a.node, b.number, span), span);
  if (*operator== '-') return value_tensor(tensor_affine(sema, b.node, -1, a.number, span), span);
  return value_tensor(tensor_and_number(sema, *operator, b.node, a.number, span), span);
}

// Flattened images of one extent side by side are the flattened images side by side, and so is their order in files: channels
// first, those of the first image before those of the second.
NodeId tensor_join(Sema *sema, const NodeId *in, int n_in, const Attr *attr, Span span) {
  NodeId *images = ARENA_ARRAY(sema->arena, NodeId, n_in + 1);
  for (int i = 0; i < n_in; i++) {
    const Node *flat = in[i] == NO_NODE ? NULL : tensor_node(sema, in[i]);
    if (!flat || flat->op != OP_flatten) return tensor_op(sema, OP_concat, in, n_in, attr, NULL, span);
    Shape image = tensor_shape(sema, images[i] = flat->in[0]), first = tensor_shape(sema, images[0]);
    bool is_like_first = image.rank == 4 && first.rank == 4 && image.dim[1] == first.dim[1] &&
                         image.dim[2] == first.dim[2] && image.dim[1] * image.dim[2] > 1;
    if (!is_like_first) return tensor_op(sema, OP_concat, in, n_in, attr, NULL, span);
  }
  NodeId joined = tensor_op(sema, OP_concat, images, n_in, attr, NULL, span);
  return tensor_op(sema, OP_flatten, &joined, 1, tensor_attrs(sema, OP_flatten), NULL, span);
}
