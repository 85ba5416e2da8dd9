// Prelude of the emitted CUDA, in front of arithmetic.cuh: what only a GPU has. The one place for PTX. The emulation
// has a part of its own in place of this.
#ifdef __CUDACC__
#define MLA_FN __device__ __forceinline__
// Dynamic shared memory: MLA_DYNAMIC_SHARED(real, tile); names a pointer.
#define MLA_DYNAMIC_SHARED(type, name)                                                                       \
  extern __shared__ __align__(16) unsigned char mla_dynamic_shared[];                                        \
  type *const name = (type *)mla_dynamic_shared
#endif

