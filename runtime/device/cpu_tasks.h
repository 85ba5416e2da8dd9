// Launches as tasks: what runs, in how many parts, and which others wait for it. Private to runtime/device.
#pragma once
#include "runtime/device/dependencies.h"
#include "runtime/error.h"

#include <stdatomic.h>

typedef void (*MlaKernelFn)(void *const *buf, long batch, void *scratch, int part, int parts);

typedef struct MlaTask {
  MlaKernelFn kernel;
  void *const *buf;
  int parts;
  int n_before; // tasks that it waits for
} MlaTask;

// What changes while tasks run. Set anew by every run.
typedef struct MlaTaskState {
  _Atomic int next;      // part to be taken; some more than there are, when all are taken
  _Atomic int n_done;    // parts
  _Atomic int n_missing; // of the tasks that it waits for
} MlaTaskState;

typedef struct MlaTasks {
  int n;
  MlaTask *items; // [n]
  const int *first,
      *behind;          // those that wait for task i are behind[first[i]] .. behind[first[i + 1] - 1], rising
  MlaTaskState *states; // [n]
  _Atomic int *ready;   // [n] tasks in the order in which they became ready; -1: none yet
  int *memory;          // holds first and behind
} MlaTasks;

// `dependencies` NULL: nobody asks for an order (one worker runs them as they stand). Items are to be filled in, but for
// n_before. Released by mla_tasks_free in any case.
bool mla_tasks_make(MlaTasks *tasks, int n, const MlaDependencies *dependencies, MlaError *error);
void mla_tasks_free(MlaTasks *tasks);
