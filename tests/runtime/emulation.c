// Kernels as one writes them for a GPU, run by the emulated CUDA device and compared with plain loops in double
// precision: block reduction, tiled matrix product, scan by shuffles, softmax of rows, matrix fragments.
#include "tests/runtime/emulated.h"

#include <math.h>

typedef struct Numbers {
  MlaElem elem;
  void *data;
  int n;
} Numbers;

static double get(const Numbers *x, int i) {
  return x->elem == MLA_F64 ? ((const double *)x->data)[i] : (double)((const float *)x->data)[i];
}

static void put(Numbers *x, int i, double value) {
  if (x->elem == MLA_F64)
    ((double *)x->data)[i] = value;
  else
    ((float *)x->data)[i] = (float)value;
}

// Zero, or (seed) numbers between -1 and 1 without a pattern.
static Numbers make_numbers(MlaElem elem, int n, unsigned seed) {
  Numbers x = {elem, calloc((size_t)n, elem == MLA_F64 ? 8 : 4), n};
  if (!x.data) abort();
  for (int i = 0; seed && i < n; i++) {
    unsigned h = ((unsigned)i + seed) * 2654435761u;
    h ^= h >> 15;
    h *= 2246822519u;
    put(&x, i, (double)(h >> 8) / (1 << 23) - 1);
  }
  return x;
}

typedef struct Example {
  const char *name, *text;
  MlaElem elem;
  int threads, blocks, n_in[2], n_out, batch;
  int64_t shared_bytes;
  double (*truth)(const Numbers *a, const Numbers *b, int i, int batch); // of element i
  double allowed;
} Example;

// ---- the examples -----------------------------------------------------------------------------------------------
#define REDUCTION                                                                                            \
  KERNEL(example, 128, 3)                                                                                    \
  "  const real *in = buf[0];\n  real *out = buf[2];\n  __shared__ real shared[128];\n  real sum = 0;\n"     \
  "  for (int i = blockIdx.x * 128 + threadIdx.x; i < batch; i += gridDim.x * 128) sum += in[i];\n"          \
  "  sum = mla_block_sum(sum, shared);\n  if (threadIdx.x == 0) out[blockIdx.x] = sum;\n}\n"

static double sum_truth(const Numbers *a, const Numbers *b, int i, int batch) {
  double sum = 0;
  (void)b;
  for (int k = 0; k < batch; k++)
    if (k / 128 % 4 == i) sum += get(a, k);
  return sum;
}

// 64 x 64 by 64 x 64: blocks of 16 x 16 results, in 256 threads.
#define PRODUCT(declare)                                                                                     \
  KERNEL(example, 256, 3)                                                                                    \
  "  const real *a = buf[0], *b = buf[1];\n  real *c = buf[2];\n" declare                                    \
  "  const int ty = threadIdx.x / 16, tx = threadIdx.x % 16, row = blockIdx.x / 4 * 16 + ty,\n"              \
  "            column = blockIdx.x % 4 * 16 + tx;\n"                                                         \
  "  real sum = 0;\n"                                                                                        \
  "  for (int k = 0; k < 64; k += 16) {\n"                                                                   \
  "    as[ty * 17 + tx] = a[row * 64 + k + tx];\n    bs[ty * 17 + tx] = b[(k + ty) * 64 + column];\n"        \
  "    __syncthreads();\n"                                                                                   \
  "    for (int i = 0; i < 16; i++) sum += as[ty * 17 + i] * bs[i * 17 + tx];\n"                             \
  "    __syncthreads();\n  }\n  c[row * 64 + column] = sum;\n}\n"
#define STATIC_TILES  "  __shared__ real as[16 * 17];\n  __shared__ real bs[16 * 17];\n"
#define DYNAMIC_TILES "  MLA_DYNAMIC_SHARED(real, as);\n  real *bs = as + 16 * 17;\n"

static double product_truth(const Numbers *a, const Numbers *b, int i, int batch) {
  double sum = 0;
  (void)batch;
  for (int k = 0; k < 64; k++) sum += get(a, i / 64 * 64 + k) * get(b, k * 64 + i % 64);
  return sum;
}

#define SCAN                                                                                                 \
  KERNEL(example, 64, 3)                                                                                     \
  "  const real *in = buf[0];\n  real *out = buf[2];\n  const int lane = threadIdx.x % 32, e = blockIdx.x "  \
  "* 64 + threadIdx.x;\n"                                                                                    \
  "  real sum = in[e];\n"                                                                                    \
  "  for (int n = 1; n < 32; n *= 2) {\n    const real below = __shfl_up_sync(0xFFFFFFFF, sum, n);\n"        \
  "    if (lane >= n) sum += below;\n  }\n"                                                                  \
  "  const unsigned positive = __ballot_sync(0xFFFFFFFF, in[e] > 0);\n"                                      \
  "  const real last = __shfl_sync(0xFFFFFFFF, sum, 15, 16);\n"                                              \
  "  const real across = __shfl_xor_sync(0xFFFFFFFF, in[e], 5), down = __shfl_down_sync(0xFFFFFFFF, in[e], " \
  "3);\n"                                                                                                    \
  "  out[e] = sum + (real)(positive >> lane & 1) + last + across + down;\n}\n"

static double scan_truth(const Numbers *a, const Numbers *b, int i, int batch) {
  int warp = i / 32 * 32, lane = i % 32;
  double sum = 0, last = 0;
  (void)b, (void)batch;
  for (int k = 0; k <= lane; k++) sum += get(a, warp + k);
  for (int k = 0; k <= lane / 16 * 16 + 15; k++) last += get(a, warp + k);
  return sum + (get(a, i) > 0) + last + get(a, warp + (lane ^ 5)) + get(a, lane < 29 ? i + 3 : i);
}

// Rows of 40, a warp each, two rows a block, vectors of two.
#define SOFTMAX                                                                                              \
  KERNEL(example, 64, 3)                                                                                     \
  "  MLA_USE(2)\n  const real *in = buf[0];\n  real *out = buf[2];\n"                                        \
  "  const int row = blockIdx.x * 2 + threadIdx.x / 32, lane = threadIdx.x % 32;\n"                          \
  "  if (row >= batch) return;\n  real most = in[row * 40], total = 0;\n"                                    \
  "  for (int i = 2 * lane; i < 40; i += 64) most = mla_max(most, mla_largest(mla_load(in + row * 40 + "     \
  "i)));\n"                                                                                                  \
  "  for (int n = 16; n > 0; n /= 2) most = mla_max(most, __shfl_xor_sync(0xFFFFFFFF, most, n));\n"          \
  "  for (int i = 2 * lane; i < 40; i += 64) total += mla_total(mla_exp(mla_load(in + row * 40 + i) - "      \
  "most));\n"                                                                                                \
  "  for (int n = 16; n > 0; n /= 2) total += __shfl_xor_sync(0xFFFFFFFF, total, n);\n"                      \
  "  for (int i = 2 * lane; i < 40; i += 64)\n"                                                              \
  "    mla_store(out + row * 40 + i, mla_exp(mla_load(in + row * 40 + i) - most) / total);\n}\n"

static double softmax_truth(const Numbers *a, const Numbers *b, int i, int batch) {
  double total = 0;
  (void)b, (void)batch;
  for (int k = 0; k < 40; k++) total += exp(get(a, i / 40 * 40 + k));
  return exp(get(a, i)) / total;
}

// 16 x 8 by mma from 16 x 16 and 16 x 8 (row major), one warp.
#define FRAGMENTS_TF32                                                                                       \
  KERNEL(example, 32, 3)                                                                                     \
  "  const float *a = buf[0], *b = buf[1];\n  float *out = buf[2];\n  const int g = threadIdx.x / 4, t = "   \
  "threadIdx.x % 4;\n"                                                                                       \
  "  float c[4] = {0, 0, 0, 0};\n  for (int k = 0; k < 16; k += 8) {\n"                                      \
  "    const unsigned as[4] = {mla_tf32(a[g * 16 + k + t]), mla_tf32(a[(g + 8) * 16 + k + t]),\n"            \
  "                            mla_tf32(a[g * 16 + k + t + 4]), mla_tf32(a[(g + 8) * 16 + k + t + 4])};\n"   \
  "    const unsigned bs[2] = {mla_tf32(b[(k + t) * 8 + g]), mla_tf32(b[(k + t + 4) * 8 + g])};\n"           \
  "    mla_mma_tf32_16x8x8(c, as, bs);\n  }\n"                                                               \
  "  for (int i = 0; i < 4; i++) out[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = c[i];\n}\n"
// The left operand through shared memory and ldmatrix.
#define FRAGMENTS_BF16                                                                                       \
  KERNEL(example, 32, 3)                                                                                     \
  "  const float *a = buf[0], *b = buf[1];\n  float *out = buf[2];\n"                                        \
  "  const int lane = threadIdx.x, g = lane / 4, t = lane % 4;\n"                                            \
  "  __shared__ unsigned as[16 * 8];\n"                                                                      \
  "  for (int i = lane; i < 128; i += 32) as[i] = mla_bf16_pair(a[2 * i], a[2 * i + 1]);\n  __syncwarp();\n" \
  "  unsigned fragment[4];\n  mla_ldmatrix(fragment, &as[lane % 16 * 8 + lane / 16 * 4]);\n"                 \
  "  const unsigned bs[2] = {mla_bf16_pair(b[2 * t * 8 + g], b[(2 * t + 1) * 8 + g]),\n"                     \
  "                          mla_bf16_pair(b[(2 * t + 8) * 8 + g], b[(2 * t + 9) * 8 + g])};\n"              \
  "  float c[4] = {0, 0, 0, 0};\n  mla_mma_bf16_16x8x16(c, fragment, bs);\n"                                 \
  "  for (int i = 0; i < 4; i++) out[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = c[i];\n}\n"

// Halfway between two numbers of TF32, then of bf16, of either sign; and what is no number.
#define TIES                                                                                                 \
  KERNEL(example, 64, 3)                                                                                     \
  "  float *out = buf[2];\n  const int i = threadIdx.x;\n"                                                   \
  "  const float sign = i % 2 ? -1 : 1, nan = (float)(0 * exp(1000.0));\n"                                   \
  "  const unsigned tf32 = mla_tf32(sign * (1 + (2 * i + 1) / 2048.0f)),\n"                                  \
  "                 pair = mla_bf16_pair(sign * (1 + (2 * i + 1) / 256.0f), nan), high = pair << 16;\n"      \
  "  memcpy(out + i, &tf32, 4);\n  memcpy(out + 64 + i, &high, 4);\n"                                        \
  "  const unsigned not_tf32 = mla_tf32(nan), not_bf16 = pair & 0xFFFF0000u;\n  float a, b;\n"               \
  "  memcpy(&a, &not_tf32, 4);\n  memcpy(&b, &not_bf16, 4);\n  if (a == a || b == b) out[i] = 0;\n}\n"

// To `bits` bits of mantissa behind the leading one; ties away from zero as TF32 (10 bits), or to even as bf16.
static double rounded(double x, int bits) {
  int exponent;
  double mantissa = ldexp(frexp(x, &exponent), bits + 1);
  return ldexp(bits == 10 ? round(mantissa) : rint(mantissa), exponent - bits - 1);
}

static double ties_truth(const Numbers *a, const Numbers *b, int i, int batch) {
  int k = i % 64, is_bf16 = i / 64;
  (void)a, (void)b, (void)batch;
  return (k % 2 ? -1 : 1) * rounded(1 + (2 * k + 1) / (is_bf16 ? 256.0 : 2048.0), is_bf16 ? 7 : 10);
}

static double fragment_product(const Numbers *a, const Numbers *b, int i, int bits) {
  double sum = 0;
  for (int k = 0; k < 16; k++)
    sum += rounded(get(a, i / 8 * 16 + k), bits) * rounded(get(b, k * 8 + i % 8), bits);
  return sum;
}

static double tf32_truth(const Numbers *a, const Numbers *b, int i, int batch) {
  (void)batch;
  return fragment_product(a, b, i, 10);
}

static double bf16_truth(const Numbers *a, const Numbers *b, int i, int batch) {
  (void)batch;
  return fragment_product(a, b, i, 7);
}

static const Example examples[] = {
    {"block reduction, f32", REDUCTION, MLA_F32, 128, 4, {5000, 1}, 4, 5000, 0, sum_truth, 2e-5},
    {"block reduction, f64", REDUCTION, MLA_F64, 128, 4, {5000, 1}, 4, 5000, 0, sum_truth, 1e-12},
    {"tiled product, f32",
     PRODUCT(STATIC_TILES),
     MLA_F32,
     256,
     16,
     {4096, 4096},
     4096,
     1,
     0,
     product_truth,
     1e-5},
    {"tiled product, f64",
     PRODUCT(STATIC_TILES),
     MLA_F64,
     256,
     16,
     {4096, 4096},
     4096,
     1,
     0,
     product_truth,
     1e-13},
    {"tiled product, dynamic shared memory",
     PRODUCT(DYNAMIC_TILES),
     MLA_F64,
     256,
     16,
     {4096, 4096},
     4096,
     1,
     2 * 16 * 17 * 8,
     product_truth,
     1e-13},
    {"scan by shuffles, f32", SCAN, MLA_F32, 64, 3, {192, 1}, 192, 1, 0, scan_truth, 1e-5},
    {"scan by shuffles, f64", SCAN, MLA_F64, 64, 3, {192, 1}, 192, 1, 0, scan_truth, 1e-13},
    {"softmax of rows, f32", SOFTMAX, MLA_F32, 64, 4, {280, 1}, 280, 7, 0, softmax_truth, 1e-6},
    {"softmax of rows, f64", SOFTMAX, MLA_F64, 64, 4, {280, 1}, 280, 7, 0, softmax_truth, 1e-14},
    {"rounding of ties", TIES, MLA_F32, 64, 1, {1, 1}, 128, 1, 0, ties_truth, 0},
    {"fragments, TF32", FRAGMENTS_TF32, MLA_F32, 32, 1, {256, 128}, 128, 1, 0, tf32_truth, 2e-6},
    {"fragments, bf16 by ldmatrix", FRAGMENTS_BF16, MLA_F32, 32, 1, {256, 128}, 128, 1, 0, bf16_truth, 2e-6},
};

// One and three workers give the same bits.
static int check_example(const Example *example) {
  Numbers a = make_numbers(example->elem, example->n_in[0], 1),
          b = make_numbers(example->elem, example->n_in[1], 77),
          one = make_numbers(example->elem, example->n_out, 0),
          three = make_numbers(example->elem, example->n_out, 0);
  Trial trial = {.symbol = "example",
                 .text = example->text,
                 .elem = example->elem,
                 .threads = example->threads,
                 .blocks = example->blocks,
                 .batch = example->batch,
                 .shared_bytes = example->shared_bytes,
                 .arrays = {{a.data, a.n}, {b.data, b.n}, {one.data, one.n}},
                 .n_arrays = 3,
                 .workers = 1};
  MlaError error;
  double worst = 0;
  bool good = run_trial(&trial, &error);
  trial.workers = 3;
  trial.arrays[2].data = three.data;
  good = good && run_trial(&trial, &error);
  for (int i = 0; i < one.n && good; i++)
    worst = fmax(worst, fabs(get(&one, i) - example->truth(&a, &b, i, example->batch)));
  good = good && worst <= example->allowed;
  good = good && memcmp(one.data, three.data, (size_t)one.n * (example->elem == MLA_F64 ? 8 : 4)) == 0;
  printf("%s %s: largest difference %.2g%s%s\n", good ? "ok  " : "FAIL", example->name, worst,
         error.kind ? "\n     " : "", error.text);
  free(a.data), free(b.data), free(one.data), free(three.data);
  return !good;
}

// Without a C++ compiler the message says what to install.
static int check_no_compiler(void) {
  float in[8] = {0};
  Trial trial = {.symbol = "example",
                 .text = KERNEL(example, 1, 1) "}\n",
                 .threads = 1,
                 .blocks = 1,
                 .arrays = {{in, 8}},
                 .n_arrays = 1};
  MlaError error;
  setenv("CXX", "/nowhere/c++", 1);
  bool good = !run_trial(&trial, &error) &&
              strstr(error.text, "the C++ compiler of $CXX, `/nowhere/c++`, does not run");
  unsetenv("CXX");
  setenv("PATH", "/nowhere", 1);
  good = good && !run_trial(&trial, &error) && strstr(error.text, "apt install g++");
  printf("%s no C++ compiler\n     %s\n", good ? "ok  " : "FAIL", error.text);
  return !good;
}

int main(void) {
  int n_wrong = 0;
  for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) n_wrong += check_example(&examples[i]);
  n_wrong += check_no_compiler();
  return n_wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}
