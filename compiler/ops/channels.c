// channels: `count` channels from channel `first`. The gradient of concat.
#include "compiler/ops/rules.h"

enum { FIRST, COUNT };
const AttrDef channels_attrs[] = {{"first", ATTR_INT, true, 0, "the first channel"},
                                  {"count", ATTR_INT, true, 1, "how many channels"},
                                  END_ATTRS};

bool channels_shape(ShapeQuery *query) {
  Shape in = query->in[0];
  int64_t first = query->attr[FIRST].i, count = query->attr[COUNT].i;
  if (in.rank < 2 || first < 0 || count < 1 || first + count > shape_channels(in))
    return shape_fail(query, 0, "channels: there are no %lld channels from %lld in %s", (long long)count,
                      (long long)first, shape_text(query->arena, in));
  query->out = in;
  query->out.dim[in.rank - 1] = count;
  return true;
}

void channels_grad(Grad *grad, const Node *node, NodeId cotangent) {
  no_second_derivative(grad, node, cotangent);
}

void channels_host(const HostCall *call) {
  int64_t channels = host_channels(&call->in[0]), count = host_channels(&call->out),
          first = call->attr[FIRST].i;
  for (int64_t row = 0; row < host_rows(&call->out); row++)
    memcpy(call->out.data + row * count, call->in[0].data + row * channels + first,
           sizeof(double) * (size_t)count);
}

void channels_emit(Emit *emit, const Node *node) {
  long first = (long)node->attr[FIRST].i;
  emit_gather(emit, node, (int)first);
  const char *channel = arena_printf(emit_arena(emit), "c + %ld", first);
  emit_result(emit, "%s", emit_load_from(emit, 0, "n", "y", "x", channel));
}
