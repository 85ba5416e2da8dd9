// Whether a program makes sense as data: every index, offset and range, before a device believes it.
#pragma once
#include "runtime/error.h"
#include "runtime/program.h"

// The error names the place as in plan.json: "train.launches[3].buffers[1]: ...".
bool mla_program_check(const MlaProgram *program, MlaError *error);
// A kernel's symbol is a C identifier and so a safe file name.
bool mla_is_symbol(const char *text);
// The files of a saved program: "kernels/convolution.cu" (of the kernel, into `name`), "prelude.cuh".
enum { MLA_KERNEL_FILE_BYTES = 256 };
void mla_kernel_file(const MlaProgram *program, const MlaKernel *kernel, char name[MLA_KERNEL_FILE_BYTES]);
// Whether the kernel is the first of its file, whose name goes to `name`.
bool mla_kernel_is_first(const MlaProgram *program, int kernel, char name[MLA_KERNEL_FILE_BYTES]);
// What stands in front of a kernel in its file.
#define MLA_KERNEL_MARK "// ==== "
const char *mla_prelude_file(MlaTarget target);
