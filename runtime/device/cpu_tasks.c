// See the header: dependencies turned round, so that who ends a task finds those that waited for it.
#include "runtime/device/cpu_tasks.h"

#include <stdlib.h>

static void turn_round(MlaTasks *tasks, const MlaDependencies *d) {
  int *first = tasks->memory, *behind = first + tasks->n + 1;
  int n_edges = d->first[d->n];
  for (int k = 0; k < n_edges; k++) first[d->before[k] + 1]++;
  for (int i = 0; i < tasks->n; i++) first[i + 1] += first[i];
  // `first` moves on to the next task's beginning while the list is filled, and then by one place.
  for (int i = 0; i < tasks->n; i++) {
    tasks->items[i].n_before = d->first[i + 1] - d->first[i];
    for (int k = d->first[i]; k < d->first[i + 1]; k++) behind[first[d->before[k]]++] = i;
  }
  for (int i = tasks->n; i > 0; i--) first[i] = first[i - 1];
  first[0] = 0;
  tasks->first = first;
  tasks->behind = behind;
}

bool mla_tasks_make(MlaTasks *tasks, int n, const MlaDependencies *dependencies, MlaError *error) {
  size_t n_edges = dependencies ? (size_t)dependencies->first[n] : 0, size = (size_t)n + 1;
  *tasks = (MlaTasks){.n = n,
                      .items = calloc(size, sizeof *tasks->items),
                      .states = calloc(size, sizeof *tasks->states),
                      .ready = calloc(size, sizeof *tasks->ready),
                      .memory = calloc(size + n_edges, sizeof *tasks->memory)};
  tasks->first = tasks->behind = tasks->memory;
  if (!tasks->items || !tasks->states || !tasks->ready || !tasks->memory)
    return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  if (dependencies) turn_round(tasks, dependencies);
  return true;
}

void mla_tasks_free(MlaTasks *tasks) {
  free(tasks->items);
  free(tasks->states);
  free(tasks->ready);
  free(tasks->memory);
  *tasks = (MlaTasks){0};
}
