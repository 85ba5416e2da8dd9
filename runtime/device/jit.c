// Just-in-time compilation. Kernels found in the disk cache are loaded; the missing
// ones are split into units of about equal text, compiled by as many processes as there are processors,
// loaded and kept.
#include "runtime/device/jit.h"
#include "runtime/device/cpu_count.h"
#include "runtime/device/jit_cache.h"
#include "runtime/device/jit_compiler.h"
#include "runtime/device/kernel_cache.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// Units per processor: more would pay for the prelude more often, fewer would leave a core waiting for the
// last one.
enum { UNITS_PER_CPU = 2 };

typedef struct Unit {
  Digest hash;
  void *handle; // NULL: damaged, and removed
} Unit;

typedef struct Jit {
  const MlaProgram *program;
  const MlaJitOptions *options;
  MlaCode *code;
  MlaError *error;
  const MlaToolchain *toolchain;
  MlaCache cache;
  Digest *keys; // [n_kernels]
  Unit *units;  // those met so far: at most one for each kernel
  int n_units;
  int *missing; // kernels to compile, longest text first
  int n_missing;
  // While compiling:
  char *build_dir;
  bool is_cached; // build_dir is in the cache
  int n_sources;
  int *source_of;   // [n_missing] which source a kernel is in
  pid_t *processes; // [n_sources]
} Jit;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool fail_memory(Jit *jit) {
  return mla_fail(jit->error, MLA_ERROR_SYSTEM, "out of memory");
}

// ---- the cache
// ----------------------------------------------------------------------------------------------------

// A kernel's key: all that its machine code can depend on.
static void make_keys(Jit *jit) {
  const MlaProgram *program = jit->program;
  Sha256 common;
  mla_sha256_begin(&common);
  mla_sha256_add_text(&common, "mlaanc kernel 1");
  jit->toolchain->add_key(jit->toolchain->self, &common);
  mla_sha256_add_text(&common, program->prelude ? program->prelude : "");
  for (int i = 0; i < program->n_kernels; i++) {
    Sha256 hash = common;
    mla_sha256_add_text(&hash, program->kernels[i].symbol);
    mla_sha256_add_text(&hash, program->kernels[i].text);
    jit->keys[i] = mla_sha256_end(&hash);
  }
}

// NULL: damaged, and removed.
static void *load_cached(Jit *jit, const Digest *hash) {
  MlaError ignored = {0};
  char *path = mla_cache_unit(&jit->cache, hash);
  void *handle = path ? jit->toolchain->load(jit->toolchain->self, path, &ignored) : NULL;
  if (path && !handle) mla_cache_drop(&jit->cache, hash);
  free(path);
  return handle;
}

// A unit met twice is loaded once.
static void *load_unit(Jit *jit, const Digest *hash) {
  for (int i = 0; i < jit->n_units; i++)
    if (strcmp(jit->units[i].hash.hex, hash->hex) == 0) return jit->units[i].handle;
  void *handle = load_cached(jit, hash);
  jit->units[jit->n_units++] = (Unit){*hash, handle};
  if (handle) jit->code->units[jit->code->n_units++] = handle;
  return handle;
}

static bool take_function(Jit *jit, int kernel, void *handle) {
  jit->code->kernels[kernel] =
      jit->toolchain->find(jit->toolchain->self, handle, jit->program->kernels[kernel].symbol);
  return jit->code->kernels[kernel];
}

static bool find_kernel(Jit *jit, int kernel) {
  Digest unit;
  void *handle = NULL;
  if (jit->options->is_fresh) return false;
  if (mla_cache_find(&jit->cache, &jit->keys[kernel], &unit)) handle = load_unit(jit, &unit);
  if (handle && take_function(jit, kernel, handle)) return true;
  mla_cache_forget(&jit->cache, &jit->keys[kernel]);
  return false;
}

// ---- compiling
// ----------------------------------------------------------------------------------------------------

static char *file_in_build(const Jit *jit, int source, const char *ending) {
  char *path;
  return asprintf(&path, "%s/unit%d.%s", jit->build_dir, source, ending) < 0 ? NULL : path;
}

static int compare_lengths(const void *a, const void *b, void *context) {
  const MlaKernel *kernels = context;
  int i = *(const int *)a, k = *(const int *)b;
  size_t n_i = strlen(kernels[i].text), n_k = strlen(kernels[k].text);
  return n_i != n_k ? (n_i < n_k ? 1 : -1) : i - k;
}

// Longest text first, each to the source that is shortest so far. Returns the text's bytes in all.
static int64_t divide(Jit *jit) {
  const MlaKernel *kernels = jit->program->kernels;
  int most = UNITS_PER_CPU * mla_cpu_count();
  jit->n_sources = jit->n_missing < most ? jit->n_missing : most;
  int64_t *load = calloc((size_t)jit->n_sources, sizeof *load), sum = 0;
  if (!load) return fail_memory(jit), -1;
  qsort_r(jit->missing, (size_t)jit->n_missing, sizeof *jit->missing, compare_lengths,
          (void *)(uintptr_t)kernels);
  for (int i = 0; i < jit->n_missing; i++) {
    int shortest = 0;
    for (int k = 1; k < jit->n_sources; k++)
      if (load[k] < load[shortest]) shortest = k;
    int64_t n = (int64_t)strlen(kernels[jit->missing[i]].text);
    jit->source_of[i] = shortest;
    load[shortest] += n;
    sum += n;
  }
  free(load);
  return sum;
}

// Where to compile: in the cache, so that the result only has to be renamed, or else in a directory of our
// own.
static bool choose_build_dir(Jit *jit, int64_t text_bytes) {
  int64_t prelude = jit->program->prelude ? (int64_t)strlen(jit->program->prelude) : 0;
  int64_t n_bytes = (1 << 20) + 8 * text_bytes + jit->n_sources * prelude;
  if (!jit->options->is_fresh) jit->build_dir = mla_cache_build_dir(&jit->cache, n_bytes);
  jit->is_cached = jit->build_dir;
  if (!jit->build_dir) jit->build_dir = mla_private_build_dir(n_bytes, jit->error);
  return jit->build_dir;
}

// A message about line 3 names the kernel, and line 3 of its own text.
static bool write_kernel(FILE *file, const MlaToolchain *toolchain, const MlaKernel *kernel) {
  return fprintf(file, "\n#line 1 \"%s.%s\"\n%s\n", kernel->symbol, toolchain->source_ending, kernel->text) >=
         0;
}

static bool write_source(Jit *jit, int source) {
  char *path = file_in_build(jit, source, jit->toolchain->source_ending);
  if (!path) return fail_memory(jit);
  FILE *file = fopen(path, "w");
  bool good = file && (!jit->program->prelude || fputs(jit->program->prelude, file) >= 0);
  for (int i = 0; i < jit->n_missing && good; i++)
    if (jit->source_of[i] == source)
      good = write_kernel(file, jit->toolchain, &jit->program->kernels[jit->missing[i]]);
  int code = errno;
  if (file && fclose(file) != 0 && good) good = false, code = errno;
  if (!good) mla_fail(jit->error, MLA_ERROR_SYSTEM, "cannot write %s: %s", path, strerror(code));
  free(path);
  return good;
}

static bool start_source(Jit *jit, int source) {
  char *text = file_in_build(jit, source, jit->toolchain->source_ending),
       *output = file_in_build(jit, source, jit->toolchain->unit_ending),
       *log = file_in_build(jit, source, "err");
  bool good = text && output && log ? write_source(jit, source) : fail_memory(jit);
  good = good &&
         jit->toolchain->start(jit->toolchain->self, text, output, log, &jit->processes[source], jit->error);
  free(text);
  free(output);
  free(log);
  return good;
}

// The first lines of what the compiler said.
static void read_log(const char *path, char *text, size_t capacity) {
  FILE *file = fopen(path, "r");
  size_t n = file ? fread(text, 1, capacity - 1, file) : 0;
  if (file) fclose(file);
  if (n == capacity - 1)
    while (n && text[n - 1] != '\n') n--;
  while (n && text[n - 1] == '\n') n--;
  text[n] = 0;
}

static bool report_failure(Jit *jit, int source, int status) {
  char said[640], *text = file_in_build(jit, source, jit->toolchain->source_ending),
                  *log = file_in_build(jit, source, "err");
  if (!text || !log) {
    fail_memory(jit);
  } else {
    read_log(log, said, sizeof said);
    bool was_stopped = status > 128 || status < 0;
    const char *options = jit->toolchain->options;
    mla_fail(jit->error, MLA_ERROR_SYSTEM, "%s %s; the text is kept in %s\n%s%s%s%s", jit->toolchain->name,
             was_stopped ? "was stopped" : "rejects a kernel", text, options ? "options: " : "",
             options ? options : "", options ? "\n" : "", said);
  }
  free(text);
  free(log);
  return false;
}

// Starts the sources in order with at most one process a processor, and waits in the same order: the first
// are the longest. Every process that was started is waited for.
static bool run_compilers(Jit *jit) {
  int n_started = 0, n_done = 0, at_once = mla_cpu_count();
  bool good = true;
  while (n_done < n_started || (good && n_started < jit->n_sources)) {
    while (good && n_started < jit->n_sources && n_started - n_done < at_once) {
      good = start_source(jit, n_started);
      if (good) n_started++;
    }
    if (n_done == n_started) break;
    int status = mla_compiler_wait(jit->processes[n_done]);
    if (status != 0 && good) good = report_failure(jit, n_done, status);
    n_done++;
  }
  return good;
}

// ---- taking in what was compiled
// ----------------------------------------------------------------------------------

static bool load_output(Jit *jit, int source, Unit *unit, bool *is_kept) {
  char *path = file_in_build(jit, source, jit->toolchain->unit_ending);
  if (!path) return fail_memory(jit);
  bool good = mla_hash_file(path, &unit->hash) ||
              mla_fail(jit->error, MLA_ERROR_SYSTEM, "cannot read %s: %s", path, strerror(errno));
  *is_kept = good && jit->is_cached && mla_cache_keep(&jit->cache, path, &unit->hash);
  unit->handle = NULL;
  if (*is_kept)
    unit->handle = load_cached(jit, &unit->hash);
  else if (good)
    unit->handle = jit->toolchain->load(jit->toolchain->self, path, jit->error);
  if (unit->handle)
    jit->code->units[jit->code->n_units++] = unit->handle;
  else
    mla_fail(jit->error, MLA_ERROR_SYSTEM, "cannot load compiled kernels from %s", path);
  free(path);
  return unit->handle;
}

static bool take_outputs(Jit *jit) {
  for (int source = 0; source < jit->n_sources; source++) {
    Unit unit;
    bool is_kept = false;
    if (!load_output(jit, source, &unit, &is_kept)) return false;
    for (int i = 0; i < jit->n_missing; i++) {
      int kernel = jit->missing[i];
      if (jit->source_of[i] != source) continue;
      if (!take_function(jit, kernel, unit.handle))
        return mla_fail(jit->error, MLA_ERROR_SYSTEM, "the text of kernel `%s` does not define it",
                        jit->program->kernels[kernel].symbol);
      if (is_kept) is_kept = mla_cache_link(&jit->cache, jit->build_dir, &jit->keys[kernel], &unit.hash);
    }
  }
  return true;
}

static void warn_about_cache(Jit *jit) {
  if (!jit->cache.problem || jit->options->is_fresh || *jit->options->has_warned) return;
  *jit->options->has_warned = true;
  fprintf(stderr, "mlaanc: warning: compiled kernels are not kept: %s\n", jit->cache.problem);
}

// What the cache has beyond its limit goes; a failure only leaves it larger.
static void trim_cache(Jit *jit) {
  MlaCacheUnits list;
  MlaError ignored = {0};
  int n;
  int64_t n_bytes;
  if (!jit->is_cached) return;
  if (mla_cache_list(jit->cache.dir, &list, &ignored)) mla_cache_trim(&list, mla_cache_limit, &n, &n_bytes);
  mla_cache_units_free(&list);
}

static bool compile_missing(Jit *jit) {
  int64_t text_bytes = divide(jit);
  if (text_bytes < 0 || !choose_build_dir(jit, text_bytes)) return false;
  if (jit->options->verbose)
    fprintf(stderr, "mlaanc: compiling %d kernels in %d units with %s\n", jit->n_missing, jit->n_sources,
            jit->toolchain->name);
  jit->processes = calloc((size_t)jit->n_sources, sizeof *jit->processes);
  bool compiled = jit->processes ? run_compilers(jit) : fail_memory(jit);
  bool good = compiled && take_outputs(jit);
  mla_remove_dir(jit->build_dir, jit->processes && !compiled);
  trim_cache(jit);
  warn_about_cache(jit);
  jit->code->n_compiled = jit->n_missing;
  jit->code->n_units_compiled = jit->n_sources;
  return good;
}

// ---- the whole
// ----------------------------------------------------------------------------------------------------

static bool allocate(Jit *jit) {
  size_t n = (size_t)jit->program->n_kernels + 1;
  jit->keys = calloc(n, sizeof *jit->keys);
  jit->units = calloc(n, sizeof *jit->units);
  jit->missing = calloc(n, sizeof *jit->missing);
  jit->source_of = calloc(n, sizeof *jit->source_of);
  jit->code->kernels = calloc(n, sizeof *jit->code->kernels);
  jit->code->units = calloc(2 * n, sizeof *jit->code->units); // those found and those made
  bool good =
      jit->keys && jit->units && jit->missing && jit->source_of && jit->code->kernels && jit->code->units;
  return good || fail_memory(jit);
}

static void release(Jit *jit) {
  mla_cache_close(&jit->cache);
  free(jit->keys);
  free(jit->units);
  free(jit->missing);
  free(jit->source_of);
  free(jit->processes);
  free(jit->build_dir);
}

static bool load_all(Jit *jit) {
  double start = now();
  if (!allocate(jit)) return false;
  if (!jit->program->n_kernels) return true;
  if (!mla_cache_open(&jit->cache, jit->options->cache_dir, jit->toolchain->unit_ending, jit->error))
    return false;
  make_keys(jit);
  for (int i = 0; i < jit->program->n_kernels; i++)
    if (!find_kernel(jit, i)) jit->missing[jit->n_missing++] = i;
  jit->code->n_cached = jit->program->n_kernels - jit->n_missing;
  jit->code->look_up_seconds = now() - start;
  return !jit->n_missing || compile_missing(jit);
}

bool mla_jit_load(const MlaProgram *program, const MlaToolchain *toolchain, const MlaJitOptions *options,
                  MlaCode *code, MlaError *error) {
  double start = now();
  *code = (MlaCode){.toolchain = *toolchain};
  Jit jit = {.program = program, .toolchain = toolchain, .options = options, .code = code, .error = error};
  bool good = load_all(&jit);
  release(&jit);
  code->seconds = now() - start;
  if (!good) mla_jit_unload(code);
  return good;
}

void mla_jit_describe(const MlaCode *code, MlaLoaded *loaded) {
  loaded->compile_seconds = code->seconds;
  loaded->n_compiled = code->n_compiled;
  loaded->n_cached = code->n_cached;
  loaded->load_times.look_up = code->look_up_seconds;
  loaded->load_times.compile = code->seconds - code->look_up_seconds;
  loaded->load_times.n_units = code->n_units_compiled;
}

void mla_jit_unload(MlaCode *code) {
  for (int i = 0; i < code->n_units; i++) code->toolchain.unload(code->toolchain.self, code->units[i]);
  free(code->kernels);
  free(code->units);
  *code = (MlaCode){0};
}
