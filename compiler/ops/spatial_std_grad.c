// spatial_std_grad(g, x, y): g (x - mean) / ((positions - 1) y); zero where the deviation y is zero.
#include "compiler/ops/rules.h"

enum { G, X, Y };
const AttrDef spatial_std_grad_attrs[] = {END_ATTRS};

bool spatial_std_grad_shape(ShapeQuery *query) {
  return expect_image(query, "spatial_std_grad", X) && expect_equal(query, "spatial_std_grad", G, Y) &&
         shape_is_input(query, X);
}

void spatial_std_grad_grad(Grad *grad, const Node *node, NodeId cotangent) {
  no_second_derivative(grad, node, cotangent);
}

static void channel_grad(const double *x, double scale, double *out, int64_t positions, int64_t channels) {
  double mean = 0;
  for (int64_t p = 0; p < positions; p++) mean += x[p * channels] / (double)positions;
  for (int64_t p = 0; p < positions; p++) out[p * channels] = scale * (x[p * channels] - mean);
}

void spatial_std_grad_host(const HostCall *call) {
  const double *g = call->in[G].data, *y = call->in[Y].data;
  int64_t batch = host_rows(&call->in[Y]), channels = host_channels(&call->in[Y]),
          positions = host_rows(&call->out) / batch;
  for (int64_t n = 0; n < batch; n++)
    for (int64_t c = 0; c < channels; c++) {
      int64_t at = n * channels + c, from = n * positions * channels + c;
      double scale = y[at] > 0 ? g[at] / (y[at] * (double)(positions - 1)) : 0;
      channel_grad(call->in[X].data + from, scale, call->out.data + from, positions, channels);
    }
}

void spatial_std_grad_emit(Emit *emit, const Node *node) {
  long channels = (long)node->shape.dim[3], positions = (long)(node->shape.dim[1] * node->shape.dim[2]);
  emit_line(emit, "%s {", emit_each(emit, "c", channels, emit_row_lanes(emit, node)));
  emit_line(emit, "const long at = n * %ld + c;", positions * channels);
  emit_line(emit, "const vec g = mla_load(in%d + n * %ld + c), y = mla_load(in%d + n * %ld + c);", G,
            channels, Y, channels);
  emit_line(emit, "const vec scale = mla_gate(y, g / (y * (real)%ld));", positions - 1);
  emit_line(emit, "vec sum = {0};");
  emit_line(emit, "for (long p = 0; p < %ld; p++) sum += mla_load(in%d + at + p * %ld);", positions, X,
            channels);
  emit_line(emit, "const vec mean = sum / (real)%ld;", positions);
  emit_line(emit, "for (long p = 0; p < %ld; p++)", positions);
  emit_line(emit, "mla_store(out + at + p * %ld, scale * (mla_load(in%d + at + p * %ld) - mean));", channels,
            X, channels);
  emit_line(emit, "}");
  emit_by_images(emit, node);
}
