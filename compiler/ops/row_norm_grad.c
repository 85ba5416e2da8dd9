// row_norm_grad(g, y, stats): the gradient of y = row_norm(x, row_stats(x)) with respect to x, from y, so that x need not
// be kept: (g - mean(g) - y mean(g y)) / deviation, the means over the row.
#include "compiler/ops/rows.h"

enum { G, Y, STATS };
const AttrDef row_norm_grad_attrs[] = {END_ATTRS};

bool row_norm_grad_shape(ShapeQuery *query) {
  return expect_rows(query, "row_norm_grad", G) && expect_equal(query, "row_norm_grad", G, Y) &&
         expect_row_stats(query, "row_norm_grad", G, STATS) && shape_is_input(query, G);
}

void row_norm_grad_grad(Grad *grad, const Node *node, NodeId cotangent) {
  no_second_derivative(grad, node, cotangent);
}

void row_norm_grad_host(const HostCall *call) {
  int64_t rows = host_rows(&call->out), channels = host_channels(&call->out);
  for (int64_t r = 0; r < rows; r++) {
    const double *g = call->in[G].data + r * channels, *y = call->in[Y].data + r * channels;
    double mean_g = 0, mean_gy = 0;
    for (int64_t c = 0; c < channels; c++) {
      mean_g += g[c] / (double)channels;
      mean_gy += g[c] * y[c] / (double)channels;
    }
    for (int64_t c = 0; c < channels; c++)
      call->out.data[r * channels + c] = call->in[STATS].data[2 * r + 1] * (g[c] - mean_g - y[c] * mean_gy);
  }
}

void row_norm_grad_emit(Emit *emit, const Node *node) {
  long channels = (long)shape_channels(node->shape);
  int lanes = emit_row_lanes(emit, node);
  emit_line(emit, "const real *g = in%d + r * %ld, *y = in%d + r * %ld;", G, channels, Y, channels);
  emit_line(emit, "vec sum_g = {0}, sum_gy = {0};");
  emit_line(emit, "%s {", emit_each(emit, "c", channels, lanes));
  emit_line(emit, "sum_g += mla_load(g + c);");
  emit_line(emit, "sum_gy += mla_load(g + c) * mla_load(y + c);");
  emit_line(emit, "}");
  emit_line(emit, "const real mean_g = %s / %ld;", emit_total(emit, "sum_g", true), channels);
  emit_line(emit, "const real mean_gy = %s / %ld;", emit_total(emit, "sum_gy", true), channels);
  emit_line(emit, "const real inverse = in%d[2 * r + 1];", STATS);
  emit_line(emit, "%s", emit_each(emit, "c", channels, lanes));
  emit_line(emit,
            "mla_store(out + r * %ld + c, inverse * (mla_load(g + c) - mean_g - mla_load(y + c) * mean_gy));",
            channels);
  emit_by_rows(emit, node);
}
