// CUDA text to code of the host. Private to runtime/device.
#pragma once
#include "runtime/device/jit.h"

// code->kernels are const MlaEntry *.
bool mla_emulation_compile(const MlaProgram *program, const MlaJitOptions *options, MlaCode *code,
                           MlaError *error);
