// A group becomes launches: by the skeleton of its kind, or the one that its only operator picks.
#include "compiler/emit/writer.h"

static void emit_single_group(Emit *emit) {
  emit->node = group_root(emit->graph, emit->group);
  op_info(emit->node->op)->emit(emit, emit->node);
  if (emit->is_gather) emit->skeletons->gather(emit);
}

void emit_group(Emit *emit, const Graph *graph, const Group *group) {
  writer_begin(emit, graph, group);
  switch (group->kind) {
  case GROUP_POINT: emit->skeletons->point(emit); break;
  case GROUP_REDUCE: emit->skeletons->reduce(emit); break;
  case GROUP_PRODUCT: // its operator knows
  case GROUP_SINGLE: emit_single_group(emit); break;
  }
}

// ---- what operators ask for goes to the target's skeletons ----

bool emit_separable(Emit *emit, EmitAxis rows, EmitAxis columns, bool is_gradient) {
  if (emit->skeletons->separable) emit->skeletons->separable(emit, rows, columns, is_gradient);
  return emit->skeletons->separable != NULL;
}
void emit_mean(Emit *emit, const Node *node, const char *term) {
  emit->skeletons->mean(emit, node, term);
}
void emit_by_rows(Emit *emit, const Node *node) {
  emit->skeletons->rows(emit, node);
}
void emit_by_images(Emit *emit, const Node *node) {
  emit->skeletons->images(emit, node);
}
void emit_pairs(Emit *emit, const Node *node, int rows, bool is_combined) {
  emit->skeletons->pairs(emit, node, rows, is_combined);
}
void emit_layer_forward(Emit *emit, const Node *node) {
  emit->skeletons->layer_forward(emit, node);
}
void emit_layer_grad_input(Emit *emit, const Node *node) {
  emit->skeletons->layer_grad_input(emit, node);
}
void emit_layer_grad_weight(Emit *emit, const Node *node) {
  emit->skeletons->layer_grad_weight(emit, node);
}
void emit_transpose_weight(Emit *emit, const Node *node) {
  emit->skeletons->transpose_weight(emit, node);
}
void emit_attention(Emit *emit, const Node *node) {
  emit->skeletons->attention(emit, node);
}
void emit_attention_grad(Emit *emit, const Node *node) {
  emit->skeletons->attention_grad(emit, node);
}
void emit_running(Emit *emit, const Node *node) {
  emit->skeletons->running(emit, node);
}
