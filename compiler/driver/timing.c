// See the header.
#include "compiler/driver/timing.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

double timing_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void timing_begin(Timing *timing, bool is_wanted, bool is_json) {
  *timing = (Timing){.is_wanted = is_wanted, .is_json = is_json, .start = timing_now()};
  timing->last = timing->start;
}

static void add(Timing *timing, const char *name, double seconds, const char *detail, va_list args) {
  if (!timing->is_wanted || timing->n == TIMING_MOST) return;
  TimingPhase *phase = &timing->phases[timing->n++];
  *phase = (TimingPhase){.name = name, .seconds = seconds};
  vsnprintf(phase->detail, sizeof phase->detail, detail, args);
  timing->last += seconds;
}

void timing_end_phase(Timing *timing, const char *name, const char *detail, ...) {
  va_list args;
  va_start(args, detail);
  add(timing, name, timing_now() - timing->last, detail, args);
  va_end(args);
}

void timing_add(Timing *timing, const char *name, double seconds, const char *detail, ...) {
  va_list args;
  va_start(args, detail);
  add(timing, name, seconds, detail, args);
  va_end(args);
}

static void print_json(const Timing *timing) {
  json_t *phases = json_array();
  for (int i = 0; i < timing->n; i++) {
    const TimingPhase *phase = &timing->phases[i];
    json_array_append_new(phases, json_pack("{s:s,s:f,s:s}", "name", phase->name, "seconds", phase->seconds,
                                            "detail", phase->detail));
  }
  json_t *json =
      json_pack("{s:{s:f,s:o}}", "timing", "seconds", timing->last - timing->start, "phases", phases);
  json_dumpf(json, stdout, JSON_COMPACT);
  putchar('\n');
  json_decref(json);
}

void timing_print(const Timing *timing) {
  if (!timing->is_wanted || timing->n == 0) return;
  if (timing->is_json) {
    print_json(timing);
    return;
  }
  for (int i = 0; i < timing->n; i++) {
    const TimingPhase *phase = &timing->phases[i];
    fprintf(stderr, "%-16s %9.1f ms  %s\n", phase->name, 1e3 * phase->seconds, phase->detail);
  }
  fprintf(stderr, "%-16s %9.1f ms\n", "in all", 1e3 * (timing->last - timing->start));
}
