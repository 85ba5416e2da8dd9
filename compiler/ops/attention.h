// Multi-head attention on tokens [batch, tokens, 1, 3 C], whose channels are q, then k, then v; head h has the channels
// [h d, (h + 1) d) of each, d = C / heads.
#pragma once
#include "compiler/ops/rules.h"

enum { ATTENTION_HEADS };

#define ATTENTION_ATTRS                                                                                      \
  { "heads", ATTR_INT, true, 1, "number of heads, which share the channels equally" }

// One head of one image, on the host.
typedef struct HostHead {
  int64_t n_tokens, depth, channels; // channels: C
  double scale;
  const double *qkv; // q of the head at the first token; k and v are `channels` and 2 `channels` further
} HostHead;

static inline HostHead host_head(const HostTensor *x, const Attr *attr, int64_t n, int64_t head) {
  int64_t channels = x->shape.dim[3] / 3, depth = channels / attr[ATTENTION_HEADS].i;
  return (HostHead){.n_tokens = x->shape.dim[1],
                    .depth = depth,
                    .channels = channels,
                    .scale = 1 / sqrt((double)depth),
                    .qkv = host_at(x, n, 0, 0, head * depth)};
}

// Row i of q (part 0), k (1) or v (2).
static inline const double *host_row(const HostHead *head, int part, int64_t i) {
  return head->qkv + (3 * i + part) * head->channels;
}

static inline double host_dot(const double *a, const double *b, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
  return sum;
}

// softmax over the keys j of q_i . k_j / sqrt(d), in `row`.
static inline void host_probabilities(const HostHead *head, int64_t i, double *row) {
  double most = -INFINITY, total = 0;
  for (int64_t j = 0; j < head->n_tokens; j++) {
    row[j] = head->scale * host_dot(host_row(head, 0, i), host_row(head, 1, j), head->depth);
    if (row[j] > most) most = row[j];
  }
  for (int64_t j = 0; j < head->n_tokens; j++) total += row[j] = exp(row[j] - most);
  for (int64_t j = 0; j < head->n_tokens; j++) row[j] /= total;
}

// Scratch of the host references: they are an oracle for small tensors.
static inline double *host_scratch(int64_t n) {
  double *scratch = malloc(sizeof(double) * (size_t)n);
  if (scratch) return scratch;
  fprintf(stderr, "mlaanc: out of memory\n");
  abort();
}
