// for  first/bn1, first/relu1
// from  examples/split.mlaan:6  first  = image | conv(16, 3, stride: 2) | bn | relu
//   %1 batch_norm([batch, 14, 14, 16], [16], [16], [16], [16]) : [batch, 14, 14, 16]
//   %2 relu(%1) : [batch, 14, 14, 16]
//   %3 gate([batch, 14, 14, 16], %2) : [batch, 14, 14, 16]
//   %4 bn_grad_input(%3, [batch, 14, 14, 16], [16], [16], [16], [16], [16]) : [batch, 14, 14, 16]
// moves 1.149 MiB, 0.000 GFLOP for a batch of 32, in 6 parts
void batch_norm_relu_gate_bn_grad_input_16(void *const *buf, long batch, void *scratch, int part, int parts) {
  MLA_USE(8)
  const real *in0 = buf[0]; // [batch, 14, 14, 16]
  const real *in1 = buf[1]; // [16]
  const real *in2 = buf[2]; // [16]
  const real *in3 = buf[3]; // [16]
  const real *in4 = buf[4]; // [16]
  const real *in5 = buf[5]; // [batch, 14, 14, 16]
  const real *in6 = buf[6]; // [16]
  const real *in7 = buf[7]; // [16]
  real *out0 = buf[8]; // [batch, 14, 14, 16]
  const real n_rows = (real)(batch * 196);
  const long rows = batch * 196, begin = rows * part / parts, end = rows * (part + 1) / parts;
  real *kept = scratch; // [5][16]
  {
    MLA_USE(8)
    for (long c = 0; c < 16; c += 8) {
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
      mla_store(kept + 16 + c, k1);
      mla_store(kept + 32 + c, k3);
      mla_store(kept + 48 + c, k4);
      mla_store(kept + 64 + c, k5);
    }
  }
  for (long r = begin; r < end; r++) {
    for (long c = 0; c < 16; c += 8) {
      const long e = r * 16 + c;
      const vec a1 = mla_load(in1 + c);
      const vec k0 = mla_load(kept + c);
      const vec k1 = mla_load(kept + 16 + c);
      const vec k3 = mla_load(kept + 32 + c);
      const vec k4 = mla_load(kept + 48 + c);
      const vec k5 = mla_load(kept + 64 + c);
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
