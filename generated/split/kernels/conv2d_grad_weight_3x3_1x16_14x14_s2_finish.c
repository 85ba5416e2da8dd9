// for  first/conv1
// from  examples/split.mlaan:6  first  = image | conv(16, 3, stride: 2) | bn | relu
//   %1 conv2d_grad_weight([batch, 28, 28, 1], [batch, 14, 14, 16]) : [3, 3, 1, 16]
// moves 0.005 MiB for a batch of 32, in 1 part
void conv2d_grad_weight_3x3_1x16_14x14_s2_finish(void *const *buf, long batch, void *scratch, int part, int parts) {
  const real *partial = buf[0];
  real *dw = buf[1];
  (void)batch, (void)scratch, (void)parts;
  const long end = part == 0 ? 144 : 144L * (part + 1);
  long i = 144L * part;
  for (; i + 8 <= end; i += 8) {
    MLA_USE(8)
    vec sum = mla_load(partial + i);
    for (long p = 1; p < 8; p++) sum += mla_load(partial + p * 144 + i);
    mla_store(dw + i, sum);
  }
  for (; i + 1 <= end; i += 1) {
    MLA_USE(1)
    vec sum = mla_load(partial + i);
    for (long p = 1; p < 8; p++) sum += mla_load(partial + p * 144 + i);
    mla_store(dw + i, sum);
  }
}
