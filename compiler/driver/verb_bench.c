// mlaanc bench: the step's time on made-up images. The program's own buffers are filled once with noise, so
// nothing but the device is measured, from its being idle to its being idle again; the median of the steps is reported, since other programs only ever
// make a step longer. Beside it the processor time of all threads, which company disturbs less, and the most memory that
// the process had resident: the compiler's and the program's own, not that of the C compilers it started.
#include "compiler/driver/noise.h"
#include "compiler/driver/profile.h"
#include "compiler/driver/session.h"
#include "runtime/train/train.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { WARM_UP_STEPS = 3 };

typedef struct BenchResult {
  double median, least, most; // seconds
  double cpu;                 // seconds of all threads a step, the mean
  double flops, n_bytes;      // of a step
  double resident;            // bytes of the process at their most; 0: not known
} BenchResult;

static double now(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// Of this program alone: getrusage would count what the process held before it became this program.
static double peak_resident(void) {
  char line[256];
  long kib = 0;
  FILE *file = fopen("/proc/self/status", "r");
  while (file && fgets(line, sizeof line, file) && sscanf(line, "VmHWM: %ld", &kib) != 1) continue;
  if (file) fclose(file);
  return 1024.0 * (double)kib;
}

static int compare_doubles(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static bool time_steps(MlaLoaded *loaded, int64_t n_steps, double *seconds, double *cpu, Timing *timing,
                       MlaError *error) {
  const MlaProgram *program = loaded->program;
  double cpu_start = 0;
  for (int64_t i = -WARM_UP_STEPS; i < n_steps; i++) {
    if (!noise_prepare(loaded, i + WARM_UP_STEPS, error)) return false;
    if (i == -WARM_UP_STEPS) timing_end_phase(timing, "first images", "noise");
    if (i == 0) mla_restart_times(loaded);
    if (i == 0) cpu_start = now(CLOCK_PROCESS_CPUTIME_ID);
    double start = now(CLOCK_MONOTONIC);
    if (!loaded->device->ops->run(loaded, &program->train, program->recipe.batch, error)) return false;
    if (!noise_wait(loaded, error)) return false;
    if (i == -WARM_UP_STEPS) timing_end_phase(timing, "first step", "batch %" PRId64, program->recipe.batch);
    if (i >= 0) seconds[i] = now(CLOCK_MONOTONIC) - start;
  }
  *cpu = (now(CLOCK_PROCESS_CPUTIME_ID) - cpu_start) / (double)n_steps;
  qsort(seconds, (size_t)n_steps, sizeof *seconds, compare_doubles);
  return true;
}

static bool measure(MlaLoaded *loaded, int64_t n_steps, BenchResult *result, Timing *timing,
                    MlaError *error) {
  const MlaProgram *program = loaded->program;
  double *seconds = malloc(sizeof *seconds * (size_t)n_steps);
  if (!seconds) return mla_fail(error, MLA_ERROR_SYSTEM, "no memory for %" PRId64 " times", n_steps);
  bool ok = mla_init_states(loaded, program->recipe.seed, error);
  timing_end_phase(timing, "initial values", "%d tensors", program->n_states);
  ok = ok && time_steps(loaded, n_steps, seconds, &result->cpu, timing, error);
  if (ok) {
    result->median = seconds[n_steps / 2];
    result->least = seconds[0];
    result->most = seconds[n_steps - 1];
    result->resident = peak_resident();
  }
  for (int i = 0; i < program->train.n_launches; i++) {
    result->flops += (double)program->train.launches[i].flops;
    result->n_bytes += (double)program->train.launches[i].n_bytes;
  }
  free(seconds);
  return ok;
}

static void print_json(Arena *arena, MlaLoaded *loaded, const BenchResult *r, bool with_profile) {
  const MlaProgram *program = loaded->program;
  json_t *json = json_pack(
      "{s:s,s:s,s:s,s:I,s:f,s:f,s:f,s:f,s:f,s:f,s:f,s:I,s:I,s:i}", "model", program->model, "device",
      loaded->device->ops->name, "precision", mla_precision_name(program->recipe.precision), "batch",
      (json_int_t)program->recipe.batch, "step_seconds", r->median, "least_seconds", r->least, "most_seconds",
      r->most, "cpu_seconds", r->cpu, "images_per_second", (double)program->recipe.batch / r->median,
      "step_flops", r->flops, "moved_bytes", r->n_bytes, "allocated_bytes", (json_int_t)loaded->n_bytes,
      "peak_resident_bytes", (json_int_t)r->resident, "launches", program->train.n_launches);
  if (with_profile) profile_add_json(arena, loaded, json);
  json_dumpf(json, stdout, JSON_COMPACT);
  putchar('\n');
  json_decref(json);
}

static void print_text(Arena *arena, MlaLoaded *loaded, const BenchResult *r, bool with_profile) {
  const MlaProgram *program = loaded->program;
  printf("%s on %s, %s, batch %" PRId64
         ": step %.2f ms (least %.2f, most %.2f), %.0f images/s; %.3f CPU seconds\n",
         program->model, loaded->device->ops->name, mla_precision_name(program->recipe.precision),
         program->recipe.batch, 1e3 * r->median, 1e3 * r->least, 1e3 * r->most,
         (double)program->recipe.batch / r->median, r->cpu);
  printf("%d launches, %.2f GFLOP and %.1f MiB moved a step: %.1f GFLOP/s, %.1f GB/s; %.1f MiB allocated, "
         "%.1f MiB resident\n",
         program->train.n_launches, r->flops / 1e9, r->n_bytes / (1 << 20), r->flops / r->median / 1e9,
         r->n_bytes / r->median / 1e9, (double)loaded->n_bytes / (1 << 20), r->resident / (1 << 20));
  if (with_profile) profile_print(arena, loaded, stdout);
}

int verb_bench(const Options *options) {
  Session session;
  int status = session_begin(&session, options);
  if (status == STATUS_OK && session.loaded) {
    MlaError error = {0};
    BenchResult result = {0};
    int64_t n_steps = options->steps > 0 ? options->steps : 20;
    if (!options->json) session_print_device(&session);
    if (!measure(session.loaded, n_steps, &result, &session.compilation.timing, &error)) {
      status = report_error(options, &error);
    } else {
      (options->json ? print_json : print_text)(session.compilation.arena, session.loaded, &result,
                                                options->profile);
      if (options->trace && !profile_write_trace(session.loaded, options->trace, &error))
        status = report_error(options, &error);
    }
  }
  session_end(&session);
  return status;
}
