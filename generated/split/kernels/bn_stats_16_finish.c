// for  first/bn1
// from  examples/split.mlaan:6  first  = image | conv(16, 3, stride: 2) | bn | relu
//   %1 bn_stats([batch, 14, 14, 16]) : [2, 16]
// moves 0.384 MiB for a batch of 32, in 1 part
void bn_stats_16_finish(void *const *buf, long batch, void *scratch, int part, int parts) {
  const real *in0 = buf[0]; // [batch, 14, 14, 16]
  const real *partial = buf[1]; // [6][32]
  real *result0 = buf[2]; // [2, 16]
  const real n_rows = (real)(batch * 196);
  { // bn_stats
    MLA_USE(8)
    for (long c = 0; c < 16; c += 8) {
      const vec p0 = mla_load(in0 + c);
      vec sum0 = {0};
      vec sum1 = {0};
      for (long p = 0; p < 6; p++) {
        sum0 += mla_load(partial + p * 32 + c);
        sum1 += mla_load(partial + p * 32 + 16 + c);
      }
      mla_store(result0 + c, mla_vec(p0 + sum0 / n_rows));
      mla_store(result0 + 16 + c, mla_vec(mla_max((sum1 - sum0 * sum0 / n_rows) / n_rows, ((real)0))));
    }
  }
}
