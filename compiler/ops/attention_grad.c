// attention_grad(g, x): gradient of attention with respect to x. With P the probabilities and S the scaled scores,
//   dv = P^T g    dP = g v^T    dS = P * (dP - rowsum(P * dP))    dq = dS k / sqrt(d)    dk = dS^T q / sqrt(d)
#include "compiler/ops/attention.h"

enum { G, X };
const AttrDef attention_grad_attrs[] = {ATTENTION_ATTRS, END_ATTRS};

bool attention_grad_shape(ShapeQuery *query) {
  Shape g = query->in[G], x = query->in[X];
  if (g.rank != 4 || x.rank != 4 || g.dim[1] != x.dim[1] || 3 * g.dim[3] != x.dim[3])
    return shape_fail(query, G, "attention_grad: a gradient %s does not fit q, k and v in %s",
                      shape_text(query->arena, g), shape_text(query->arena, x));
  return shape_is_input(query, X);
}

void attention_grad_grad(Grad *grad, const Node *node, NodeId cotangent) {
  no_second_derivative(grad, node, cotangent);
}

// Query i: row i of dq, and what it adds to every row of dk and dv.
static void add_query(const HostHead *head, int64_t i, const double *g, double *row, double *change,
                      double *out) {
  double dot = 0;
  host_probabilities(head, i, row);
  for (int64_t j = 0; j < head->n_tokens; j++) {
    change[j] = host_dot(g, host_row(head, 2, j), head->depth);
    dot += row[j] * change[j];
  }
  for (int64_t j = 0; j < head->n_tokens; j++) {
    double score = row[j] * (change[j] - dot) * head->scale;
    double *dq = out + 3 * i * head->channels, *dk = out + (3 * j + 1) * head->channels;
    for (int64_t c = 0; c < head->depth; c++) {
      dq[c] += score * host_row(head, 1, j)[c];
      dk[c] += score * host_row(head, 0, i)[c];
      dk[head->channels + c] += row[j] * g[c];
    }
  }
}

void attention_grad_host(const HostCall *call) {
  const int64_t *dim = call->in[G].shape.dim;
  int64_t heads = call->attr[ATTENTION_HEADS].i, depth = dim[3] / heads;
  double *row = host_scratch(2 * dim[1]), *change = row + dim[1];
  host_zero(&call->out);
  for (int64_t n = 0; n < dim[0]; n++)
    for (int64_t h = 0; h < heads; h++) {
      HostHead head = host_head(&call->in[X], call->attr, n, h);
      for (int64_t i = 0; i < head.n_tokens; i++)
        add_query(&head, i, host_at(&call->in[G], n, i, 0, h * depth), row, change,
                  host_at(&call->out, n, 0, 0, h * depth));
    }
  free(row);
}

void attention_grad_emit(Emit *emit, const Node *node) {
  emit_attention_grad(emit, node);
}
