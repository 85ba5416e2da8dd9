// `emit --report`: what NVRTC makes of a program's kernels, as a table or as JSON on standard output.
#pragma once
#include "compiler/driver/compile.h"

// Returns a STATUS_; mistakes have been said.
int print_cuda_report(const Options *options, const MlaProgram *program);
