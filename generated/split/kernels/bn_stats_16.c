// for  first/bn1
// from  examples/split.mlaan:6  first  = image | conv(16, 3, stride: 2) | bn | relu
//   %1 bn_stats([batch, 14, 14, 16]) : [2, 16]
// moves 0.384 MiB, 0.000 GFLOP for a batch of 32, in 6 parts
void bn_stats_16(void *const *buf, long batch, void *scratch, int part, int parts) {
  MLA_USE(8)
  const real *in0 = buf[0]; // [batch, 14, 14, 16]
  real *partial = (real *)buf[1] + part * 32;
  const long rows = batch * 196, begin = rows * part / parts, end = rows * (part + 1) / parts;
  real *kept = scratch; // [1][16]
  {
    MLA_USE(8)
    for (long c = 0; c < 16; c += 8) {
      const vec p0 = mla_load(in0 + c);
      mla_store(kept + c, p0);
    }
  }
  real *sums = (real *)scratch + 16; // [2][16]
  for (long i = 0; i < 32; i++) sums[i] = 0;
  for (long block = begin; block < end; block += 256) {
    const long stop = block + 256 < end ? block + 256 : end;
    for (long c = 0; c < 16; c += 8) {
      const vec p0 = mla_load(kept + c);
      vec s0 = {0};
      vec s1 = {0};
      for (long r = block; r < stop; r++) {
        const long e = r * 16 + c;
        const vec a0 = mla_load(in0 + e);
        s0 += a0 - p0;
        s1 += (a0 - p0) * (a0 - p0);
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
