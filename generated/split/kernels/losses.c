// kernels/losses.c of `small`: 2 kernels, in the order in which a step first comes to them.
#include "../prelude.h"

// ==== cross_entropy_1
// for  aux0/cross_entropy1; final/cross_entropy1 (2 launches a step: forward)
// from  examples/split.mlaan:13  auxiliary head { loss cross_entropy(x | avgpool | linear(classes), label) }
//       examples/split.mlaan:4  model small {
//   %1 cross_entropy([batch, 10], [batch]) : scalar
// moves 0.001 MiB, 0.000 GFLOP for a batch of 32, in 1 part
void cross_entropy_1(void *const *buf, long batch, void *scratch, int part, int parts) {
  MLA_USE(1)
  const real *in0 = buf[0]; // [batch, 10]
  const int *in1 = buf[1]; // [batch]
  real *out = buf[2]; // scalar
  real total = 0;
  for (long n = 0; n < batch; n++) {
    const real *row = in0 + n * 10;
    real most = row[0], sum = 0;
    for (long k = 0; k < 10; k += 1) most = mla_max(most, row[k]);
    const real top = most;
    for (long k = 0; k < 10; k += 1) sum += mla_exp(row[k] - top);
    const real log_sum = top + mla_log(sum);
    total += log_sum - row[in1[n]];
  }
  out[0] = total / (real)batch;
}

// ==== cross_entropy_grad_10
// for  aux0/cross_entropy1; final/cross_entropy1 (2 launches a step: backward)
// from  examples/split.mlaan:13  auxiliary head { loss cross_entropy(x | avgpool | linear(classes), label) }
//       examples/split.mlaan:4  model small {
//   %1 cross_entropy_grad(scalar, [batch, 10], [batch]) : [batch, 10]
// moves 0.003 MiB, 0.000 GFLOP for a batch of 32, in 1 part
void cross_entropy_grad_10(void *const *buf, long batch, void *scratch, int part, int parts) {
  MLA_USE(1)
  const real *in0 = buf[0]; // scalar
  const real *in1 = buf[1]; // [batch, 10]
  const int *in2 = buf[2]; // [batch]
  real *out = buf[3]; // [batch, 10]
  const long rows = batch * 1, begin = rows * part / parts, end = rows * (part + 1) / parts;
  for (long n = begin; n < end; n++) {
    const real scale = in0[0] / (real)batch;
    const real *row = in1 + n * 10;
    real most = row[0], sum = 0;
    for (long k = 0; k < 10; k += 1) most = mla_max(most, row[k]);
    const real top = most;
    for (long k = 0; k < 10; k += 1) sum += mla_exp(row[k] - top);
    const real log_sum = top + mla_log(sum);
    for (long k = 0; k < 10; k += 1) {
      real target = k == in2[n] ? 1 : 0;
      out[n * 10 + k] = scale * (mla_exp(row[k] - log_sum) - target);
    }
  }
}
