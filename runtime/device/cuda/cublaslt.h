// cuBLASLt (libcublasLt.so), as far as it is used: one product of matrices that lie row by row. It is deterministic by
// what it is allowed: algorithms that add in pieces (split-K) are left out.
#pragma once
#include "runtime/device/cuda/cudart.h"
#include "runtime/device/cuda/library.h"
#include "runtime/program.h"

enum { CUBLASLT_WORKSPACE_BYTES = 8 << 20 }; // of a stream

typedef void *CublasLtDesc, *CublasLtLayout, *CublasLtPreference; // opaque
typedef struct CublasLtAlgo {
  uint64_t data[8];
} CublasLtAlgo;
typedef struct CublasLtHeuristic {
  CublasLtAlgo algo;
  size_t workspace_bytes;
  int state; // 0: the rest is valid
  float waves;
  int reserved[4];
} CublasLtHeuristic;

// F(name, parameters)
#define CUBLASLT_FUNCTIONS(F)                                                                                \
  F(Create, (void **handle))                                                                                 \
  F(Destroy, (void *handle))                                                                                 \
  F(MatmulDescCreate, (CublasLtDesc * desc, int compute, int scale))                                         \
  F(MatmulDescDestroy, (CublasLtDesc desc))                                                                  \
  F(MatmulDescSetAttribute, (CublasLtDesc desc, int attribute, const void *value, size_t n_bytes))           \
  F(MatrixLayoutCreate, (CublasLtLayout * layout, int type, uint64_t rows, uint64_t columns, int64_t apart)) \
  F(MatrixLayoutDestroy, (CublasLtLayout layout))                                                            \
  F(MatmulPreferenceCreate, (CublasLtPreference * preference))                                               \
  F(MatmulPreferenceDestroy, (CublasLtPreference preference))                                                \
  F(MatmulPreferenceSetAttribute,                                                                            \
    (CublasLtPreference preference, int attribute, const void *value, size_t n_bytes))                       \
  F(MatmulAlgoGetHeuristic, (void *handle, CublasLtDesc desc, CublasLtLayout a, CublasLtLayout b,            \
                             CublasLtLayout c, CublasLtLayout d, CublasLtPreference preference, int wanted,  \
                             CublasLtHeuristic *results, int *n_results))                                    \
  F(Matmul, (void *handle, CublasLtDesc desc, const void *alpha, const void *at_a, CublasLtLayout a,         \
             const void *at_b, CublasLtLayout b, const void *beta, const void *at_c, CublasLtLayout c,       \
             void *at_d, CublasLtLayout d, const CublasLtAlgo *algo, void *workspace,                        \
             size_t workspace_bytes, CudaStream stream))

typedef struct CublasLt {
  CudaLibrary library;
  void *handle;
#define CUBLASLT_MEMBER(name, parameters) int(*name) parameters;
  CUBLASLT_FUNCTIONS(CUBLASLT_MEMBER)
#undef CUBLASLT_MEMBER
} CublasLt;

// One product, with sizes and addresses.
typedef struct CublasLtCall {
  MlaElem elem;
  MlaPrecision precision;
  int64_t rows, columns, terms;
  bool left_transposed, right_transposed;
  const void *left, *right;
  void *result;
  void *workspace; // of the stream
} CublasLtCall;

// `major` of the CUDA runtime. False: it is not there, and `error` says what to install.
bool mla_cublaslt_open(CublasLt *lt, int major, MlaError *error);
void mla_cublaslt_close(CublasLt *lt);
// Launches a product. `is_able` false: the library has no algorithm for it, and nothing was launched.
bool mla_cublaslt_launch(const CublasLt *lt, const CublasLtCall *call, CudaStream stream, bool *is_able,
                         MlaError *error);
