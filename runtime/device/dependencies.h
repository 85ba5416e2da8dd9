// Which launches of a step must come before which: what devices need that do not run them one after the other. Follows
// from the bytes alone, whatever they mean: a launch comes behind those that wrote what it reads or writes, and behind
// those that read what it writes. The memory plan uses bytes again and again, so the last is no rarity. Private to
// runtime/device.
#pragma once
#include "runtime/error.h"
#include "runtime/program.h"

// The direct predecessors of launch i are before[first[i]] .. before[first[i + 1] - 1], falling. None of them follows
// from the others: the relation is transitively reduced. All are earlier launches: the step's own order is one of those
// allowed.
typedef struct MlaDependencies {
  int n;      // launches
  int *first; // [n + 1]
  int *before;
} MlaDependencies;

bool mla_dependencies(const MlaProgram *program, const MlaStep *step, MlaDependencies *result,
                      MlaError *error);
void mla_dependencies_free(MlaDependencies *dependencies);
// Launches on the longest chain: what is left of the step with launches of equal length and endless room. -1: no memory.
int mla_longest_chain(const MlaDependencies *dependencies);
