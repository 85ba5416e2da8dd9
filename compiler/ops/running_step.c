// running_step(bn_stats): the two running statistics of a batch norm, mean and then variance:
//   running <- (1 - u) running + u new
// The variance is made unbiased: times N / (N - 1) for N = batch * rows_per_image values of a channel.
#include "compiler/ops/rules.h"

enum { MOMENTUM, ROWS_PER_IMAGE };
const AttrDef running_step_attrs[] = {{"momentum", ATTR_REAL, false, 0.1, "weight of the new value"},
                                      {"rows_per_image", ATTR_INT, true, 1, "positions of an image"},
                                      END_ATTRS};

bool running_step_shape(ShapeQuery *query) {
  Shape in = query->in[0];
  if (in.rank != 2 || in.dim[0] != 2)
    return shape_fail(query, 0, "running_step expects [2, channels], x is %s", shape_text(query->arena, in));
  return shape_is_scalar(query);
}

void running_step_grad(Grad *grad, const Node *node, NodeId cotangent) {
  no_second_derivative(grad, node, cotangent);
}

void running_step_host(const HostCall *call) {
  double u = call->attr[MOMENTUM].r, n = (double)(call->batch * call->attr[ROWS_PER_IMAGE].i);
  double unbiased = n > 1 ? n / (n - 1) : 1;
  int64_t channels = host_channels(&call->in[0]);
  const double *mean = call->in[0].data, *var = mean + channels;
  for (int64_t c = 0; c < channels; c++) {
    call->states[0].data[c] = (1 - u) * call->states[0].data[c] + u * mean[c];
    call->states[1].data[c] = (1 - u) * call->states[1].data[c] + u * var[c] * unbiased;
  }
}

void running_step_emit(Emit *emit, const Node *node) {
  emit_running(emit, node);
}
