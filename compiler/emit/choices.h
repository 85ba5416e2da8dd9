// Choices that only measuring can make, such as how a product is cut. The key says all that a choice depends on, its value
// is one of those that the emitter offers there, the first unless told otherwise. The graph and the plan do not depend on them.
#pragma once
#include "compiler/support/arena.h"

typedef struct EmitChoice {
  const char *key, *value;
} EmitChoice;

// What was chosen while a program was emitted: values[index] of n_values.
typedef struct EmitUse {
  const char *key, *value;
  int index, n_values;
} EmitUse;

typedef struct EmitChoices {
  Arena *arena;
  const EmitChoice *given; // a value that is not offered counts for nothing
  int n_given;
  int candidate; // where nothing is given: this one of those offered, if there are so many
  // Filled in by emit_program:
  EmitUse *uses; // each key once
  int n_uses, capacity;
  int *of_kernel; // [program->n_kernels] which use the kernel's text depends on; -1: none
} EmitChoices;

// Index of the value to take; *use is where it is noted.
int choices_pick(EmitChoices *choices, const char *key, const char *const *values, int n_values, int *use);
