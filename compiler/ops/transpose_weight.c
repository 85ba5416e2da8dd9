// transpose_weight: [kh, kw, in/groups, out] as [kh, kw, out/groups, in], per group; taps stay where they
// are.
#include "compiler/ops/rules.h"

enum { GROUPS };
const AttrDef transpose_weight_attrs[] = {{"groups", ATTR_INT, false, 1, "channel groups"}, END_ATTRS};

bool transpose_weight_shape(ShapeQuery *query) {
  Shape in = query->in[0];
  int64_t groups = query->attr[GROUPS].i;
  if (in.rank != 4 || groups < 1 || in.dim[3] % groups)
    return shape_fail(query, 0, "transpose_weight: %s is no weight of %lld groups",
                      shape_text(query->arena, in), (long long)groups);
  query->out = (Shape){.rank = 4, .dim = {in.dim[0], in.dim[1], in.dim[3] / groups, in.dim[2] * groups}};
  return true;
}

void transpose_weight_grad(Grad *grad, const Node *node, NodeId cotangent) {
  no_second_derivative(grad, node, cotangent);
}

void transpose_weight_host(const HostCall *call) {
  const int64_t *in = call->in[0].shape.dim, *out = call->out.shape.dim;
  int64_t taps = in[0] * in[1], in_per_group = in[2], out_c = in[3], out_per_group = out[2], in_c = out[3];
  for (int64_t tap = 0; tap < taps; tap++)
    for (int64_t o = 0; o < out_per_group; o++)
      for (int64_t i = 0; i < in_c; i++) {
        int64_t group = i / in_per_group;
        int64_t from = (tap * in_per_group + i % in_per_group) * out_c + group * out_per_group + o;
        call->out.data[(tap * out_per_group + o) * in_c + i] = call->in[0].data[from];
      }
}

void transpose_weight_emit(Emit *emit, const Node *node) {
  emit_transpose_weight(emit, node);
}
