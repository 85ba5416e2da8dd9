// kernels/pooling.cu of `small`: 4 kernels, in the order in which a step first comes to them.
#include "../prelude.cuh"

// ==== adaptive_avg_pool_16
// for  aux0/avgpool1 (1 launch a step: forward)
// from  examples/split.mlaan:13  auxiliary head { loss cross_entropy(x | avgpool | linear(classes), label) }
//   %1 adaptive_avg_pool([batch, 14, 14, 16]) : [batch, 1, 1, 16]
// moves 0.385 MiB, 0.000 GFLOP for a batch of 32, in 1 block of 256 threads
extern "C" __global__ void __launch_bounds__(256)
adaptive_avg_pool_16(const MlaBuffers<2> buf, const int images) {
  const long batch = images;
  MLA_USE(4)
  const real *in0 = buf[0]; // [batch, 14, 14, 16]
  real *out = buf[1]; // [batch, 1, 1, 16]
  const int i = (int)blockIdx.x * 256 + threadIdx.x;
  if (i >= batch * 4) return;
  const long c = i % 4 * 4, x = i / 4 % 1;
  const long y = i / 4 % 1, n = i / 4;
  real *to = out + (long)i * 4;
  long row_begin = y * 14 / 1, row_end = ((y + 1) * 14 + 0) / 1;
  long col_begin = x * 14 / 1, col_end = ((x + 1) * 14 + 0) / 1;
  vec sum = {0};
  for (long row = row_begin; row < row_end; row++) {
    for (long col = col_begin; col < col_end; col++) {
      sum = sum + mla_load(in0 + ((n * 14 + row) * 14 + col) * 16 + c);
    }
  }
  mla_store(to, mla_vec(sum / (real)((row_end - row_begin) * (col_end - col_begin))));
}

// ==== adaptive_avg_pool_grad_16
// for  aux0/avgpool1 (1 launch a step: backward)
// from  examples/split.mlaan:13  auxiliary head { loss cross_entropy(x | avgpool | linear(classes), label) }
//   %1 adaptive_avg_pool_grad([batch, 1, 1, 16]) : [batch, 14, 14, 16]
// moves 0.385 MiB, 0.000 GFLOP for a batch of 32, in 98 blocks of 256 threads
extern "C" __global__ void __launch_bounds__(256)
adaptive_avg_pool_grad_16(const MlaBuffers<2> buf, const int images) {
  const long batch = images;
  MLA_USE(4)
  const real *in0 = buf[0]; // [batch, 1, 1, 16]
  real *out = buf[1]; // [batch, 14, 14, 16]
  const int i = (int)blockIdx.x * 256 + threadIdx.x;
  if (i >= batch * 784) return;
  const long c = i % 4 * 4, x = i / 4 % 14;
  const long y = i / 56 % 14, n = i / 784;
  real *to = out + (long)i * 4;
  long row_begin = y * 1 / 14, row_last = ((y + 1) * 1 - 1) / 14;
  long col_begin = x * 1 / 14, col_last = ((x + 1) * 1 - 1) / 14;
  vec sum = {0};
  for (long row = row_begin; row <= row_last; row++) {
    long high_begin = row * 14 / 1, high_end = ((row + 1) * 14 + 0) / 1;
    for (long col = col_begin; col <= col_last; col++) {
      long wide_begin = col * 14 / 1, wide_end = ((col + 1) * 14 + 0) / 1;
      sum = sum + mla_load(in0 + ((n * 1 + row) * 1 + col) * 16 + c) / (real)((high_end - high_begin) * (wide_end - wide_begin));
    }
  }
  mla_store(to, mla_vec(sum));
}

// ==== adaptive_avg_pool_32
// for  logits/avgpool1 (1 launch a step: forward; 1 in an evaluation)
// from  examples/split.mlaan:8  logits = second | avgpool | linear(classes)
//   %1 adaptive_avg_pool([batch, 7, 7, 32]) : [batch, 1, 1, 32]
// moves 0.195 MiB, 0.000 GFLOP for a batch of 32, in 1 block of 256 threads
extern "C" __global__ void __launch_bounds__(256)
adaptive_avg_pool_32(const MlaBuffers<2> buf, const int images) {
  const long batch = images;
  MLA_USE(4)
  const real *in0 = buf[0]; // [batch, 7, 7, 32]
  real *out = buf[1]; // [batch, 1, 1, 32]
  const int i = (int)blockIdx.x * 256 + threadIdx.x;
  if (i >= batch * 8) return;
  const long c = i % 8 * 4, x = i / 8 % 1;
  const long y = i / 8 % 1, n = i / 8;
  real *to = out + (long)i * 4;
  long row_begin = y * 7 / 1, row_end = ((y + 1) * 7 + 0) / 1;
  long col_begin = x * 7 / 1, col_end = ((x + 1) * 7 + 0) / 1;
  vec sum = {0};
  for (long row = row_begin; row < row_end; row++) {
    for (long col = col_begin; col < col_end; col++) {
      sum = sum + mla_load(in0 + ((n * 7 + row) * 7 + col) * 32 + c);
    }
  }
  mla_store(to, mla_vec(sum / (real)((row_end - row_begin) * (col_end - col_begin))));
}

// ==== adaptive_avg_pool_grad_32
// for  logits/avgpool1 (1 launch a step: backward)
// from  examples/split.mlaan:8  logits = second | avgpool | linear(classes)
//   %1 adaptive_avg_pool_grad([batch, 1, 1, 32]) : [batch, 7, 7, 32]
// moves 0.195 MiB, 0.000 GFLOP for a batch of 32, in 49 blocks of 256 threads
extern "C" __global__ void __launch_bounds__(256)
adaptive_avg_pool_grad_32(const MlaBuffers<2> buf, const int images) {
  const long batch = images;
  MLA_USE(4)
  const real *in0 = buf[0]; // [batch, 1, 1, 32]
  real *out = buf[1]; // [batch, 7, 7, 32]
  const int i = (int)blockIdx.x * 256 + threadIdx.x;
  if (i >= batch * 392) return;
  const long c = i % 8 * 4, x = i / 8 % 7;
  const long y = i / 56 % 7, n = i / 392;
  real *to = out + (long)i * 4;
  long row_begin = y * 1 / 7, row_last = ((y + 1) * 1 - 1) / 7;
  long col_begin = x * 1 / 7, col_last = ((x + 1) * 1 - 1) / 7;
  vec sum = {0};
  for (long row = row_begin; row <= row_last; row++) {
    long high_begin = row * 7 / 1, high_end = ((row + 1) * 7 + 0) / 1;
    for (long col = col_begin; col <= col_last; col++) {
      long wide_begin = col * 7 / 1, wide_end = ((col + 1) * 7 + 0) / 1;
      sum = sum + mla_load(in0 + ((n * 1 + row) * 1 + col) * 32 + c) / (real)((high_end - high_begin) * (wide_end - wide_begin));
    }
  }
  mla_store(to, mla_vec(sum));
}
