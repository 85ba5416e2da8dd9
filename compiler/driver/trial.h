// Splits that are only tried: compiled to their plans, to see what they take.
#pragma once
#include "compiler/driver/compile.h"

// What a split may stand behind, and how many were tried.
typedef struct Splits {
  const Options *options;
  Arena *arena;
  const char *const *places; // [n - 1] that a split can stand behind
  int n;                     // units: what lies between two places
  int64_t batch;             // -1: as the options say
  int n_trials;
} Splits;

// A split, planned.
typedef struct Trial {
  bool is_valid;
  int64_t bytes, batch;
  double time; // of a step, in seconds
  int n_modules;
  int64_t *live, *state;     // [n_modules] largest live bytes; states of the auxiliary
  int64_t *flops, *n_params; // [n_modules] of a step for an image; parameters, the auxiliary's included
  int64_t *shared;     // [n_modules][n_modules] (earlier, later): of `state`, what lies in the same bytes
  double *module_time; // [n_modules]
  const bool *ends;    // [n] a module ends behind this unit
} Trial;

// As `--set split=` takes it.
const char *trial_text(Arena *arena, const Splits *splits, const bool *ends);
Trial trial_plan(Splits *splits, const bool *ends);
// Seconds of a step by the model of trial.c; of each module too, if `modules` is not NULL.
double trial_time(const MlaProgram *program, double *modules);
