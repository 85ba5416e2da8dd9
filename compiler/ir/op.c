// The operator table, made of the rows of ops.def and the definitions that compiler/ops/<name>.c must give.
#include "compiler/ir/op.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN  true
#define HIDDEN false
const OpInfo op_table[N_OPS] = {
    [OP_none] = {.name = "none"},
#define OP(name_, min_, max_, fuse_, effect_, user_, doc_)                                                   \
  [OP_##name_] = {.name = #name_,                                                                            \
                  .min_in = min_,                                                                            \
                  .max_in = max_,                                                                            \
                  .fuse = FUSE_##fuse_,                                                                      \
                  .effect = EFFECT_##effect_,                                                                \
                  .is_shown = user_,                                                                         \
                  .doc = doc_,                                                                               \
                  .attrs = name_##_attrs,                                                                    \
                  .shape = name_##_shape,                                                                    \
                  .grad = name_##_grad,                                                                      \
                  .host = name_##_host,                                                                      \
                  .emit = name_##_emit},
#include "compiler/ir/ops.def"
#undef OP
};

const OpInfo *op_info(OpKind op) {
  assert(op > OP_none && op < N_OPS);
  return &op_table[op];
}

OpKind op_find(const char *name) {
  for (int op = OP_none + 1; op < N_OPS; op++)
    if (!strcmp(op_table[op].name, name)) return (OpKind)op;
  return OP_none;
}

int op_n_attrs(OpKind op) {
  int n = 0;
  while (op_info(op)->attrs[n].name) n++;
  return n;
}

int op_attr_index(OpKind op, const char *name) {
  const AttrDef *attrs = op_info(op)->attrs;
  for (int i = 0; attrs[i].name; i++)
    if (!strcmp(attrs[i].name, name)) return i;
  fprintf(stderr, "mlaanc: internal fault: operator %s has no attribute %s\n", op_info(op)->name, name);
  abort();
}

StateId op_beside(const Node *node, const char *name) {
  const AttrDef *attrs = op_info(node->op)->attrs;
  for (int i = 0; attrs[i].name; i++)
    if (!strcmp(attrs[i].name, name)) return (StateId)node->attr[i].i;
  return NO_STATE;
}

int op_written_runs(const Node *node, StateId runs[MAX_RUNS]) {
  StateId all[MAX_RUNS] = {node->state, op_beside(node, "momentum_state"), op_beside(node, "square_state"),
                           op_beside(node, "copy_state")};
  int n = 0;
  if (op_info(node->op)->effect != EFFECT_WRITES_STATE) return 0;
  for (int i = 0; i < MAX_RUNS; i++)
    if (all[i] != NO_STATE) runs[n++] = all[i];
  return n;
}

bool op_is_optimiser(const Graph *graph, const Node *node) {
  return op_info(node->op)->effect == EFFECT_WRITES_STATE &&
         state_get(graph->states, node->state)->kind == STATE_PARAM;
}

bool shape_fail(ShapeQuery *query, int culprit, const char *format, ...) {
  char text[512];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  query->error = arena_strdup(query->arena, text);
  query->culprit = culprit;
  return false;
}

static void report_bad_shapes(const Graph *graph, OpKind op, const ShapeQuery *query) {
  fprintf(stderr, "mlaanc: internal fault: %s(", op_info(op)->name);
  for (int i = 0; i < query->n_in; i++)
    fprintf(stderr, "%s%s", i ? ", " : "", shape_text(graph->arena, query->in[i]));
  fprintf(stderr, "): %s\n", query->error ? query->error : "the shape rule fails");
}

DType op_dtype(const Graph *graph, OpKind op, const NodeId *in) {
  return op_info(op)->fuse == FUSE_VIEW ? graph_node(graph, in[0])->dtype : DT_REAL;
}

NodeId op_build(Graph *graph, const Node *like, OpKind op, const NodeId *in, int n_in, const Attr *attr) {
  ShapeQuery query = {.n_in = n_in, .attr = attr, .arena = graph->arena, .culprit = -1};
  Shape *shapes = ARENA_ARRAY(graph->arena, Shape, n_in);
  for (int i = 0; i < n_in; i++) shapes[i] = graph_node(graph, in[i])->shape;
  query.in = shapes;
  if (!op_info(op)->shape(&query)) {
    report_bad_shapes(graph, op, &query);
    abort();
  }
  Node node = {.op = op,
               .phase = like->phase,
               .dtype = op_dtype(graph, op, in),
               .shape = query.out,
               .module = like->module,
               .is_aux = like->is_aux,
               .state = NO_STATE,
               .name = like->name,
               .span = like->span};
  return graph_add(graph, node, in, n_in, attr, op_n_attrs(op));
}
