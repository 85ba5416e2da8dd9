// Prelude of the emitted CUDA, in front of arithmetic.cuh: what only a GPU has. The one place for PTX. The emulation
// compiles the same program with a part of its own in place of this.
#ifdef __CUDACC__
#define MLA_FN __device__ __forceinline__
#endif

