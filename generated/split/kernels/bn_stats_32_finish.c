// for  second/bn1
// from  examples/split.mlaan:7  second = first | conv(32, 3, stride: 2) | bn | relu
//   %1 bn_stats([batch, 7, 7, 32]) : [2, 32]
// moves 0.192 MiB for a batch of 32, in 1 part
void bn_stats_32_finish(void *const *buf, long batch, void *scratch, int part, int parts) {
  const real *in0 = buf[0]; // [batch, 7, 7, 32]
  const real *partial = buf[1]; // [3][64]
  real *result0 = buf[2]; // [2, 32]
  const real n_rows = (real)(batch * 49);
  { // bn_stats
    MLA_USE(8)
    for (long c = 0; c < 32; c += 8) {
      const vec p0 = mla_load(in0 + c);
      vec sum0 = {0};
      vec sum1 = {0};
      for (long p = 0; p < 3; p++) {
        sum0 += mla_load(partial + p * 64 + c);
        sum1 += mla_load(partial + p * 64 + 32 + c);
      }
      mla_store(result0 + c, mla_vec(p0 + sum0 / n_rows));
      mla_store(result0 + 32 + c, mla_vec(mla_max((sum1 - sum0 * sum0 / n_rows) / n_rows, ((real)0))));
    }
  }
}
