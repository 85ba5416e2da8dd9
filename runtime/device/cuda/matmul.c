// Which launches cuBLASLt computes, and how. The rule: our kernels, unless the user asks for the library, or the product
// is large and the library is there. (Where the library begins to win is not measured; `large` is what keeps a
// large GPU busy for some tenths of a millisecond, where our tiles have nothing left to hide behind.)
#include "runtime/device/cuda/cuda.h"

static const int64_t large_flops = INT64_C(16) << 30; // of one launch over the full batch

static int64_t of_batch(int64_t n, bool by_image, int64_t batch) {
  return by_image ? n * batch : n;
}

static bool is_wanted(const Cuda *cuda, const MlaProgram *program, const MlaLaunch *launch) {
  const MlaProduct *p = &launch->product;
  if (p->columns == 0 || cuda->matmul == MLA_MATMUL_OWN) return false;
  if (cuda->matmul == MLA_MATMUL_LIBRARY) return true;
  int64_t batch = program->recipe.batch, rows = of_batch(p->rows, p->rows_by_image, batch);
  return 2.0 * (double)rows * (double)p->columns * (double)of_batch(p->terms, p->terms_by_image, batch) >=
         (double)large_flops;
}

static bool is_wanted_in(const Cuda *cuda, const MlaProgram *program, const MlaStep *step) {
  for (int i = 0; i < step->n_launches; i++)
    if (is_wanted(cuda, program, &step->launches[i])) return true;
  return false;
}

// A workspace for each stream that may be used, since products on two of them may run at the same time.
int64_t mla_cuda_workspace_bytes(const Cuda *cuda, const MlaProgram *program) {
  if (!is_wanted_in(cuda, program, &program->train) && !is_wanted_in(cuda, program, &program->eval)) return 0;
  return (int64_t)CUBLASLT_WORKSPACE_BYTES * CUDA_MAX_STREAMS;
}

bool mla_cuda_open_products(CudaLoaded *self, MlaError *error) {
  Cuda *cuda = self->cuda;
  MlaError missing = {0};
  void *memory = NULL;
  int64_t n_bytes = mla_cuda_workspace_bytes(cuda, self->loaded.program);
  if (!n_bytes) return true;
  if (!mla_cublaslt_open(&self->lt, cuda->rt.version / 1000, &missing)) {
    if (cuda->matmul != MLA_MATMUL_LIBRARY) return true; // then our kernels
    return mla_fail(error, missing.kind, "%s", missing.text);
  }
  if (!mla_cuda_check(&cuda->rt, cuda->rt.Malloc(&memory, (size_t)n_bytes), "allocating cuBLASLt's workspace",
                      error))
    return false;
  self->workspace = memory;
  self->loaded.scratch_bytes += n_bytes;
  return true;
}

void mla_cuda_close_products(CudaLoaded *self) {
  if (self->workspace) self->cuda->rt.Free(self->workspace);
  mla_cublaslt_close(&self->lt);
}

static void *workspace_of(const CudaLoaded *self, CudaStream stream) {
  int i = 0;
  while (i < CUDA_MAX_STREAMS - 1 && self->streams[i] != stream) i++;
  return self->workspace + (size_t)i * CUBLASLT_WORKSPACE_BYTES;
}

bool mla_cuda_launch_product(CudaLoaded *self, const MlaStep *step, int index, int64_t batch,
                             CudaStream stream, bool *is_done, MlaError *error) {
  const MlaProgram *program = self->loaded.program;
  const MlaLaunch *launch = &step->launches[index];
  const MlaProduct *p = &launch->product;
  void *const *at = (step == &program->train ? &self->train : &self->eval)->of_launch[index];
  *is_done = false;
  if (!self->lt.handle || !is_wanted(self->cuda, program, launch)) return true;
  CublasLtCall call = {.elem = program->elem,
                       .precision = program->recipe.precision,
                       .rows = of_batch(p->rows, p->rows_by_image, batch),
                       .columns = p->columns,
                       .terms = of_batch(p->terms, p->terms_by_image, batch),
                       .left_transposed = p->left_transposed,
                       .right_transposed = p->right_transposed,
                       .left = at[p->left],
                       .right = at[p->right],
                       .result = at[p->result],
                       .workspace = workspace_of(self, stream)};
  MlaError inner = {0};
  return mla_cublaslt_launch(&self->lt, &call, stream, is_done, &inner) ||
         mla_fail(error, inner.kind, "launch `%s`: %s", launch->name, inner.text);
}
