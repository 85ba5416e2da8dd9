// for  aux0/linear1, logits/linear1 (2 launches)
// from  examples/split.mlaan:13  auxiliary head { loss cross_entropy(x | avgpool | linear(classes), label) }
//       examples/split.mlaan:8  logits = second | avgpool | linear(classes)
//   %1 channel_sum([batch, 10]) : [10]
// moves 0.001 MiB, 0.000 GFLOP for a batch of 32, in 1 part
void channel_sum_10(void *const *buf, long batch, void *scratch, int part, int parts) {
  MLA_USE(2)
  const real *in0 = buf[0]; // [batch, 10]
  real *result0 = buf[1]; // [10]
  real *partial = (real *)scratch + 10;
  const long rows = batch * 1, begin = rows * part / parts, end = rows * (part + 1) / parts;
  real *sums = (real *)scratch + 0; // [1][10]
  for (long i = 0; i < 10; i++) sums[i] = 0;
  for (long block = begin; block < end; block += 256) {
    const long stop = block + 256 < end ? block + 256 : end;
    for (long c = 0; c < 10; c += 2) {
      vec s0 = {0};
      for (long r = block; r < stop; r++) {
        const long e = r * 10 + c;
        const vec a0 = mla_load(in0 + e);
        s0 += a0;
      }
      mla_store(sums + c, mla_load(sums + c) + s0);
    }
  }
  for (long c = 0; c < 10; c++) {
    real total = 0;
    for (long i = c; i < 10; i += 10) total += *(sums + i);
    *(partial + c) = total;
  }
  { // channel_sum
    MLA_USE(2)
    for (long c = 0; c < 10; c += 2) {
      vec sum0 = {0};
      for (long p = 0; p < 1; p++) {
        sum0 += mla_load(partial + c);
      }
      mla_store(result0 + c, mla_vec(sum0));
    }
  }
}
