// spatial_std(x): [height, width, channels] to [channels], the unbiased standard deviation over the positions.
#include "compiler/ops/rules.h"

const AttrDef spatial_std_attrs[] = {END_ATTRS};

bool spatial_std_shape(ShapeQuery *query) {
  if (!expect_image(query, "spatial_std", 0)) return false;
  Shape x = query->in[0];
  if (x.dim[1] * x.dim[2] < 2)
    return shape_fail(query, 0, "spatial_std expects two positions or more, x is %s",
                      shape_text(query->arena, x));
  query->out = (Shape){.rank = 2, .dim = {DIM_BATCH, x.dim[3]}};
  return true;
}

void spatial_std_grad(Grad *grad, const Node *node, NodeId g) {
  if (!grad_needed(grad, 0)) return;
  NodeId in[] = {g, node->in[0], grad_output(grad)};
  grad_add(grad, 0, grad_build(grad, OP_spatial_std_grad, in, 3, NULL));
}

static double deviation(const double *x, int64_t positions, int64_t channels) {
  double mean = 0, squares = 0;
  for (int64_t p = 0; p < positions; p++) mean += x[p * channels] / (double)positions;
  for (int64_t p = 0; p < positions; p++) squares += (x[p * channels] - mean) * (x[p * channels] - mean);
  return sqrt(squares / (double)(positions - 1));
}

void spatial_std_host(const HostCall *call) {
  int64_t batch = host_rows(&call->out), channels = host_channels(&call->out),
          positions = host_rows(&call->in[0]) / batch;
  for (int64_t n = 0; n < batch; n++)
    for (int64_t c = 0; c < channels; c++)
      call->out.data[n * channels + c] =
          deviation(call->in[0].data + n * positions * channels + c, positions, channels);
}

void spatial_std_emit(Emit *emit, const Node *node) {
  Shape x = emit_input_shape(emit, 0);
  long channels = (long)x.dim[3], positions = (long)(x.dim[1] * x.dim[2]);
  emit_line(emit, "%s {", emit_each(emit, "c", channels, emit_row_lanes(emit, node)));
  emit_line(emit, "const real *x = in0 + n * %ld + c;", positions * channels);
  emit_line(emit, "vec sum = {0}, squares = {0};");
  emit_line(emit, "for (long p = 0; p < %ld; p++) sum += mla_load(x + p * %ld);", positions, channels);
  emit_line(emit, "const vec mean = sum / (real)%ld;", positions);
  emit_line(emit, "for (long p = 0; p < %ld; p++) {", positions);
  emit_line(emit, "const vec d = mla_load(x + p * %ld) - mean;", channels);
  emit_line(emit, "squares += d * d;");
  emit_line(emit, "}");
  emit_line(emit, "mla_store(out + n * %ld + c, mla_sqrt(squares / (real)%ld));", channels, positions - 1);
  emit_line(emit, "}");
  emit_by_images(emit, node);
}
