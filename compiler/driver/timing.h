// --timing: where the time goes from text to the first step. Phases follow each other without gaps, so their sum is
// the whole.
#pragma once
#include <stdbool.h>

enum { TIMING_MOST = 64 };

typedef struct TimingPhase {
  const char *name;
  char detail[64]; // "6128 -> 11335 nodes"; "": none
  double seconds;
} TimingPhase;

typedef struct Timing {
  bool is_wanted, is_json;
  double start, last; // when the first phase began and the last one ended
  TimingPhase phases[TIMING_MOST];
  int n;
} Timing;

double timing_now(void);
void timing_begin(Timing *timing, bool is_wanted, bool is_json);
// A phase ends now.
void timing_end_phase(Timing *timing, const char *name, const char *detail, ...)
    __attribute__((format(printf, 3, 4)));
// A phase that ended `seconds` after the last one. What is left of the time until now is the next phase's.
void timing_add(Timing *timing, const char *name, double seconds, const char *detail, ...)
    __attribute__((format(printf, 4, 5)));
// A table on standard error, or a line of JSON on standard output.
void timing_print(const Timing *timing);
