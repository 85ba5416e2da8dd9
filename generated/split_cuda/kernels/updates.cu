// kernels/updates.cu of `small`: 5 kernels, in the order in which a step first comes to them.
#include "../prelude.cuh"

// ==== running_step_16
// for  first.bn1.running_mean (1 launch a step: update)
// from  examples/split.mlaan:6  first  = image | conv(16, 3, stride: 2) | bn | relu
//   %1 running_step([2, 16]) on 2 tensors
// moves 0.000 MiB, 0.000 GFLOP for a batch of 32, in 1 block of 256 threads
extern "C" __global__ void __launch_bounds__(256)
running_step_16(const MlaBuffers<3> buf, const int images) {
  const long batch = images;
  MLA_USE(4)
  const real *stats = buf[0]; // [2][16]
  real *mean = buf[1], *var = buf[2];
  const real n = (real)(batch * 196);
  const real unbiased = n > 1 ? n / (n - 1) : 1;
  const long c = (blockIdx.x * 256 + threadIdx.x) * 4;
  if (c >= 16) return;
  mla_store(mean + c, ((real)0.9) * mla_load(mean + c) + ((real)0.1) * mla_load(stats + c));
  mla_store(var + c, ((real)0.9) * mla_load(var + c) + ((real)0.1) * unbiased * mla_load(stats + 16 + c));
}

// ==== sgd_step_2_tensors
// for  aux0.linear1.weight (1 launch a step: update)
// from  examples/split.mlaan:13  auxiliary head { loss cross_entropy(x | avgpool | linear(classes), label) }
//   %1 sgd_step(scalar, [16, 10], [10]) on 2 tensors
// moves 0.003 MiB, 0.000 GFLOP for a batch of 32, in 2 blocks of 256 threads
extern "C" __global__ void __launch_bounds__(256)
sgd_step_2_tensors(const __grid_constant__ MlaBuffers<5> buf, const int) {
  MLA_USE(4)
  static const struct { int block, at, count; } table[] = {
    {0, 0, 160},
    {1, 160, 10},
  };
  int k = 0;
  for (int half = 1; half > 0; half /= 2)
    if (k + half < 2 && table[k + half].block <= (int)blockIdx.x) k += half;
  const int first_block = table[k].block, at = table[k].at, count = table[k].count;
  const real rate = *(const real *)buf[0];
  const real *source = buf[1 + k];
  real *state = (real *)buf[3] + at;
  real *velocity = (real *)buf[4] + at;
  int i = (((int)blockIdx.x - first_block) * 256 + (int)threadIdx.x) * 4;
  if (i + 4 <= count) {
    const vec w = mla_load(state + i), g = mla_load(source + i) + ((real)0) * w;
    const vec v = ((real)0.9) * mla_load(velocity + i) + g;
    mla_store(velocity + i, v);
    mla_store(state + i, w - rate * (g + ((real)0.9) * v));
  } else {
    for (; i < count; i++) {
      MLA_USE(1)
      const vec w = mla_load(state + i), g = mla_load(source + i) + ((real)0) * w;
      const vec v = ((real)0.9) * mla_load(velocity + i) + g;
      mla_store(velocity + i, v);
      mla_store(state + i, w - rate * (g + ((real)0.9) * v));
    }
  }
}

// ==== sgd_step_3_tensors
// for  first.conv1.weight (1 launch a step: update)
// from  examples/split.mlaan:6  first  = image | conv(16, 3, stride: 2) | bn | relu
//   %1 sgd_step(scalar, [3, 3, 1, 16], [16], [16]) on 3 tensors
// moves 0.003 MiB, 0.000 GFLOP for a batch of 32, in 3 blocks of 256 threads
extern "C" __global__ void __launch_bounds__(256)
sgd_step_3_tensors(const __grid_constant__ MlaBuffers<6> buf, const int) {
  MLA_USE(4)
  static const struct { int block, at, count; } table[] = {
    {0, 0, 144},
    {1, 144, 16},
    {2, 160, 16},
  };
  int k = 0;
  for (int half = 2; half > 0; half /= 2)
    if (k + half < 3 && table[k + half].block <= (int)blockIdx.x) k += half;
  const int first_block = table[k].block, at = table[k].at, count = table[k].count;
  const real rate = *(const real *)buf[0];
  const real *source = buf[1 + k];
  real *state = (real *)buf[4] + at;
  real *velocity = (real *)buf[5] + at;
  int i = (((int)blockIdx.x - first_block) * 256 + (int)threadIdx.x) * 4;
  if (i + 4 <= count) {
    const vec w = mla_load(state + i), g = mla_load(source + i) + ((real)0) * w;
    const vec v = ((real)0.9) * mla_load(velocity + i) + g;
    mla_store(velocity + i, v);
    mla_store(state + i, w - rate * (g + ((real)0.9) * v));
  } else {
    for (; i < count; i++) {
      MLA_USE(1)
      const vec w = mla_load(state + i), g = mla_load(source + i) + ((real)0) * w;
      const vec v = ((real)0.9) * mla_load(velocity + i) + g;
      mla_store(velocity + i, v);
      mla_store(state + i, w - rate * (g + ((real)0.9) * v));
    }
  }
}

// ==== running_step_32
// for  second.bn1.running_mean (1 launch a step: update)
// from  examples/split.mlaan:7  second = first | conv(32, 3, stride: 2) | bn | relu
//   %1 running_step([2, 32]) on 2 tensors
// moves 0.000 MiB, 0.000 GFLOP for a batch of 32, in 1 block of 256 threads
extern "C" __global__ void __launch_bounds__(256)
running_step_32(const MlaBuffers<3> buf, const int images) {
  const long batch = images;
  MLA_USE(4)
  const real *stats = buf[0]; // [2][32]
  real *mean = buf[1], *var = buf[2];
  const real n = (real)(batch * 49);
  const real unbiased = n > 1 ? n / (n - 1) : 1;
  const long c = (blockIdx.x * 256 + threadIdx.x) * 4;
  if (c >= 32) return;
  mla_store(mean + c, ((real)0.9) * mla_load(mean + c) + ((real)0.1) * mla_load(stats + c));
  mla_store(var + c, ((real)0.9) * mla_load(var + c) + ((real)0.1) * unbiased * mla_load(stats + 32 + c));
}

// ==== sgd_step_5_tensors
// for  second.conv1.weight (1 launch a step: update)
// from  examples/split.mlaan:7  second = first | conv(32, 3, stride: 2) | bn | relu
//   %1 sgd_step(scalar, [3, 3, 16, 32], [32], [32], [32, 10], [10]) on 5 tensors
// moves 0.095 MiB, 0.000 GFLOP for a batch of 32, in 9 blocks of 256 threads
extern "C" __global__ void __launch_bounds__(256)
sgd_step_5_tensors(const __grid_constant__ MlaBuffers<8> buf, const int) {
  MLA_USE(4)
  static const struct { int block, at, count; } table[] = {
    {0, 0, 4608},
    {5, 4608, 32},
    {6, 4640, 32},
    {7, 4672, 320},
    {8, 4992, 10},
  };
  int k = 0;
  for (int half = 4; half > 0; half /= 2)
    if (k + half < 5 && table[k + half].block <= (int)blockIdx.x) k += half;
  const int first_block = table[k].block, at = table[k].at, count = table[k].count;
  const real rate = *(const real *)buf[0];
  const real *source = buf[1 + k];
  real *state = (real *)buf[6] + at;
  real *velocity = (real *)buf[7] + at;
  int i = (((int)blockIdx.x - first_block) * 256 + (int)threadIdx.x) * 4;
  if (i + 4 <= count) {
    const vec w = mla_load(state + i), g = mla_load(source + i) + ((real)0) * w;
    const vec v = ((real)0.9) * mla_load(velocity + i) + g;
    mla_store(velocity + i, v);
    mla_store(state + i, w - rate * (g + ((real)0.9) * v));
  } else {
    for (; i < count; i++) {
      MLA_USE(1)
      const vec w = mla_load(state + i), g = mla_load(source + i) + ((real)0) * w;
      const vec v = ((real)0.9) * mla_load(velocity + i) + g;
      mla_store(velocity + i, v);
      mla_store(state + i, w - rate * (g + ((real)0.9) * v));
    }
  }
}
