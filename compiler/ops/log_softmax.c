// log_softmax: x - log(sum(exp(x))) over the channels of each row, without overflow.
#include "compiler/ops/rows.h"

const AttrDef log_softmax_attrs[] = {END_ATTRS};

bool log_softmax_shape(ShapeQuery *query) {
  return expect_numbers(query, "log_softmax", 0) && expect_rows(query, "log_softmax", 0) &&
         shape_is_input(query, 0);
}

void log_softmax_grad(Grad *grad, const Node *node, NodeId g) {
  (void)node;
  if (!grad_needed(grad, 0)) return;
  NodeId in[] = {g, grad_output(grad)};
  grad_add(grad, 0, grad_build(grad, OP_log_softmax_grad, in, 2, NULL));
}

void log_softmax_host(const HostCall *call) {
  int64_t rows = host_rows(&call->out), channels = host_channels(&call->out);
  for (int64_t r = 0; r < rows; r++) {
    const double *x = call->in[0].data + r * channels;
    double top = x[0], sum = 0;
    for (int64_t c = 1; c < channels; c++) top = fmax(top, x[c]);
    for (int64_t c = 0; c < channels; c++) sum += exp(x[c] - top);
    for (int64_t c = 0; c < channels; c++) call->out.data[r * channels + c] = (x[c] - top) - log(sum);
  }
}

void log_softmax_emit(Emit *emit, const Node *node) {
  long channels = (long)shape_channels(node->shape);
  int lanes = emit_row_lanes(emit, node);
  emit_line(emit, "const real *x = in0 + r * %ld;", channels);
  emit_line(emit, "vec most = mla_load(x), sum = {0};");
  const char *each = emit_each(emit, "c", channels, lanes);
  emit_line(emit, "%s most = mla_max(most, mla_load(x + c));", each);
  emit_line(emit, "const real top = %s;", emit_largest(emit, "most", true));
  emit_line(emit, "%s sum += mla_exp(mla_load(x + c) - top);", each);
  emit_line(emit, "const real log_sum = mla_log(%s);", emit_total(emit, "sum", true));
  emit_line(emit, "%s", each);
  emit_line(emit, "mla_store(out + r * %ld + c, (mla_load(x + c) - top) - log_sum);", channels);
  emit_by_rows(emit, node);
}
