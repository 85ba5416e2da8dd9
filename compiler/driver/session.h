// A compiled program made ready on a device: what run, eval and bench begin with.
#pragma once
#include "compiler/driver/compile.h"

typedef struct Session {
  Compilation compilation;
  MlaDevice device;
  MlaLoaded *loaded; // NULL after --stop-after
  int n_tuned;       // products that are cut otherwise than by estimate
} Session;

// In every case session_end releases it. Returns a STATUS_; mistakes have been said.
int session_begin(Session *session, const Options *options);
// The two halves of it, for what must be looked at before the device compiles kernels.
int session_compile(Session *session, const Options *options);
int session_load(Session *session, const Options *options);
void session_end(Session *session);
// "device cuda: NVIDIA H100 80GB HBM3, sm_90, 78.6 of 79.2 GiB free (the machine has a GPU)", on stderr.
void session_print_device(const Session *session);
// "7 kernels compiled in 1.2 s, 3 from the cache", on stderr.
void session_print_kernels(const Session *session);
