// cross_entropy_grad(g, x, label): g * (softmax(x) - target) / batch, the target as in cross_entropy.
#include "compiler/ops/cross_entropy.h"

enum { G, X, LABEL };
const AttrDef cross_entropy_grad_attrs[] = {SMOOTHING_ATTR, END_ATTRS};

bool cross_entropy_grad_shape(ShapeQuery *query) {
  return logits_and_labels(query, X, LABEL) && shape_is_input(query, X);
}

void cross_entropy_grad_grad(Grad *grad, const Node *node, NodeId cotangent) {
  no_second_derivative(grad, node, cotangent);
}

void cross_entropy_grad_host(const HostCall *call) {
  int64_t batch = host_rows(&call->in[X]), classes = host_channels(&call->in[X]);
  double scale = call->in[G].data[0] / (double)batch, smoothing = call->attr[SMOOTHING].r;
  for (int64_t n = 0; n < batch; n++) {
    const double *row = call->in[X].data + n * classes;
    double log_sum = host_log_sum(row, classes);
    for (int64_t k = 0; k < classes; k++) {
      double target = (1 - smoothing) * (k == call->in[LABEL].index[n]) + smoothing / (double)classes;
      call->out.data[n * classes + k] = scale * (exp(row[k] - log_sum) - target);
    }
  }
}

void cross_entropy_grad_emit(Emit *emit, const Node *node) {
  long classes = (long)shape_channels(node->shape);
  emit_line(emit, "const real scale = in%d[0] / (real)batch;", G);
  emit_log_sum(emit, X, classes);
  emit_line(emit, "%s {", emit_each(emit, "k", classes, 1));
  double smoothing = node->attr[SMOOTHING].r, spread = smoothing / (double)classes;
  const char *cold = smoothing == 0 ? "0" : emit_number(emit, spread);
  const char *hot = smoothing == 0 ? "1" : emit_number(emit, 1 - smoothing + spread);
  emit_line(emit, "real target = k == in%d[n] ? %s : %s;", LABEL, hot, cold);
  emit_line(emit, "out[n * %ld + k] = scale * (mla_exp(row[k] - log_sum) - target);", classes);
  emit_line(emit, "}");
  emit_by_images(emit, node);
}
