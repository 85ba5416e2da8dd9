// for  logits/linear1
// from  examples/split.mlaan:8  logits = second | avgpool | linear(classes)
//   %1 linear_grad_weight([batch, 32], [batch, 10]) : [32, 10]
// moves 0.011 MiB for a batch of 32, in 1 part
void linear_grad_weight_32x10_finish(void *const *buf, long batch, void *scratch, int part, int parts) {
  const real *partial = buf[0];
  real *dw = buf[1];
  (void)batch, (void)scratch, (void)parts;
  const long end = part == 0 ? 320 : 320L * (part + 1);
  long i = 320L * part;
  for (; i + 8 <= end; i += 8) {
    MLA_USE(8)
    vec sum = mla_load(partial + i);
    for (long p = 1; p < 8; p++) sum += mla_load(partial + p * 320 + i);
    mla_store(dw + i, sum);
  }
  for (; i + 1 <= end; i += 1) {
    MLA_USE(1)
    vec sum = mla_load(partial + i);
    for (long p = 1; p < 8; p++) sum += mla_load(partial + p * 320 + i);
    mla_store(dw + i, sum);
  }
}
