// kernels/losses.cu of `small`: 2 kernels, in the order in which a step first comes to them.
#include "../prelude.cuh"

// ==== cross_entropy_1
// for  aux0/cross_entropy1; final/cross_entropy1 (2 launches a step: forward)
// from  examples/split.mlaan:13  auxiliary head { loss cross_entropy(x | avgpool | linear(classes), label) }
//       examples/split.mlaan:4  model small {
//   %1 cross_entropy([batch, 10], [batch]) : scalar
// moves 0.001 MiB, 0.000 GFLOP for a batch of 32, in 1 block of 256 threads
extern "C" __global__ void __launch_bounds__(256)
cross_entropy_1(const MlaBuffers<3> buf, const int images) {
  const long batch = images;
  MLA_USE(1)
  __shared__ real shared[256];
  const real *in0 = buf[0]; // [batch, 10]
  const int *in1 = buf[1]; // [batch]
  real *out = buf[2]; // scalar
  real total = 0;
  constexpr int MATES = 2; // threads that share a row
  const int mate = threadIdx.x % MATES;
  for (long n = threadIdx.x / MATES; n < batch; n += 128) {
    const real *row = in0 + n * 10;
    real most = row[0], sum = 0;
    for (long k = mate; k < 10; k += MATES) most = mla_max(most, row[k]);
    const real top = mla_row_largest<MATES>(most);
    for (long k = mate; k < 10; k += MATES) sum += mla_exp(row[k] - top);
    const real log_sum = top + mla_log(mla_row_total<MATES>(sum));
    if (mate == 0) total += log_sum - row[in1[n]];
  }
  total = mla_block_sum(total, shared);
  if (threadIdx.x == 0) out[0] = total / (real)batch;
}

// ==== cross_entropy_grad_10
// for  aux0/cross_entropy1; final/cross_entropy1 (2 launches a step: backward)
// from  examples/split.mlaan:13  auxiliary head { loss cross_entropy(x | avgpool | linear(classes), label) }
//       examples/split.mlaan:4  model small {
//   %1 cross_entropy_grad(scalar, [batch, 10], [batch]) : [batch, 10]
// moves 0.003 MiB, 0.000 GFLOP for a batch of 32, in 1 block of 128 threads
extern "C" __global__ void __launch_bounds__(128)
cross_entropy_grad_10(const __grid_constant__ MlaBuffers<4> buf, const int images) {
  const long batch = images;
  MLA_USE(1)
  const real *in0 = buf[0]; // scalar
  const real *in1 = buf[1]; // [batch, 10]
  const int *in2 = buf[2]; // [batch]
  real *out = buf[3]; // [batch, 10]
  constexpr int MATES = 4; // threads that share a row
  const int mate = threadIdx.x % MATES;
  const long n = ((long)blockIdx.x * 128 + threadIdx.x) / MATES;
  if (n >= batch * 1) return;
  const real scale = in0[0] / (real)batch;
  const real *row = in1 + n * 10;
  real most = row[0], sum = 0;
  for (long k = mate; k < 10; k += MATES) most = mla_max(most, row[k]);
  const real top = mla_row_largest<MATES>(most);
  for (long k = mate; k < 10; k += MATES) sum += mla_exp(row[k] - top);
  const real log_sum = top + mla_log(mla_row_total<MATES>(sum));
  for (long k = mate; k < 10; k += MATES) {
    real target = k == in2[n] ? 1 : 0;
    out[n * 10 + k] = scale * (mla_exp(row[k] - log_sum) - target);
  }
}
