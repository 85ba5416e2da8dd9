// log_softmax_grad(g, y): g - exp(y) sum(g), the sum over the row.
#include "compiler/ops/rows.h"

enum { G, Y };
const AttrDef log_softmax_grad_attrs[] = {END_ATTRS};

bool log_softmax_grad_shape(ShapeQuery *query) {
  return expect_rows(query, "log_softmax_grad", G) && expect_equal(query, "log_softmax_grad", G, Y) &&
         shape_is_input(query, Y);
}

void log_softmax_grad_grad(Grad *grad, const Node *node, NodeId cotangent) {
  no_second_derivative(grad, node, cotangent);
}

void log_softmax_grad_host(const HostCall *call) {
  int64_t rows = host_rows(&call->out), channels = host_channels(&call->out);
  for (int64_t r = 0; r < rows; r++) {
    const double *g = call->in[G].data + r * channels, *y = call->in[Y].data + r * channels;
    double sum = 0;
    for (int64_t c = 0; c < channels; c++) sum += g[c];
    for (int64_t c = 0; c < channels; c++) call->out.data[r * channels + c] = g[c] - exp(y[c]) * sum;
  }
}

void log_softmax_grad_emit(Emit *emit, const Node *node) {
  long channels = (long)shape_channels(node->shape);
  int lanes = emit_row_lanes(emit, node);
  emit_line(emit, "const real *g = in%d + r * %ld, *y = in%d + r * %ld;", G, channels, Y, channels);
  emit_line(emit, "vec sum = {0};");
  emit_line(emit, "%s sum += mla_load(g + c);", emit_each(emit, "c", channels, lanes));
  emit_line(emit, "const real total = %s;", emit_total(emit, "sum", true));
  emit_line(emit, "%s", emit_each(emit, "c", channels, lanes));
  emit_line(emit, "mla_store(out + r * %ld + c, mla_load(g + c) - mla_exp(mla_load(y + c)) * total);",
            channels);
  emit_by_rows(emit, node);
}
