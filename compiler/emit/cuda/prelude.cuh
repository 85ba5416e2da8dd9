// Prelude of the emitted CUDA, in front of arithmetic.cuh: what only a GPU has. The one place for PTX. The emulation
// has a part of its own in place of this.
#ifdef __CUDACC__
#define MLA_FN __device__ __forceinline__
// Dynamic shared memory: MLA_DYNAMIC_SHARED(real, tile); names a pointer.
#define MLA_DYNAMIC_SHARED(type, name)                                                                       \
  extern __shared__ __align__(16) unsigned char mla_dynamic_shared[];                                        \
  type *const name = (type *)mla_dynamic_shared

// What the block wrote is there for all others before the ticket is taken, and what they wrote before theirs behind it.
MLA_FN unsigned mla_take_ticket(unsigned *ticket, unsigned n_blocks) {
  __threadfence();
  const unsigned taken = atomicInc(ticket, n_blocks - 1); // the last one sets it back to 0
  __threadfence();
  return taken;
}

// ---- tensor cores ----
// What an operand of mma is made of: a float rounded to TF32 (10 bits of mantissa, ties away from zero), or two floats to
// bf16 (7 bits, ties to even), the first in the low half.
MLA_FN unsigned mla_tf32(float value) {
  unsigned bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(value));
  return bits;
}
MLA_FN unsigned mla_bf16_pair(float low, float high) {
  unsigned bits;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
  return bits;
}

// Of a warp, g = lane / 4 and t = lane % 4.
// c (16 x 8) += a (16 x 8) b (8 x 8). a: (g, t) (g + 8, t) (g, t + 4) (g + 8, t + 4); b: (t, g) (t + 4, g);
// c: (g, 2t) (g, 2t + 1) (g + 8, 2t) (g + 8, 2t + 1).
MLA_FN void mla_mma_tf32_16x8x8(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
               "{%8, %9}, {%0, %1, %2, %3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
// c (16 x 8) += a (16 x 16) b (16 x 8), bf16 in pairs along k. a: (g, 2t..) (g + 8, 2t..) (g, 2t + 8..)
// (g + 8, 2t + 8..); b: (2t.., g) (2t + 8.., g); c as above.
MLA_FN void mla_mma_bf16_16x8x16(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
               "{%8, %9}, {%0, %1, %2, %3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// Four 8 x 8 matrices of 16-bit elements from shared memory: lane 8 m + r gives the address of row r of matrix m;
// register m of a lane holds elements 2t and 2t + 1 of row g of matrix m. (Transposed: elements g of rows 2t and 2t + 1.)
MLA_FN void mla_ldmatrix(unsigned (&d)[4], const void *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])
               : "r"((unsigned)__cvta_generic_to_shared(row))
               : "memory");
}
MLA_FN void mla_ldmatrix_transposed(unsigned (&d)[4], const void *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])
               : "r"((unsigned)__cvta_generic_to_shared(row))
               : "memory");
}
#endif

