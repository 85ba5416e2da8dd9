// Times the emitted convolution kernels alone: milliseconds and GFLOP/s (padding counted as work) of forward,
// input gradient and weight gradient with its finish, and how long the text takes to compile.
//
//   cc -O2 -D_GNU_SOURCE -I. bench/conv_bench.c tests/support/kernels.c
//      compiler/emit/c/conv_{few,gather,gather_block,gather_pack,grad_tile,grad_weight,parts,tile,weave,weight}.c
//      compiler/support/{arena,strbuf}.c -o conv_bench -ldl -lpthread
//   ./conv_bench [threads [seconds per kernel [f32 or bf16 [name of one shape]]]]
#include "compiler/emit/c/conv.h"
#include "tests/support/kernels.h"
#include "tests/support/layer_case.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct Shape {
  const char *name;
  int h, w, in_c, out_c, kernel, stride, pad, batch;
} Shape;

static const Shape shapes[] = {
    {"16->16@32", 32, 32, 16, 16, 3, 1, 1, 128},     {"32->32@16", 16, 16, 32, 32, 3, 1, 1, 128},
    {"64->64@8", 8, 8, 64, 64, 3, 1, 1, 128},        {"16->32s2@32", 32, 32, 16, 32, 3, 2, 1, 128},
    {"32->64s2@16", 16, 16, 32, 64, 3, 2, 1, 128},   {"3->16@32", 32, 32, 3, 16, 3, 1, 1, 128},
    {"16->32x1s2@32", 32, 32, 16, 32, 1, 2, 0, 128}, {"64->64@56", 56, 56, 64, 64, 3, 1, 1, 16},
    {"256->64x1@56", 56, 56, 256, 64, 1, 1, 0, 16},  {"512->512@7", 7, 7, 512, 512, 3, 1, 1, 16},
    {"64->12@32", 32, 32, 64, 12, 3, 1, 1, 128},     {"12->3@32", 32, 32, 12, 3, 3, 1, 1, 128},
    {"64->10", 1, 1, 64, 10, 1, 1, 0, 128},          {"512->1000", 1, 1, 512, 1000, 1, 1, 0, 128},
};
enum { N_SHAPES = sizeof shapes / sizeof *shapes, MAX_THREADS = 64 };

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// ---- a pool that spins: launches are short
// --------------------------------------------------------------------

typedef struct Pool {
  int n_threads;
  atomic_int round, next, n_busy;
  KernelFn fn;
  void *const *buf;
  long batch;
  void *scratch[MAX_THREADS];
  int parts;
  pthread_t threads[MAX_THREADS];
} Pool;

static void work(Pool *pool, int id) {
  for (int p; (p = atomic_fetch_add(&pool->next, 1)) < pool->parts;)
    pool->fn(pool->buf, pool->batch, pool->scratch[id], p, pool->parts);
}

typedef struct Worker {
  Pool *pool;
  int id;
} Worker;

static void *worker_main(void *arg) {
  const Worker *worker = arg;
  for (int seen = 0;;) {
    int round;
    while ((round = atomic_load(&worker->pool->round)) == seen) continue;
    if (round < 0) return NULL;
    seen = round;
    work(worker->pool, worker->id);
    atomic_fetch_sub(&worker->pool->n_busy, 1);
  }
}

static void launch(Pool *pool, KernelFn fn, int parts, void *const *buf, long batch) {
  pool->fn = fn, pool->parts = parts, pool->buf = buf, pool->batch = batch;
  atomic_store(&pool->next, 0);
  atomic_store(&pool->n_busy, pool->n_threads - 1);
  atomic_fetch_add(&pool->round, 1);
  work(pool, 0);
  while (atomic_load(&pool->n_busy) > 0) continue;
}

// ---- one shape
// ------------------------------------------------------------------------------------------------

static float *buffer(long n) {
  float *data = aligned_alloc(64, (size_t)(n * 4 + 63) / 64 * 64);
  for (long i = 0; i < n; i++) data[i] = (float)(i * 7919 % 2001 - 1000) / 1000.0f;
  return data;
}

// Median and best time of repeated runs of one or two kernels.
typedef struct Timing {
  double best, median;
} Timing;

static int compare(const void *a, const void *b) {
  return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

static Timing time_launches(Pool *pool, const KernelFn *fns, const ConvKernel *kernels,
                            void *const *const *bufs, int n, long batch, double seconds) {
  double times[2000];
  int n_times = 0;
  for (const double start = now(); n_times < 2000 && (n_times < 5 || now() - start < seconds); n_times++) {
    const double begin = now();
    for (int i = 0; i < n; i++) launch(pool, fns[i], kernels[i].parts, bufs[i], batch);
    times[n_times] = now() - begin;
  }
  qsort(times, (size_t)n_times, sizeof *times, compare);
  return (Timing){times[0], times[n_times / 2]};
}

static void print_timing(Timing t, double flops) {
  printf(" | %7.3f %7.3f ms %4.0f %4.0f", t.best * 1e3, t.median * 1e3, flops / t.best * 1e-9,
         flops / t.median * 1e-9);
}

static int partials_of(long weight_bytes, int batch) {
  const long n = 1200 * 1024 / weight_bytes;
  return n < 1 ? 1 : n > 16 ? (batch < 16 ? batch : 16) : (int)(n < batch ? n : batch);
}

static void bench_shape(const Shape *s, bool is_bf16, Pool *pool, double seconds) {
  const LayerShape shape =
      layer_case(s->h, s->w, s->in_c, s->out_c, s->kernel, s->kernel, s->stride, s->pad, 1);
  const ConvSpec spec = {.shape = shape,
                         .elem_bytes = 4,
                         .vector_bytes = 64,
                         .batch = s->batch,
                         .x_is_bf16 = is_bf16,
                         .y_is_bf16 = is_bf16,
                         .is_paired = is_bf16};
  const long n_weights = (long)s->kernel * s->kernel * s->in_c * s->out_c;
  const int n_partials = partials_of(n_weights * 4, s->batch);
  Arena *arena = arena_new();
  StrBuf text = strbuf_new(arena);
  const ConvKernel forward = conv_write_forward(&text, "fwd", &spec),
                   grad_input = conv_write_grad_input(&text, "bwd", &spec);
  const ConvKernel grad_weight = conv_write_grad_weight(&text, "gw", &spec, n_partials);
  const ConvKernel finish = conv_write_grad_weight_finish(&text, "fin", &spec, n_partials);
  const double start = now();
  KernelLib *lib = kernels_compile(text.text, (KernelMachine){4, 64, is_bf16}, 2);
  if (!lib) exit(1);
  const double compile_time = now() - start;
  float *x = buffer((long)s->batch * s->h * s->w * s->in_c),
        *g = buffer((long)s->batch * shape.out_h * shape.out_w * s->out_c);
  float *w = buffer(n_weights), *partial = buffer(n_weights * n_partials);
  for (int i = 0; i < pool->n_threads; i++)
    pool->scratch[i] = aligned_alloc(
        64, (size_t)(forward.scratch_bytes + grad_input.scratch_bytes + grad_weight.scratch_bytes + 127) /
                64 * 64);
  const double flops = 2.0 * s->batch * shape.out_h * shape.out_w * (double)n_weights;
  void *const fwd_buf[] = {x, w, g}, *const bwd_buf[] = {g, w, x}, *const gw_buf[] = {x, g, partial},
              *const fin_buf[] = {partial, w};
  printf("%-14s", s->name);
  print_timing(time_launches(pool, (KernelFn[]){kernels_find(lib, "fwd")}, &forward,
                             (void *const *const[]){fwd_buf}, 1, s->batch, seconds),
               flops);
  print_timing(time_launches(pool, (KernelFn[]){kernels_find(lib, "bwd")}, &grad_input,
                             (void *const *const[]){bwd_buf}, 1, s->batch, seconds),
               flops);
  print_timing(time_launches(pool, (KernelFn[]){kernels_find(lib, "gw"), kernels_find(lib, "fin")},
                             (ConvKernel[]){grad_weight, finish}, (void *const *const[]){gw_buf, fin_buf},
                             n_partials > 1 ? 2 : 1, s->batch, seconds),
               flops);
  printf(" | compile %.2f s\n", compile_time);
  for (int i = 0; i < pool->n_threads; i++) free(pool->scratch[i]);
  free(x), free(g), free(w), free(partial);
  kernels_close(lib);
  arena_free(arena);
}

int main(int argc, char **argv) {
  static Pool pool;
  static Worker workers[MAX_THREADS];
  pool.n_threads = argc > 1 ? atoi(argv[1]) : 2;
  const double seconds = argc > 2 ? atof(argv[2]) : 0.3;
  if (pool.n_threads < 1 || pool.n_threads > MAX_THREADS) return 2;
  for (int i = 1; i < pool.n_threads; i++) {
    workers[i] = (Worker){&pool, i};
    pthread_create(&pool.threads[i], NULL, worker_main, &workers[i]);
  }
  const bool is_bf16 = argc > 3 && strcmp(argv[3], "bf16") == 0;
  printf("%d threads; best and median of forward | input gradient | weight gradient\n", pool.n_threads);
  for (int i = 0; i < N_SHAPES; i++)
    if (argc < 5 || strcmp(argv[4], shapes[i].name) == 0) bench_shape(&shapes[i], is_bf16, &pool, seconds);
  atomic_store(&pool.round, -1);
  for (int i = 1; i < pool.n_threads; i++) pthread_join(pool.threads[i], NULL);
  return 0;
}
