// What the emulated CUDA device finds: each kernel here has one deliberate bug, and the message says which kernel,
// block, thread, what, and the line. A kernel without the bug stands beside it where that is not plain.
#include "tests/runtime/emulated.h"

typedef struct Bug {
  const char *name;
  const char *text;    // of kernel `bug`: 64 threads, 2 blocks unless `threads`; buffers of 128 reals
  const char *message; // has these words
  const char *line;    // and this text of the line; NULL: not told
  int threads;
  int64_t shared_bytes;
} Bug;

#define BUG                                                                                                  \
  KERNEL(bug, 64, 2)                                                                                         \
  "  const real *in = (const real *)buf.at[0];\n  real *out = (real *)buf.at[1];\n"                          \
  "  const int i = threadIdx.x, e = blockIdx.x * blockDim.x + i;\n"

// With a ticket, for the sums of several blocks.
#define TICKET_BUG                                                                                           \
  KERNEL(bug, 64, 3)                                                                                         \
  "  const real *in = (const real *)buf.at[0];\n  real *out = (real *)buf.at[1];\n"                          \
  "  unsigned *ticket = (unsigned *)buf.at[2];\n  __shared__ unsigned taken;\n"                              \
  "  const int i = threadIdx.x, e = blockIdx.x * blockDim.x + i;\n"

static const Bug bugs[] = {
    {"nothing",
     BUG "  __shared__ real tile[64];\n  tile[i] = in[e];\n  __syncthreads();\n  out[e] = tile[63 - i];\n}\n",
     NULL, NULL, 64, 0},
    {"a dropped barrier",
     BUG "  __shared__ real tile[64];\n  tile[i] = in[e];\n  out[e] = tile[i ^ 1] ;\n}\n",
     "thread 0: reads shared memory that nobody has written", "out[e] = tile[i ^ 1] ;", 64, 0},
    {"a dropped barrier, found from the other side",
     BUG "  __shared__ real tile[64];\n  tile[i] = in[e];\n  out[e] = i ? tile[i - 1] : 0;\n}\n",
     "thread 1: reads shared memory that thread 0 wrote at line 6 of the kernel, with no barrier between",
     "out[e] = i ? tile[i - 1] : 0;", 64, 0},
    {"a dropped barrier between reading and writing again",
     BUG "  __shared__ real tile[64];\n  tile[i] = in[e];\n  __syncthreads();\n  const real x = tile[(i + 1) "
         "% 64];\n"
         "  tile[i] = 2 * x;\n  out[e] = x;\n}\n",
     "thread 1: writes shared memory that thread 0 read at line 8", "tile[i] = 2 * x;", 64, 0},
    {"a block reduction in which the last warp is left without a barrier",
     BUG "  __shared__ real sum[64];\n  sum[i] = in[e];\n  for (int n = 32; n > 0; n /= 2) {\n    if (n > 8) "
         "__syncthreads();\n"
         "    if (i < n) sum[i] += sum[i + n];\n  }\n  if (i == 0) out[blockIdx.x] = sum[0];\n}\n",
     "with no barrier between", "if (i < n) sum[i] += sum[i + n];", 64, 0},
    {"the same with a warp barrier is right",
     BUG "  __shared__ real sum[64];\n  sum[i] = in[e];\n  for (int n = 32; n > 0; n /= 2) {\n    if (n > 8) "
         "__syncthreads(); else __syncwarp();\n"
         "    if (i < n) sum[i] += sum[i + n];\n  }\n  if (i == 0) out[blockIdx.x] = sum[0];\n}\n",
     NULL, NULL, 64, 0},
    {"off by one in a buffer", BUG "  out[e] = in[e + 1];\n}\n",
     "block 1, thread 63: reads 4 bytes up to 4 bytes past the end of buffer `first` of 512 bytes",
     "out[e] = in[e + 1];", 64, 0},
    {"a write before a buffer", BUG "  out[e - 1] = in[e];\n}\n",
     "block 0, thread 0: writes 4 bytes 4 bytes before buffer `second`", "out[e - 1] = in[e];", 64, 0},
    {"a write to what the launch only reads", BUG "  ((real *)buf.at[0])[e] = 1;\n}\n",
     "writes buffer `first`, of which the launch says that it only reads it", "((real *)buf.at[0])[e] = 1;",
     64, 0},
    {"a wild address", BUG "  out[e] = in[1ll << 40];\n}\n",
     "reads 4 bytes at an address that is in none of its buffers", "out[e] = in[1ll << 40];", 64, 0},
    {"off by one in a shared array",
     BUG "  __shared__ real tile[64];\n  tile[i + 1] = in[e];\n  __syncthreads();\n  out[e] = tile[i];\n}\n",
     "thread 63: an index is out of its array", "tile[i + 1] = in[e];", 64, 0},
    {"a row too far in a shared array",
     BUG
     "  __shared__ real tile[2][32];\n  tile[0][i] = in[e];\n  __syncthreads();\n  out[e] = tile[0][i];\n}\n",
     "thread 32: an index is out of its array", "tile[0][i] = in[e];", 64, 0},
    {"a pointer past a shared array",
     BUG "  __shared__ real tile[64];\n  __shared__ real other[64];\n  real *at = tile + i;\n  other[i] = "
         "0;\n  at[i / 63] = in[e];\n"
         "  __syncthreads();\n  out[e] = tile[i] + other[i];\n}\n",
     "thread 63: writes shared memory outside of its array", "at[i / 63] = in[e];", 64, 0},
    {"dynamic shared memory",
     BUG "  MLA_DYNAMIC_SHARED(real, tile);\n  tile[i + 1] = in[e];\n  __syncthreads();\n  out[e] = tile[i + "
         "1];\n}\n",
     "thread 63: writes 4 bytes outside of the 256 bytes of dynamic shared memory", "tile[i + 1] = in[e];",
     64, 256},
    {"shared memory that is never written",
     BUG "  __shared__ real tile[64];\n  if (i < 63) tile[i] = in[e];\n  __syncthreads();\n  out[e] = "
         "tile[i];\n}\n",
     "thread 63: reads shared memory that nobody has written in this block", "out[e] = tile[i];", 64, 0},
    {"two threads write one shared word",
     BUG "  __shared__ real most[1];\n  if (in[e] >= 0) most[0] = in[e];\n  __syncthreads();\n  out[e] = "
         "most[0];\n}\n",
     "thread 1: writes shared memory that thread 0 wrote", "if (in[e] >= 0) most[0] = in[e];", 64, 0},
    {"a barrier in divergent branches",
     BUG
     "  if (i < 32) {\n    __syncthreads();\n  } else {\n    out[e] = in[e];\n    __syncthreads();\n  }\n}\n",
     "thread 32: waits at a barrier while thread 0 of the block waits at another, line 6 of the kernel",
     "__syncthreads();", 64, 0},
    {"a barrier that some do not reach",
     BUG "  if (i == 40) return;\n  __syncthreads();\n  out[e] = in[e];\n}\n",
     "thread 0: waits at a barrier that 1 of 64 threads do not reach: thread 40 has returned",
     "__syncthreads();", 64, 0},
    {"a shuffle that some lanes do not reach",
     BUG "  real x = in[e];\n  if (i % 32 < 16) x += __shfl_down_sync(0xFFFFFFFF, x, 8);\n  out[e] = x;\n}\n",
     "has returned", "if (i % 32 < 16) x += __shfl_down_sync(0xFFFFFFFF, x, 8);", 64, 0},
    {"a shuffle beside a barrier",
     BUG "  real x = in[e];\n  if (i < 8) x = __shfl_sync(0xFFFFFFFF, x, 0);\n  __syncthreads();\n  out[e] = "
         "x;\n}\n",
     "thread 0: waits for lane 8 of mask 0xffffffff, thread 8, which waits at line 7",
     "if (i < 8) x = __shfl_sync(0xFFFFFFFF, x, 0);", 64, 0},
    {"different masks",
     BUG "  real x = __shfl_xor_sync(i % 2 ? 0xFFFFFFFFu : 0xFFFFu, in[e], 1);\n  out[e] = x;\n}\n",
     "mask 0x", "real x = __shfl_xor_sync(i % 2 ? 0xFFFFFFFFu : 0xFFFFu, in[e], 1);", 64, 0},
    {"a lane that is not in its mask", BUG "  out[e] = __shfl_sync(0x0000FFFF, in[e], 0);\n}\n",
     "thread 16: is lane 16 of its warp and not in the mask 0x0000ffff",
     "out[e] = __shfl_sync(0x0000FFFF, in[e], 0);", 64, 0},
    {"a source that is not in the mask",
     BUG "  if (i % 32 < 16) out[e] = __shfl_sync(0x0000FFFF, in[e], 20);\n}\n",
     "shuffle from a lane that is not in its mask",
     "if (i % 32 < 16) out[e] = __shfl_sync(0x0000FFFF, in[e], 20);", 64, 0},
    {"half a warp", BUG "  out[e] = __shfl_xor_sync(0xFFFFFFFF, in[e], 1);\n}\n", "its warp has 16 lanes",
     "out[e] = __shfl_xor_sync(0xFFFFFFFF, in[e], 1);", 48, 0},
    {"two blocks write the same", BUG "  out[i] = in[e];\n}\n",
     "block 1, thread 0: writes what block 0, thread 0 wrote in the same launch, in buffer `second`",
     "out[i] = in[e];", 64, 0},
    {"a block reads what another writes",
     BUG "  out[e] = in[e];\n  if (blockIdx.x == 1) out[e] += out[i];\n}\n",
     "block 1, thread 0: reads what block 0, thread 0 wrote", "if (blockIdx.x == 1) out[e] += out[i];", 64,
     0},
    {"the last block reads what the other one wrote",
     TICKET_BUG "  out[e] = in[e];\n  if (!mla_is_last_block(ticket, 2, &taken)) return;\n"
                "  out[i] += out[i + 64];\n}\n",
     NULL, NULL, 64, 0},
    {"a part that is stored behind the ticket",
     TICKET_BUG "  const bool is_last = mla_is_last_block(ticket, 2, &taken);\n  out[e] = in[e];\n"
                "  if (is_last) out[e] += out[i];\n}\n",
     "block 1, thread 0: reads what block 0, thread 0 wrote", "if (is_last) out[e] += out[i];", 64, 0},
    {"a block that goes on although it is not the last",
     TICKET_BUG "  out[e] = in[e];\n  mla_is_last_block(ticket, 2, &taken);\n  out[i] += out[i + 64];\n}\n",
     "reads what nobody has written in this launch, in buffer `second`", "out[i] += out[i + 64];", 64, 0},
    {"an output that is read before it is written", BUG "  out[e] += in[e];\n}\n",
     "thread 0: reads what nobody has written in this launch, in buffer `second`", "out[e] += in[e];", 64, 0},
    {"a ticket without a barrier in front",
     TICKET_BUG "  out[e] = in[e];\n  if (i == 0) taken = mla_take_ticket(ticket, 2);\n  __syncthreads();\n"
                "  if (taken == 1) out[e] += out[i];\n}\n",
     "block 1, thread 1: reads what block 0, thread 1 wrote", "if (taken == 1) out[e] += out[i];", 64, 0},
    {"a ticket for a block that does not come",
     TICKET_BUG "  out[e] = in[e];\n  if (mla_is_last_block(ticket, 3, &taken)) out[e] = 0;\n}\n",
     "ticket 0 stands at 2 when all blocks are done", NULL, 64, 0},
    {"a ticket that is not one",
     TICKET_BUG "  if (mla_is_last_block((unsigned *)out, 2, &taken)) out[e] = in[e] + ticket[0];\n}\n",
     "takes a ticket that is not one of the launch's", NULL, 64, 0},
    {"threads of a block race in global memory", BUG "  out[e] = in[e];\n  out[(e + 32) % 128] = 0;\n}\n",
     "writes what block", "out[e] = in[e];", 64, 0},
    {"an address that is not aligned for its vector",
     BUG "  MLA_USE(4)\n  const vec x = mla_load(in + e % 125);\n  if (mla_total(x) < 0) out[e] = 0;\n}\n",
     "thread 1: an address is not aligned", "const vec x = mla_load(in + e % 125);", 64, 0},
    {"halves of a word by two threads",
     BUG "  __shared__ unsigned short tile[64];\n  tile[i] = (unsigned short)in[e];\n  __syncthreads();\n"
         "  out[e] = ((const unsigned *)tile)[i / 2];\n}\n",
     NULL, NULL, 64, 0},
    {"half of a word is never written",
     BUG "  __shared__ __attribute__((aligned(4))) unsigned short tile[64];\n  if (i != 7) tile[i] = "
         "(unsigned short)in[e];\n  __syncthreads();\n"
         "  out[e] = ((const unsigned *)tile)[i / 2];\n}\n",
     "thread 6: reads shared memory that nobody has written", "out[e] = ((const unsigned *)tile)[i / 2];", 64,
     0},
    {"a division by zero", BUG "  out[e] = in[e] + e / (i - 5);\n}\n",
     "thread 5: an integer is divided by zero", "out[e] = in[e] + e / (i - 5);", 64, 0},
    {"too large a stack",
     BUG "  real local[1 << 16];\n  for (int k = 0; k < 1 << 16; k++) local[(k * 7 + i) % (1 << 16)] = "
         "in[e];\n  out[e] = local[i];\n}\n",
     "stack", NULL, 64, 0},
};

static int check_bug(const Bug *bug) {
  float in[128], out[128] = {0};
  for (int i = 0; i < 128; i++) in[i] = 1 + (float)i;
  Trial trial = {.symbol = "bug",
                 .text = bug->text,
                 .threads = bug->threads,
                 .blocks = 2,
                 .shared_bytes = bug->shared_bytes,
                 .arrays = {{in, 128}, {out, 128}},
                 .n_arrays = 2,
                 .n_read = 1,
                 .has_ticket = strstr(bug->text, "MlaBuffers<3>") != NULL,
                 .workers = 1};
  MlaError error;
  bool is_clean = run_trial(&trial, &error);
  bool good = bug->message
                  ? !is_clean && strstr(error.text, "kernel `bug` of launch `trial`") &&
                        strstr(error.text, bug->message) && (!bug->line || strstr(error.text, bug->line))
                  : is_clean;
  printf("%s %s\n     %s\n", good ? "ok  " : "FAIL", bug->name, is_clean ? "no fault" : error.text);
  return !good;
}

int main(void) {
  int n_wrong = 0;
  for (size_t i = 0; i < sizeof bugs / sizeof *bugs; i++) n_wrong += check_bug(&bugs[i]);
  return n_wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}
