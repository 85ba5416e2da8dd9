// The losses of steps. A device with a log (program.h) need not be waited for after every step: steps are counted as
// waiting, and one copy reads the losses of all of them. Without a log each step's are read where they are.
// Private to this folder.
#pragma once
#include "runtime/train/train.h"

typedef struct MlaStepDone {
  MlaProgress progress; // after it
  int64_t n_images;
} MlaStepDone;

typedef struct MlaLosses {
  MlaLoaded *loaded;
  int n_most, n_waiting;
  MlaStepDone *waiting; // [n_most]
  int64_t n_steps;      // run since mla_losses_begin
  double *numbers;      // [n_waiting][2 n_losses] after reading: plain, then weighted
  void *log;            // as the device writes it
} MlaLosses;

bool mla_losses_open(MlaLosses *losses, MlaLoaded *loaded); // false: no memory
// From here on every training step is one of ours.
bool mla_losses_begin(MlaLosses *losses, MlaError *error);
// A step was run; there is room.
void mla_losses_wait(MlaLosses *losses, const MlaProgress *after, int64_t n_images);
// Waits for the device and reads the losses of all that wait; the caller then sets n_waiting to 0.
bool mla_losses_read(MlaLosses *losses, MlaError *error);
void mla_losses_get(const MlaLosses *losses, int waiting, double *terms, double *values);
void mla_losses_close(MlaLosses *losses);
