// What this machine can do at most, so that times can be read against it: multiply-adds on registers in float32 and
// bfloat16, and copies that the caches hold or do not. Every thread works on its own; the best of many short rounds.
//
//   cc -O2 -march=native -D_GNU_SOURCE bench/peak.c -o peak -lpthread && ./peak THREADS    (JSON on stdout)
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef __AVX512F__
enum { LANES = 16 };
#else
enum { LANES = 8 };
#endif
enum { N_SUMS = 12, N_TURNS = 200000, ROUNDS = 40, MAX_THREADS = 256 };
typedef float Vector __attribute__((vector_size(4 * LANES)));

// Every sum is a variable of its own, so that compilers keep it in a register: as many as hide the latency.
#define SUMS(X) X(s0) X(s1) X(s2) X(s3) X(s4) X(s5) X(s6) X(s7) X(s8) X(s9) X(s10) X(s11)

// One kind of work: how many operations or bytes it did.
typedef double Work(char *memory, size_t n_bytes);

static double multiply_add(char *memory, size_t n_bytes) {
  Vector a = {0}, b = {0}, whole = {0};
  (void)n_bytes;
#define START(s)                                                                                             \
  Vector s = {0};                                                                                            \
  __asm__ volatile("" : "+x"(s)); // each may be another value
#define TURN(s)   s = s * a + b;
#define FINISH(s) whole += s;
  SUMS(START)
  for (int turn = 0; turn < N_TURNS; turn++) {
    __asm__ volatile("" : "+x"(a), "+x"(b)); // not known to be zeros
    SUMS(TURN)
  }
  SUMS(FINISH)
  memcpy(memory, &whole, sizeof whole);
  return 2.0 * LANES * N_SUMS * N_TURNS;
}

#ifdef __AVX512BF16__
#include <immintrin.h>
static double multiply_add_bf16(char *memory, size_t n_bytes) {
  __m512 whole = {0};
  __m512i a = {0}, b = {0};
  (void)n_bytes;
#define START_BF16(s)                                                                                        \
  __m512 s = {0};                                                                                            \
  __asm__ volatile("" : "+x"(s));
#define TURN_BF16(s) s = _mm512_dpbf16_ps(s, (__m512bh)a, (__m512bh)b);
  SUMS(START_BF16)
  for (int turn = 0; turn < N_TURNS; turn++) {
    __asm__ volatile("" : "+x"(a), "+x"(b));
    SUMS(TURN_BF16)
  }
  SUMS(FINISH)
  memcpy(memory, &whole, sizeof whole);
  return 4.0 * LANES * N_SUMS * N_TURNS;
}
#else
static double multiply_add_bf16(char *memory, size_t n_bytes) {
  (void)memory, (void)n_bytes;
  return 0;
}
#endif

// Read and written bytes.
static double copy(char *memory, size_t n_bytes) {
  size_t half = n_bytes / 2, done = 0;
  for (; done < (size_t)8 << 20; done += half) {
    memcpy(memory + half, memory, half);
    __asm__ volatile("" ::: "memory");
  }
  return 2.0 * (double)done;
}

// ---- all threads -----------------------------------------------------------------------------------------------------

typedef struct Team {
  Work *work;
  size_t n_bytes; // a thread
  pthread_barrier_t barrier;
  double amount[MAX_THREADS], seconds[MAX_THREADS][ROUNDS];
  atomic_int n_started;
} Team;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *member(void *data) {
  Team *team = data;
  int i = atomic_fetch_add(&team->n_started, 1);
  char *memory = aligned_alloc(4096, team->n_bytes);
  if (!memory) exit(1);
  memset(memory, 0, team->n_bytes);
  for (int round = 0; round < ROUNDS; round++) {
    pthread_barrier_wait(&team->barrier);
    double start = now();
    team->amount[i] = team->work(memory, team->n_bytes);
    team->seconds[i][round] = now() - start;
  }
  free(memory);
  return NULL;
}

// A second, of all threads together, in the best round by its slowest thread.
static double rate(Work *work, int n_threads, size_t n_bytes) {
  static Team team;
  pthread_t threads[MAX_THREADS];
  double best = 0;
  team = (Team){.work = work, .n_bytes = n_bytes};
  pthread_barrier_init(&team.barrier, NULL, (unsigned)n_threads);
  for (int i = 0; i < n_threads; i++) pthread_create(&threads[i], NULL, member, &team);
  for (int i = 0; i < n_threads; i++) pthread_join(threads[i], NULL);
  pthread_barrier_destroy(&team.barrier);
  for (int round = 0; round < ROUNDS; round++) {
    double slowest = 0;
    for (int i = 0; i < n_threads; i++)
      if (team.seconds[i][round] > slowest) slowest = team.seconds[i][round];
    double now_rate = n_threads * team.amount[0] / slowest;
    if (now_rate > best) best = now_rate;
  }
  return best;
}

int main(int n_args, char **args) {
  int n_threads = n_args > 1 ? atoi(args[1]) : 1;
  if (n_threads < 1 || n_threads > MAX_THREADS) return 2;
  printf("{\"threads\": %d, \"f32\": %.4g, \"bf16\": %.4g, ", n_threads, rate(multiply_add, n_threads, 4096),
         rate(multiply_add_bf16, n_threads, 4096));
  printf("\"copy_in_cache\": %.4g, \"copy\": %.4g}\n", rate(copy, n_threads, 256 << 10),
         rate(copy, n_threads, 128 << 20));
  return 0;
}
