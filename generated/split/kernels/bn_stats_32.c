// for  second/bn1
// from  examples/split.mlaan:7  second = first | conv(32, 3, stride: 2) | bn | relu
//   %1 bn_stats([batch, 7, 7, 32]) : [2, 32]
// moves 0.192 MiB, 0.000 GFLOP for a batch of 32, in 3 parts
void bn_stats_32(void *const *buf, long batch, void *scratch, int part, int parts) {
  MLA_USE(8)
  const real *in0 = buf[0]; // [batch, 7, 7, 32]
  real *partial = (real *)buf[1] + part * 64;
  const long rows = batch * 49, begin = rows * part / parts, end = rows * (part + 1) / parts;
  real *kept = scratch; // [1][32]
  {
    MLA_USE(8)
    for (long c = 0; c < 32; c += 8) {
      const vec p0 = mla_load(in0 + c);
      mla_store(kept + c, p0);
    }
  }
  real *sums = (real *)scratch + 32; // [2][32]
  for (long i = 0; i < 64; i++) sums[i] = 0;
  for (long block = begin; block < end; block += 128) {
    const long stop = block + 128 < end ? block + 128 : end;
    for (long c = 0; c < 32; c += 8) {
      const vec p0 = mla_load(kept + c);
      vec s0 = {0};
      vec s1 = {0};
      for (long r = block; r < stop; r++) {
        const long e = r * 32 + c;
        const vec a0 = mla_load(in0 + e);
        s0 += a0 - p0;
        s1 += (a0 - p0) * (a0 - p0);
      }
      mla_store(sums + c, mla_load(sums + c) + s0);
      mla_store(sums + 32 + c, mla_load(sums + 32 + c) + s1);
    }
  }
  for (long c = 0; c < 32; c++) {
    real total = 0;
    for (long i = c; i < 32; i += 32) total += *(sums + i);
    *(partial + c) = total;
  }
  for (long c = 0; c < 32; c++) {
    real total = 0;
    for (long i = c; i < 32; i += 32) total += *(sums + 32 + i);
    *(partial + 32 + c) = total;
  }
}
