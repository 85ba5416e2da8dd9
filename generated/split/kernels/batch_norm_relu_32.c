// for  second/bn1, second/relu1 (2 launches)
// from  examples/split.mlaan:7  second = first | conv(32, 3, stride: 2) | bn | relu
//   %1 batch_norm([batch, 7, 7, 32], [32], [32], [32], [32]) : [batch, 7, 7, 32]
//   %2 relu(%1) : [batch, 7, 7, 32]
// moves 0.383 MiB, 0.000 GFLOP for a batch of 32, in 3 parts
void batch_norm_relu_32(void *const *buf, long batch, void *scratch, int part, int parts) {
  MLA_USE(8)
  const real *in0 = buf[0]; // [batch, 7, 7, 32]
  const real *in1 = buf[1]; // [32]
  const real *in2 = buf[2]; // [32]
  const real *in3 = buf[3]; // [32]
  const real *in4 = buf[4]; // [32]
  real *out0 = buf[5]; // [batch, 7, 7, 32]
  const long rows = batch * 49, begin = rows * part / parts, end = rows * (part + 1) / parts;
  real *kept = scratch; // [2][32]
  {
    MLA_USE(8)
    for (long c = 0; c < 32; c += 8) {
      const vec a1 = mla_load(in1 + c);
      const vec a2 = mla_load(in2 + c);
      const vec a3 = mla_load(in3 + c);
      const vec a4 = mla_load(in4 + c);
      const vec k0 = mla_vec(a3 * mla_rsqrt(a2 + ((real)1e-05)));
      const vec k1 = mla_vec(a4 - a1 * k0);
      mla_store(kept + c, k0);
      mla_store(kept + 32 + c, k1);
    }
  }
  for (long r = begin; r < end; r++) {
    for (long c = 0; c < 32; c += 8) {
      const long e = r * 32 + c;
      const vec k0 = mla_load(kept + c);
      const vec k1 = mla_load(kept + 32 + c);
      const vec a0 = mla_load(in0 + e);
      const vec t0 = mla_vec(a0 * k0 + k1); // batch_norm
      const vec t1 = mla_vec(mla_max(t0, ((real)0))); // relu
      mla_store(out0 + e, t1);
    }
  }
}
