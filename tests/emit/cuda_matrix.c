// The matrix kernels of CUDA, run by the emulated-cuda device ($MLAANC_TEST_DEVICE: or another), against the operators'
// host references: convolutions and linear layers over shapes that cut channels, pixels and strides in every way, and
// attention. Every shape runs
// with tiles chosen for its own batch and with those of a large one. Products by tensor cores are compared with those of
// operands rounded in the same way; those too small for them must be exact.
#include "compiler/emit/cuda/matrix.h"
#include "runtime/device/device.h"
#include "tests/support/layer_case.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// timeout: 900
// label: slow

extern const char mla_cuda_prelude[], mla_cuda_arithmetic[]; // as embedded in the compiler

enum { BATCH = 3, MANY_IMAGES = 512, MAX_BUFFERS = 1024, MAX_KERNELS = 512, MAX_CHECKS = 512 };

typedef struct Case {
  int h, w, in_c, out_c, kernel_h, kernel_w, stride, pad, groups, parts;
} Case;

static const Case cases[] = {
    {6, 6, 16, 16, 3, 3, 1, 1, 1, 3}, {9, 7, 3, 16, 3, 3, 1, 1, 1, 2},   {8, 8, 16, 32, 3, 3, 2, 1, 1, 3},
    {9, 7, 10, 12, 3, 3, 2, 1, 1, 1}, {11, 9, 3, 8, 7, 7, 2, 3, 1, 2},   {7, 5, 16, 44, 1, 1, 1, 0, 1, 3},
    {7, 5, 32, 20, 1, 1, 2, 0, 1, 1}, {5, 5, 8, 8, 1, 1, 1, 1, 1, 2},    {7, 7, 16, 12, 3, 3, 2, 1, 4, 2},
    {5, 5, 32, 32, 3, 3, 1, 1, 8, 3}, {6, 6, 20, 20, 3, 3, 1, 1, 20, 1}, {3, 3, 4, 4, 3, 3, 3, 3, 1, 2},
    {7, 7, 12, 3, 3, 3, 1, 1, 1, 1},  {6, 9, 7, 31, 3, 5, 1, 2, 1, 2},   {12, 10, 5, 9, 11, 9, 4, 2, 1, 2},
    {1, 1, 64, 10, 1, 1, 1, 0, 1, 3}, {1, 1, 37, 130, 1, 1, 1, 0, 1, 1}};
static const AttentionLayer attentions[] = {{5, 6, 2, 0}, {33, 20, 2, 0}, {40, 64, 1, 0}, {16, 32, 4, 0}};
#define COUNT(a) (int)(sizeof(a) / sizeof *(a))

// What a buffer should hold when everything has run.
typedef struct Check {
  int buffer;
  const double *truth;
  const char *what;
} Check;

// All kernels as one program.
typedef struct Bench {
  Arena *arena;
  MlaElem elem;
  TileMath math;
  int elem_bytes, n_rounded; // kernels whose operands are
  MlaBuffer buffers[MAX_BUFFERS];
  const double *start[MAX_BUFFERS]; // what is uploaded; NULL: a value that spoils every sum
  int n_buffers;
  int64_t n_bytes, n_ticket_bytes;
  MlaKernel kernels[MAX_KERNELS];
  MlaLaunch launches[MAX_KERNELS];
  int n_kernels;
  Check checks[MAX_CHECKS];
  int n_checks;
  double worst; // of all results
} Bench;

static int64_t elems_of(Shape shape) {
  int64_t n = 1;
  for (int i = 0; i < shape.rank; i++) n *= shape.dim[i];
  return n;
}

static int add_buffer(Bench *bench, int64_t n, const double *start) {
  int at = bench->n_buffers++;
  bench->buffers[at] = (MlaBuffer){arena_printf(bench->arena, "b%d", at), MLA_WORK, bench->elem,
                                   bench->n_bytes, n * bench->elem_bytes};
  bench->start[at] = start;
  bench->n_bytes += (n * bench->elem_bytes + 127) / 64 * 64;
  return at;
}

static int add_tickets(Bench *bench, int n) {
  int at = bench->n_buffers++;
  bench->buffers[at] = (MlaBuffer){"tickets", MLA_TICKETS, MLA_I32, bench->n_ticket_bytes, 4 * (int64_t)n};
  bench->n_ticket_bytes += 4 * (int64_t)n;
  return at;
}

// Numbers between -1 and 1 that are the same in both precisions, and have more bits than operands of tensor cores.
static HostTensor random_tensor(Bench *bench, Shape shape, unsigned seed) {
  HostTensor t = {.data = ARENA_ARRAY(bench->arena, double, elems_of(shape)), .shape = shape};
  for (int64_t i = 0; i < elems_of(shape); i++) {
    seed = seed * 1664525u + 1013904223u;
    t.data[i] = ((int)(seed >> 12) % 65536 - 32768) / 32768.0;
  }
  return t;
}

static HostTensor host(Bench *bench, OpKind op, const HostTensor *in, int n_in, Shape shape,
                       const Attr *attr) {
  HostTensor out = {.data = ARENA_ARRAY(bench->arena, double, elems_of(shape)), .shape = shape};
  op_info(op)->host(&(HostCall){.in = in, .n_in = n_in, .out = out, .attr = attr, .batch = BATCH});
  return out;
}

static void add_launch(Bench *bench, const char *symbol, const StrBuf *text, MatrixKernel kernel, int n,
                       const int *buffers) {
  int at = bench->n_kernels++;
  int32_t *used = ARENA_ARRAY(bench->arena, int32_t, n);
  for (int i = 0; i < n; i++) used[i] = buffers[i];
  bench->kernels[at] = (MlaKernel){.symbol = symbol, .text = text->text, .threads = kernel.threads};
  bench->launches[at] = (MlaLaunch){
      .name = symbol, .kernel = at, .buffers = used, .n_buffers = n, .parts = 1, .grid = kernel.grid};
}

static int add_result(Bench *bench, HostTensor truth, const char *what) {
  int at = add_buffer(bench, elems_of(truth.shape), NULL);
  bench->checks[bench->n_checks++] = (Check){at, truth.data, what};
  return at;
}

// To 11 bits with ties away from zero, or to 8 with ties to even.
static HostTensor rounded(Bench *bench, HostTensor t) {
  HostTensor result = {.data = ARENA_ARRAY(bench->arena, double, elems_of(t.shape)), .shape = t.shape};
  for (int64_t i = 0; i < elems_of(t.shape); i++) {
    int exponent;
    double mantissa = frexp(t.data[i], &exponent);
    result.data[i] = bench->math == TILE_TF32 ? ldexp(round(ldexp(mantissa, 11)), exponent - 11)
                                              : ldexp(rint(ldexp(mantissa, 8)), exponent - 8);
  }
  return result;
}

// A product by the host: of operands as the kernel's text multiplies them.
typedef struct Truth {
  OpKind op;
  HostTensor in[2];
  Shape shape;
  const Attr *attr;
} Truth;

static HostTensor truth_for(Bench *bench, const Truth *truth, const StrBuf *text) {
  bool is_rounded = strstr(text->text, "mla_mma_") != NULL;
  HostTensor in[2] = {truth->in[0], truth->in[1]};
  bench->n_rounded += is_rounded;
  for (int i = 0; i < 2 && is_rounded; i++) in[i] = rounded(bench, in[i]);
  return host(bench, truth->op, in, 2, truth->shape, truth->attr);
}

typedef MatrixKernel Writer(StrBuf *out, const char *symbol, const MatrixLayer *layer);

static void run_layer(Bench *bench, const char *name, const char *what, Writer *write,
                      const MatrixLayer *layer, int a, int b, const Truth *truth) {
  StrBuf text = strbuf_new(bench->arena);
  const char *symbol = arena_printf(bench->arena, "%s_%s", name, what);
  MatrixKernel kernel = write(&text, symbol, layer);
  int result = add_result(bench, truth_for(bench, truth, &text), symbol);
  add_launch(bench, symbol, &text, kernel, 3, (int[]){a, b, result});
}

static void run_transpose(Bench *bench, const char *name, const MatrixLayer *layer, int weight,
                          int transposed) {
  StrBuf text = strbuf_new(bench->arena);
  const char *symbol = arena_printf(bench->arena, "%s_transpose", name);
  MatrixKernel kernel = matrix_transpose_weight(&text, symbol, layer);
  add_launch(bench, symbol, &text, kernel, 2, (int[]){weight, transposed});
}

static void run_grad_weight(Bench *bench, const char *name, const MatrixLayer *layer, int parts, int x, int g,
                            const Truth *truth) {
  StrBuf text = strbuf_new(bench->arena);
  const char *symbol = arena_printf(bench->arena, "%s_grad_weight", name);
  MatrixKernel kernel = matrix_grad_weight(&text, symbol, layer, parts);
  int dw = add_result(bench, truth_for(bench, truth, &text), symbol);
  if (parts == 1) {
    add_launch(bench, symbol, &text, kernel, 3, (int[]){x, g, dw});
    return;
  }
  int sums = add_buffer(bench, parts * elems_of(truth->shape), NULL);
  add_launch(bench, symbol, &text, kernel, 5, (int[]){x, g, sums, add_tickets(bench, kernel.n_tickets), dw});
}

static void add_case(Bench *bench, int index, int64_t batch) {
  const Case *c = &cases[index];
  const char *name = arena_printf(bench->arena, "conv%d_%s", index, batch == BATCH ? "own" : "many");
  MatrixLayer layer = {.shape = layer_case(c->h, c->w, c->in_c, c->out_c, c->kernel_h, c->kernel_w, c->stride,
                                           c->pad, c->groups),
                       .elem_bytes = bench->elem_bytes,
                       .batch = batch,
                       .math = bench->math};
  Shape x_shape = {4, {BATCH, c->h, c->w, c->in_c}},
        y_shape = {4, {BATCH, layer.shape.out_h, layer.shape.out_w, c->out_c}},
        w_shape = {4, {c->kernel_h, c->kernel_w, c->in_c / c->groups, c->out_c}},
        t_shape = {4, {c->kernel_h, c->kernel_w, c->out_c / c->groups, c->in_c}};
  Attr attr[] = {{.i = c->stride}, {.i = c->pad}, {.i = c->groups}, {.i = c->h}, {.i = c->w}},
       groups = {.i = c->groups};
  HostTensor x = random_tensor(bench, x_shape, 1), w = random_tensor(bench, w_shape, 2),
             g = random_tensor(bench, y_shape, 3),
             t = host(bench, OP_transpose_weight, &w, 1, t_shape, &groups);
  int at_x = add_buffer(bench, elems_of(x_shape), x.data),
      at_w = add_buffer(bench, elems_of(w_shape), w.data),
      at_g = add_buffer(bench, elems_of(y_shape), g.data), at_t = add_result(bench, t, name);
  Truth forward = {OP_conv2d, {x, w}, y_shape, attr},
        grad_input = {OP_conv2d_grad_input, {g, t}, x_shape, attr},
        grad_weight = {OP_conv2d_grad_weight, {x, g}, w_shape, attr};
  run_layer(bench, name, "forward", matrix_forward, &layer, at_x, at_w, &forward);
  run_transpose(bench, name, &layer, at_w, at_t);
  run_layer(bench, name, "grad_input", matrix_grad_input, &layer, at_g, at_t, &grad_input);
  run_layer(bench, name, "plain", matrix_plain_grad_input, &layer, at_g, at_w, &grad_input);
  run_grad_weight(bench, name, &layer, c->parts, at_x, at_g, &grad_weight);
}

static void add_attention(Bench *bench, int index) {
  AttentionLayer layer = attentions[index];
  layer.elem_bytes = bench->elem_bytes;
  Attr heads = {.i = layer.heads};
  Shape x_shape = {4, {BATCH, layer.tokens, 1, 3 * layer.channels}},
        y_shape = {4, {BATCH, layer.tokens, 1, layer.channels}};
  HostTensor gx[] = {random_tensor(bench, y_shape, 4), random_tensor(bench, x_shape, 5)};
  int g = add_buffer(bench, elems_of(y_shape), gx[0].data),
      x = add_buffer(bench, elems_of(x_shape), gx[1].data);
  StrBuf text = strbuf_new(bench->arena), grad = strbuf_new(bench->arena);
  const char *symbol = arena_printf(bench->arena, "attention%d", index);
  MatrixKernel kernel = matrix_attention(&text, symbol, &layer);
  int y = add_result(bench, host(bench, OP_attention, &gx[1], 1, y_shape, &heads), symbol);
  add_launch(bench, symbol, &text, kernel, 2, (int[]){x, y});
  symbol = arena_printf(bench->arena, "attention%d_grad", index);
  kernel = matrix_attention_grad(&grad, symbol, &layer);
  int dx = add_result(bench, host(bench, OP_attention_grad, gx, 2, x_shape, &heads), symbol);
  add_launch(bench, symbol, &grad, kernel, 3, (int[]){g, x, dx});
}

// ---- running ----

static void store(const Bench *bench, void *to, int64_t i, double value) {
  if (bench->elem_bytes == 8)
    ((double *)to)[i] = value;
  else
    ((float *)to)[i] = (float)value;
}

static double fetch(const Bench *bench, const void *from, int64_t i) {
  return bench->elem_bytes == 8 ? ((const double *)from)[i] : (double)((const float *)from)[i];
}

static bool upload_all(const Bench *bench, MlaLoaded *loaded, MlaError *error) {
  for (int b = 0; b < bench->n_buffers; b++) {
    if (bench->buffers[b].region == MLA_TICKETS) continue;
    int64_t n_bytes = bench->buffers[b].n_bytes, n = n_bytes / bench->elem_bytes;
    void *data = malloc((size_t)n_bytes);
    if (!data) abort();
    for (int64_t i = 0; i < n; i++) store(bench, data, i, bench->start[b] ? bench->start[b][i] : NAN);
    bool is_good = loaded->device->ops->upload(loaded, mla_buffer(loaded, b), data, n_bytes, error);
    free(data);
    if (!is_good) return false;
  }
  return true;
}

// Errors are told relative to the largest element of the result.
static int check_result(Bench *bench, MlaLoaded *loaded, const Check *check, MlaError *error) {
  int64_t n_bytes = bench->buffers[check->buffer].n_bytes;
  void *data = malloc((size_t)n_bytes);
  if (!data) abort();
  if (!loaded->device->ops->download(loaded, data, mla_buffer(loaded, check->buffer), n_bytes, error))
    return 1;
  double most = 1e-30, worst = 0, allowed = bench->elem_bytes == 8 ? 1e-12 : 1e-5;
  for (int64_t i = 0; i < n_bytes / bench->elem_bytes; i++) {
    double off = fabs(fetch(bench, data, i) - check->truth[i]);
    if (!(off <= worst)) worst = off; // a NaN stays
    if (fabs(check->truth[i]) > most) most = fabs(check->truth[i]);
  }
  free(data);
  if (!(worst / most <= bench->worst)) bench->worst = worst / most;
  if (worst / most <= allowed) return 0;
  printf("%s, buffer %d of %d bytes: off by %.1e\n", check->what, check->buffer, (int)n_bytes, worst / most);
  return 1;
}

static int run_bench(Bench *bench) {
  MlaModule module = {.name = "only"};
  MlaStep step = {bench->launches, bench->n_kernels, -1, -1, -1, -1, -1, bench->n_bytes, NULL, 0};
  MlaProgram program = {
      .model = "matrix",
      .target = MLA_TARGET_CUDA,
      .elem = bench->elem,
      .buffers = bench->buffers,
      .n_buffers = bench->n_buffers,
      .kernels = bench->kernels,
      .n_kernels = bench->n_kernels,
      .prelude =
          arena_printf(bench->arena, "%s%s%s", bench->elem == MLA_F64 ? "#define MLA_REAL_DOUBLE\n" : "",
                       mla_cuda_prelude, mla_cuda_arithmetic),
      .train = step,
      .eval = step,
      .region_bytes = {[MLA_WORK] = bench->n_bytes, [MLA_TICKETS] = bench->n_ticket_bytes},
      .modules = &module,
      .n_modules = 1,
      .data = {.name = "none", .format = "none", .classes = 1, .height = 1, .width = 1, .channels = 1},
      .recipe = {.batch = BATCH,
                 .epochs = 1,
                 .precision = bench->elem == MLA_F64 ? MLA_PRECISION_F64 : MLA_PRECISION_F32}};
  MlaDevice device;
  MlaError error = {0};
  int n_bad = 1;
  const char *name = getenv("MLAANC_TEST_DEVICE");
  if (!mla_device_open(&device, name ? name : "emulated-cuda", &(MlaDeviceOptions){0}, &error)) {
    printf("%s\n", error.text);
    return 1;
  }
  MlaLoaded *loaded = device.ops->load(&device, &program, &error);
  if (loaded && upload_all(bench, loaded, &error) && device.ops->run(loaded, &program.train, BATCH, &error)) {
    n_bad = 0;
    for (int i = 0; i < bench->n_checks; i++) n_bad += check_result(bench, loaded, &bench->checks[i], &error);
  }
  if (n_bad) printf("%s\n", error.text);
  if (loaded) device.ops->unload(loaded);
  mla_device_close(&device);
  return n_bad;
}

// `n_rounded`: products that are large enough for tensor cores.
static int run_precision(const char *name, MlaElem elem, TileMath math, int n_rounded) {
  Bench *bench = calloc(1, sizeof *bench);
  if (!bench) abort();
  bench->arena = arena_new();
  bench->elem = elem;
  bench->math = math;
  bench->elem_bytes = elem == MLA_F64 ? 8 : 4;
  for (int i = 0; i < COUNT(cases); i++) {
    add_case(bench, i, BATCH);
    add_case(bench, i, MANY_IMAGES);
  }
  for (int i = 0; i < COUNT(attentions) && math == TILE_EXACT; i++) add_attention(bench, i);
  int n_bad = run_bench(bench);
  printf("%s: %d kernels, %d by tensor cores, %d results, %d wrong, worst %.1e\n", name, bench->n_kernels,
         bench->n_rounded, bench->n_checks, n_bad, bench->worst);
  n_bad += bench->n_rounded != n_rounded;
  arena_free(bench->arena);
  free(bench);
  return n_bad;
}

int main(void) {
  return run_precision("f32", MLA_F32, TILE_EXACT, 0) + run_precision("f64", MLA_F64, TILE_EXACT, 0) +
             run_precision("tf32", MLA_F32, TILE_TF32, 67) + run_precision("bf16", MLA_F32, TILE_BF16, 67) !=
         0;
}
