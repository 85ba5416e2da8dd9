// What turns kernels' text into something that can be called: the host's C compiler, NVRTC. A toolchain compiles one
// unit (a file of several kernels) in a process of its own and loads the result; which kernels go into which unit, how
// many processes run at once and what is kept on disk is jit.c's affair. Private to runtime/device.
#pragma once
#include "runtime/device/sha256.h"
#include "runtime/error.h"
#include <sys/types.h>

typedef struct MlaToolchain {
  const char *name;          // in messages: "the C compiler"
  const char *source_ending; // "c"
  const char *unit_ending;   // "so": what the cache's files end in
  const char *options;       // shown beside an error; NULL: not
  void *self;
  // Takes in all that a unit depends on beside prelude and texts: versions, options, the machine.
  void (*add_key)(void *self, Sha256 *hash);
  // Starts a process that makes `output` from `source`, with its messages in `log`; exit status 0 is success.
  bool (*start)(void *self, const char *source, const char *output, const char *log, pid_t *pid,
                MlaError *error);
  // A unit from its file; NULL: `error` says why.
  void *(*load)(void *self, const char *path, MlaError *error);
  void *(*find)(void *self, void *unit, const char *symbol); // a kernel's address or handle; NULL: not there
  void (*unload)(void *self, void *unit);
} MlaToolchain;
