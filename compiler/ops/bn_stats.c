// bn_stats: [2, channels], row 0 the mean and row 1 the biased variance over batch and positions.
//
// The kernel reads x once: it sums x - p and (x - p)^2 for a pivot p near the values, so that the variance
// does not cancel where the mean is large.
#include "compiler/ops/rules.h"

const AttrDef bn_stats_attrs[] = {
    {"momentum", ATTR_REAL, false, 0.1, "weight of the new value in the running statistics"}, END_ATTRS};

bool bn_stats_shape(ShapeQuery *query) {
  Shape x = query->in[0];
  if (x.rank < 2)
    return shape_fail(query, 0, "batch norm expects a tensor with channels, x is %s",
                      shape_text(query->arena, x));
  query->out = (Shape){.rank = 2, .dim = {2, shape_channels(x)}};
  return true;
}

// batch_norm's rule runs through the statistics; nothing flows here.
void bn_stats_grad(Grad *grad, const Node *node, NodeId cotangent) {
  no_second_derivative(grad, node, cotangent);
}

void bn_stats_host(const HostCall *call) {
  const HostTensor *x = &call->in[0];
  int64_t channels = host_channels(x), rows = host_rows(x);
  double *mean = call->out.data, *var = mean + channels;
  host_zero(&call->out);
  for (int64_t i = 0; i < rows * channels; i++) mean[i % channels] += x->data[i];
  for (int64_t c = 0; c < channels; c++) mean[c] /= (double)rows;
  for (int64_t i = 0; i < rows * channels; i++) {
    double d = x->data[i] - mean[i % channels];
    var[i % channels] += d * d;
  }
  for (int64_t c = 0; c < channels; c++) var[c] /= (double)rows;
}

void bn_stats_emit(Emit *emit, const Node *node) {
  (void)node;
  const char *x = emit_in(emit, 0), *pivot = emit_pivot(emit, 0), *rows = emit_rows(emit);
  emit_sum(emit, 0, "%s - %s", x, pivot);
  emit_sum(emit, 1, "(%s - %s) * (%s - %s)", x, pivot, x, pivot);
  emit_moved(emit, 0, "sum0 + part_rows * moved");
  emit_moved(emit, 1, "sum1 + moved * (sum0 + sum0 + part_rows * moved)");
  emit_reduced(emit, 0, "%s + sum0 / %s", pivot, rows);
  emit_reduced(emit, 1, "mla_max((sum1 - sum0 * sum0 / %s) / %s, %s)", rows, rows, emit_number(emit, 0));
}
