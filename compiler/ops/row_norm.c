// row_norm(x, stats): each row of channels minus its mean, over its deviation; stats are row_stats(x). The derivative runs
// through the statistics as well and is built as one piece; the statistics themselves get no cotangent.
#include "compiler/ops/rows.h"

enum { X, STATS };
const AttrDef row_norm_attrs[] = {END_ATTRS};

bool row_norm_shape(ShapeQuery *query) {
  return expect_rows(query, "row_norm", X) && expect_row_stats(query, "row_norm", X, STATS) &&
         shape_is_input(query, X);
}

void row_norm_grad(Grad *grad, const Node *node, NodeId g) {
  if (!grad_needed(grad, X)) return;
  NodeId in[] = {g, grad_output(grad), node->in[STATS]};
  grad_add(grad, X, grad_build(grad, OP_row_norm_grad, in, 3, NULL));
}

void row_norm_host(const HostCall *call) {
  int64_t channels = host_channels(&call->out);
  const double *stats = call->in[STATS].data;
  for (int64_t i = 0, n = host_elems(&call->out); i < n; i++) {
    int64_t r = i / channels;
    call->out.data[i] = (call->in[X].data[i] - stats[2 * r]) * stats[2 * r + 1];
  }
}

void row_norm_emit(Emit *emit, const Node *node) {
  long channels = (long)shape_channels(node->shape);
  emit_line(emit, "const real mean = in%d[2 * r], inverse = in%d[2 * r + 1];", STATS, STATS);
  emit_line(emit, "const real *x = in%d + r * %ld;", X, channels);
  emit_line(emit, "%s", emit_each(emit, "c", channels, emit_row_lanes(emit, node)));
  emit_line(emit, "mla_store(out + r * %ld + c, (mla_load(x + c) - mean) * inverse);", channels);
  emit_by_rows(emit, node);
}
