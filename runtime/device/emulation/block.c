// Runs one block: its threads as fibers in the order of their numbers, warp by warp, until all have returned. A
// barrier lets them go on when the last one has come; when none can go on, the kernel is wrong, and who waits where
// is known.
#include "runtime/device/emulation/emulation.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

// Stacks are not a power of two apart: their tops would fall on the same sets of the cache. Below the first one is
// room for a stack that overflows, so that this can be told.
enum { STACK_STRIDE = MLA_STACK_BYTES + 64 * 9, HEADROOM = 16 << 20 };
static const size_t n_stack_bytes = HEADROOM + (size_t)STACK_STRIDE * MLA_MOST_THREADS;
static const uint64_t canary = 0x9E3779B97F4A7C15u;

bool mla_worker_init(Worker *worker) {
  worker->lanes = calloc(MLA_MOST_THREADS, sizeof *worker->lanes);
  worker->warps = calloc(MLA_MOST_THREADS / MLA_WARP, sizeof *worker->warps);
  void *stacks =
      mmap(NULL, n_stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  worker->stacks = stacks == MAP_FAILED ? NULL : stacks;
  return worker->lanes && worker->warps && worker->stacks;
}

void mla_worker_release(Worker *worker) {
  mla_release_ranges(worker);
  free(worker->lanes);
  free(worker->warps);
  if (worker->stacks) munmap(worker->stacks, n_stack_bytes);
}

bool mla_is_stack(const Worker *worker, const unsigned char *at) {
  return at >= worker->stacks && at < worker->stacks + n_stack_bytes;
}

// AddressSanitizer marks what lies around local variables until their function returns. Those of a block that was given
// up never do, and their stacks are used again.
#if defined(__SANITIZE_ADDRESS__)
void __asan_unpoison_memory_region(void const volatile *at, size_t n_bytes);
static void forget_frames(Worker *worker) {
  __asan_unpoison_memory_region(worker->stacks, n_stack_bytes);
}
#else
static void forget_frames(Worker *worker) {
  (void)worker;
}
#endif

// Back to the scheduler until it chooses this thread again.
void mla_lane_wait(Lane *lane, Waiting how, const MlaSite *site) {
  lane->waiting = how;
  lane->site = site;
  mla_fiber_switch(&lane->fiber, &lane->worker->home);
}

static void run_lane(void *argument) {
  Lane *lane = argument;
  const Emulated *emulated = lane->worker->emulated;
  emulated->entry->run(emulated->pointers, emulated->batch);
  lane->worker->n_returned++;
  mla_lane_wait(lane, MLA_RETURNED, NULL);
}

static unsigned char *stack_of(const Worker *worker, int thread) {
  return worker->stacks + HEADROOM + (size_t)thread * STACK_STRIDE;
}

static void prepare_lane(Worker *worker, int thread) {
  const Emulated *emulated = worker->emulated;
  Lane *lane = &worker->lanes[thread];
  unsigned char *low = stack_of(worker, thread);
  *lane = (Lane){.worker = worker};
  lane->self.thread.x = (unsigned)thread;
  lane->self.block.x = (unsigned)worker->block;
  lane->self.threads = (MlaIndex){(unsigned)worker->n_threads, 1, 1};
  lane->self.blocks = (MlaIndex){(unsigned)emulated->n_blocks, 1, 1};
  lane->self.stack_low = low;
  lane->self.stack_high = low + STACK_STRIDE;
  lane->self.dynamic_shared = worker->dynamic_memory;
  memcpy(low, &canary, sizeof canary);
  mla_fiber_prepare(&lane->fiber, low + 64, MLA_STACK_BYTES - 64, run_lane, lane);
}

static bool prepare(Worker *worker) {
  const MlaKernel *kernel = &worker->emulated->program->kernels[worker->emulated->launch->kernel];
  worker->n_threads = kernel->threads;
  worker->n_waiting = worker->n_returned = 0;
  worker->epoch = 0;
  worker->barrier = NULL;
  worker->has_fault = false;
  worker->recent = NULL;
  worker->has_last_ticket = false;
  worker->block_count++;
  if (!mla_shared_ranges(worker, kernel->shared_bytes)) {
    mla_note_fault(worker, 0, NULL, "out of memory for the shadow of shared memory");
    return false;
  }
  int n_warps = (worker->n_threads + MLA_WARP - 1) / MLA_WARP;
  memset(worker->warps, 0, (size_t)n_warps * sizeof *worker->warps);
  for (int w = 0; w < n_warps; w++)
    for (int i = 0; i < MLA_WARP; i++) worker->warps[w].clock[i][i] = 1;
  for (int thread = 0; thread < worker->n_threads; thread++) prepare_lane(worker, thread);
  return true;
}

static void run_thread(Worker *worker, int thread) {
  Lane *lane = &worker->lanes[thread];
  worker->unit->select(&lane->self);
  mla_fiber_switch(&worker->home, &lane->fiber);
  if (!worker->has_fault && memcmp(stack_of(worker, thread), &canary, sizeof canary) != 0)
    mla_note_fault(worker, thread, NULL, "the thread's stack overflows: its local arrays are too large");
}

// One warp as far as it comes. Whether any of its threads ran.
static bool run_warp(Worker *worker, int first) {
  int end = first + MLA_WARP < worker->n_threads ? first + MLA_WARP : worker->n_threads;
  bool has_run = false, goes_on = true;
  while (goes_on && !worker->has_fault) {
    goes_on = false;
    for (int thread = first; thread < end && !worker->has_fault; thread++) {
      if (worker->lanes[thread].waiting != MLA_RUNS) continue;
      run_thread(worker, thread);
      goes_on = has_run = true;
    }
  }
  return has_run;
}

// The first thread in this state.
static int find_waiting(const Worker *worker, Waiting how) {
  for (int thread = 0; thread < worker->n_threads; thread++)
    if (worker->lanes[thread].waiting == how) return thread;
  return -1;
}

static void note_stuck_warp(Worker *worker, int thread) {
  const Lane *lane = &worker->lanes[thread], *warp = lane - thread % MLA_WARP;
  int n = worker->n_threads - (thread - thread % MLA_WARP), other = 0;
  while (other < n && other < MLA_WARP && (!(lane->mask >> other & 1) || warp[other].waiting == MLA_IN_WARP))
    other++;
  char text[256], place[128] = "has returned";
  if (other >= n || other >= MLA_WARP)
    snprintf(text, sizeof text, "waits for lanes of mask 0x%08x that its warp does not have", lane->mask);
  else {
    if (warp[other].site) mla_describe_site(warp[other].site, place, sizeof place);
    snprintf(text, sizeof text, "waits for lane %d of mask 0x%08x, thread %d, which %s%s", other, lane->mask,
             thread - thread % MLA_WARP + other, warp[other].site ? "waits at " : "", place);
  }
  mla_note_fault(worker, thread, lane->site, text);
}

// None can go on, and not all have returned.
static void note_stuck(Worker *worker) {
  int in_warp = find_waiting(worker, MLA_IN_WARP), at_barrier = find_waiting(worker, MLA_AT_BARRIER),
      returned = find_waiting(worker, MLA_RETURNED);
  if (in_warp >= 0) {
    note_stuck_warp(worker, in_warp);
    return;
  }
  char text[256];
  snprintf(text, sizeof text, "waits at a barrier that %d of %d threads do not reach: thread %d has returned",
           worker->n_returned, worker->n_threads, returned);
  mla_note_fault(worker, at_barrier, worker->lanes[at_barrier].site, text);
}

static void pass_barrier(Worker *worker) {
  worker->epoch++;
  worker->n_waiting = 0;
  worker->barrier = NULL;
  for (int thread = 0; thread < worker->n_threads; thread++) {
    worker->lanes[thread].waiting = MLA_RUNS;
    worker->lanes[thread].site = NULL;
  }
}

void mla_emulate_block(void *const *buf, long batch, void *scratch, int part, int parts) {
  (void)batch, (void)parts;
  Worker *worker = scratch;
  worker->emulated = buf[0];
  if (atomic_load(&worker->emulated->first_fault) < part) return;
  worker->block = part;
  if (!prepare(worker)) return;
  while (worker->n_returned < worker->n_threads && !worker->has_fault) {
    bool has_run = false;
    for (int first = 0; first < worker->n_threads && !worker->has_fault; first += MLA_WARP)
      has_run |= run_warp(worker, first);
    bool is_stuck = !has_run && worker->n_returned < worker->n_threads;
    if (worker->n_waiting == worker->n_threads)
      pass_barrier(worker);
    else if (is_stuck && !worker->has_fault)
      note_stuck(worker);
  }
  if (worker->has_fault) forget_frames(worker);
}

// ---- services -------------------------------------------------------------------------------------------------
static void block_barrier(MlaThread *thread, const MlaSite *site) {
  Lane *lane = (Lane *)thread;
  Worker *worker = lane->worker;
  if (worker->barrier && worker->barrier != site) {
    char other[128];
    mla_describe_site(worker->barrier, other, sizeof other);
    mla_fault_at(lane, site, "waits at a barrier while thread %d of the block waits at another, %s",
                 worker->barrier_thread, other);
  }
  if (!worker->barrier) worker->barrier_thread = (int)thread->thread.x;
  worker->barrier = site;
  worker->n_waiting++;
  mla_lane_wait(lane, MLA_AT_BARRIER, site);
}

static void say_fault(MlaThread *thread, const char *file, int line, const void *caller, const char *what) {
  Lane *lane = (Lane *)thread;
  if (caller && mla_is_prelude(file)) mla_fault_from(lane, caller, "%s", what);
  mla_fault_at(lane, &(MlaSite){file, line}, "%s", what);
}

const MlaServices mla_emulation_services = {block_barrier,   mla_collective, mla_touch,
                                            mla_take_ticket, mla_guard,      say_fault};
