// cross_entropy(x, label): scalar, the mean over the batch of -log softmax(x)[label]. With smoothing s the target is
// 1 - s for the label plus s / classes for every class: (1 - s) times that, plus s times the mean over the classes.
#include "compiler/ops/cross_entropy.h"

enum { X, LABEL };
const AttrDef cross_entropy_attrs[] = {SMOOTHING_ATTR, END_ATTRS};

bool cross_entropy_shape(ShapeQuery *query) {
  return logits_and_labels(query, X, LABEL) && shape_is_scalar(query);
}

void cross_entropy_grad(Grad *grad, const Node *node, NodeId g) {
  if (!grad_needed(grad, X)) return;
  NodeId in[] = {g, node->in[X], node->in[LABEL]};
  grad_add(grad, X, grad_build(grad, OP_cross_entropy_grad, in, 3, node->attr));
}

void cross_entropy_host(const HostCall *call) {
  int64_t batch = host_rows(&call->in[X]), classes = host_channels(&call->in[X]);
  double loss = 0, smoothing = call->attr[SMOOTHING].r;
  for (int64_t n = 0; n < batch; n++) {
    const double *row = call->in[X].data + n * classes;
    double mean = 0;
    for (int64_t k = 0; k < classes; k++) mean += row[k] / (double)classes;
    loss += host_log_sum(row, classes) - (1 - smoothing) * row[call->in[LABEL].index[n]] - smoothing * mean;
  }
  call->out.data[0] = loss / (double)batch;
}

void cross_entropy_emit(Emit *emit, const Node *node) {
  long classes = (long)shape_channels(emit_input_shape(emit, X));
  emit_log_sum(emit, X, classes);
  const char *term = arena_printf(emit_arena(emit), "log_sum - row[in%d[n]]", LABEL);
  if (node->attr[SMOOTHING].r != 0) {
    const char *smoothing = emit_number(emit, node->attr[SMOOTHING].r);
    emit_line(emit, "real all = 0;");
    emit_line(emit, "%s all += log_sum - row[k];", emit_each(emit, "k", classes, 1));
    emit_line(emit, "const real spread = %s;", emit_total(emit, "all", false));
    term = arena_printf(emit_arena(emit), "(1 - %s) * (%s) + %s * (spread / %ld)", smoothing, term, smoothing,
                        classes);
  }
  emit_mean(emit, node, term);
}
