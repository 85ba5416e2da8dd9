// The CUDA runtime (libcudart.so), as far as it is used. Names are NVIDIA's without `cuda`.
#pragma once
#include "runtime/device/cuda/library.h"
#include <stddef.h>
#include <stdint.h>

typedef int CudaStatus; // cudaError_t: 0 is success
typedef void *CudaStream, *CudaGraph, *CudaGraphExec, *CudaUnit, *CudaKernel, *CudaEvent;
typedef struct CudaDim {
  unsigned x, y, z;
} CudaDim;

enum { CUDA_OUT_OF_MEMORY = 2, CUDA_DRIVER_TOO_OLD = 35, CUDA_NO_DEVICE = 100 };
enum { CUDA_TO_DEVICE = 1, CUDA_TO_HOST = 2 };
enum {
  CUDA_ATTRIBUTE_PROCESSORS = 16,
  CUDA_ATTRIBUTE_MEMORY_KHZ = 36,
  CUDA_ATTRIBUTE_MEMORY_BITS = 37,
  CUDA_ATTRIBUTE_PROCESSOR_THREADS = 39,
  CUDA_ATTRIBUTE_MAJOR = 75,
  CUDA_ATTRIBUTE_MINOR = 76
};
enum { CUDA_FUNCTION_DYNAMIC_SHARED = 8 };
enum { CUDA_EVENT_RECORD_EXTERNAL = 1 }; // in a capture: a node of the graph that marks the time
enum { CUDA_STREAM_NON_BLOCKING = 1, CUDA_CAPTURE_THREAD_LOCAL = 1, CUDA_EVENT_NO_TIMING = 2 };

// F(name, parameters)
#define CUDART_FUNCTIONS(F)                                                                                  \
  F(DriverGetVersion, (int *version))                                                                        \
  F(RuntimeGetVersion, (int *version))                                                                       \
  F(GetDeviceCount, (int *n))                                                                                \
  F(SetDevice, (int device))                                                                                 \
  F(DeviceGetAttribute, (int *value, int attribute, int device))                                             \
  F(GetLastError, (void))                                                                                    \
  F(MemGetInfo, (size_t * n_free, size_t * n_total))                                                         \
  F(Malloc, (void **memory, size_t n_bytes))                                                                 \
  F(Free, (void *memory))                                                                                    \
  F(MemsetAsync, (void *memory, int value, size_t n_bytes, CudaStream stream))                               \
  F(MemcpyAsync, (void *to, const void *from, size_t n_bytes, int kind, CudaStream stream))                  \
  F(StreamCreateWithFlags, (CudaStream * stream, unsigned flags))                                            \
  F(StreamDestroy, (CudaStream stream))                                                                      \
  F(StreamSynchronize, (CudaStream stream))                                                                  \
  F(StreamWaitEvent, (CudaStream stream, CudaEvent event, unsigned flags))                                   \
  F(EventRecord, (CudaEvent event, CudaStream stream))                                                       \
  F(EventCreateWithFlags, (CudaEvent * event, unsigned flags))                                               \
  F(EventRecordWithFlags, (CudaEvent event, CudaStream stream, unsigned flags))                              \
  F(EventSynchronize, (CudaEvent event))                                                                     \
  F(EventElapsedTime, (float *milliseconds, CudaEvent begin, CudaEvent end))                                 \
  F(EventDestroy, (CudaEvent event))                                                                         \
  F(HostAlloc, (void **memory, size_t n_bytes, unsigned flags))                                              \
  F(FreeHost, (void *memory))                                                                                \
  F(StreamBeginCapture, (CudaStream stream, int mode))                                                       \
  F(StreamEndCapture, (CudaStream stream, CudaGraph * graph))                                                \
  F(GraphInstantiate, (CudaGraphExec * exec, CudaGraph graph, unsigned long long flags))                     \
  F(GraphLaunch, (CudaGraphExec exec, CudaStream stream))                                                    \
  F(GraphDestroy, (CudaGraph graph))                                                                         \
  F(GraphExecDestroy, (CudaGraphExec exec))                                                                  \
  F(LibraryLoadData, (CudaUnit * unit, const void *code, int *jit_options, void **jit_values,                \
                      unsigned n_jit_options, int *options, void **values, unsigned n_options))              \
  F(LibraryUnload, (CudaUnit unit))                                                                          \
  F(LibraryGetKernel, (CudaKernel * kernel, CudaUnit unit, const char *name))                                \
  F(FuncSetAttribute, (const void *function, int attribute, int value))                                      \
  F(LaunchKernel, (const void *function, CudaDim grid, CudaDim block, void **arguments, size_t shared_bytes, \
                   CudaStream stream))

typedef struct Cudart {
  CudaLibrary library;
  int version, driver; // 13000 is 13.0
#define CUDART_MEMBER(name, parameters) CudaStatus(*name) parameters;
  CUDART_FUNCTIONS(CUDART_MEMBER)
#undef CUDART_MEMBER
  CudaStatus (*GetDeviceProperties)(void *properties, int device); // NULL: not there
  const char *(*GetErrorName)(CudaStatus status);
  const char *(*GetErrorString)(CudaStatus status);
} Cudart;

// Opens the newest runtime that the driver can serve. An error says which part is missing or too old, and what to
// install.
bool mla_cudart_open(Cudart *cuda, MlaError *error);
void mla_cudart_close(Cudart *cuda);
// True on success; else the error has CUDA's name and text behind what was being done.
bool mla_cuda_check(const Cudart *cuda, CudaStatus status, const char *doing, MlaError *error);
