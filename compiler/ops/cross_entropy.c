// cross_entropy(x, label): scalar, the mean over the batch of -log softmax(x)[label].
#include "compiler/ops/cross_entropy.h"

enum { X, LABEL };
const AttrDef cross_entropy_attrs[] = {END_ATTRS};

bool cross_entropy_shape(ShapeQuery *query) {
  return logits_and_labels(query, X, LABEL) && shape_is_scalar(query);
}

void cross_entropy_grad(Grad *grad, const Node *node, NodeId g) {
  if (!grad_needed(grad, X)) return;
  NodeId in[] = {g, node->in[X], node->in[LABEL]};
  grad_add(grad, X, grad_build(grad, OP_cross_entropy_grad, in, 3, NULL));
}

void cross_entropy_host(const HostCall *call) {
  int64_t batch = host_rows(&call->in[X]), classes = host_channels(&call->in[X]);
  double loss = 0;
  for (int64_t n = 0; n < batch; n++) {
    const double *row = call->in[X].data + n * classes;
    loss += host_log_sum(row, classes) - row[call->in[LABEL].index[n]];
  }
  call->out.data[0] = loss / (double)batch;
}

void cross_entropy_emit(Emit *emit, const Node *node) {
  long classes = (long)shape_channels(emit_input_shape(emit, X));
  emit_serial(emit, node);
  emit_line(emit, "real loss = 0;");
  emit_line(emit, "for (long n = 0; n < batch; n++) {");
  emit_log_sum(emit, X, classes);
  emit_line(emit, "loss += log_sum - row[in%d[n]];", LABEL);
  emit_line(emit, "}");
  emit_line(emit, "out[0] = loss / (real)batch;");
}
