// attention(x, heads): softmax(q k^T / sqrt(d)) v for each head, from the q, k and v that stand side by side in the
// channels of x. Keeps nothing for the gradient, which computes the probabilities again.
#include "compiler/ops/attention.h"

const AttrDef attention_attrs[] = {ATTENTION_ATTRS, END_ATTRS};

bool attention_shape(ShapeQuery *query) {
  Shape x = query->in[0];
  int64_t heads = query->attr[ATTENTION_HEADS].i;
  if (!expect_tokens(query, "attention", 0) || !expect_range(query, "attention", "heads", heads, 1))
    return false;
  if (x.dim[3] % (3 * heads))
    return shape_fail(query, 0,
                      "attention: the %lld channels of x are not q, k and v of %lld equal heads: %lld is no "
                      "multiple of %lld",
                      (long long)x.dim[3], (long long)heads, (long long)x.dim[3], (long long)(3 * heads));
  query->out = image_shape(x.dim[1], 1, x.dim[3] / 3);
  return true;
}

void attention_grad(Grad *grad, const Node *node, NodeId g) {
  if (!grad_needed(grad, 0)) return;
  grad_add(grad, 0, grad_build(grad, OP_attention_grad, (NodeId[]){g, node->in[0]}, 2, node->attr));
}

static void attend(const HostHead *head, double *row, double *out) {
  for (int64_t i = 0; i < head->n_tokens; i++) {
    host_probabilities(head, i, row);
    for (int64_t c = 0; c < head->depth; c++) {
      double sum = 0;
      for (int64_t j = 0; j < head->n_tokens; j++) sum += row[j] * host_row(head, 2, j)[c];
      out[i * head->channels + c] = sum;
    }
  }
}

void attention_host(const HostCall *call) {
  const int64_t *dim = call->out.shape.dim;
  int64_t heads = call->attr[ATTENTION_HEADS].i, depth = dim[3] / heads;
  double *row = host_scratch(dim[1]);
  for (int64_t n = 0; n < dim[0]; n++)
    for (int64_t h = 0; h < heads; h++) {
      HostHead head = host_head(&call->in[0], call->attr, n, h);
      attend(&head, row, host_at(&call->out, n, 0, 0, h * depth));
    }
  free(row);
}

void attention_emit(Emit *emit, const Node *node) {
  emit_attention(emit, node);
}
