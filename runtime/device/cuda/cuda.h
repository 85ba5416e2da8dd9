// The CUDA device: what its files share.
#pragma once
#include "runtime/device/backend.h"
#include "runtime/device/cuda/cublaslt.h"
#include "runtime/device/cuda/cudart.h"
#include "runtime/device/cuda/gpu.h"
#include "runtime/device/cuda/nvrtc.h"
#include "runtime/device/cuda/streams.h"
#include "runtime/device/jit.h"

// Bytes that a launch's parameters may have; a longer table of buffers is kept in device memory, and the prelude's
// MlaBuffers<N> is a pointer to it.
enum {
  CUDA_MAX_PARAMETERS = 32764,
  CUDA_MAX_TABLE = (CUDA_MAX_PARAMETERS - (int)sizeof(int)) / (int)sizeof(void *)
};
enum { CUDA_MAX_GRAPHS = 8 };
// Kept free for what the runtime allocates itself when kernels are loaded and graphs made. Not measured on a GPU.
enum { CUDA_RESERVE_BYTES = 64 << 20 };

typedef struct Cuda {
  Nvrtc nvrtc; // first: the toolchain's `self` is both
  Cudart rt;
  CudaGpu gpu;
  char *cache_dir;
  bool verbose, has_warned;
  bool is_profiled, is_traced;
  MlaMatmul matmul;
  bool is_checked; // $MLAANC_CUDA_CHECK: launch by launch, waiting for each
} Cuda;

// A step's launches over a batch of one size, ready to be replayed.
typedef struct CudaReplay {
  const MlaStep *step;
  int64_t batch;
  CudaGraphExec exec;
} CudaReplay;

// How a step's launches are spread over the streams of a capture.
typedef struct CudaFork {
  CudaSchedule schedule;
  CudaEvent *events; // [n_launches + 1] of the launches that others wait for; the beginning
} CudaFork;

// See upload.c.
typedef struct CudaPacket {
  unsigned char *memory; // the host's copy, page-locked
  CudaEvent copied, prepared;
} CudaPacket;

typedef struct CudaLoaded {
  MlaLoaded loaded;
  Cuda *cuda;
  MlaCode code;
  CudaStream stream;
  CudaStream streams[CUDA_MAX_STREAMS]; // the first is `stream`; NULL: not needed
  CudaFork train_fork, eval_fork;
  CublasLt lt;              // no handle: not used
  unsigned char *workspace; // of each stream, one behind the other
  MlaBinding train, eval;
  void **train_tables,
      **eval_tables;     // [n_launches] the table's address in device memory; NULL: passed by value
  unsigned char *tables; // their memory
  CudaReplay replays[CUDA_MAX_GRAPHS];
  int n_replays, oldest;
  bool is_capturing;
  CudaEvent *events; // [train.n_launches + 1] if profiled
  double *seconds;
  CudaStream copies; // of packets
  CudaPacket packets[MLA_N_PACKETS];
  MlaBinding prepare_train, prepare_eval;
} CudaLoaded;

// step.c
int64_t mla_cuda_table_bytes(const MlaProgram *program); // of the launches' tables of buffers
bool mla_cuda_bind(CudaLoaded *self, MlaError *error);
bool mla_cuda_replay(CudaLoaded *self, const MlaStep *step, int64_t batch, MlaError *error);
void mla_cuda_unbind(CudaLoaded *self);
bool mla_cuda_launch(CudaLoaded *self, const MlaStep *step, int index, int64_t batch, CudaStream stream,
                     MlaError *error);
// The same; `buffers`: its addresses by value, or a table's.
bool mla_cuda_launch_at(CudaLoaded *self, const MlaLaunch *launch, void *buffers, int64_t batch,
                        CudaStream stream, MlaError *error);

// fork.c
bool mla_cuda_fork(CudaLoaded *self, MlaError *error);
// All launches of a step, on `stream` and back to it; only within a capture.
bool mla_cuda_launch_forked(CudaLoaded *self, const MlaStep *step, int64_t batch, MlaError *error);
void mla_cuda_unfork(CudaLoaded *self);

// profile.c: nothing happens unless profiled
bool mla_cuda_profile_begin(CudaLoaded *self, MlaError *error);
// The time behind `index` launches of the step; on the stream that runs them.
bool mla_cuda_profile_mark(CudaLoaded *self, const MlaStep *step, int index, MlaError *error);
// Waits for the step and adds its launches' times.
bool mla_cuda_profile_add(CudaLoaded *self, const MlaStep *step, int64_t batch, MlaError *error);
void mla_cuda_profile_end(CudaLoaded *self);

// upload.c
bool mla_cuda_open_packets(CudaLoaded *self, MlaError *error);
void mla_cuda_close_packets(CudaLoaded *self);

// matmul.c
int64_t mla_cuda_workspace_bytes(const Cuda *cuda, const MlaProgram *program);
bool mla_cuda_open_products(CudaLoaded *self, MlaError *error);
// `is_done` false: the launch is the kernel's.
bool mla_cuda_launch_product(CudaLoaded *self, const MlaStep *step, int index, int64_t batch,
                             CudaStream stream, bool *is_done, MlaError *error);
void mla_cuda_close_products(CudaLoaded *self);
