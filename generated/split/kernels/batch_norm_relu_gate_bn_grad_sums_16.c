// for  first/bn1, first/relu1
// from  examples/split.mlaan:6  first  = image | conv(16, 3, stride: 2) | bn | relu
//   %1 batch_norm([batch, 14, 14, 16], [16], [16], [16], [16]) : [batch, 14, 14, 16]
//   %2 relu(%1) : [batch, 14, 14, 16]
//   %3 gate([batch, 14, 14, 16], %2) : [batch, 14, 14, 16]
//   %4 bn_grad_sums(%3, [batch, 14, 14, 16], [16], [16]) : [2, 16]
// moves 0.767 MiB, 0.000 GFLOP for a batch of 32, in 6 parts
void batch_norm_relu_gate_bn_grad_sums_16(void *const *buf, long batch, void *scratch, int part, int parts) {
  MLA_USE(8)
  const real *in0 = buf[0]; // [batch, 14, 14, 16]
  const real *in1 = buf[1]; // [16]
  const real *in2 = buf[2]; // [16]
  const real *in3 = buf[3]; // [16]
  const real *in4 = buf[4]; // [16]
  const real *in5 = buf[5]; // [batch, 14, 14, 16]
  real *partial = (real *)buf[6] + part * 32;
  const long rows = batch * 196, begin = rows * part / parts, end = rows * (part + 1) / parts;
  real *kept = scratch; // [3][16]
  {
    MLA_USE(8)
    for (long c = 0; c < 16; c += 8) {
      const vec a1 = mla_load(in1 + c);
      const vec a2 = mla_load(in2 + c);
      const vec a3 = mla_load(in3 + c);
      const vec a4 = mla_load(in4 + c);
      const vec k0 = mla_vec(a3 * mla_rsqrt(a2 + ((real)1e-05)));
      const vec k1 = mla_vec(a4 - a1 * k0);
      const vec k2 = mla_vec(mla_rsqrt(a2 + ((real)1e-05)));
      mla_store(kept + c, k0);
      mla_store(kept + 16 + c, k1);
      mla_store(kept + 32 + c, k2);
    }
  }
  real *sums = (real *)scratch + 48; // [2][16]
  for (long i = 0; i < 32; i++) sums[i] = 0;
  for (long block = begin; block < end; block += 256) {
    const long stop = block + 256 < end ? block + 256 : end;
    for (long c = 0; c < 16; c += 8) {
      const vec a1 = mla_load(in1 + c);
      const vec k0 = mla_load(kept + c);
      const vec k1 = mla_load(kept + 16 + c);
      const vec k2 = mla_load(kept + 32 + c);
      vec s0 = {0};
      vec s1 = {0};
      for (long r = block; r < stop; r++) {
        const long e = r * 16 + c;
        const vec a0 = mla_load(in0 + e);
        const vec t0 = mla_vec(a0 * k0 + k1); // batch_norm
        const vec t1 = mla_vec(mla_max(t0, ((real)0))); // relu
        const vec a5 = mla_load(in5 + e);
        const vec t2 = mla_vec(mla_gate(t1, a5)); // gate
        s0 += t2 * ((a0 - a1) * k2);
        s1 += t2;
      }
      mla_store(sums + c, mla_load(sums + c) + s0);
      mla_store(sums + 16 + c, mla_load(sums + 16 + c) + s1);
    }
  }
  for (long c = 0; c < 16; c++) {
    real total = 0;
    for (long i = c; i < 16; i += 16) total += *(sums + i);
    *(partial + c) = total;
  }
  for (long c = 0; c < 16; c++) {
    real total = 0;
    for (long i = c; i < 16; i += 16) total += *(sums + 16 + i);
    *(partial + 16 + c) = total;
  }
}
