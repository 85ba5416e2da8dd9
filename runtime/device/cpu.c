// The CPU device: kernels compiled by the host's compiler, one allocation, a pool of threads.
#include "runtime/device/backend.h"
#include "runtime/device/room.h"
#include "runtime/device/cpu_count.h"
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
  bool verbose, has_warned, is_profiled, is_traced;
} Cpu;

typedef struct CpuStep {
  MlaBinding binding;
  MlaTasks tasks;
} CpuStep;

typedef struct CpuLoaded {
  MlaLoaded loaded;
  MlaCode code;
  CpuStep train, eval;
  unsigned char *scratch; // [threads][scratch_stride]
  long scratch_stride;    // a multiple of 64
  MlaSpans *spans;        // [threads], if launches are timed
  double *seconds;        // [train.n_launches], summed over the steps run
  double timed_since;     // of now(): when the first of them began
} CpuLoaded;

// "cpu family 26, model 2, model name AMD EPYC, stepping 1": the first processor, as far as it says.
static void describe_kind(char *kind, size_t n_bytes) {
  static const char *const keys[] = {"cpu family", "model", "stepping", "CPU part"};
  FILE *file = fopen("/proc/cpuinfo", "r");
  char line[256];
  size_t used = 0;
  while (file && fgets(line, sizeof line, file) && line[0] != '\n')
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
      const char *value = strchr(line, ':');
      if (!value || strncmp(line, keys[i], strlen(keys[i])) != 0) continue;
      line[strcspn(line, "\n")] = 0;
      int n = snprintf(kind + used, n_bytes - used, "%s%.*s%s", used ? ", " : "", (int)strcspn(line, "\t:"),
                       line, value + 1);
      used = used + (size_t)n < n_bytes ? used + (size_t)n : n_bytes - 1;
    }
  if (file) fclose(file);
}

bool mla_cpu_open(MlaDevice *device, const MlaDeviceOptions *options, MlaError *error) {
  if (options->threads < 0)
    return mla_fail(error, MLA_ERROR_SYSTEM, "%d threads asked for", options->threads);
  Cpu *cpu = calloc(1, sizeof *cpu);
  if (!cpu) return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  device->self = cpu;
  describe_kind(device->kind, sizeof device->kind);
  cpu->verbose = options->verbose;
  cpu->is_traced = options->is_traced;
  cpu->is_profiled = options->is_profiled || options->is_traced;
  cpu->cache_dir = options->cache_dir ? strdup(options->cache_dir) : NULL;
  bool has_memory =
      !options->cache_dir || cpu->cache_dir || mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  if (has_memory) cpu->pool = mla_pool_start(options->threads ? options->threads : mla_cpu_count(), error);
  if (cpu->pool) {
    int n = mla_pool_threads(cpu->pool);
    snprintf(device->about, sizeof device->about, "%d thread%s", n, n == 1 ? "" : "s");
    device->n_workers = n;
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
  if (self->scratch) return true;
  return mla_fail(error, MLA_ERROR_SYSTEM, "cannot allocate %.1f MiB of scratch",
                  (double)self->loaded.scratch_bytes / (1 << 20));
}

static bool allocate_times(CpuLoaded *self, const Cpu *cpu, MlaError *error) {
  const MlaStep *step = &self->loaded.program->train;
  int threads = mla_pool_threads(cpu->pool);
  size_t n_parts = 1;
  if (!cpu->is_profiled) return true;
  for (int i = 0; i < step->n_launches; i++) n_parts += (size_t)step->launches[i].parts;
  self->seconds = calloc((size_t)step->n_launches + 1, sizeof *self->seconds);
  self->spans = calloc((size_t)threads, sizeof *self->spans);
  bool good = self->seconds && self->spans;
  for (int i = 0; i < threads && good; i++)
    good = (self->spans[i].items = malloc(n_parts * sizeof *self->spans[i].items)) != NULL;
  self->loaded.launch_seconds = self->seconds;
  return good || mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool compile(CpuLoaded *self, Cpu *cpu, MlaError *error) {
  const MlaProgram *program = self->loaded.program;
  MlaJitOptions options = {
      .cache_dir = cpu->cache_dir, .verbose = cpu->verbose, .has_warned = &cpu->has_warned};
  const char *flags = program->compile_flags ? program->compile_flags : "";
  MlaCompiler compiler = {0};
  double start = now();
  if (program->n_kernels && !mla_compiler_find(&compiler, &mla_language_c, flags, error)) {
    mla_compiler_release(&compiler);
    return false;
  }
  self->loaded.load_times.toolchain = now() - start;
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

// One thread keeps the step's order, several what launches do to each other's bytes.
static bool make_tasks(CpuLoaded *self, const MlaStep *step, CpuStep *result, MlaError *error) {
  const Cpu *cpu = self->loaded.device->self;
  MlaDependencies dependencies = {0};
  bool has_order = mla_pool_threads(cpu->pool) > 1;
  if (!mla_bind(&self->loaded, step, &result->binding, error)) return false;
  if (has_order && !mla_dependencies(self->loaded.program, step, &dependencies, error)) return false;
  bool good = mla_tasks_make(&result->tasks, step->n_launches, has_order ? &dependencies : NULL, error);
  mla_dependencies_free(&dependencies);
  for (int i = 0; i < step->n_launches && good; i++) {
    MlaTask *task = &result->tasks.items[i];
    // ISO C has no conversion from an object pointer to a function's; POSIX promises that the bytes are the same.
    memcpy(&task->kernel, &self->code.kernels[step->launches[i].kernel], sizeof task->kernel);
    task->buf = result->binding.of_launch[i];
    task->parts = step->launches[i].parts;
  }
  return good;
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
      !allocate_scratch(self, cpu, error) || !allocate_times(self, cpu, error) ||
      !compile(self, cpu, error) || !make_tasks(self, &program->train, &self->train, error) ||
      !make_tasks(self, &program->eval, &self->eval, error)) {
    mla_cpu_unload(loaded);
    return NULL;
  }
  mla_jit_describe(&self->code, loaded);
  return loaded;
}

// A launch's time is what workers spent in it over their number: all times and the waiting add up to the step's.
static void add_times(CpuLoaded *self, int threads) {
  for (int w = 0; w < threads; w++)
    for (int i = 0; i < self->spans[w].n; i++) {
      const MlaSpan *span = &self->spans[w].items[i];
      self->seconds[span->task] += (span->end - span->begin) / threads;
    }
}

static void add_events(CpuLoaded *self, int threads) {
  MlaTrace *trace = &self->loaded.trace;
  int n = 0;
  for (int w = 0; w < threads; w++) n += self->spans[w].n;
  MlaTracedStep *step = mla_trace_begin(trace, n);
  for (int w = 0; w < threads && step; w++)
    for (int i = 0; i < self->spans[w].n; i++) {
      const MlaSpan *span = &self->spans[w].items[i];
      step->events[step->n++] = (MlaEvent){.launch = span->task,
                                           .worker = w,
                                           .n_parts = span->n_parts,
                                           .begin = span->begin - self->timed_since,
                                           .end = span->end - self->timed_since};
    }
  trace->n_workers = threads;
  if (step) mla_trace_end(trace);
}

static void add_step(CpuLoaded *self, const Cpu *cpu, double begin) {
  MlaLoaded *loaded = &self->loaded;
  if (loaded->n_timed == 0) self->timed_since = begin;
  loaded->timed_seconds += now() - begin;
  loaded->n_timed++;
  add_times(self, mla_pool_threads(cpu->pool));
  if (cpu->is_traced) add_events(self, mla_pool_threads(cpu->pool));
}

bool mla_cpu_run(MlaLoaded *loaded, const MlaStep *step, int64_t batch, MlaError *error) {
  CpuLoaded *self = (CpuLoaded *)loaded;
  Cpu *cpu = loaded->device->self;
  if (!mla_check_step(loaded, step, batch, error)) return false;
  bool is_timed = self->spans && mla_is_timed(loaded->program, step, batch);
  MlaWork work = {.tasks = &(step == &loaded->program->train ? &self->train : &self->eval)->tasks,
                  .batch = (long)batch,
                  .scratch = self->scratch,
                  .scratch_stride = self->scratch_stride,
                  .spans = is_timed ? self->spans : NULL};
  double begin = is_timed ? now() : 0;
  mla_pool_run(cpu->pool, &work);
  if (is_timed) add_step(self, cpu, begin);
  loaded->n_launches += step->n_launches;
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

static void free_step(CpuStep *step) {
  mla_unbind(&step->binding);
  mla_tasks_free(&step->tasks);
}

void mla_cpu_unload(MlaLoaded *loaded) {
  CpuLoaded *self = (CpuLoaded *)loaded;
  mla_jit_unload(&self->code);
  free_step(&self->train);
  free_step(&self->eval);
  int threads = mla_pool_threads(((const Cpu *)loaded->device->self)->pool);
  for (int i = 0; i < threads && self->spans; i++) free(self->spans[i].items);
  free(self->spans);
  mla_trace_free(&loaded->trace);
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
