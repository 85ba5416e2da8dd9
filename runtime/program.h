// The compiled program as plain data: all that crosses from the compiler to the runtime. It can be written as JSON
// with the kernel texts beside it, and loaded again without the compiler. The structures own nothing: whoever built
// the program (the compiler's arena, or mla_program_load) keeps the memory.
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { MLA_MAX_RANK = 4, MLA_MAX_CHANNELS = 16, MLA_MAX_MILESTONES = 16 };

typedef enum MlaElem { MLA_F32, MLA_F64, MLA_I32, MLA_BF16 } MlaElem;

// How a step computes. f32 and f64 are exact, and what is stored; tf32 and bf16 add up in f32, and round the operands of
// products of matrices to 10 and 7 bits of mantissa (on CUDA: where tensor cores multiply them). They store f32; kernels
// of the CPU store activations as bf16 (MLA_BF16 buffers) at precision bf16.
typedef enum MlaPrecision {
  MLA_PRECISION_F32,
  MLA_PRECISION_TF32,
  MLA_PRECISION_BF16,
  MLA_PRECISION_F64,
  MLA_N_PRECISIONS
} MlaPrecision;
#define MLA_PRECISION_NAMES "f32", "tf32", "bf16", "f64"

static inline const char *mla_precision_name(MlaPrecision precision) {
  static const char *const names[MLA_N_PRECISIONS] = {MLA_PRECISION_NAMES};
  return names[precision];
}
static inline MlaElem mla_elem_of(MlaPrecision precision) {
  return precision == MLA_PRECISION_F64 ? MLA_F64 : MLA_F32;
}

// One allocation holds all regions, in this order, each starting at a multiple of 64 bytes. On the CPU so many bytes
// more can be read behind the last: vectors may reach beyond a tensor's end (what they find there is not used).
enum { MLA_READ_BEHIND = 64 };
typedef enum MlaRegion {
  MLA_WORK,
  MLA_PARAM,
  MLA_MOMENTUM,
  MLA_EMA,
  MLA_RUNNING,
  MLA_CONST,
  MLA_TICKETS,  // words by which the blocks of a launch find the last of them; 0 between launches
  MLA_EXCHANGE, // what host and device hand each other while steps run: packets, the log of losses
  MLA_N_REGIONS
} MlaRegion;

typedef struct MlaBuffer {
  const char *name; // "stage1.2/conv1"
  MlaRegion region;
  MlaElem elem;
  int64_t offset, n_bytes; // in the region; n_bytes for the full batch
} MlaBuffer;

// What the kernels' text is for, and which devices run it.
typedef enum MlaTarget { MLA_TARGET_CPU, MLA_TARGET_CUDA } MlaTarget;

// A kernel of the CPU: C text of one function
//   void SYMBOL(void *const *buf, long batch, void *scratch, int part, int parts)
// `buf` are the launch's buffers; `scratch` is private to the worker. Parts may run in any order, on any thread.
// A kernel of CUDA: extern "C" __global__ void SYMBOL(const MlaBuffers<N> buf, const int batch), one dimension of blocks.
typedef struct MlaKernel {
  const char *symbol;
  const char *text;      // with its opening comment; the program's prelude stands before it
  int64_t scratch_bytes; // needed by one worker
  int threads;           // CUDA: of a block
  int64_t shared_bytes;  // CUDA: dynamic shared memory of a block
  const char *file;      // of a saved program: kernels/FILE.cu; NULL: one of its own, under its symbol
} MlaKernel;

// CUDA: blocks of a launch, ceil((batch * per_image + fixed) / per_block), at least 1 and, if `most` is not 0, at most
// that many: then the kernel strides over the grid.
typedef struct MlaGrid {
  int64_t per_image, fixed;
  int per_block, most;
} MlaGrid;

static inline int64_t mla_blocks(const MlaGrid *grid, int64_t batch) {
  int64_t n = (batch * grid->per_image + grid->fixed + grid->per_block - 1) / grid->per_block;
  if (grid->most > 0 && n > grid->most) n = grid->most;
  return n > 0 ? n : 1;
}

// A plain function in place of a kernel: the reference device's. `call` is the compiler's; `buf` as above, all float64.
typedef void (*MlaHostFn)(const void *call, void *const *buf, int64_t batch);

// A launch that is nothing but result = left right, which a library may compute in the kernel's place. All three lie
// row by row without gaps; a transposed factor is stored [terms, rows] (left) or [columns, terms] (right).
typedef struct MlaProduct {
  int64_t rows, columns, terms;       // columns 0: the launch is no such product
  bool rows_by_image, terms_by_image; // then `rows` or `terms` is of one image
  bool left_transposed, right_transposed;
  int left, right, result; // of MlaLaunch.buffers
} MlaProduct;

typedef struct MlaLaunch {
  const char *name; // "stage1.2/conv1 backward"
  int kernel;       // -1: a host function
  MlaHostFn host;
  const void *host_call;
  const int32_t *buffers;
  int n_buffers;
  int parts;    // fixed by the plan, so that results do not depend on the number of threads
  MlaGrid grid; // CUDA
  int module;
  int64_t flops, n_bytes; // for the full batch; bytes read and written
  // For people, may be NULL: what it writes, "[batch, 28, 28, 16]", and the line of the model, "lib/resnet.mlaan:6".
  const char *shape, *source;
  // Buffers that it touches, and no byte beside them: an update's run of a region instead of the region. What it writes
  // it may read as well. None of both: it may read and write all of `buffers`.
  const int32_t *reads, *writes;
  int n_reads, n_writes;
  MlaProduct product;
} MlaLaunch;

// A sequence of launches with its own batch data. Buffers index MlaProgram.buffers; -1: absent.
typedef struct MlaStep {
  const MlaLaunch *launches;
  int n_launches;
  int image, label, learning_rate, output; // learning_rate: mla_n_rates numbers
  int keys;                                // random words (MLA_I32), new in every step: mla_upload_keys
  int64_t work_bytes;                      // what this step needs of MLA_WORK
  // One for each packet, which is its first buffer: fills the step's image, label, learning rate and keys. 0: the host
  // uploads numbers. See MlaPacket.
  const MlaLaunch *prepare;
  int n_prepare;
} MlaStep;

// A batch on its way to a device that augments images itself: one packet, one copy. From its start it holds the rates,
// then the keys, the images' rows, and for each image [height][width][channels] bytes, of which the first lines and
// columns are what the image's window sees of the stored image. There are two packets: one is filled while a step runs.
enum { MLA_N_PACKETS = 2 };
typedef struct MlaPacket {
  int64_t keys, rows, pixels; // bytes from the start
  int64_t n_bytes;            // of a full batch; 0: no packets
} MlaPacket;

// How an image is cut from the stored one: lines and columns beyond its borders are padding.
typedef struct MlaImageRow {
  int32_t top, left;              // of the window the model sees, in the stored image
  int32_t height, width;          // of the stored image
  int32_t from_line, from_column; // where in the stored image the packet's pixels begin
  int32_t mirror;                 // 1: the window's columns run from right to left
  int32_t label;
} MlaImageRow;

// The losses of the last steps: the number of steps run (MLA_I32), at byte 64 `n_steps` rows, used in turn, of the plain
// losses and then the weighted ones. A step writes its row itself, so that the host need not wait for each.
typedef struct MlaLog {
  int buffer;
  int n_steps; // 0: there is no log, and losses are read where they are
} MlaLog;
enum { MLA_LOG_HEAD = 64 };

typedef enum MlaInitKind {
  MLA_INIT_ZERO,
  MLA_INIT_ONE,
  MLA_INIT_NORMAL,
  MLA_INIT_UNIFORM,
  MLA_INIT_VALUES,
  MLA_INIT_COPY
} MlaInitKind;
typedef enum MlaLayout { MLA_LAYOUT_PLAIN, MLA_LAYOUT_CONV, MLA_LAYOUT_LINEAR } MlaLayout;

typedef struct MlaState {
  const char *name;
  MlaRegion region;
  int64_t offset; // bytes
  int rank;
  int64_t dim[MLA_MAX_RANK]; // as laid out here
  MlaLayout layout;          // how files lay it out: conv OIHW, linear [out, in]
  int positions; // of the flattened image that dim[0] goes over: [positions][channels] here, the reverse in files; 0, 1: none
  MlaInitKind init;
  double init_arg;
  const double *init_values;
  int source; // state, for MLA_INIT_COPY; always an earlier one or one that is not itself a copy
  int module;
  bool is_aux;
} MlaState;

typedef struct MlaLoss {
  const char *name;
  int module;
  int term, value; // buffers of one element: the plain and the weighted loss
} MlaLoss;

typedef struct MlaModule {
  const char *name;
  int64_t n_params, n_aux_params, n_ema; // elements
  int64_t forward_macs, step_flops;      // per image; per image
  int64_t activation_bytes;              // largest live bytes while this module's launches run
} MlaModule;

typedef enum MlaPadMode { MLA_PAD_ZERO, MLA_PAD_REFLECT } MlaPadMode;
typedef enum MlaOnBad { MLA_BAD_STOP, MLA_BAD_SKIP } MlaOnBad;

typedef struct MlaData {
  const char *name;
  const char *format; // a name of data/formats.def
  const char *root;
  int classes;
  int height, width, channels; // of the images as the model takes them
  int pad;
  MlaPadMode pad_mode;
  int crop;                // of training: a random window, 0: none
  int center;              // the centre window, 0: as the model's input
  int resize;              // what the shorter side becomes, 0: stays
  int random_resized_crop; // of training, instead of resize and crop; 0: none
  int workers;             // threads that prepare batches; 0: the loader chooses
  MlaOnBad on_bad;         // a record that cannot be read: an error, or reported and left out
  bool flip;
  int n_mean; // 0: no normalisation, else == channels
  double mean[MLA_MAX_CHANNELS], std[MLA_MAX_CHANNELS];
} MlaData;

typedef enum MlaScheduleKind {
  MLA_SCHEDULE_CONSTANT,
  MLA_SCHEDULE_COSINE,
  MLA_SCHEDULE_STEP
} MlaScheduleKind;

typedef enum MlaOptimizer { MLA_SGD, MLA_ADAM, MLA_ADAMW } MlaOptimizer;

// lr of epoch e = 1..epochs. Cosine: lr/2 (1 + cos(pi (e - 1 + start) / epochs)); during the first `warmup` epochs
// multiplied by (e-1)/warmup, plus warmup_start (warmup + 1 - e). Step: lr times factor at each milestone passed, or
// after every `every` epochs.
typedef struct MlaRecipe {
  MlaOptimizer optimizer;
  double lr, weight_decay;
  double momentum; // SGD
  bool nesterov;
  double beta1, beta2, eps; // Adam and AdamW
  MlaScheduleKind schedule;
  int start; // cosine: what the first epoch is counted as, 1 or 0
  int warmup;
  double warmup_start; // added per epoch missing of the warm-up: 0.001
  int n_milestones;
  int milestones[MLA_MAX_MILESTONES];
  int every; // 0: at the milestones
  double factor;
  int epochs;
  int64_t batch;
  uint64_t seed;
  MlaPrecision precision;
} MlaRecipe;

// What a step is told of its rate: the learning rate, and for Adam 1 - beta1^t and 1 - beta2^t of step t = 1, 2, ...
enum { MLA_MAX_RATES = 3 };
static inline int mla_n_rates(const MlaRecipe *recipe) {
  return recipe->optimizer == MLA_SGD ? 1 : MLA_MAX_RATES;
}

typedef struct MlaProgram {
  const char *model;
  MlaTarget target;
  MlaElem elem;              // of all real buffers: of recipe.precision
  const char *prelude;       // text before every kernel
  const char *compile_flags; // for the host compiler
  const MlaBuffer *buffers;
  int n_buffers;
  const MlaKernel *kernels;
  int n_kernels;
  MlaStep train, eval; // for batches of up to recipe.batch images
  int64_t region_bytes[MLA_N_REGIONS];
  const MlaState *states;
  int n_states;
  const MlaLoss *losses;
  int n_losses;
  MlaPacket packet;
  MlaLog log;
  const MlaModule *modules;
  int n_modules;
  MlaData data;
  MlaRecipe recipe;
} MlaProgram;
