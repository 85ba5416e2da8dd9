// The emitted convolution and matrix kernels against plain loops in double precision, over shapes that cut
// channels and pixels in every way; parts in two orders must give the same bits; nothing outside the results
// may be written. At precision bf16 the loops round the operands, and tensors are stored in either way.

// timeout: 900
// label: slow

#include "compiler/emit/c/conv.h"
#include "tests/support/kernels.h"
#include "tests/support/layer_case.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Case {
  int h, w, in_c, out_c, kernel_h, kernel_w, stride, pad, groups, batch;
} Case;

static const Case cases[] = {
    {8, 8, 16, 16, 3, 3, 1, 1, 1, 3},    {32, 32, 3, 16, 3, 3, 1, 1, 1, 3},
    {32, 32, 16, 16, 3, 3, 1, 1, 1, 2},  {8, 8, 64, 64, 3, 3, 1, 1, 1, 8},
    {16, 16, 16, 32, 3, 3, 2, 1, 1, 3},  {9, 7, 10, 12, 3, 3, 1, 1, 1, 3},
    {9, 7, 12, 10, 3, 3, 2, 1, 1, 3},    {17, 13, 3, 20, 5, 5, 1, 2, 1, 1},
    {17, 13, 20, 3, 5, 5, 3, 2, 1, 3},   {23, 19, 3, 16, 7, 7, 2, 3, 1, 3},
    {12, 12, 1, 6, 5, 5, 1, 0, 1, 8},    {7, 7, 16, 44, 1, 1, 1, 0, 1, 3},
    {7, 5, 32, 64, 1, 1, 2, 0, 1, 3},    {8, 8, 32, 20, 1, 1, 3, 0, 1, 3},
    {6, 6, 8, 8, 1, 1, 1, 1, 1, 2},      {8, 8, 16, 32, 3, 3, 1, 1, 2, 3},
    {9, 9, 16, 12, 3, 3, 2, 1, 4, 3},    {10, 10, 20, 20, 3, 3, 1, 1, 20, 3},
    {11, 9, 48, 48, 5, 5, 2, 2, 48, 2},  {8, 8, 6, 12, 3, 3, 1, 1, 6, 2},
    {5, 5, 32, 48, 3, 3, 1, 0, 1, 1},    {4, 4, 80, 80, 3, 3, 1, 1, 1, 8},
    {2, 2, 32, 32, 3, 3, 1, 1, 1, 8},    {1, 1, 16, 16, 3, 3, 1, 1, 1, 3},
    {13, 37, 7, 31, 3, 5, 1, 2, 1, 2},   {14, 14, 5, 9, 11, 11, 4, 2, 1, 2},
    {3, 3, 4, 4, 3, 3, 3, 3, 1, 2},      {16, 16, 20, 12, 3, 3, 3, 1, 2, 8},
    {12, 10, 12, 20, 5, 3, 2, 1, 4, 2},  {1, 1, 64, 10, 1, 1, 1, 0, 1, 128},
    {1, 1, 100, 37, 1, 1, 1, 0, 1, 5},   {1, 1, 1, 1, 1, 1, 1, 0, 1, 3},
    {1, 1, 256, 512, 1, 1, 1, 0, 1, 33}, {5, 5, 512, 80, 3, 3, 1, 1, 1, 2},
    {1, 1, 4100, 64, 1, 1, 1, 0, 1, 7},  {6, 40, 16, 16, 3, 17, 1, 3, 1, 2},
    {16, 32, 12, 3, 3, 3, 1, 1, 1, 2},   {9, 11, 20, 2, 5, 3, 2, 1, 1, 2},
    {6, 7, 2, 33, 1, 1, 1, 0, 1, 3},     {1, 1, 100, 2, 1, 1, 1, 0, 1, 37},
    {8, 8, 1, 19, 3, 3, 2, 1, 1, 2},     {5, 6, 64, 6, 3, 3, 1, 1, 1, 2},
};
enum { N_CASES = sizeof cases / sizeof *cases, GUARD = 64, PATTERN = 0xff };
static const KernelMachine machines[] = {{4, 64, false}, {8, 64, false}, {4, 32, false}, {4, 64, true},
                                         {4, 16, false}, {4, 32, true},  {8, 32, false}, {8, 16, false}};
enum { N_MACHINES = sizeof machines / sizeof *machines };

static ConvSpec spec_of(int index, KernelMachine machine) {
  const Case *c = &cases[index];
  return (ConvSpec){.shape = layer_case(c->h, c->w, c->in_c, c->out_c, c->kernel_h, c->kernel_w, c->stride,
                                        c->pad, c->groups),
                    .elem_bytes = machine.elem_bytes,
                    .vector_bytes = machine.vector_bytes,
                    .batch = c->batch,
                    .x_is_bf16 = machine.is_bf16 && index / 3 % 2,
                    .y_is_bf16 = machine.is_bf16 && index / 6 % 2,
                    .is_paired = machine.is_bf16};
}

// ---- tensors of the machine's element type, filled with small integers or values
// -------------------------------

typedef struct Tensor {
  long n;
  int elem_bytes; // 2: bf16
  char *memory;   // GUARD elements of a pattern on both sides
} Tensor;

static void *tensor_data(const Tensor *t) {
  return t->memory + GUARD * t->elem_bytes;
}
// To nearest even.
static uint16_t bf16_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}
static double bf16_value(uint16_t half) {
  const uint32_t bits = (uint32_t)half << 16;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}
static double tensor_get(const Tensor *t, long i) {
  if (t->elem_bytes == 2) return bf16_value(((uint16_t *)tensor_data(t))[i]);
  return t->elem_bytes == 8 ? ((double *)tensor_data(t))[i] : (double)((float *)tensor_data(t))[i];
}
static void tensor_set(const Tensor *t, long i, double value) {
  if (t->elem_bytes == 8)
    ((double *)tensor_data(t))[i] = value;
  else if (t->elem_bytes == 2)
    ((uint16_t *)tensor_data(t))[i] = bf16_of((float)value);
  else
    ((float *)tensor_data(t))[i] = (float)value;
}

static Tensor tensor_new(long n, int elem_bytes) {
  Tensor t = {n, elem_bytes, malloc((size_t)(n + 2 * GUARD) * (size_t)elem_bytes)};
  if (!t.memory) exit(1);
  // NaN where nothing was written, and around what is read.
  memset(t.memory, PATTERN, (size_t)(n + 2 * GUARD) * (size_t)elem_bytes);
  return t;
}

static Tensor tensor_random(long n, int elem_bytes, unsigned seed) {
  Tensor t = tensor_new(n, elem_bytes);
  for (long i = 0; i < n; i++) {
    seed = seed * 1664525u + 1013904223u;
    tensor_set(&t, i, ((int)(seed >> 16) % 2001 - 1000) / 1000.0);
  }
  return t;
}

static bool guards_hold(const Tensor *t) {
  const long side = (long)GUARD * t->elem_bytes, end = side + t->n * t->elem_bytes;
  for (long i = 0; i < side; i++)
    if ((unsigned char)t->memory[i] != PATTERN || (unsigned char)t->memory[end + i] != PATTERN) return false;
  return true;
}

// ---- the reference: one visit of every product
// ------------------------------------------------------------------

typedef enum Direction { FORWARD, GRAD_INPUT, GRAD_WEIGHT } Direction;

typedef struct Reference {
  const ConvSpec *spec;
  Direction direction;
  const Tensor *x, *w, *g;
  double *sum, *magnitude; // of the result: the sum and the sum of the absolute values
} Reference;

static double operand(const Reference *ref, const Tensor *t, long i) {
  const double value = tensor_get(t, i);
  return ref->spec->is_paired ? bf16_value(bf16_of((float)value)) : value;
}

static void visit(const Reference *ref, long xi, long wi, long gi) {
  const long at = ref->direction == FORWARD ? gi : ref->direction == GRAD_INPUT ? xi : wi;
  const double a = ref->direction == FORWARD ? operand(ref, ref->x, xi) : operand(ref, ref->g, gi);
  const double b = ref->direction == GRAD_WEIGHT ? operand(ref, ref->x, xi) : operand(ref, ref->w, wi);
  ref->sum[at] += a * b;
  ref->magnitude[at] += fabs(a * b);
}

static void visit_pixel(const Reference *ref, long n, long oy, long ox) {
  const LayerShape *s = &ref->spec->shape;
  const long n_in = s->in_c / s->groups, n_out = s->out_c / s->groups;
  for (long ky = 0; ky < s->kernel_h; ky++)
    for (long kx = 0; kx < s->kernel_w; kx++) {
      const long iy = oy * s->stride + ky - s->pad, ix = ox * s->stride + kx - s->pad;
      if (iy < 0 || ix < 0 || iy >= s->in_h || ix >= s->in_w) continue;
      for (long o = 0; o < s->out_c; o++)
        for (long i = 0; i < n_in; i++)
          visit(ref, ((n * s->in_h + iy) * s->in_w + ix) * s->in_c + o / n_out * n_in + i,
                ((ky * s->kernel_w + kx) * n_in + i) * s->out_c + o,
                ((n * s->out_h + oy) * s->out_w + ox) * s->out_c + o);
    }
}

static void run_reference(const Reference *ref, long batch) {
  for (long n = 0; n < batch; n++)
    for (long oy = 0; oy < ref->spec->shape.out_h; oy++)
      for (long ox = 0; ox < ref->spec->shape.out_w; ox++) visit_pixel(ref, n, oy, ox);
}

// ---- running
// ----------------------------------------------------------------------------------------------------

// All parts, in one order or the other, with a scratch of just the size asked for.
static void launch(KernelLib *lib, const char *symbol, ConvKernel kernel, void *const *buf, long batch,
                   bool is_reversed) {
  void *scratch = malloc(kernel.scratch_bytes ? (size_t)kernel.scratch_bytes : 1);
  const KernelFn run = kernels_find(lib, symbol);
  for (int p = 0; p < kernel.parts; p++)
    run(buf, batch, scratch, is_reversed ? kernel.parts - 1 - p : p, kernel.parts);
  free(scratch);
}

static bool agrees(const char *what, const Tensor *result, const double *sum, const double *magnitude) {
  const double epsilon = result->elem_bytes == 8 ? 1e-14 : 4e-6,
               rounding = result->elem_bytes == 2 ? 1.0 / 256 : 0; // half a unit of the last of 8 bits
  for (long i = 0; i < result->n; i++) {
    const double value = tensor_get(result, i);
    if (fabs(value - sum[i]) <= epsilon * (magnitude[i] + 1) + rounding * fabs(sum[i])) continue;
    fprintf(stderr, "%s: element %ld is %.9g, should be %.9g\n", what, i, value, sum[i]);
    return false;
  }
  if (guards_hold(result)) return true;
  fprintf(stderr, "%s: wrote outside the result\n", what);
  return false;
}

typedef struct Kernels {
  ConvKernel forward, grad_input, linear_grad_input, transpose, grad_weight, finish, grad_weight_whole;
  int n_partials;
} Kernels;

static bool is_linear(const Case *c) {
  return c->h == 1 && c->w == 1 && c->kernel_h == 1 && c->kernel_w == 1;
}

static Kernels write_kernels(StrBuf *text, int index, const ConvSpec *spec, int n_partials) {
  Kernels k = {.n_partials = n_partials};
  const char *prefix = arena_printf(text->arena, "k%d", index);
  k.forward = conv_write_forward(text, arena_printf(text->arena, "%s_fwd", prefix), spec);
  k.grad_input = conv_write_grad_input(text, arena_printf(text->arena, "%s_bwd", prefix), spec);
  if (is_linear(&cases[index]))
    k.linear_grad_input =
        conv_write_linear_grad_input(text, arena_printf(text->arena, "%s_lin", prefix), spec);
  k.transpose = conv_write_transpose_weight(text, arena_printf(text->arena, "%s_tr", prefix), spec);
  k.grad_weight = conv_write_grad_weight(text, arena_printf(text->arena, "%s_gw", prefix), spec, n_partials);
  k.finish =
      conv_write_grad_weight_finish(text, arena_printf(text->arena, "%s_fin", prefix), spec, n_partials);
  k.grad_weight_whole = conv_write_grad_weight(text, arena_printf(text->arena, "%s_gw1", prefix), spec, 1);
  return k;
}

typedef struct Run {
  KernelLib *lib;
  const ConvSpec *spec;
  const Kernels *kernels;
  int index;
  long batch;
  Tensor x, w, g;
} Run;

static const char *symbol_of(const Run *run, const char *suffix, char name[32]) {
  snprintf(name, 32, "k%d_%s", run->index, suffix);
  return name;
}

// Runs twice with the parts in opposite orders, compares the bits and then the values with the reference.
static bool check(const Run *run, const char *suffix, ConvKernel kernel, const Tensor *a, const Tensor *b,
                  Direction direction) {
  const long n = direction == FORWARD ? run->g.n : direction == GRAD_INPUT ? run->x.n : run->w.n;
  const int elem = direction == FORWARD      ? run->g.elem_bytes
                   : direction == GRAD_INPUT ? run->x.elem_bytes
                                             : run->w.elem_bytes;
  const bool is_partial = strcmp(suffix, "gw") == 0;
  const long n_result = is_partial ? n * run->kernels->n_partials : n;
  Tensor result[2], final = {0};
  char name[32];
  for (int i = 0; i < 2; i++) {
    result[i] = tensor_new(n_result, elem);
    void *buf[3] = {tensor_data(a), tensor_data(b), tensor_data(&result[i])};
    launch(run->lib, symbol_of(run, suffix, name), kernel, buf, run->batch, i == 1);
  }
  bool is_good =
      memcmp(result[0].memory, result[1].memory, (size_t)(n_result + 2 * GUARD) * (size_t)elem) == 0;
  if (!is_good) fprintf(stderr, "%s: the order of the parts changes the result\n", name);
  if (is_partial) {
    is_good = guards_hold(&result[0]) && is_good;
    final = tensor_new(n, elem);
    launch(run->lib, symbol_of(run, "fin", name), run->kernels->finish,
           (void *[]){tensor_data(&result[0]), tensor_data(&final)}, run->batch, false);
  }
  double *sum = calloc((size_t)n, sizeof *sum), *magnitude = calloc((size_t)n, sizeof *sum);
  const Reference ref = {run->spec, direction, &run->x, &run->w, &run->g, sum, magnitude};
  run_reference(&ref, run->batch);
  is_good = agrees(name, is_partial ? &final : &result[0], sum, magnitude) && is_good;
  free(sum), free(magnitude), free(result[0].memory), free(result[1].memory), free(final.memory);
  return is_good;
}

static bool check_case(KernelLib *lib, int index, const ConvSpec *spec, const Kernels *k, long batch) {
  const long n_weights = (long)spec->shape.kernel_h * spec->shape.kernel_w *
                         (spec->shape.in_c / spec->shape.groups) * spec->shape.out_c;
  Run run = {.lib = lib, .spec = spec, .kernels = k, .index = index, .batch = batch};
  run.x = tensor_random(batch * spec->shape.in_h * spec->shape.in_w * spec->shape.in_c,
                        spec->x_is_bf16 ? 2 : spec->elem_bytes, 1);
  run.g = tensor_random(batch * spec->shape.out_h * spec->shape.out_w * spec->shape.out_c,
                        spec->y_is_bf16 ? 2 : spec->elem_bytes, 2);
  run.w = tensor_random(n_weights, spec->elem_bytes, 3);
  Tensor transposed = tensor_new(n_weights, spec->elem_bytes);
  char name[32];
  launch(lib, symbol_of(&run, "tr", name), k->transpose,
         (void *[]){tensor_data(&run.w), tensor_data(&transposed)}, batch, false);
  bool is_good = guards_hold(&transposed);
  is_good = check(&run, "fwd", k->forward, &run.x, &run.w, FORWARD) && is_good;
  is_good = check(&run, "bwd", k->grad_input, &run.g, &transposed, GRAD_INPUT) && is_good;
  if (is_linear(&cases[index]))
    is_good = check(&run, "lin", k->linear_grad_input, &run.g, &run.w, GRAD_INPUT) && is_good;
  is_good = check(&run, "gw", k->grad_weight, &run.x, &run.g, GRAD_WEIGHT) && is_good;
  is_good = check(&run, "gw1", k->grad_weight_whole, &run.x, &run.g, GRAD_WEIGHT) && is_good;
  free(run.x.memory), free(run.g.memory), free(run.w.memory), free(transposed.memory);
  if (!is_good)
    fprintf(stderr,
            "  %dx%dx%d -> %d, kernel %dx%d, stride %d, pad %d, groups %d, batch %ld, %s, %d-byte "
            "vectors\n",
            spec->shape.in_h, spec->shape.in_w, spec->shape.in_c, spec->shape.out_c, spec->shape.kernel_h,
            spec->shape.kernel_w, spec->shape.stride, spec->shape.pad, spec->shape.groups, batch,
            spec->is_paired         ? "bf16"
            : spec->elem_bytes == 8 ? "f64"
                                    : "f32",
            spec->vector_bytes);
  return is_good;
}

// Every case on the first machine, every third on the others; pairs have no groups.
static bool is_run(int m, int i) {
  return (m == 0 || i % 3 == m % 3) && (!machines[m].is_bf16 || cases[i].groups == 1);
}

// Each case with its full batch and with one image.
static int check_machine(Arena *arena, int m) {
  StrBuf text = strbuf_new(arena);
  Kernels kernels[N_CASES];
  ConvSpec specs[N_CASES];
  int n_bad = 0;
  for (int i = 0; i < N_CASES; i++) {
    specs[i] = spec_of(i, machines[m]);
    if (is_run(m, i)) kernels[i] = write_kernels(&text, i, &specs[i], 1 + i % 4);
  }
  // Optimised for the widest vectors; the text of the others as it stands, which takes half the time.
  KernelLib *lib = kernels_compile(text.text, machines[m], machines[m].vector_bytes == 64);
  if (!lib) return 1;
  for (int i = 0; i < N_CASES; i++) {
    if (!is_run(m, i)) continue;
    n_bad += !check_case(lib, i, &specs[i], &kernels[i], cases[i].batch);
    n_bad += !check_case(lib, i, &specs[i], &kernels[i], 1);
  }
  kernels_close(lib);
  return n_bad;
}

int main(void) {
  Arena *arena = arena_new();
  int n_bad = 0;
  for (int m = 0; m < N_MACHINES; m++) n_bad += check_machine(arena, m);
  arena_free(arena);
  printf("conv: %d shapes, %d machines, %d failures\n", N_CASES, N_MACHINES, n_bad);
  return n_bad != 0;
}
