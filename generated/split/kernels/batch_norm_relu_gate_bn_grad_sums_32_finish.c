// for  second/bn1, second/relu1
// from  examples/split.mlaan:7  second = first | conv(32, 3, stride: 2) | bn | relu
//   %1 batch_norm([batch, 7, 7, 32], [32], [32], [32], [32]) : [batch, 7, 7, 32]
//   %2 relu(%1) : [batch, 7, 7, 32]
//   %3 gate([batch, 7, 7, 32], %2) : [batch, 7, 7, 32]
//   %4 bn_grad_sums(%3, [batch, 7, 7, 32], [32], [32]) : [2, 32]
// moves 0.001 MiB for a batch of 32, in 1 part
void batch_norm_relu_gate_bn_grad_sums_32_finish(void *const *buf, long batch, void *scratch, int part, int parts) {
  const real *partial = buf[0]; // [3][64]
  real *result0 = buf[1]; // [2, 32]
  { // bn_grad_sums
    MLA_USE(8)
    for (long c = 0; c < 32; c += 8) {
      vec sum0 = {0};
      vec sum1 = {0};
      for (long p = 0; p < 3; p++) {
        sum0 += mla_load(partial + p * 64 + c);
        sum1 += mla_load(partial + p * 64 + 32 + c);
      }
      mla_store(result0 + c, mla_vec(sum0));
      mla_store(result0 + 32 + c, mla_vec(sum1));
    }
  }
}
