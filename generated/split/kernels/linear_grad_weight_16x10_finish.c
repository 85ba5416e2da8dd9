// for  aux0/linear1
// from  examples/split.mlaan:13  auxiliary head { loss cross_entropy(x | avgpool | linear(classes), label) }
//   %1 linear_grad_weight([batch, 16], [batch, 10]) : [16, 10]
// moves 0.005 MiB for a batch of 32, in 1 part
void linear_grad_weight_16x10_finish(void *const *buf, long batch, void *scratch, int part, int parts) {
  const real *partial = buf[0];
  real *dw = buf[1];
  (void)batch, (void)scratch, (void)parts;
  const long end = part == 0 ? 160 : 160L * (part + 1);
  long i = 160L * part;
  for (; i + 8 <= end; i += 8) {
    MLA_USE(8)
    vec sum = mla_load(partial + i);
    for (long p = 1; p < 8; p++) sum += mla_load(partial + p * 160 + i);
    mla_store(dw + i, sum);
  }
  for (; i + 1 <= end; i += 1) {
    MLA_USE(1)
    vec sum = mla_load(partial + i);
    for (long p = 1; p < 8; p++) sum += mla_load(partial + p * 160 + i);
    mla_store(dw + i, sum);
  }
}
