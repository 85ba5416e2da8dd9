// A step on the device. Its launches are captured once per batch size and replayed: all that changes between two steps
// (images, labels, learning rate, random words) lies in buffers.
#include "runtime/device/cuda/cuda.h"

#include <stdlib.h>

// ---- the launches' tables of buffers ----

static int64_t count_table_entries(const MlaStep *step) {
  int64_t n = 0;
  for (int i = 0; i < step->n_launches; i++)
    if (step->launches[i].n_buffers > CUDA_MAX_TABLE) n += step->launches[i].n_buffers;
  return n;
}

int64_t mla_cuda_table_bytes(const MlaProgram *program) {
  return (count_table_entries(&program->train) + count_table_entries(&program->eval)) *
         (int64_t)sizeof(void *);
}

static bool upload_tables(CudaLoaded *self, const MlaStep *step, const MlaBinding *binding, void **tables,
                          unsigned char **at, MlaError *error) {
  const Cudart *rt = &self->cuda->rt;
  for (int i = 0; i < step->n_launches; i++) {
    if (step->launches[i].n_buffers <= CUDA_MAX_TABLE) continue;
    size_t n_bytes = sizeof(void *) * (size_t)step->launches[i].n_buffers;
    tables[i] = *at;
    *at += n_bytes;
    if (!mla_cuda_check(
            rt, rt->MemcpyAsync(tables[i], binding->of_launch[i], n_bytes, CUDA_TO_DEVICE, self->stream),
            "copying a launch's table of buffers", error))
      return false;
  }
  return true;
}

static bool make_tables(CudaLoaded *self, MlaError *error) {
  const MlaProgram *program = self->loaded.program;
  const Cudart *rt = &self->cuda->rt;
  self->train_tables = calloc((size_t)program->train.n_launches + 1, sizeof *self->train_tables);
  self->eval_tables = calloc((size_t)program->eval.n_launches + 1, sizeof *self->eval_tables);
  if (!self->train_tables || !self->eval_tables) return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  self->loaded.scratch_bytes = mla_cuda_table_bytes(program);
  if (self->loaded.scratch_bytes == 0) return true;
  void *memory;
  if (!mla_cuda_check(rt, rt->Malloc(&memory, (size_t)self->loaded.scratch_bytes),
                      "allocating tables of buffers", error))
    return false;
  unsigned char *at = self->tables = memory;
  return upload_tables(self, &program->train, &self->train, self->train_tables, &at, error) &&
         upload_tables(self, &program->eval, &self->eval, self->eval_tables, &at, error);
}

// Beyond what every device grants, dynamic shared memory must be asked for.
static bool grant_shared(CudaLoaded *self, MlaError *error) {
  enum { GRANTED = 48 << 10 };
  const MlaProgram *program = self->loaded.program;
  const Cudart *rt = &self->cuda->rt;
  for (int i = 0; i < program->n_kernels; i++) {
    int64_t n_bytes = program->kernels[i].shared_bytes;
    if (n_bytes <= GRANTED) continue;
    CudaStatus status =
        rt->FuncSetAttribute(self->code.kernels[i], CUDA_FUNCTION_DYNAMIC_SHARED, (int)n_bytes);
    if (status == 0) continue;
    rt->GetLastError();
    return mla_fail(error, MLA_ERROR_SYSTEM, "kernel `%s` needs %lld bytes of shared memory a block: %s",
                    program->kernels[i].symbol, (long long)n_bytes, rt->GetErrorString(status));
  }
  return true;
}

bool mla_cuda_bind(CudaLoaded *self, MlaError *error) {
  const MlaProgram *program = self->loaded.program;
  return mla_bind(&self->loaded, &program->train, &self->train, error) &&
         mla_bind(&self->loaded, &program->eval, &self->eval, error) && make_tables(self, error) &&
         grant_shared(self, error) && mla_cuda_fork(self, error) && mla_cuda_open_products(self, error);
}

// ---- launching ----

bool mla_cuda_launch_at(CudaLoaded *self, const MlaLaunch *l, void *buffers, int64_t batch, CudaStream stream,
                        MlaError *error) {
  const Cudart *rt = &self->cuda->rt;
  const MlaKernel *kernel = &self->loaded.program->kernels[l->kernel];
  int count = (int)batch;
  void *arguments[] = {buffers, &count};
  CudaDim grid = {(unsigned)mla_blocks(&l->grid, batch), 1, 1}, block = {(unsigned)kernel->threads, 1, 1};
  CudaStatus status = rt->LaunchKernel(self->code.kernels[l->kernel], grid, block, arguments,
                                       (size_t)kernel->shared_bytes, stream);
  if (status == 0 && self->cuda->is_checked) status = rt->StreamSynchronize(stream);
  if (status == 0) return true;
  rt->GetLastError();
  return mla_fail(error, MLA_ERROR_SYSTEM, "launch `%s` (kernel `%s`, %u blocks of %u threads): %s (%s)",
                  l->name, kernel->symbol, grid.x, block.x, rt->GetErrorString(status),
                  rt->GetErrorName(status));
}

bool mla_cuda_launch(CudaLoaded *self, const MlaStep *step, int index, int64_t batch, CudaStream stream,
                     MlaError *error) {
  const Cudart *rt = &self->cuda->rt;
  bool is_train = step == &self->loaded.program->train, is_done;
  void **table = is_train ? &self->train_tables[index] : &self->eval_tables[index];
  void *by_value = (void *)(uintptr_t)(is_train ? &self->train : &self->eval)->of_launch[index];
  if (!mla_cuda_launch_product(self, step, index, batch, stream, &is_done, error)) return false;
  if (!is_done)
    return mla_cuda_launch_at(self, &step->launches[index], *table ? (void *)table : by_value, batch, stream,
                              error);
  return !self->cuda->is_checked ||
         mla_cuda_check(rt, rt->StreamSynchronize(stream), step->launches[index].name, error);
}

// One after the other on one stream, in the order of the step.
static bool launch_all(CudaLoaded *self, const MlaStep *step, int64_t batch, MlaError *error) {
  if (!mla_cuda_profile_mark(self, step, 0, error)) return false;
  for (int i = 0; i < step->n_launches; i++)
    if (!mla_cuda_launch(self, step, i, batch, self->stream, error) ||
        !mla_cuda_profile_mark(self, step, i + 1, error))
      return false;
  return true;
}

// ---- capture and replay ----

static bool capture(CudaLoaded *self, const MlaStep *step, int64_t batch, CudaGraphExec *exec,
                    MlaError *error) {
  const Cudart *rt = &self->cuda->rt;
  CudaGraph graph = NULL;
  if (!mla_cuda_check(rt, rt->StreamBeginCapture(self->stream, CUDA_CAPTURE_THREAD_LOCAL),
                      "beginning a capture", error))
    return false;
  self->is_capturing = true;
  bool good = (self->events ? launch_all : mla_cuda_launch_forked)(self, step, batch, error);
  self->is_capturing = false;
  CudaStatus ended =
      rt->StreamEndCapture(self->stream, &graph); // in any case: the stream must be usable again
  good = good && mla_cuda_check(rt, ended, "ending a capture", error) &&
         mla_cuda_check(rt, rt->GraphInstantiate(exec, graph, 0), "making the step's graph", error);
  if (graph) rt->GraphDestroy(graph);
  return good;
}

// The graph of this step and batch, made if it is new. Few sizes occur (the full batch, the odd last one); should there
// be more, the oldest goes.
static CudaReplay *find_replay(CudaLoaded *self, const MlaStep *step, int64_t batch, MlaError *error) {
  for (int i = 0; i < self->n_replays; i++)
    if (self->replays[i].step == step && self->replays[i].batch == batch) return &self->replays[i];
  CudaGraphExec exec;
  if (!capture(self, step, batch, &exec, error)) return NULL;
  CudaReplay *at = &self->replays[self->oldest];
  if (self->n_replays < CUDA_MAX_GRAPHS) {
    at = &self->replays[self->n_replays++];
  } else {
    self->cuda->rt.StreamSynchronize(self->stream);
    self->cuda->rt.GraphExecDestroy(at->exec);
    self->oldest = (self->oldest + 1) % CUDA_MAX_GRAPHS;
  }
  *at = (CudaReplay){step, batch, exec};
  return at;
}

bool mla_cuda_replay(CudaLoaded *self, const MlaStep *step, int64_t batch, MlaError *error) {
  const Cudart *rt = &self->cuda->rt;
  if (self->cuda->is_checked) return launch_all(self, step, batch, error);
  CudaReplay *replay = find_replay(self, step, batch, error);
  return replay && mla_cuda_check(rt, rt->GraphLaunch(replay->exec, self->stream), "running a step", error);
}

void mla_cuda_unbind(CudaLoaded *self) {
  const Cudart *rt = &self->cuda->rt;
  for (int i = 0; i < self->n_replays; i++) rt->GraphExecDestroy(self->replays[i].exec);
  mla_cuda_unfork(self);
  mla_cuda_close_products(self);
  if (self->tables) rt->Free(self->tables);
  mla_unbind(&self->train);
  mla_unbind(&self->eval);
  free(self->train_tables);
  free(self->eval_tables);
}
