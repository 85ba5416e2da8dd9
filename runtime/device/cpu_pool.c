// The thread pool. A step is handed to it as a whole: tasks (launches) that wait for each other, each in parts. Tasks
// whose inputs are complete stand in a list, in the order in which they became so; workers take parts from its head
// by an atomic counter. So nobody waits at the end of a launch if another can begin, small launches run side by side,
// and a thread that loses its core delays one part and what depends on it. Results cannot depend on who ran what:
// a part's work is fixed by its number, and launches that touch the same bytes are ordered.
//
// Who ends a task appends those that waited for it alone and goes on with the list itself. It wakes sleepers only for
// parts that it cannot take: a chain of launches of one part runs on one core and wakes nobody.
//
// Who finds the list empty waits for `news`, which changes when something was appended and when all is done: by pause
// instructions for a few microseconds (launches follow each other quickly), then on a futex. In company, that is while
// other processes take our cores (the kernel counts when a thread was put off one), nobody spins: a core with nothing
// to do is free at once for a worker that lost its own, and the two cores are shared as three threads should share them.
//
// The caller resets the tasks for a run while nobody looks at them: workers count themselves `inside` while they do, and only
// look if the run `is_open`. Both orders are sequentially consistent: one of the two sees the other.
#include "runtime/device/cpu_pool.h"
#include "runtime/device/cpu_count.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { CACHE_LINE = 64, PAUSES_BETWEEN_LOOKS = 16 };
static const double most_spin_seconds = 50e-6;
// Company: each thread is put off its core more often than this, counted over at least so long. What runs on any machine
// beside us does so some tens of times; who wants the whole core, some hundreds of times.
static const double company_a_second = 100, count_seconds = 50e-3;

typedef struct Worker {
  MlaPool *pool;
  pthread_t thread;
  int index;
} Worker;

// Words written by different threads lie on cache lines of their own.
struct MlaPool {
  _Alignas(CACHE_LINE) _Atomic uint32_t news;
  _Alignas(CACHE_LINE) _Atomic int n_asleep; // in futex wait, or about to be
  _Alignas(CACHE_LINE) _Atomic int n_inside;
  _Atomic bool is_open, is_stopping;
  _Alignas(CACHE_LINE) _Atomic int head; // of tasks->ready: nothing is left before it
  _Alignas(CACHE_LINE) _Atomic int tail; // places given out
  _Atomic int n_left;                    // tasks that are not done
  _Alignas(CACHE_LINE) const MlaWork *work;
  double spin_seconds; // at most; 0: in company
  double counted_at;   // of now(): when `n_put_off` was counted
  long n_put_off;      // times that a thread of this process was put off its core
  int threads, n_started;
  bool has_cores;  // one for each thread
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

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// ---- waiting ----

static bool spin(MlaPool *pool, uint32_t seen) {
  if (pool->spin_seconds == 0) return false;
  double end = now() + pool->spin_seconds;
  do {
    for (int i = 0; i < PAUSES_BETWEEN_LOOKS; i++) {
      if (atomic_load_explicit(&pool->news, memory_order_acquire) != seen) return true;
      pause_core();
    }
  } while (now() < end);
  return false;
}

static void wait_for_news(MlaPool *pool, uint32_t seen) {
  if (spin(pool, seen)) return;
  atomic_fetch_add(&pool->n_asleep, 1);
  while (atomic_load(&pool->news) == seen)
    syscall(SYS_futex, &pool->news, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
  atomic_fetch_sub(&pool->n_asleep, 1);
}

static void tell(MlaPool *pool, int n_wanted) {
  atomic_fetch_add(&pool->news, 1);
  if (n_wanted > 0 && atomic_load(&pool->n_asleep) > 0)
    syscall(SYS_futex, &pool->news, FUTEX_WAKE_PRIVATE, n_wanted, NULL, NULL, 0);
}

// ---- working ----

// Returns its parts.
static int append(MlaPool *pool, int task) {
  MlaTasks *tasks = pool->work->tasks;
  int place = atomic_fetch_add(&pool->tail, 1);
  atomic_store_explicit(&tasks->ready[place], task, memory_order_release);
  return tasks->items[task].parts;
}

static bool take(MlaPool *pool, int *task, int *part) {
  MlaTasks *tasks = pool->work->tasks;
  for (;;) {
    int head = atomic_load_explicit(&pool->head, memory_order_acquire);
    if (head == tasks->n) return false;
    *task = atomic_load_explicit(&tasks->ready[head], memory_order_acquire);
    if (*task < 0) return false;
    int parts = tasks->items[*task].parts;
    *part = atomic_fetch_add(&tasks->states[*task].next, 1);
    if (*part >= parts - 1) atomic_compare_exchange_strong(&pool->head, &head, head + 1);
    if (*part < parts) return true;
  }
}

static void note_span(MlaSpans *spans, int task, double begin, double end) {
  MlaSpan *last = spans->n ? &spans->items[spans->n - 1] : NULL;
  if (!last || last->task != task) {
    last = &spans->items[spans->n++];
    *last = (MlaSpan){.task = task, .begin = begin};
  }
  last->n_parts++;
  last->end = end;
}

static void run_part(const MlaWork *work, int worker, int task, int part) {
  const MlaTask *t = &work->tasks->items[task];
  double begin = work->spans ? now() : 0;
  t->kernel(t->buf, work->batch, work->scratch + worker * work->scratch_stride, part, t->parts);
  if (work->spans) note_span(&work->spans[worker], task, begin, now());
}

static void end_task(MlaPool *pool, int task) {
  MlaTasks *tasks = pool->work->tasks;
  int n_new = 0;
  for (int k = tasks->first[task]; k < tasks->first[task + 1]; k++)
    if (atomic_fetch_sub(&tasks->states[tasks->behind[k]].n_missing, 1) == 1)
      n_new += append(pool, tasks->behind[k]);
  bool is_last = atomic_fetch_sub(&pool->n_left, 1) == 1;
  if (n_new || is_last) tell(pool, is_last ? INT_MAX : n_new - 1);
}

// Takes parts until none is there.
static void work(MlaPool *pool, int worker) {
  int task, part;
  while (take(pool, &task, &part)) {
    run_part(pool->work, worker, task, part);
    MlaTasks *tasks = pool->work->tasks;
    if (atomic_fetch_add(&tasks->states[task].n_done, 1) + 1 == tasks->items[task].parts)
      end_task(pool, task);
  }
}

static void *worker_main(void *argument) {
  Worker *worker = argument;
  MlaPool *pool = worker->pool;
  while (!atomic_load(&pool->is_stopping)) {
    uint32_t seen = atomic_load(&pool->news);
    atomic_fetch_add(&pool->n_inside, 1);
    if (atomic_load(&pool->is_open)) work(pool, worker->index);
    atomic_fetch_sub(&pool->n_inside, 1);
    if (!atomic_load(&pool->is_stopping)) wait_for_news(pool, seen);
  }
  return NULL;
}

// ---- a run ----

static void run_in_order(const MlaWork *work) {
  for (int i = 0; i < work->tasks->n; i++)
    for (int part = 0; part < work->tasks->items[i].parts; part++) run_part(work, 0, i, part);
}

static void open_run(MlaPool *pool, const MlaWork *work) {
  MlaTasks *tasks = work->tasks;
  int n_parts = 0;
  pool->work = work;
  atomic_store(&pool->head, 0);
  atomic_store(&pool->tail, 0);
  atomic_store(&pool->n_left, tasks->n);
  for (int i = 0; i < tasks->n; i++) {
    MlaTaskState *state = &tasks->states[i];
    atomic_store_explicit(&state->next, 0, memory_order_relaxed);
    atomic_store_explicit(&state->n_done, 0, memory_order_relaxed);
    atomic_store_explicit(&state->n_missing, tasks->items[i].n_before, memory_order_relaxed);
    atomic_store_explicit(&tasks->ready[i], -1, memory_order_relaxed);
  }
  for (int i = 0; i < tasks->n; i++)
    if (tasks->items[i].n_before == 0) n_parts += append(pool, i);
  atomic_store(&pool->is_open, true);
  tell(pool, n_parts - 1);
}

static void look_for_company(MlaPool *pool) {
  struct rusage usage;
  double time = now(), passed = time - pool->counted_at;
  if (passed < count_seconds || getrusage(RUSAGE_SELF, &usage) != 0) return;
  double rate = (double)(usage.ru_nivcsw - pool->n_put_off) / passed;
  pool->counted_at = time;
  pool->n_put_off = usage.ru_nivcsw;
  pool->spin_seconds = pool->has_cores && rate < company_a_second * pool->threads ? most_spin_seconds : 0;
}

void mla_pool_run(MlaPool *pool, const MlaWork *run) {
  for (int i = 0; i < pool->threads && run->spans; i++) run->spans[i].n = 0;
  bool is_alone = run->tasks->n == 1 && run->tasks->items[0].parts == 1;
  if (is_alone || pool->threads == 1) {
    run_in_order(run);
    return;
  }
  look_for_company(pool);
  open_run(pool, run);
  for (;;) {
    uint32_t seen = atomic_load(&pool->news);
    work(pool, 0);
    if (atomic_load(&pool->n_left) == 0) break;
    wait_for_news(pool, seen);
  }
  atomic_store(&pool->is_open, false);
  while (atomic_load(&pool->n_inside) > 0) sched_yield();
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
  pool->has_cores = threads <= mla_cpu_count();
  pool->spin_seconds = pool->has_cores ? most_spin_seconds : 0;
  for (pool->n_started = 1; pool->n_started < threads; pool->n_started++) {
    Worker *worker = &workers[pool->n_started];
    *worker = (Worker){.pool = pool, .index = pool->n_started};
    int code = pthread_create(&worker->thread, NULL, worker_main, worker);
    if (code == 0) continue;
    mla_fail(error, MLA_ERROR_SYSTEM,
             "cannot start thread %d of %d: %s; this machine has %d cores for --threads", pool->n_started + 1,
             threads, strerror(code), mla_cpu_count());
    mla_pool_stop(pool);
    return NULL;
  }
  return pool;
}

void mla_pool_stop(MlaPool *pool) {
  atomic_store(&pool->is_stopping, true);
  tell(pool, INT_MAX);
  for (int i = 1; i < pool->n_started; i++) pthread_join(pool->workers[i].thread, NULL);
  free(pool->workers);
  free(pool);
}

int mla_pool_threads(const MlaPool *pool) {
  return pool->threads;
}
