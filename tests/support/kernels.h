// Compiles emitted kernel text with the host compiler and runs it, for the tests and the benchmarks of the
// emitter.
#pragma once
#include <stdbool.h>
#include <stdint.h>

typedef void (*KernelFn)(void *const *buf, long batch, void *scratch, int part, int parts);
typedef struct KernelLib KernelLib;

typedef struct KernelMachine {
  int elem_bytes, vector_bytes;
  bool is_bf16; // with the part of the prelude for it
} KernelMachine;

// Writes prelude and text to a folder of its own and compiles them at -O<level>. NULL, with the compiler's
// messages on stderr, if that fails. A program built with sanitizers compiles the kernels with the same.
KernelLib *kernels_compile(const char *text, KernelMachine machine, int level);
KernelFn kernels_find(KernelLib *lib, const char *symbol); // NULL if there is none
void kernels_close(KernelLib *lib);
