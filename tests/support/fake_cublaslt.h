// A stand-in for libcublasLt, in one file with the stand-in for libcudart: products of column-major matrices on the host,
// at once or as nodes of a capture. Strict about what the callers rely on: a workspace of the size that was agreed on, no
// sums in pieces, alignments that are true. $FAKE_CUBLASLT=none has no algorithm for anything, =broken refuses to
// multiply. No NVIDIA code ran through it.
#include "fake_cudart.h"
#include <stdint.h>

typedef struct Desc {
  int compute, scale, transpose[2];
} Desc;
typedef struct Layout {
  int type;
  uint64_t rows, columns;
  int64_t apart;
} Layout;
typedef struct Preference {
  uint64_t workspace;
  uint32_t reductions, alignment[4];
} Preference;
typedef struct Heuristic {
  uint64_t algo[8];
  size_t workspace_bytes;
  int state;
  float waves;
  int reserved[4];
} Heuristic;
typedef struct Multiplication {
  Desc desc;
  Layout a, b, d;
  const void *at_a, *at_b;
  void *at_d;
} Multiplication;

static int n_multiplied;

static int fails(const char *how) {
  const char *chosen = getenv("FAKE_CUBLASLT");
  return chosen && strcmp(chosen, how) == 0;
}

int cublasLtCreate(void **handle) {
  return *handle = malloc(1), n_live++, 0;
}
int cublasLtDestroy(void *handle) {
  if (getenv("FAKE_CUDA_COUNTS")) printf("fake: %d products\n", n_multiplied);
  return free(handle), n_live--, n_multiplied = 0;
}
int cublasLtMatmulDescCreate(void **desc, int compute, int scale) {
  Desc *made = calloc(1, sizeof *made);
  made->compute = compute, made->scale = scale;
  return *desc = made, n_live++, 0;
}
int cublasLtMatmulDescDestroy(void *desc) {
  return free(desc), n_live--, 0;
}
int cublasLtMatmulDescSetAttribute(void *desc, int attribute, const void *value, size_t n_bytes) {
  if (attribute < 3 || attribute > 4 || n_bytes != sizeof(int)) return 7;
  return memcpy(&((Desc *)desc)->transpose[attribute - 3], value, n_bytes), 0;
}
int cublasLtMatrixLayoutCreate(void **layout, int type, uint64_t rows, uint64_t columns, int64_t apart) {
  Layout *made = malloc(sizeof *made);
  *made = (Layout){type, rows, columns, apart};
  return *layout = made, n_live++, apart < (int64_t)rows;
}
int cublasLtMatrixLayoutDestroy(void *layout) {
  return free(layout), n_live--, 0;
}
int cublasLtMatmulPreferenceCreate(void **preference) {
  return *preference = calloc(1, sizeof(Preference)), n_live++, 0;
}
int cublasLtMatmulPreferenceDestroy(void *preference) {
  return free(preference), n_live--, 0;
}
int cublasLtMatmulPreferenceSetAttribute(void *preference, int attribute, const void *value, size_t n_bytes) {
  Preference *p = preference;
  void *to = attribute == 1   ? (void *)&p->workspace
             : attribute == 3 ? (void *)&p->reductions
                              : (void *)&p->alignment[attribute - 5];
  if (n_bytes != (attribute == 1 ? sizeof(uint64_t) : sizeof(uint32_t)) || attribute > 8) return 7;
  return memcpy(to, value, n_bytes), attribute == 3 && p->reductions != 0;
}
// The algorithm remembers what it was promised.
int cublasLtMatmulAlgoGetHeuristic(void *handle, void *desc, void *a, void *b, void *c, void *d,
                                   void *preference, int wanted, void *results, int *n_results) {
  const Preference *p = preference;
  Heuristic *result = results;
  if (!handle || !desc || !a || !b || c != d || wanted != 1) return 7;
  if (fails("none")) return *n_results = 0, 15;
  *result = (Heuristic){.algo = {p->workspace, p->alignment[0], p->alignment[1], p->alignment[3]}};
  result->workspace_bytes = (size_t)p->workspace;
  return *n_results = 1, 0;
}

static double element(const void *at, int type, int64_t i) {
  return type == 1 ? ((const double *)at)[i] : (double)((const float *)at)[i];
}

static void multiply(void *data) {
  const Multiplication *m = data;
  int ta = m->desc.transpose[0], tb = m->desc.transpose[1];
  for (int64_t column = 0; column < (int64_t)m->d.columns; column++)
    for (int64_t row = 0; row < (int64_t)m->d.rows; row++) {
      double sum = 0;
      for (int64_t k = 0; k < (int64_t)(ta ? m->a.rows : m->a.columns); k++)
        sum += element(m->at_a, m->a.type, ta ? row * m->a.apart + k : k * m->a.apart + row) *
               element(m->at_b, m->b.type, tb ? k * m->b.apart + column : column * m->b.apart + k);
      int64_t to = column * m->d.apart + row;
      if (m->d.type == 1) ((double *)m->at_d)[to] = sum;
      if (m->d.type == 0) ((float *)m->at_d)[to] = (float)sum;
    }
}

int cublasLtMatmul(void *handle, void *desc, const void *alpha, const void *at_a, void *a, const void *at_b,
                   void *b, const void *beta, const void *at_c, void *c, void *at_d, void *d,
                   const void *algo, void *workspace, size_t workspace_bytes, void *stream) {
  static Launch l;
  const uint64_t *promised = algo;
  Multiplication *m = keep(sizeof *m);
  *m = (Multiplication){*(Desc *)desc, *(Layout *)a, *(Layout *)b, *(Layout *)d, at_a, at_b, at_d};
  int ta = m->desc.transpose[0], tb = m->desc.transpose[1];
  if (fails("broken") || !handle || at_c != at_d || c != d) return 7;
  if (element(alpha, m->desc.scale, 0) != 1 || element(beta, m->desc.scale, 0) != 0) return 7;
  if (!workspace || workspace_bytes < promised[0] || (uintptr_t)workspace % 16) return 7;
  if ((uintptr_t)at_a % promised[1] || (uintptr_t)at_b % promised[2] || (uintptr_t)at_d % promised[3])
    return 7;
  if ((ta ? m->a.columns : m->a.rows) != m->d.rows || (tb ? m->b.rows : m->b.columns) != m->d.columns ||
      (ta ? m->a.rows : m->a.columns) != (tb ? m->b.columns : m->b.rows))
    return 7;
  n_multiplied++;
  l = (Launch){.call = multiply, .data = m};
  return give(&l, stream);
}
