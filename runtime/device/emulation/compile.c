// CUDA text is C++ once the emulation's prelude stands before it; behind each kernel comes the line by which the
// runtime finds it.
#include "runtime/device/emulation/compile.h"
#include "runtime/device/emulation/emulation.h"
#include "runtime/device/jit_compiler.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const char mla_emulation_text[]; // the prelude, embedded by the build

// The sanitizers' libraries are left out: the prelude has what the compiler calls.
static const MlaLanguage language = {
    .toolchain = "the C++ compiler",
    .source_ending = "cc",
    .unit_ending = "emulated.so",
    .variable = "CXX",
    .usual = {"c++", "g++", "clang++"},
    .flags = "-std=c++17 -O1 -g1 -fPIC -shared -w -ffp-contract=fast -fno-exceptions -fno-rtti "

             "-fno-tree-vectorize -nodefaultlibs -Wl,-Bsymbolic "
             "-fsanitize=thread,bounds,alignment,shift,integer-divide-by-zero,signed-integer-overflow",
    .missing = "no C++ compiler: the emulated-cuda device compiles kernels with the host's (c++, g++ or "
               "clang++ on the "
               "PATH).\nInstall one (Debian: apt install g++) or name one in $CXX.",
};

static void *find_entry(void *self, void *unit, const char *symbol) {
  (void)self;
  char *name = NULL;
  if (asprintf(&name, "mla_kernel_%s", symbol) < 0) return NULL;
  const MlaEntry *entry = dlsym(unit, name);
  free(name);
  if (entry) entry->unit->bind(&mla_emulation_services);
  return (void *)(uintptr_t)entry;
}

static char *kernel_text(const MlaKernel *kernel) {
  char *text = NULL;
  return asprintf(&text, "%s\nMLA_KERNEL(%s)\n", kernel->text, kernel->symbol) < 0 ? NULL : text;
}

static bool compile_texts(const MlaProgram *program, const MlaJitOptions *options, MlaCode *code,
                          MlaError *error) {
  MlaCompiler compiler;
  if (!mla_compiler_find(&compiler, &language, "", error)) {
    mla_compiler_release(&compiler);
    return false;
  }
  MlaToolchain toolchain = mla_compiler_toolchain(&compiler);
  toolchain.find = find_entry;
  bool good = mla_jit_load(program, &toolchain, options, code, error);
  mla_compiler_release(&compiler);
  code->toolchain.self = NULL;
  return good;
}

bool mla_emulation_compile(const MlaProgram *program, const MlaJitOptions *options, MlaCode *code,
                           MlaError *error) {
  MlaProgram copy = *program;
  MlaKernel *kernels = calloc((size_t)program->n_kernels + 1, sizeof *kernels);
  char *prelude = NULL;
  const char *chosen = program->elem == MLA_F64 ? "#define MLA_REAL_DOUBLE\n" : "";
  bool good = kernels && asprintf(&prelude, "%s%s", chosen, mla_emulation_text) >= 0;
  for (int i = 0; i < program->n_kernels && good; i++) {
    kernels[i] = program->kernels[i];
    good = (kernels[i].text = kernel_text(&kernels[i]));
  }
  copy.prelude = prelude;
  copy.kernels = kernels;
  good = good ? !program->n_kernels || compile_texts(&copy, options, code, error)
              : mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  for (int i = 0; i < program->n_kernels && kernels; i++)
    if (kernels[i].text != program->kernels[i].text) free((void *)(uintptr_t)kernels[i].text);
  free(kernels);
  free(prelude);
  return good;
}
