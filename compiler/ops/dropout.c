// dropout(x, key): x / (1 - p), or zero with probability p. The mask is counted, not drawn: a hash of the key, which the
// runtime makes of the seed, the step and the dropout's number in the network, and of the element's index in the
// batch. So it is the same for every precision, number of threads and grouping into kernels, and the gradient is the
// same operator on the cotangent: the mask is computed again, never kept.
#include "compiler/ops/rules.h"

enum { X, KEY };
enum { P };
const AttrDef dropout_attrs[] = {{"p", ATTR_REAL, true, 0.5, "probability of a zero"}, END_ATTRS};

bool dropout_shape(ShapeQuery *query) {
  Shape x = query->in[X], key = query->in[KEY];
  double p = query->attr[P].r;
  if (!(p >= 0 && p < 1)) return shape_fail(query, -1, "dropout: p must be from 0 to below 1, it is %g", p);
  if (x.rank < 2 || x.dim[0] != DIM_BATCH)
    return shape_fail(query, X, "dropout expects an image or features, x is %s", shape_text(query->arena, x));
  if (key.rank != 1 || key.dim[0] != 2)
    return shape_fail(query, KEY, "dropout expects a key of two words, it is %s",
                      shape_text(query->arena, key));
  return shape_is_input(query, X);
}

void dropout_grad(Grad *grad, const Node *node, NodeId cotangent) {
  if (!grad_needed(grad, X)) return;
  NodeId in[] = {cotangent, node->in[KEY]};
  grad_add(grad, X, grad_build(grad, OP_dropout, in, 2, node->attr));
}

// ---- as in the prelude ----

static uint32_t mix(uint32_t h) {
  h ^= h >> 16;
  h *= 0x85EBCA6Bu;
  h ^= h >> 13;
  h *= 0xC2B2AE35u;
  return h ^ h >> 16;
}

static uint32_t threshold(const Attr *attr) {
  return (uint32_t)lround((1 - attr[P].r) * (1 << 24));
}

void dropout_host(const HostCall *call) {
  uint32_t key0 = (uint32_t)call->in[KEY].index[0], key1 = (uint32_t)call->in[KEY].index[1];
  double scale = 1 / (1 - call->attr[P].r);
  for (int64_t i = 0, n = host_elems(&call->out); i < n; i++) {
    uint32_t high = (uint32_t)((uint64_t)i >> 32) * 0x9E3779B9u, h = mix((uint32_t)i ^ key0);
    bool is_kept = mix(h + (key1 + high)) >> 8 < threshold(call->attr);
    call->out.data[i] = call->in[X].data[i] * (is_kept ? scale : 0);
  }
}

void dropout_emit(Emit *emit, const Node *node) {
  const char *x = emit_in(emit, X), *key = emit_words(emit, KEY);
  emit_result(emit, "mla_drop(%s, %s[0], %s[1], e, %u, %s)", x, key, key, (unsigned)threshold(node->attr),
              emit_number(emit, 1 / (1 - node->attr[P].r)));
}
