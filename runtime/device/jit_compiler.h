// The host's C compiler as a process. Private to runtime/device.
#pragma once
#include "runtime/device/toolchain.h"
#include <sys/types.h>

enum { MLA_MAX_WORDS = 64 };

typedef struct MlaCompiler {
  char *words[MLA_MAX_WORDS]; // the command and its flags; NULL ends. They point into `text`
  int n_words;
  char *text;
  char version[1024]; // what it says of itself: part of a kernel's cache key
} MlaCompiler;

// $CC, or the first of cc, gcc, clang that runs. `flags` are put behind ours.
bool mla_compiler_find(MlaCompiler *compiler, const char *flags, MlaError *error);
void mla_compiler_release(MlaCompiler *compiler);
// The compiler as a toolchain: units are shared objects. What was loaded outlives the compiler.
MlaToolchain mla_compiler_toolchain(MlaCompiler *compiler);
// Exit status of the process; 128 + n if signal n ended it, -1 if it cannot be told.
int mla_compiler_wait(pid_t pid);
