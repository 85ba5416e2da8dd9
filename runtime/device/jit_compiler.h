// The host's C compiler as a process. Private to runtime/device.
#pragma once
#include "runtime/device/toolchain.h"
#include <sys/types.h>

enum { MLA_MAX_WORDS = 64 };

typedef struct MlaLanguage {
  const char *toolchain;     // "the C compiler"
  const char *source_ending; // "c"
  const char *unit_ending;   // "so"
  const char *variable;      // of the environment, that may name a compiler: "CC"
  const char *usual[4];      // commands to try; NULL ends
  const char *flags;
  const char *missing; // what to say if none is found
} MlaLanguage;

extern const MlaLanguage mla_language_c;

typedef struct MlaCompiler {
  const MlaLanguage *language;
  char *words[MLA_MAX_WORDS]; // the command and its flags; NULL ends. They point into `text`
  int n_words;
  char *text;
  char version[1024]; // what it says of itself: part of a kernel's cache key
} MlaCompiler;

// The environment's choice, or the first of the usual ones that runs. `flags` are put behind the language's.
bool mla_compiler_find(MlaCompiler *compiler, const MlaLanguage *language, const char *flags,
                       MlaError *error);
void mla_compiler_release(MlaCompiler *compiler);
// The compiler as a toolchain: units are shared objects. What was loaded outlives the compiler.
MlaToolchain mla_compiler_toolchain(MlaCompiler *compiler);
// Exit status of the process; 128 + n if signal n ended it, -1 if it cannot be told.
int mla_compiler_wait(pid_t pid);
