// kernels/sums.cu of `small`: 3 kernels, in the order in which a step first comes to them.
#include "../prelude.cuh"

// ==== channel_sum_10
// for  aux0/linear1; logits/linear1 (2 launches a step: backward)
// from  examples/split.mlaan:13  auxiliary head { loss cross_entropy(x | avgpool | linear(classes), label) }
//       examples/split.mlaan:8  logits = second | avgpool | linear(classes)
//   %1 channel_sum(in0) : [10]
// moves 0.001 MiB, 0.000 GFLOP for a batch of 32, in 1 block of 255 threads
extern "C" __global__ void __launch_bounds__(255)
channel_sum_10(const MlaBuffers<2> buf, const int images) {
  const long batch = images;
  MLA_USE(2)
  __shared__ MlaSlot<2> shared[255];
  const real *in0 = buf[0]; // [batch, 10]
  real *result0 = buf[1]; // [10]
  const int part = (int)blockIdx.x;
  const long rows = batch * 1;
  const int begin = rows * part / 1, end = rows * (part + 1) / 1;
  const int c = (int)threadIdx.x % 5 * 2;
  vec s0 = {0};
  for (int r = begin + (int)threadIdx.x / 5; r < end; r += 51) {
    const int e = r * 10 + c;
    const vec a0 = mla_load(in0 + e);
    s0 += a0;
  }
  const vec sum0 = mla_column_sum(s0, shared, 5);
  if (threadIdx.x < 5) {
    mla_store(result0 + c, mla_vec(sum0));
  }
}

// ==== batch_norm_relu_gate_bn_grad_sums_16
// for  first/bn1+relu1 (1 launch a step: backward)
// from  examples/split.mlaan:6  first  = image | conv(16, 3, stride: 2) | bn | relu
//   %1 batch_norm(in0, in1, in2, in3, in4) : [batch, 14, 14, 16]
//   %2 relu(%1) : [batch, 14, 14, 16]
//   %3 gate(in5, %2) : [batch, 14, 14, 16]
//   %4 bn_grad_sums(%3, in0, in1, in2) : [2, 16]
// moves 0.767 MiB, 0.000 GFLOP for a batch of 32, in 6 blocks of 256 threads
extern "C" __global__ void __launch_bounds__(256)
batch_norm_relu_gate_bn_grad_sums_16(const MlaBuffers<9> buf, const int images) {
  const long batch = images;
  MLA_USE(4)
  __shared__ MlaSlot<4> shared[256];
  const real *in0 = buf[0]; // [batch, 14, 14, 16]
  const real *in1 = buf[1]; // [16]
  const real *in2 = buf[2]; // [16]
  const real *in3 = buf[3]; // [16]
  const real *in4 = buf[4]; // [16]
  const real *in5 = buf[5]; // [batch, 14, 14, 16]
  __shared__ unsigned taken;
  real *partial = buf[6]; // [6][32]
  unsigned *tickets = buf[7]; // [1]
  real *result0 = buf[8]; // [2, 16]
  const int part = (int)blockIdx.x;
  const long rows = batch * 196;
  const int begin = rows * part / 6, end = rows * (part + 1) / 6;
  const int c = (int)threadIdx.x % 4 * 4;
  const vec a1 = mla_load(in1 + c);
  const vec a2 = mla_load(in2 + c);
  const vec a3 = mla_load(in3 + c);
  const vec a4 = mla_load(in4 + c);
  const vec k0 = mla_vec(a3 * mla_rsqrt(a2 + ((real)1e-05)));
  const vec k1 = mla_vec(a4 - a1 * k0);
  const vec k2 = mla_vec(mla_rsqrt(a2 + ((real)1e-05)));
  vec s0 = {0};
  vec s1 = {0};
  for (int r = begin + (int)threadIdx.x / 4; r < end; r += 64) {
    const int e = r * 16 + c;
    const vec a0 = mla_load(in0 + e);
    const vec t0 = mla_vec(a0 * k0 + k1); // batch_norm
    const vec t1 = mla_vec(mla_max(t0, ((real)0))); // relu
    const vec a5 = mla_load(in5 + e);
    const vec t2 = mla_vec(mla_gate(t1, a5)); // gate
    s0 += t2 * ((a0 - a1) * k2);
    s1 += t2;
  }
  const vec part0 = mla_column_sum(s0, shared, 4);
  const vec part1 = mla_column_sum(s1, shared, 4);
  if (threadIdx.x < 4) {
    mla_store(partial + part * 32 + c, mla_vec(part0));
    mla_store(partial + part * 32 + 16 + c, mla_vec(part1));
  }
  // The block that comes last adds the parts, in their order.
  if (!mla_is_last_block(tickets, 6, &taken)) return;
  const vec sum0 = mla_part_sum<vec>(partial + c, 6, 32, shared, 4);
  const vec sum1 = mla_part_sum<vec>(partial + 16 + c, 6, 32, shared, 4);
  if (threadIdx.x < 4) {
    mla_store(result0 + c, mla_vec(sum0));
    mla_store(result0 + 16 + c, mla_vec(sum1));
  }
}

// ==== batch_norm_relu_gate_bn_grad_sums_32
// for  second/bn1+relu1 (1 launch a step: backward)
// from  examples/split.mlaan:7  second = first | conv(32, 3, stride: 2) | bn | relu
//   %1 batch_norm(in0, in1, in2, in3, in4) : [batch, 7, 7, 32]
//   %2 relu(%1) : [batch, 7, 7, 32]
//   %3 gate(in5, %2) : [batch, 7, 7, 32]
//   %4 bn_grad_sums(%3, in0, in1, in2) : [2, 32]
// moves 0.384 MiB, 0.000 GFLOP for a batch of 32, in 3 blocks of 256 threads
extern "C" __global__ void __launch_bounds__(256)
batch_norm_relu_gate_bn_grad_sums_32(const MlaBuffers<9> buf, const int images) {
  const long batch = images;
  MLA_USE(4)
  __shared__ MlaSlot<4> shared[256];
  const real *in0 = buf[0]; // [batch, 7, 7, 32]
  const real *in1 = buf[1]; // [32]
  const real *in2 = buf[2]; // [32]
  const real *in3 = buf[3]; // [32]
  const real *in4 = buf[4]; // [32]
  const real *in5 = buf[5]; // [batch, 7, 7, 32]
  __shared__ unsigned taken;
  real *partial = buf[6]; // [3][64]
  unsigned *tickets = buf[7]; // [1]
  real *result0 = buf[8]; // [2, 32]
  const int part = (int)blockIdx.x;
  const long rows = batch * 49;
  const int begin = rows * part / 3, end = rows * (part + 1) / 3;
  const int c = (int)threadIdx.x % 8 * 4;
  const vec a1 = mla_load(in1 + c);
  const vec a2 = mla_load(in2 + c);
  const vec a3 = mla_load(in3 + c);
  const vec a4 = mla_load(in4 + c);
  const vec k0 = mla_vec(a3 * mla_rsqrt(a2 + ((real)1e-05)));
  const vec k1 = mla_vec(a4 - a1 * k0);
  const vec k2 = mla_vec(mla_rsqrt(a2 + ((real)1e-05)));
  vec s0 = {0};
  vec s1 = {0};
  for (int r = begin + (int)threadIdx.x / 8; r < end; r += 32) {
    const int e = r * 32 + c;
    const vec a0 = mla_load(in0 + e);
    const vec t0 = mla_vec(a0 * k0 + k1); // batch_norm
    const vec t1 = mla_vec(mla_max(t0, ((real)0))); // relu
    const vec a5 = mla_load(in5 + e);
    const vec t2 = mla_vec(mla_gate(t1, a5)); // gate
    s0 += t2 * ((a0 - a1) * k2);
    s1 += t2;
  }
  const vec part0 = mla_column_sum(s0, shared, 8);
  const vec part1 = mla_column_sum(s1, shared, 8);
  if (threadIdx.x < 8) {
    mla_store(partial + part * 64 + c, mla_vec(part0));
    mla_store(partial + part * 64 + 32 + c, mla_vec(part1));
  }
  // The block that comes last adds the parts, in their order.
  if (!mla_is_last_block(tickets, 3, &taken)) return;
  const vec sum0 = mla_part_sum<vec>(partial + c, 3, 64, shared, 8);
  const vec sum1 = mla_part_sum<vec>(partial + 32 + c, 3, 64, shared, 8);
  if (threadIdx.x < 8) {
    mla_store(result0 + c, mla_vec(sum0));
    mla_store(result0 + 32 + c, mla_vec(sum1));
  }
}
