// for  second.bn1.running_mean
// from  examples/split.mlaan:7  second = first | conv(32, 3, stride: 2) | bn | relu
//   %1 running_step([2, 32]) on 2 tensors
// moves 0.000 MiB, 0.000 GFLOP for a batch of 32, in 1 part
void running_step_32(void *const *buf, long batch, void *scratch, int part, int parts) {
  MLA_USE(8)
  const real *stats = buf[0]; // [2][32]
  real *mean = buf[1], *var = buf[2];
  const real n = (real)(batch * 49);
  const real unbiased = n > 1 ? n / (n - 1) : 1;
  for (long c = 0; c < 32; c += 8) {
    mla_store(mean + c, ((real)0.9) * mla_load(mean + c) + ((real)0.1) * mla_load(stats + c));
    mla_store(var + c, ((real)0.9) * mla_load(var + c) + ((real)0.1) * unbiased * mla_load(stats + 32 + c));
  }
}
