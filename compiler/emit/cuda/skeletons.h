// The skeletons of emitted CUDA: see Skeletons in writer.h. A kernel is `extern "C" __global__`, one dimension of blocks,
// text that both NVRTC and the emulation compile.
#pragma once
#include "compiler/emit/writer.h"

// Threads of a block; blocks of a kernel that strides over the grid; blocks that add up one sum, and how many channels of
// a row such a block has; blocks for the gradient of one weight: two or so for each multiprocessor.
enum {
  CUDA_THREADS = 256,
  CUDA_MAX_BLOCKS = 2048,
  CUDA_MAX_PARTS = 512,
  CUDA_PART_CHANNELS = 256,
  CUDA_WEIGHT_BLOCKS = 256
};

void cuda_point(Emit *emit);
void cuda_reduce(Emit *emit);
void cuda_gather(Emit *emit);
void cuda_mean(Emit *emit, const Node *node, const char *term);
void cuda_rows(Emit *emit, const Node *node);
void cuda_images(Emit *emit, const Node *node);
// `constexpr int MATES = ...; const int mate = ...;` if the operator's lines share rows. Returns MATES, else 1.
int cuda_mates(Emit *emit, const Node *node, StrBuf *out);
void cuda_pairs(Emit *emit, const Node *node, int rows, bool is_combined);
void cuda_update(Emit *emit, const UpdateRun *run, const char *rates, const char *element);
void cuda_running(Emit *emit, const Node *node);
KernelDraft cuda_prepare(Emit *emit, const Prepare *what);
KernelDraft cuda_log(Emit *emit, int n_steps, int n_numbers);

// ---- kernel.c: how kernels begin and how they are launched ----
// The function around `body`; `batch` in there is a long, as the operators' lines expect it.
StrBuf cuda_kernel(Emit *emit, int n_buffers, int threads, const char *body);
// "int" where it counts the elements of POINT or REDUCE and a stride of the grid beyond, else "long".
const char *cuda_index_type(const Emit *emit);
// A grid of as many blocks as `per_image` things of every image need, `threads` in a block.
MlaGrid cuda_grid(int64_t per_image, int threads);
// Exactly `blocks`.
MlaGrid cuda_blocks(int64_t blocks);
// A single node's kernel: inputs and output are its buffers.
void cuda_single_draft(Emit *emit, const char *text, int threads, MlaGrid grid);
// Blocks of a grid for the planned batch, to be told in the kernel's comment.
int cuda_n_blocks(const Emit *emit, MlaGrid grid);

// ---- columns.c: which thread of a POINT or REDUCE kernel visits which vector ----
// Rows of `columns` vectors; where a row fits into a block, a thread keeps its column and the values per channel stay in
// registers.
typedef struct Columns {
  int64_t columns;
  int threads; // a multiple of `columns` if is_kept
  bool is_kept;
} Columns;
Columns cuda_columns(const Space *space);
// `const long c = ...` (if `used` names it) and the values per channel, of a thread that keeps its column.
// `is_first_row`: the condition under which a thread has row 0.
void cuda_channel_values(Emit *emit, StrBuf *out, int depth, const Columns *columns, const char *used,
                         const char *is_first_row);
