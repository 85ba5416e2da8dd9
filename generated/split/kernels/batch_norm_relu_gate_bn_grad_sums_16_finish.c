// for  first/bn1, first/relu1
// from  examples/split.mlaan:6  first  = image | conv(16, 3, stride: 2) | bn | relu
//   %1 batch_norm([batch, 14, 14, 16], [16], [16], [16], [16]) : [batch, 14, 14, 16]
//   %2 relu(%1) : [batch, 14, 14, 16]
//   %3 gate([batch, 14, 14, 16], %2) : [batch, 14, 14, 16]
//   %4 bn_grad_sums(%3, [batch, 14, 14, 16], [16], [16]) : [2, 16]
// moves 0.001 MiB for a batch of 32, in 1 part
void batch_norm_relu_gate_bn_grad_sums_16_finish(void *const *buf, long batch, void *scratch, int part, int parts) {
  const real *partial = buf[0]; // [6][32]
  real *result0 = buf[1]; // [2, 16]
  { // bn_grad_sums
    MLA_USE(8)
    for (long c = 0; c < 16; c += 8) {
      vec sum0 = {0};
      vec sum1 = {0};
      for (long p = 0; p < 6; p++) {
        sum0 += mla_load(partial + p * 32 + c);
        sum1 += mla_load(partial + p * 32 + 16 + c);
      }
      mla_store(result0 + c, mla_vec(sum0));
      mla_store(result0 + 16 + c, mla_vec(sum1));
    }
  }
}
