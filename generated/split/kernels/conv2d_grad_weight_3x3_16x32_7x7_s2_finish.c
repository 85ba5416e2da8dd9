// for  second/conv1
// from  examples/split.mlaan:7  second = first | conv(32, 3, stride: 2) | bn | relu
//   %1 conv2d_grad_weight([batch, 14, 14, 16], [batch, 7, 7, 32]) : [3, 3, 16, 32]
// moves 0.158 MiB for a batch of 32, in 2 parts
void conv2d_grad_weight_3x3_16x32_7x7_s2_finish(void *const *buf, long batch, void *scratch, int part, int parts) {
  const real *partial = buf[0];
  real *dw = buf[1];
  (void)batch, (void)scratch, (void)parts;
  const long end = part == 1 ? 4608 : 2304L * (part + 1);
  long i = 2304L * part;
  for (; i + 8 <= end; i += 8) {
    MLA_USE(8)
    vec sum = mla_load(partial + i);
    for (long p = 1; p < 8; p++) sum += mla_load(partial + p * 4608 + i);
    mla_store(dw + i, sum);
  }
  for (; i + 1 <= end; i += 1) {
    MLA_USE(1)
    vec sum = mla_load(partial + i);
    for (long p = 1; p < 8; p++) sum += mla_load(partial + p * 4608 + i);
    mla_store(dw + i, sum);
  }
}
