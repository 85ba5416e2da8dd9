// The emulated-cuda device: emitted CUDA on the CPU. A launch is a job of the thread pool, with a block for each part;
// what one block does is emulation/block.c.
#include "runtime/device/backend.h"
#include "runtime/device/room.h"
#include "runtime/device/cpu_count.h"
#include "runtime/device/cpu_pool.h"
#include "runtime/device/emulation/compile.h"
#include "runtime/device/emulation/emulation.h"
#include "runtime/device/emulation/views.h"
#include "runtime/program_check.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

typedef struct Device {
  MlaPool *pool;
  char *cache_dir; // NULL: the usual places
  bool verbose, has_warned;
} Device;

typedef struct Loaded {
  MlaLoaded loaded;
  MlaCode code;
  MlaViews views;
  MlaBinding train, eval, prepare_train, prepare_eval;
  unsigned char *packets[MLA_N_PACKETS]; // the host's copies
  Emulated emulated;
  MlaTasks task; // the launch that runs: its blocks are the parts
  size_t n_stamp_bytes;
  Worker *workers; // [threads]
  int n_workers;   // made ready
  double *seconds; // [train.n_launches]
} Loaded;

bool mla_emulated_cuda_open(MlaDevice *device, const MlaDeviceOptions *options, MlaError *error) {
  if (options->threads < 0)
    return mla_fail(error, MLA_ERROR_SYSTEM, "%d threads asked for", options->threads);
  Device *self = calloc(1, sizeof *self);
  if (!self) return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  device->self = self;
  self->verbose = options->verbose;
  self->cache_dir = options->cache_dir ? strdup(options->cache_dir) : NULL;
  bool good = !options->cache_dir || self->cache_dir || mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  if (good) self->pool = mla_pool_start(options->threads ? options->threads : mla_cpu_count(), error);
  if (self->pool) {
    int n = mla_pool_threads(self->pool);
    snprintf(device->about, sizeof device->about, "%d thread%s", n, n == 1 ? "" : "s");
    snprintf(device->kind, sizeof device->kind, "emulated");
    return true;
  }
  mla_emulated_cuda_close(device);
  return false;
}

static bool check_launches(const MlaProgram *program, const MlaLaunch *launches, int n, MlaError *error) {
  for (int i = 0; i < n; i++) {
    const MlaLaunch *launch = &launches[i];
    if (launch->kernel < 0)
      return mla_fail(error, MLA_ERROR_INPUT,
                      "launch `%s` has no kernel: the program is the reference device's", launch->name);
    int threads = program->kernels[launch->kernel].threads;
    if (threads < 1 || threads > MLA_MOST_THREADS || launch->grid.per_block < 1)
      return mla_fail(error, MLA_ERROR_INPUT, "launch `%s` has no blocks or no threads", launch->name);
  }
  return true;
}

static bool check_step(const MlaProgram *program, const MlaStep *step, MlaError *error) {
  return check_launches(program, step->launches, step->n_launches, error) &&
         check_launches(program, step->prepare, step->n_prepare, error);
}

static int larger_extents(int most, const MlaLaunch *launches, int n_launches) {
  for (int i = 0; i < n_launches; i++) {
    const MlaLaunch *launch = &launches[i];
    int n = launch->n_reads + launch->n_writes + launch->n_buffers;
    if (n > most) most = n;
  }
  return most;
}

static int most_extents(const MlaStep *step) {
  int most = larger_extents(0, step->launches, step->n_launches);
  return larger_extents(most, step->prepare, step->n_prepare);
}

// Stamps are pages that come into being where something is touched.
static bool allocate(Loaded *self, const Device *device, MlaError *error) {
  const MlaProgram *program = self->loaded.program;
  Emulated *emulated = &self->emulated;
  int threads = mla_pool_threads(device->pool), most = most_extents(&program->train);
  if (most_extents(&program->eval) > most) most = most_extents(&program->eval);
  emulated->extents = calloc((size_t)most + 1, sizeof *emulated->extents);
  self->seconds = calloc((size_t)program->train.n_launches + 1, sizeof *self->seconds);
  self->loaded.launch_seconds = self->seconds;
  self->workers = aligned_alloc(_Alignof(Worker), (size_t)threads * sizeof *self->workers);
  self->n_stamp_bytes = ((size_t)self->loaded.n_bytes / 4 + 2) * sizeof(Stamps);
  void *stamps = mmap(NULL, self->n_stamp_bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  emulated->stamps = stamps == MAP_FAILED ? NULL : stamps;
  if (!emulated->extents || !self->seconds || !self->workers || !emulated->stamps)
    return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  memset(self->workers, 0, (size_t)threads * sizeof *self->workers);
  while (self->n_workers < threads)
    if (!mla_worker_init(&self->workers[self->n_workers++]))
      return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory for the stacks of %d threads",
                      MLA_MOST_THREADS);
  emulated->program = program;
  if (!mla_tasks_make(&self->task, 1, NULL, error)) return false;
  emulated->first = 1;
  return true;
}

void mla_emulated_cuda_room(const MlaDevice *device, const MlaProgram *program, MlaRoom *room) {
  (void)device, (void)program;
  *room = (MlaRoom){.free_bytes = -1};
  mla_host_room(room);
}

static bool bind(Loaded *self, const MlaStep *step, MlaBinding *launches, MlaBinding *prepare,
                 MlaError *error) {
  MlaStep prepared = mla_prepare_step(step);
  return mla_views_bind(&self->loaded, &self->views, step, launches, error) &&
         mla_views_bind(&self->loaded, &self->views, &prepared, prepare, error);
}

static bool allocate_packets(Loaded *self, MlaError *error) {
  size_t n_bytes = (size_t)(self->loaded.program->packet.n_bytes + 63) / 64 * 64;
  for (int i = 0; i < MLA_N_PACKETS && n_bytes; i++) {
    self->packets[i] = aligned_alloc(64, n_bytes);
    if (!self->packets[i]) return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
    memset(self->packets[i], 0, n_bytes);
  }
  return true;
}

MlaLoaded *mla_emulated_cuda_load(MlaDevice *device, const MlaProgram *program, MlaError *error) {
  Device *cuda = device->self;
  Loaded *self = calloc(1, sizeof *self);
  if (!self) return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory"), NULL;
  MlaLoaded *loaded = &self->loaded;
  *loaded = (MlaLoaded){.device = device, .program = program};
  pthread_mutex_init(&self->emulated.mutex, NULL);
  MlaJitOptions options = {
      .cache_dir = cuda->cache_dir, .verbose = cuda->verbose, .has_warned = &cuda->has_warned};
  if (!mla_program_check(program, error) || !mla_check_target(device, program, error) ||
      !check_step(program, &program->train, error) || !check_step(program, &program->eval, error) ||
      !mla_check_room(device, program, error) || !mla_views_alloc(loaded, &self->views, error) ||
      !allocate(self, cuda, error) ||
      !bind(self, &program->train, &self->train, &self->prepare_train, error) ||
      !bind(self, &program->eval, &self->eval, &self->prepare_eval, error) ||
      !allocate_packets(self, error) || !mla_emulation_compile(program, &options, &self->code, error)) {
    mla_emulated_cuda_unload(loaded);
    return NULL;
  }
  mla_jit_describe(&self->code, loaded);
  return loaded;
}

// ---- a launch -------------------------------------------------------------------------------------------------
// Of the launch's buffers the one through which it reaches `touched`: itself, or one that it is a part of.
static int way_to(const MlaProgram *program, const MlaLaunch *launch, int touched) {
  const MlaBuffer *part = &program->buffers[touched];
  for (int i = 0; i < launch->n_buffers; i++)
    if (launch->buffers[i] == touched) return i;
  for (int i = 0; i < launch->n_buffers; i++) {
    const MlaBuffer *whole = launch->buffers[i] < 0 ? NULL : &program->buffers[launch->buffers[i]];
    if (whole && whole->region == part->region && whole->offset <= part->offset &&
        part->offset + part->n_bytes <= whole->offset + whole->n_bytes)
      return i;
  }
  return -1;
}

// What the launch writes it may read once it has written it; what it reads, a launch of this step has, or an upload.
static uint32_t oldest_writer(const Emulated *emulated, const MlaLaunch *launch, const MlaBuffer *buffer,
                              bool is_written) {
  bool is_told = launch->n_reads + launch->n_writes > 0;
  if (buffer->region != MLA_WORK || !is_told) return 0;
  return is_written ? emulated->number : emulated->first;
}

static void add_extent(Loaded *self, const MlaLaunch *launch, void *const *pointers, int touched,
                       bool is_written) {
  Emulated *emulated = &self->emulated;
  const MlaProgram *program = self->loaded.program;
  int way = way_to(program, launch, touched);
  if (way < 0) return;
  const MlaBuffer *buffer = &program->buffers[touched];
  const unsigned char *begin = pointers[way];
  begin += buffer->offset - program->buffers[launch->buffers[way]].offset;
  int64_t place = self->loaded.region_start[buffer->region] + buffer->offset;
  emulated->extents[emulated->n_extents++] =
      (Extent){begin,      begin + buffer->n_bytes,
               touched,    &emulated->stamps[place / 4],
               is_written, oldest_writer(emulated, launch, buffer, is_written)};
}

static void take_extents(Loaded *self, const MlaLaunch *launch, void *const *pointers) {
  bool is_told = launch->n_reads + launch->n_writes > 0;
  self->emulated.n_extents = 0;
  for (int i = 0; i < launch->n_writes; i++) add_extent(self, launch, pointers, launch->writes[i], true);
  for (int i = 0; i < launch->n_reads; i++) add_extent(self, launch, pointers, launch->reads[i], false);
  for (int i = 0; i < launch->n_buffers && !is_told; i++)
    if (launch->buffers[i] >= 0) add_extent(self, launch, pointers, launch->buffers[i], true);
}

// Stamps of earlier launches differ in their number, which has 16 bits.
static void count_launch(Loaded *self) {
  if (++self->emulated.number <= 0xFFFF) return;
  madvise(self->emulated.stamps, self->n_stamp_bytes, MADV_DONTNEED);
  self->emulated.number = 1;
  self->emulated.first = 0;
}

static bool run_launch(Loaded *self, MlaPool *pool, const MlaLaunch *launch, void *const *pointers,
                       int64_t batch, MlaError *error) {
  Emulated *emulated = &self->emulated;
  count_launch(self);
  take_extents(self, launch, pointers);
  emulated->launch = launch;
  emulated->entry = self->code.kernels[launch->kernel];
  emulated->pointers = pointers;
  emulated->batch = (int)batch;
  emulated->n_blocks = (int)mla_blocks(&launch->grid, batch);
  if (!mla_prepare_tickets(emulated))
    return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory for %d blocks", emulated->n_blocks);
  atomic_store(&emulated->first_fault, INT_MAX);
  void *const buf[] = {emulated};
  self->task.items[0] = (MlaTask){.kernel = mla_emulate_block, .buf = buf, .parts = emulated->n_blocks};
  MlaWork work = {.tasks = &self->task,
                  .batch = (long)batch,
                  .scratch = (unsigned char *)self->workers,
                  .scratch_stride = sizeof(Worker)};
  mla_pool_run(pool, &work);
  if (atomic_load(&emulated->first_fault) != INT_MAX)
    return mla_fail(error, MLA_ERROR_SYSTEM, "%s", emulated->message);
  unsigned stands_at;
  int ticket = mla_find_open_ticket(emulated, &stands_at);
  return ticket < 0 ||
         mla_fail(error, MLA_ERROR_SYSTEM,
                  "kernel `%s` of launch `%s`: ticket %d stands at %u when all blocks are done: it was taken "
                  "for more "
                  "blocks than came",
                  self->loaded.program->kernels[launch->kernel].symbol, launch->name, ticket, stands_at);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

bool mla_emulated_cuda_run(MlaLoaded *loaded, const MlaStep *step, int64_t batch, MlaError *error) {
  Loaded *self = (Loaded *)loaded;
  Device *device = loaded->device->self;
  if (!mla_check_step(loaded, step, batch, error)) return false;
  bool is_train = step == &loaded->program->train, is_timed = mla_is_timed(loaded->program, step, batch);
  const MlaBinding *binding = is_train ? &self->train : &self->eval;
  bool good = true;
  for (int i = 0; i < step->n_launches && good; i++) {
    double before = now();
    good = run_launch(self, device->pool, &step->launches[i], binding->of_launch[i], batch, error);
    if (is_timed) self->seconds[i] += now() - before;
  }
  self->emulated.first = self->emulated.number + 1;
  if (!good) return false;
  loaded->n_launches += step->n_launches;
  loaded->n_timed += is_timed;
  return true;
}

// An upload is a launch of its own: what it brings is written.
static void stamp_upload(Loaded *self, DevPtr to, int64_t n_bytes) {
  count_launch(self);
  int64_t place = to.address - self->loaded.base.address;
  for (int64_t word = place / 4; 4 * word < place + n_bytes; word++)
    atomic_store_explicit(&self->emulated.stamps[word].writer, (uint64_t)self->emulated.number << 48,
                          memory_order_relaxed);
}

unsigned char *mla_emulated_cuda_packet(MlaLoaded *loaded, int packet, MlaError *error) {
  return mla_check_packet(loaded, NULL, packet, error) ? ((Loaded *)loaded)->packets[packet] : NULL;
}

bool mla_emulated_cuda_feed(MlaLoaded *loaded, const MlaStep *step, int packet, int64_t batch,
                            MlaError *error) {
  Loaded *self = (Loaded *)loaded;
  Device *device = loaded->device->self;
  if (!mla_check_step(loaded, step, batch, error) || !mla_check_packet(loaded, step, packet, error))
    return false;
  const MlaLaunch *launch = &step->prepare[packet];
  bool is_train = step == &loaded->program->train;
  DevPtr to = mla_buffer(loaded, launch->buffers[0]);
  int64_t n_bytes = mla_packet_bytes(loaded->program, batch);
  memcpy(to.address, self->packets[packet], (size_t)n_bytes);
  stamp_upload(self, to, n_bytes);
  loaded->n_launches++;
  return run_launch(self, device->pool, launch,
                    (is_train ? &self->prepare_train : &self->prepare_eval)->of_launch[packet], batch, error);
}

bool mla_emulated_cuda_upload(MlaLoaded *loaded, DevPtr to, const void *from, int64_t n_bytes,
                              MlaError *error) {
  if (!mla_check_range(loaded, to, n_bytes, error)) return false;
  memcpy(to.address, from, (size_t)n_bytes);
  stamp_upload((Loaded *)loaded, to, n_bytes);
  return true;
}

bool mla_emulated_cuda_download(MlaLoaded *loaded, void *to, DevPtr from, int64_t n_bytes, MlaError *error) {
  if (!mla_check_range(loaded, from, n_bytes, error)) return false;
  memcpy(to, from.address, (size_t)n_bytes);
  return true;
}

void mla_emulated_cuda_unload(MlaLoaded *loaded) {
  Loaded *self = (Loaded *)loaded;
  mla_jit_unload(&self->code);
  mla_unbind(&self->train);
  mla_unbind(&self->eval);
  mla_unbind(&self->prepare_train);
  mla_unbind(&self->prepare_eval);
  mla_tasks_free(&self->task);
  for (int i = 0; i < MLA_N_PACKETS; i++) free(self->packets[i]);
  for (int i = 0; i < self->n_workers; i++) mla_worker_release(&self->workers[i]);
  if (self->emulated.stamps) munmap(self->emulated.stamps, self->n_stamp_bytes);
  pthread_mutex_destroy(&self->emulated.mutex);
  free(self->emulated.extents);
  free(self->emulated.passes);
  free(self->workers);
  free(self->seconds);
  mla_views_free(loaded, &self->views);
  free(self);
}

void mla_emulated_cuda_close(MlaDevice *device) {
  Device *self = device->self;
  if (self->pool) mla_pool_stop(self->pool);
  free(self->cache_dir);
  free(self);
}
