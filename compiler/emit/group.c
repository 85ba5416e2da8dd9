// A group becomes launches: by the skeleton of its kind, or the one that its only operator picks.
#include "compiler/emit/writer.h"

static void emit_single_group(Emit *emit) {
  emit->node = graph_node(emit->graph, emit->group->nodes[0]);
  op_info(emit->node->op)->emit(emit, emit->node);
  if (emit->is_gather) emit_gather_end(emit);
  if (emit->is_serial) emit_serial_end(emit);
}

void emit_group(Emit *emit, const Graph *graph, const Group *group) {
  writer_begin(emit, graph, group);
  switch (group->kind) {
  case GROUP_POINT: emit_point_group(emit); break;
  case GROUP_REDUCE: emit_reduce_group(emit); break;
  case GROUP_SINGLE: emit_single_group(emit); break;
  }
}
