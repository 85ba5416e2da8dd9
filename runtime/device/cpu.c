// The CPU device: kernels compiled by the host's compiler, one allocation, a pool of threads.
#include "runtime/device/backend.h"
#include "runtime/device/room.h"
#include "runtime/device/cpu_pool.h"
#include "runtime/device/jit.h"
#include "runtime/device/jit_compiler.h"
#include "runtime/program_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct Cpu {
  MlaPool *pool;
  char *cache_dir; // NULL: the usual places
  bool verbose, has_warned;
} Cpu;

typedef struct CpuLoaded {
  MlaLoaded loaded;
  MlaCode code;
  MlaBinding train, eval;
  unsigned char *scratch; // [threads][scratch_stride]
  long scratch_stride;    // a multiple of 64
  double *seconds;        // [train.n_launches], summed over the steps run
} CpuLoaded;

bool mla_cpu_open(MlaDevice *device, const MlaDeviceOptions *options, MlaError *error) {
  if (options->threads < 0)
    return mla_fail(error, MLA_ERROR_SYSTEM, "%d threads asked for", options->threads);
  Cpu *cpu = calloc(1, sizeof *cpu);
  if (!cpu) return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  device->self = cpu;
  cpu->verbose = options->verbose;
  cpu->cache_dir = options->cache_dir ? strdup(options->cache_dir) : NULL;
  bool has_memory =
      !options->cache_dir || cpu->cache_dir || mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  if (has_memory) cpu->pool = mla_pool_start(options->threads ? options->threads : mla_cpu_count(), error);
  if (cpu->pool) {
    int n = mla_pool_threads(cpu->pool);
    snprintf(device->about, sizeof device->about, "%d thread%s", n, n == 1 ? "" : "s");
    return true;
  }
  mla_cpu_close(device);
  return false;
}

static bool check_kernels(const MlaStep *step, MlaError *error) {
  for (int i = 0; i < step->n_launches; i++)
    if (step->launches[i].kernel < 0)
      return mla_fail(error, MLA_ERROR_INPUT,
                      "launch `%s` has no kernel: the program is the reference device's",
                      step->launches[i].name);
  return true;
}

// Bytes from one worker's scratch to the next's: an odd number of cache lines, so that they do not fall on the same sets
// of the cache.
static int64_t scratch_stride(const MlaProgram *program) {
  int64_t largest = 0;
  for (int i = 0; i < program->n_kernels; i++)
    if (program->kernels[i].scratch_bytes > largest) largest = program->kernels[i].scratch_bytes;
  return ((largest + 63) / 64 | 1) * 64;
}

static bool allocate_scratch(CpuLoaded *self, const Cpu *cpu, MlaError *error) {
  const MlaProgram *program = self->loaded.program;
  self->scratch_stride = (long)scratch_stride(program);
  self->loaded.scratch_bytes = self->scratch_stride * mla_pool_threads(cpu->pool);
  self->scratch = aligned_alloc(64, (size_t)self->loaded.scratch_bytes);
  self->seconds = calloc((size_t)program->train.n_launches + 1, sizeof *self->seconds);
  self->loaded.launch_seconds = self->seconds;
  if (self->scratch && self->seconds) return true;
  return mla_fail(error, MLA_ERROR_SYSTEM, "cannot allocate %.1f MiB of scratch",
                  (double)self->loaded.scratch_bytes / (1 << 20));
}

static bool compile(CpuLoaded *self, Cpu *cpu, MlaError *error) {
  const MlaProgram *program = self->loaded.program;
  MlaJitOptions options = {
      .cache_dir = cpu->cache_dir, .verbose = cpu->verbose, .has_warned = &cpu->has_warned};
  const char *flags = program->compile_flags ? program->compile_flags : "";
  MlaCompiler compiler = {0};
  if (program->n_kernels && !mla_compiler_find(&compiler, &mla_language_c, flags, error)) {
    mla_compiler_release(&compiler);
    return false;
  }
  MlaToolchain toolchain = mla_compiler_toolchain(&compiler);
  bool good = mla_jit_load(program, &toolchain, &options, &self->code, error);
  mla_compiler_release(&compiler);
  self->code.toolchain.self = NULL;
  return good;
}

void mla_cpu_room(const MlaDevice *device, const MlaProgram *program, MlaRoom *room) {
  *room = (MlaRoom){.free_bytes = -1, .beside = "the workers' scratch"};
  room->beside_bytes = scratch_stride(program) * mla_pool_threads(((const Cpu *)device->self)->pool);
  mla_host_room(room);
}

MlaLoaded *mla_cpu_load(MlaDevice *device, const MlaProgram *program, MlaError *error) {
  Cpu *cpu = device->self;
  CpuLoaded *self = calloc(1, sizeof *self);
  if (!self) return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory"), NULL;
  MlaLoaded *loaded = &self->loaded;
  *loaded = (MlaLoaded){.device = device, .program = program};
  if (!mla_program_check(program, error) || !mla_check_target(device, program, error) ||
      !check_kernels(&program->train, error) || !check_kernels(&program->eval, error) ||
      !mla_check_room(device, program, error) || !mla_host_alloc(loaded, true, error) ||
      !allocate_scratch(self, cpu, error) || !mla_bind(loaded, &program->train, &self->train, error) ||
      !mla_bind(loaded, &program->eval, &self->eval, error) || !compile(self, cpu, error)) {
    mla_cpu_unload(loaded);
    return NULL;
  }
  loaded->compile_seconds = self->code.seconds;
  loaded->n_compiled = self->code.n_compiled;
  loaded->n_cached = self->code.n_cached;
  return loaded;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

bool mla_cpu_run(MlaLoaded *loaded, const MlaStep *step, int64_t batch, MlaError *error) {
  CpuLoaded *self = (CpuLoaded *)loaded;
  Cpu *cpu = loaded->device->self;
  if (!mla_check_step(loaded, step, batch, error)) return false;
  bool is_train = step == &loaded->program->train, is_timed = mla_is_timed(loaded->program, step, batch);
  MlaJob job = {.batch = (long)batch, .scratch = self->scratch, .scratch_stride = self->scratch_stride};
  double before = now();
  for (int i = 0; i < step->n_launches; i++) {
    // ISO C has no conversion from an object pointer to a function's; POSIX promises that the bytes are the same.
    memcpy(&job.kernel, &self->code.kernels[step->launches[i].kernel], sizeof job.kernel);
    job.buf = (is_train ? &self->train : &self->eval)->of_launch[i];
    job.parts = step->launches[i].parts;
    mla_pool_run(cpu->pool, &job);
    double after = now();
    if (is_timed) self->seconds[i] += after - before;
    before = after;
  }
  loaded->n_launches += step->n_launches;
  loaded->n_timed += is_timed;
  return true;
}

bool mla_cpu_upload(MlaLoaded *loaded, DevPtr to, const void *from, int64_t n_bytes, MlaError *error) {
  if (!mla_check_range(loaded, to, n_bytes, error)) return false;
  memcpy(to.address, from, (size_t)n_bytes);
  return true;
}

bool mla_cpu_download(MlaLoaded *loaded, void *to, DevPtr from, int64_t n_bytes, MlaError *error) {
  if (!mla_check_range(loaded, from, n_bytes, error)) return false;
  memcpy(to, from.address, (size_t)n_bytes);
  return true;
}

void mla_cpu_unload(MlaLoaded *loaded) {
  CpuLoaded *self = (CpuLoaded *)loaded;
  mla_jit_unload(&self->code);
  mla_unbind(&self->train);
  mla_unbind(&self->eval);
  free(self->scratch);
  free(self->seconds);
  mla_host_free(loaded);
  free(self);
}

void mla_cpu_close(MlaDevice *device) {
  Cpu *cpu = device->self;
  if (cpu->pool) mla_pool_stop(cpu->pool);
  free(cpu->cache_dir);
  free(cpu);
}
