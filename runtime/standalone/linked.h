// What a stand-alone trainer is linked with: the model's program (model.c) and where its kernels are (kernels.c).
#pragma once
#include "runtime/program.h"

typedef struct MlaLinkedKernel {
  const char *symbol;
  void (*stub)(void); // the host's side of a __global__ function, by which the CUDA runtime knows it
} MlaLinkedKernel;

extern const MlaProgram mla_linked_program;
extern const MlaLinkedKernel mla_linked_kernels[]; // [program.n_kernels], in the order of its kernels
