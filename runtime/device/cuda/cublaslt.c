// The library's matrices lie column by column. One that lies row by row is its own transposition there, and
//
//   result = left right   row by row is   result' = right' left'   column by column
//
// so the factors change places. The algorithm is what the library's heuristic puts first, among those that need no more
// than the fixed workspace and add every sum in one piece. It is asked when a step is captured, and the graph keeps it.
#include "runtime/device/cuda/cublaslt.h"

#include <stdio.h>

// Values of cublasLt.h, cublas_api.h and library_types.h, the same in CUDA 12 and 13.
enum { DESC_TRANSPOSE_A = 3, DESC_TRANSPOSE_B = 4 };
enum { PREFERS_WORKSPACE = 1, PREFERS_REDUCTIONS = 3, PREFERS_ALIGNMENT = 5 /* of A; then B, C, D */ };
enum { REDUCTION_NONE = 0, TYPE_F32 = 0, TYPE_F64 = 1, TRANSPOSED = 1 };
enum { COMPUTE_F32 = 68, COMPUTE_F64 = 70, COMPUTE_BF16 = 75, COMPUTE_TF32 = 77 };
enum { NOT_SUPPORTED = 15 };

// ---- the library ----

static const char *find_functions(CublasLt *lt) {
#define CUBLASLT_SYMBOL(name, parameters) {"cublasLt" #name, &lt->name},
  const CudaSymbol symbols[] = {CUBLASLT_FUNCTIONS(CUBLASLT_SYMBOL)};
#undef CUBLASLT_SYMBOL
  return mla_cuda_find_symbols(&lt->library, symbols, sizeof symbols / sizeof *symbols);
}

bool mla_cublaslt_open(CublasLt *lt, int major, MlaError *error) {
  char name[32], why[256];
  *lt = (CublasLt){0};
  snprintf(name, sizeof name, "libcublasLt.so.%d", major);
  if (!mla_cuda_open_library(&lt->library, name, why, sizeof why))
    return mla_fail(error, MLA_ERROR_SYSTEM,
                    "no cuBLASLt: %s (%s).\nInstall the package libcublas of the CUDA toolkit, or leave out "
                    "--matmul library",
                    name, why);
  const char *missing = find_functions(lt);
  int status = missing ? 0 : lt->Create(&lt->handle);
  if (!missing && status == 0) return true;
  lt->handle = NULL;
  if (missing) mla_fail(error, MLA_ERROR_SYSTEM, "%s has no %s", lt->library.file, missing);
  mla_fail(error, MLA_ERROR_SYSTEM, "cuBLASLt does not begin: status %d", status);
  mla_cublaslt_close(lt);
  return false;
}

void mla_cublaslt_close(CublasLt *lt) {
  if (lt->handle) lt->Destroy(lt->handle);
  mla_cuda_close_library(&lt->library);
  *lt = (CublasLt){0};
}

// ---- one product ----

typedef struct Descriptors {
  CublasLtDesc desc;
  CublasLtLayout a, b, d; // C is D: beta is 0
  CublasLtPreference preference;
} Descriptors;

static int compute_type(const CublasLtCall *call) {
  if (call->elem == MLA_F64) return COMPUTE_F64;
  if (call->precision == MLA_PRECISION_TF32) return COMPUTE_TF32;
  return call->precision == MLA_PRECISION_BF16 ? COMPUTE_BF16 : COMPUTE_F32;
}

// `rows` and `columns` of a matrix as it is stored, row by row.
static int make_layout(const CublasLt *lt, const CublasLtCall *call, CublasLtLayout *layout, int64_t rows,
                       int64_t columns) {
  int type = call->elem == MLA_F64 ? TYPE_F64 : TYPE_F32;
  return lt->MatrixLayoutCreate(layout, type, (uint64_t)columns, (uint64_t)rows, columns);
}

static int make_desc(const CublasLt *lt, const CublasLtCall *call, Descriptors *made) {
  const int transposed = TRANSPOSED;
  int status =
      lt->MatmulDescCreate(&made->desc, compute_type(call), call->elem == MLA_F64 ? TYPE_F64 : TYPE_F32);
  if (status == 0 && call->right_transposed)
    status = lt->MatmulDescSetAttribute(made->desc, DESC_TRANSPOSE_A, &transposed, sizeof transposed);
  if (status == 0 && call->left_transposed)
    status = lt->MatmulDescSetAttribute(made->desc, DESC_TRANSPOSE_B, &transposed, sizeof transposed);
  return status;
}

static int make_layouts(const CublasLt *lt, const CublasLtCall *call, Descriptors *made) {
  bool r = call->right_transposed, l = call->left_transposed;
  int status =
      make_layout(lt, call, &made->a, r ? call->columns : call->terms, r ? call->terms : call->columns);
  if (status == 0)
    status = make_layout(lt, call, &made->b, l ? call->terms : call->rows, l ? call->rows : call->terms);
  return status ? status : make_layout(lt, call, &made->d, call->rows, call->columns);
}

static uint32_t alignment_of(const void *address) {
  enum { MOST = 256 };
  uintptr_t place = (uintptr_t)address | MOST;
  return (uint32_t)(place & -place);
}

static int make_preference(const CublasLt *lt, const CublasLtCall *call, Descriptors *made) {
  const uint64_t workspace = CUBLASLT_WORKSPACE_BYTES;
  const uint32_t reductions = REDUCTION_NONE;
  const void *places[] = {call->right, call->left, call->result, call->result};
  int status = lt->MatmulPreferenceCreate(&made->preference);
  if (status == 0)
    status =
        lt->MatmulPreferenceSetAttribute(made->preference, PREFERS_WORKSPACE, &workspace, sizeof workspace);
  if (status == 0)
    status = lt->MatmulPreferenceSetAttribute(made->preference, PREFERS_REDUCTIONS, &reductions,
                                              sizeof reductions);
  for (int i = 0; i < 4 && status == 0; i++) {
    uint32_t alignment = alignment_of(places[i]);
    status = lt->MatmulPreferenceSetAttribute(made->preference, PREFERS_ALIGNMENT + i, &alignment,
                                              sizeof alignment);
  }
  return status;
}

static void release(const CublasLt *lt, const Descriptors *made) {
  if (made->preference) lt->MatmulPreferenceDestroy(made->preference);
  if (made->d) lt->MatrixLayoutDestroy(made->d);
  if (made->b) lt->MatrixLayoutDestroy(made->b);
  if (made->a) lt->MatrixLayoutDestroy(made->a);
  if (made->desc) lt->MatmulDescDestroy(made->desc);
}

static int multiply(const CublasLt *lt, const CublasLtCall *call, const Descriptors *made,
                    const CublasLtHeuristic *chosen, CudaStream stream) {
  const double one = 1, zero = 0;
  const float one_f = 1, zero_f = 0;
  bool is_double = call->elem == MLA_F64;
  return lt->Matmul(lt->handle, made->desc, is_double ? (const void *)&one : &one_f, call->right, made->a,
                    call->left, made->b, is_double ? (const void *)&zero : &zero_f, call->result, made->d,
                    call->result, made->d, &chosen->algo, call->workspace, CUBLASLT_WORKSPACE_BYTES, stream);
}

bool mla_cublaslt_launch(const CublasLt *lt, const CublasLtCall *call, CudaStream stream, bool *is_able,
                         MlaError *error) {
  Descriptors made = {0};
  CublasLtHeuristic chosen = {0};
  int n_found = 0, status = make_desc(lt, call, &made);
  if (status == 0) status = make_layouts(lt, call, &made);
  if (status == 0) status = make_preference(lt, call, &made);
  if (status == 0)
    status = lt->MatmulAlgoGetHeuristic(lt->handle, made.desc, made.a, made.b, made.d, made.d,
                                        made.preference, 1, &chosen, &n_found);
  *is_able = status == 0 && n_found > 0 && chosen.state == 0;
  if (status == NOT_SUPPORTED) status = 0;
  if (*is_able) status = multiply(lt, call, &made, &chosen, stream);
  release(lt, &made);
  return status == 0 ||
         mla_fail(error, MLA_ERROR_SYSTEM, "cuBLASLt refuses a product of %lld x %lld x %lld: status %d",
                  (long long)call->rows, (long long)call->columns, (long long)call->terms, status);
}
