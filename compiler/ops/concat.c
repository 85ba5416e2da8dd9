// concat: the channels of all inputs, one after another. Its gradient is a run of channels for each input.
#include "compiler/ops/rules.h"

const AttrDef concat_attrs[] = {END_ATTRS};

static bool fits_first(ShapeQuery *query, int input) {
  Shape first = query->in[0], other = query->in[input];
  bool fits = first.rank == other.rank;
  for (int d = 0; fits && d < first.rank - 1; d++) fits = first.dim[d] == other.dim[d];
  if (fits) return true;
  return shape_fail(query, input,
                    "concat joins channels: all other extents must agree, the inputs are %s and %s",
                    shape_text(query->arena, first), shape_text(query->arena, other));
}

bool concat_shape(ShapeQuery *query) {
  Shape out = query->in[0];
  if (out.rank < 2)
    return shape_fail(query, 0, "concat expects tensors with channels, the first is %s",
                      shape_text(query->arena, out));
  for (int i = 1; i < query->n_in; i++) {
    if (!fits_first(query, i)) return false;
    out.dim[out.rank - 1] += shape_channels(query->in[i]);
  }
  query->out = out;
  return true;
}

void concat_grad(Grad *grad, const Node *node, NodeId g) {
  int64_t first = 0;
  for (int i = 0; i < node->n_in; i++) {
    int64_t count = shape_channels(graph_node(grad_graph(grad), node->in[i])->shape);
    Attr attr[] = {attr_int(first), attr_int(count)};
    first += count;
    if (grad_needed(grad, i))
      grad_add(grad, i, node->n_in == 1 ? g : grad_build(grad, OP_channels, &g, 1, attr));
  }
}

void concat_host(const HostCall *call) {
  int64_t channels = host_channels(&call->out), first = 0;
  for (int i = 0; i < call->n_in; i++) {
    const HostTensor *in = &call->in[i];
    int64_t count = host_channels(in);
    for (int64_t row = 0; row < host_rows(in); row++)
      memcpy(call->out.data + row * channels + first, in->data + row * count, sizeof(double) * (size_t)count);
    first += count;
  }
}

// The lanes of a vector divide every input's channels, so a vector comes from one input.
void concat_emit(Emit *emit, const Node *node) {
  long first = 0;
  emit_gather(emit, node, 0);
  emit_line(emit, "vec value = {0};");
  for (int i = 0; i < node->n_in; i++) {
    long count = (long)shape_channels(emit_input_shape(emit, i));
    emit_line(emit, "if (c >= %ld && c < %ld) {", first, first + count);
    const char *channel = arena_printf(emit_arena(emit), "c - %ld", first);
    emit_line(emit, "value = %s;", emit_load_from(emit, i, "n", "y", "x", channel));
    emit_line(emit, "}");
    first += count;
  }
  emit_result(emit, "value");
}
