// The thread pool. Parts are handed out by an atomic counter, so a thread that loses its core delays one part
// and not the launch; results cannot depend on who ran what, since a part's work is fixed by its number.
//
// The counter and the number of parts share one 64-bit word, the ticket. A thread that comes late for launch
// n and draws a ticket of launch n + 1 has therefore drawn a valid part of n + 1, or none: `job` is only read
// after a valid draw, and the launch cannot end, nor `job` change, before that part is counted as done.
//
// Waiting is in three steps: pause instructions (launches follow each other within microseconds), then
// yielding (somebody else may need this core), then sleeping on a futex. The spinning is bounded by a number
// of steps, so that another process on our cores costs its share and no more.
#include "runtime/device/cpu_pool.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { N_PAUSES = 1000, N_YIELDS = 30, CACHE_LINE = 64 };

typedef struct Worker {
  MlaPool *pool;
  pthread_t thread;
  int index;
} Worker;

// Words written by different threads lie on cache lines of their own.
struct MlaPool {
  _Alignas(CACHE_LINE) _Atomic uint64_t ticket; // parts << 32 | next part
  _Alignas(CACHE_LINE) _Atomic uint32_t epoch;  // launches so far; idle workers wait for it to change
  _Atomic bool is_stopping;
  _Alignas(CACHE_LINE) _Atomic uint32_t n_done; // parts of this launch
  _Alignas(CACHE_LINE) _Atomic int n_asleep;    // workers in futex wait, or about to be
  _Atomic bool caller_sleeps;
  _Alignas(CACHE_LINE) MlaJob job;
  int threads, n_started;
  Worker *workers; // [threads]; 0 is the caller
};

#if defined(__x86_64__) || defined(__i386__)
static inline void pause_core(void) {
  __builtin_ia32_pause();
}
#elif defined(__aarch64__)
static inline void pause_core(void) {
  __asm__ volatile("yield");
}
#else
static inline void pause_core(void) {}
#endif

static void futex_wait(_Atomic uint32_t *word, uint32_t expected) {
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word, int n) {
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
}

// Waits a little for *word to become `wanted` (is_equal) or anything else (!is_equal). False: not yet.
static bool spin(_Atomic uint32_t *word, uint32_t wanted, bool is_equal) {
  for (int i = 0; i < N_PAUSES + N_YIELDS; i++) {
    if ((atomic_load_explicit(word, memory_order_acquire) == wanted) == is_equal) return true;
    if (i < N_PAUSES)
      pause_core();
    else
      sched_yield();
  }
  return false;
}

// Runs parts until there are none.
static void work(MlaPool *pool, int worker) {
  for (;;) {
    uint64_t ticket = atomic_fetch_add_explicit(&pool->ticket, 1, memory_order_acq_rel);
    uint32_t part = (uint32_t)ticket, parts = (uint32_t)(ticket >> 32);
    if (part >= parts) return;
    const MlaJob *job = &pool->job;
    job->kernel(job->buf, job->batch, job->scratch + worker * job->scratch_stride, (int)part, (int)parts);
    // The last count lets the caller go on and reuse `job`, so nothing of it is touched after this line.
    uint32_t done = atomic_fetch_add(&pool->n_done, 1) + 1;
    if (done != parts) continue;
    if (worker != 0 && atomic_load(&pool->caller_sleeps)) futex_wake(&pool->n_done, 1);
    return;
  }
}

static uint32_t wait_for_launch(MlaPool *pool, uint32_t seen) {
  while (!spin(&pool->epoch, seen, false)) {
    atomic_fetch_add(&pool->n_asleep, 1);
    if (atomic_load(&pool->epoch) == seen) futex_wait(&pool->epoch, seen);
    atomic_fetch_sub(&pool->n_asleep, 1);
  }
  return atomic_load_explicit(&pool->epoch, memory_order_acquire);
}

static void *worker_main(void *argument) {
  Worker *worker = argument;
  MlaPool *pool = worker->pool;
  for (uint32_t seen = 0;;) {
    seen = wait_for_launch(pool, seen);
    if (atomic_load(&pool->is_stopping)) return NULL;
    work(pool, worker->index);
  }
}

static void announce(MlaPool *pool, int n_wanted) {
  atomic_fetch_add(&pool->epoch, 1);
  if (atomic_load(&pool->n_asleep) > 0) futex_wake(&pool->epoch, n_wanted);
}

static void wait_until_done(MlaPool *pool, uint32_t parts) {
  while (!spin(&pool->n_done, parts, true)) {
    atomic_store(&pool->caller_sleeps, true);
    uint32_t done = atomic_load(&pool->n_done);
    if (done != parts) futex_wait(&pool->n_done, done);
    atomic_store(&pool->caller_sleeps, false);
  }
}

void mla_pool_run(MlaPool *pool, const MlaJob *job) {
  if (job->parts == 1 || pool->threads == 1) {
    for (int part = 0; part < job->parts; part++)
      job->kernel(job->buf, job->batch, job->scratch, part, job->parts);
    return;
  }
  pool->job = *job;
  atomic_store_explicit(&pool->n_done, 0, memory_order_relaxed);
  atomic_store_explicit(&pool->ticket, (uint64_t)job->parts << 32, memory_order_release);
  announce(pool, job->parts - 1);
  work(pool, 0);
  wait_until_done(pool, (uint32_t)job->parts);
}

MlaPool *mla_pool_start(int threads, MlaError *error) {
  MlaPool *pool = aligned_alloc(CACHE_LINE, sizeof *pool);
  Worker *workers = calloc((size_t)threads, sizeof *workers);
  if (!pool || !workers) {
    free(pool);
    free(workers);
    return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory"), NULL;
  }
  memset(pool, 0, sizeof *pool);
  pool->threads = threads;
  pool->workers = workers;
  for (pool->n_started = 1; pool->n_started < threads; pool->n_started++) {
    Worker *worker = &workers[pool->n_started];
    *worker = (Worker){.pool = pool, .index = pool->n_started};
    int code = pthread_create(&worker->thread, NULL, worker_main, worker);
    if (code == 0) continue;
    mla_fail(error, MLA_ERROR_SYSTEM, "cannot start thread %d of %d: %s", pool->n_started + 1, threads,
             strerror(code));
    mla_pool_stop(pool);
    return NULL;
  }
  return pool;
}

void mla_pool_stop(MlaPool *pool) {
  atomic_store(&pool->is_stopping, true);
  atomic_fetch_add(&pool->epoch, 1);
  futex_wake(&pool->epoch, pool->threads);
  for (int i = 1; i < pool->n_started; i++) pthread_join(pool->workers[i].thread, NULL);
  free(pool->workers);
  free(pool);
}

int mla_pool_threads(const MlaPool *pool) {
  return pool->threads;
}

int mla_cpu_count(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) return CPU_COUNT(&set);
  long n = sysconf(_SC_NPROCESSORS_ONLN);
  return n > 0 ? (int)n : 1;
}
