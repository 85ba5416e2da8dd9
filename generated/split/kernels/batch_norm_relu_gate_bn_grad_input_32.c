// for  second/bn1, second/relu1
// from  examples/split.mlaan:7  second = first | conv(32, 3, stride: 2) | bn | relu
//   %1 batch_norm([batch, 7, 7, 32], [32], [32], [32], [32]) : [batch, 7, 7, 32]
//   %2 relu(%1) : [batch, 7, 7, 32]
//   %3 gate([batch, 7, 7, 32], %2) : [batch, 7, 7, 32]
//   %4 bn_grad_input(%3, [batch, 7, 7, 32], [32], [32], [32], [32], [32]) : [batch, 7, 7, 32]
// moves 0.575 MiB, 0.000 GFLOP for a batch of 32, in 3 parts
void batch_norm_relu_gate_bn_grad_input_32(void *const *buf, long batch, void *scratch, int part, int parts) {
  MLA_USE(8)
  const real *in0 = buf[0]; // [batch, 7, 7, 32]
  const real *in1 = buf[1]; // [32]
  const real *in2 = buf[2]; // [32]
  const real *in3 = buf[3]; // [32]
  const real *in4 = buf[4]; // [32]
  const real *in5 = buf[5]; // [batch, 7, 7, 32]
  const real *in6 = buf[6]; // [32]
  const real *in7 = buf[7]; // [32]
  real *out0 = buf[8]; // [batch, 7, 7, 32]
  const real n_rows = (real)(batch * 49);
  const long rows = batch * 49, begin = rows * part / parts, end = rows * (part + 1) / parts;
  real *kept = scratch; // [5][32]
  {
    MLA_USE(8)
    for (long c = 0; c < 32; c += 8) {
      const vec a1 = mla_load(in1 + c);
      const vec a2 = mla_load(in2 + c);
      const vec a3 = mla_load(in3 + c);
      const vec a4 = mla_load(in4 + c);
      const vec k0 = mla_vec(a3 * mla_rsqrt(a2 + ((real)1e-05)));
      const vec k1 = mla_vec(a4 - a1 * k0);
      const vec a6 = mla_load(in6 + c);
      const vec a7 = mla_load(in7 + c);
      const vec k2 = mla_vec(mla_rsqrt(a2 + ((real)1e-05)));
      const vec k3 = mla_vec(a3 * k2);
      const vec k4 = mla_vec(-k3 * k2 * a6 / n_rows);
      const vec k5 = mla_vec(-k3 * a7 / n_rows);
      mla_store(kept + c, k0);
      mla_store(kept + 32 + c, k1);
      mla_store(kept + 64 + c, k3);
      mla_store(kept + 96 + c, k4);
      mla_store(kept + 128 + c, k5);
    }
  }
  for (long r = begin; r < end; r++) {
    for (long c = 0; c < 32; c += 8) {
      const long e = r * 32 + c;
      const vec a1 = mla_load(in1 + c);
      const vec k0 = mla_load(kept + c);
      const vec k1 = mla_load(kept + 32 + c);
      const vec k3 = mla_load(kept + 64 + c);
      const vec k4 = mla_load(kept + 96 + c);
      const vec k5 = mla_load(kept + 128 + c);
      const vec a0 = mla_load(in0 + e);
      const vec t0 = mla_vec(a0 * k0 + k1); // batch_norm
      const vec t1 = mla_vec(mla_max(t0, ((real)0))); // relu
      const vec a5 = mla_load(in5 + e);
      const vec t2 = mla_vec(mla_gate(t1, a5)); // gate
      const vec t3 = mla_vec(t2 * k3 + (k4 * (a0 - a1) + k5)); // bn_grad_input
      mla_store(out0 + e, t3);
    }
  }
}
