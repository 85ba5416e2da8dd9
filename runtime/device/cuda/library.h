// Shared libraries of CUDA, opened when they are used, so that the program starts on any machine. They are looked for by
// name, as the system's loader does, and then where NVIDIA's installers put them; with $MLAANC_CUDA set, in that folder
// alone. Nothing of NVIDIA's headers is needed: the few prototypes are declared beside their users, with the binary
// interface that NVIDIA documents.
#pragma once
#include "runtime/error.h"

typedef struct CudaLibrary {
  void *handle;
  char file[512]; // as it was opened
} CudaLibrary;

// A function of a library: its name and where its address goes (a pointer to a function pointer).
typedef struct CudaSymbol {
  const char *name;
  void *to;
} CudaSymbol;

// Opens `name` ("libcudart.so.13"). False: `why` has the loader's word; that is no error yet.
bool mla_cuda_open_library(CudaLibrary *library, const char *name, char *why, int why_bytes);
void mla_cuda_close_library(CudaLibrary *library);
// Fills in n functions. NULL, or the name of the first that the library lacks.
const char *mla_cuda_find_symbols(const CudaLibrary *library, const CudaSymbol *symbols, int n);
