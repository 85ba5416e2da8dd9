// row_stats(x): the mean of each row of channels, and 1 / sqrt(its biased variance + eps). Two passes over a row that is
// near: the variance does not cancel.
#include "compiler/ops/rows.h"

enum { EPS };
const AttrDef row_stats_attrs[] = {{"eps", ATTR_REAL, false, 1e-6, "added to the variance"}, END_ATTRS};

bool row_stats_shape(ShapeQuery *query) {
  if (!expect_rows(query, "layer_norm", 0)) return false;
  query->out = row_stats_of(query->in[0]);
  return true;
}

// row_norm's rule runs through the statistics; nothing flows here.
void row_stats_grad(Grad *grad, const Node *node, NodeId cotangent) {
  no_second_derivative(grad, node, cotangent);
}

void row_stats_host(const HostCall *call) {
  int64_t rows = host_rows(&call->in[0]), channels = host_channels(&call->in[0]);
  for (int64_t r = 0; r < rows; r++) {
    const double *x = call->in[0].data + r * channels;
    double mean = 0, square = 0;
    for (int64_t c = 0; c < channels; c++) mean += x[c] / (double)channels;
    for (int64_t c = 0; c < channels; c++) square += (x[c] - mean) * (x[c] - mean);
    call->out.data[2 * r] = mean;
    call->out.data[2 * r + 1] = 1 / sqrt(square / (double)channels + call->attr[EPS].r);
  }
}

void row_stats_emit(Emit *emit, const Node *node) {
  long channels = (long)shape_channels(emit_input_shape(emit, 0));
  int lanes = emit_row_lanes(emit, node);
  emit_line(emit, "const real *x = in0 + r * %ld;", channels);
  emit_line(emit, "vec sum = {0}, squares = {0};");
  emit_line(emit, "%s sum += mla_load(x + c);", emit_each(emit, "c", channels, lanes));
  emit_line(emit, "const real mean = %s / %ld;", emit_total(emit, "sum", true), channels);
  emit_line(emit, "%s {", emit_each(emit, "c", channels, lanes));
  emit_line(emit, "const vec d = mla_load(x + c) - mean;");
  emit_line(emit, "squares += d * d;");
  emit_line(emit, "}");
  emit_line(emit, "const real inverse = mla_rsqrt(%s / %ld + %s);", emit_total(emit, "squares", true),
            channels, emit_number(emit, node->attr[EPS].r));
  emit_line(emit, "%sout[2 * r] = mean;", emit_once(emit));
  emit_line(emit, "%sout[2 * r + 1] = inverse;", emit_once(emit));
  emit_by_rows(emit, node);
}
