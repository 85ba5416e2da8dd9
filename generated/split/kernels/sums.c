// kernels/sums.c of `small`: 9 kernels, in the order in which a step first comes to them.
#include "../prelude.h"

// ==== bn_stats_16
// for  first/bn1 (1 launch a step: forward)
// from  examples/split.mlaan:6  first  = image | conv(16, 3, stride: 2) | bn | relu
//   %1 bn_stats(in0) : [2, 16]
// moves 0.384 MiB, 0.000 GFLOP for a batch of 32, in 6 parts
void bn_stats_16(void *const *buf, long batch, void *scratch, int part, int parts) {
  MLA_USE(8)
  const real *in0 = buf[0]; // [batch, 14, 14, 16]
  real *partial = (real *)buf[1] + part * 32;
  const long rows = batch * 196, begin = rows * part / parts, end = rows * (part + 1) / parts;
  real *kept = scratch; // [1][16]
  {
    MLA_USE(8)
    for (long c = 0; c < 16; c += 8) {
      const vec p0 = mla_load(in0 + c);
      mla_store(kept + c, p0);
    }
  }
  real *sums = (real *)scratch + 16; // [2][16]
  for (long i = 0; i < 32; i++) sums[i] = 0;
  for (long block = begin; block < end; block += 256) {
    const long stop = block + 256 < end ? block + 256 : end;
    for (long c = 0; c < 16; c += 8) {
      const vec p0 = mla_load(kept + c);
      vec s0 = {0};
      vec s1 = {0};
      for (long r = block; r < stop; r++) {
        const long e = r * 16 + c;
        const vec a0 = mla_load(in0 + e);
        s0 += a0 - p0;
        s1 += (a0 - p0) * (a0 - p0);
      }
      mla_store(sums + c, mla_load(sums + c) + s0);
      mla_store(sums + 16 + c, mla_load(sums + 16 + c) + s1);
    }
  }
  for (long c = 0; c < 16; c++) {
    real total = 0;
    for (long i = c; i < 16; i += 16) total += *(sums + i);
    *(partial + c) = total;
  }
  for (long c = 0; c < 16; c++) {
    real total = 0;
    for (long i = c; i < 16; i += 16) total += *(sums + 16 + i);
    *(partial + 16 + c) = total;
  }
}

// ==== bn_stats_16_finish
// for  first/bn1 (1 launch a step: forward)
// from  examples/split.mlaan:6  first  = image | conv(16, 3, stride: 2) | bn | relu
//   %1 bn_stats([batch, 14, 14, 16]) : [2, 16]
// moves 0.384 MiB for a batch of 32, in 1 part
void bn_stats_16_finish(void *const *buf, long batch, void *scratch, int part, int parts) {
  const real *in0 = buf[0]; // [batch, 14, 14, 16]
  const real *partial = buf[1]; // [6][32]
  real *result0 = buf[2]; // [2, 16]
  const real n_rows = (real)(batch * 196);
  { // bn_stats
    MLA_USE(8)
    for (long c = 0; c < 16; c += 8) {
      const vec p0 = mla_load(in0 + c);
      vec sum0 = {0};
      vec sum1 = {0};
      for (long p = 0; p < 6; p++) {
        sum0 += mla_load(partial + p * 32 + c);
        sum1 += mla_load(partial + p * 32 + 16 + c);
      }
      mla_store(result0 + c, mla_vec(p0 + sum0 / n_rows));
      mla_store(result0 + 16 + c, mla_vec(mla_max((sum1 - sum0 * sum0 / n_rows) / n_rows, ((real)0))));
    }
  }
}

// ==== channel_sum_10
// for  aux0/linear1; logits/linear1 (2 launches a step: backward)
// from  examples/split.mlaan:13  auxiliary head { loss cross_entropy(x | avgpool | linear(classes), label) }
//       examples/split.mlaan:8  logits = second | avgpool | linear(classes)
//   %1 channel_sum(in0) : [10]
// moves 0.001 MiB, 0.000 GFLOP for a batch of 32, in 1 part
void channel_sum_10(void *const *buf, long batch, void *scratch, int part, int parts) {
  MLA_USE(2)
  const real *in0 = buf[0]; // [batch, 10]
  real *result0 = buf[1]; // [10]
  real *partial = (real *)scratch + 10;
  const long rows = batch * 1, begin = rows * part / parts, end = rows * (part + 1) / parts;
  real *sums = (real *)scratch + 0; // [1][10]
  for (long i = 0; i < 10; i++) sums[i] = 0;
  for (long block = begin; block < end; block += 256) {
    const long stop = block + 256 < end ? block + 256 : end;
    for (long c = 0; c < 10; c += 2) {
      vec s0 = {0};
      for (long r = block; r < stop; r++) {
        const long e = r * 10 + c;
        const vec a0 = mla_load(in0 + e);
        s0 += a0;
      }
      mla_store(sums + c, mla_load(sums + c) + s0);
    }
  }
  for (long c = 0; c < 10; c++) {
    real total = 0;
    for (long i = c; i < 10; i += 10) total += *(sums + i);
    *(partial + c) = total;
  }
  { // channel_sum
    MLA_USE(2)
    for (long c = 0; c < 10; c += 2) {
      vec sum0 = {0};
      for (long p = 0; p < 1; p++) {
        sum0 += mla_load(partial + c);
      }
      mla_store(result0 + c, mla_vec(sum0));
    }
  }
}

// ==== batch_norm_relu_gate_bn_grad_sums_16
// for  first/bn1+relu1 (1 launch a step: backward)
// from  examples/split.mlaan:6  first  = image | conv(16, 3, stride: 2) | bn | relu
//   %1 batch_norm(in0, in1, in2, in3, in4) : [batch, 14, 14, 16]
//   %2 relu(%1) : [batch, 14, 14, 16]
//   %3 gate(in5, %2) : [batch, 14, 14, 16]
//   %4 bn_grad_sums(%3, in0, in1, in2) : [2, 16]
// moves 0.767 MiB, 0.000 GFLOP for a batch of 32, in 6 parts
void batch_norm_relu_gate_bn_grad_sums_16(void *const *buf, long batch, void *scratch, int part, int parts) {
  MLA_USE(8)
  const real *in0 = buf[0]; // [batch, 14, 14, 16]
  const real *in1 = buf[1]; // [16]
  const real *in2 = buf[2]; // [16]
  const real *in3 = buf[3]; // [16]
  const real *in4 = buf[4]; // [16]
  const real *in5 = buf[5]; // [batch, 14, 14, 16]
  real *partial = (real *)buf[6] + part * 32;
  const long rows = batch * 196, begin = rows * part / parts, end = rows * (part + 1) / parts;
  real *kept = scratch; // [3][16]
  {
    MLA_USE(8)
    for (long c = 0; c < 16; c += 8) {
      const vec a1 = mla_load(in1 + c);
      const vec a2 = mla_load(in2 + c);
      const vec a3 = mla_load(in3 + c);
      const vec a4 = mla_load(in4 + c);
      const vec k0 = mla_vec(a3 * mla_rsqrt(a2 + ((real)1e-05)));
      const vec k1 = mla_vec(a4 - a1 * k0);
      const vec k2 = mla_vec(mla_rsqrt(a2 + ((real)1e-05)));
      mla_store(kept + c, k0);
      mla_store(kept + 16 + c, k1);
      mla_store(kept + 32 + c, k2);
    }
  }
  real *sums = (real *)scratch + 48; // [2][16]
  for (long i = 0; i < 32; i++) sums[i] = 0;
  for (long block = begin; block < end; block += 256) {
    const long stop = block + 256 < end ? block + 256 : end;
    for (long c = 0; c < 16; c += 8) {
      const vec a1 = mla_load(in1 + c);
      const vec k0 = mla_load(kept + c);
      const vec k1 = mla_load(kept + 16 + c);
      const vec k2 = mla_load(kept + 32 + c);
      vec s0 = {0};
      vec s1 = {0};
      for (long r = block; r < stop; r++) {
        const long e = r * 16 + c;
        const vec a0 = mla_load(in0 + e);
        const vec t0 = mla_vec(a0 * k0 + k1); // batch_norm
        const vec t1 = mla_vec(mla_max(t0, ((real)0))); // relu
        const vec a5 = mla_load(in5 + e);
        const vec t2 = mla_vec(mla_gate(t1, a5)); // gate
        s0 += t2 * ((a0 - a1) * k2);
        s1 += t2;
      }
      mla_store(sums + c, mla_load(sums + c) + s0);
      mla_store(sums + 16 + c, mla_load(sums + 16 + c) + s1);
    }
  }
  for (long c = 0; c < 16; c++) {
    real total = 0;
    for (long i = c; i < 16; i += 16) total += *(sums + i);
    *(partial + c) = total;
  }
  for (long c = 0; c < 16; c++) {
    real total = 0;
    for (long i = c; i < 16; i += 16) total += *(sums + 16 + i);
    *(partial + 16 + c) = total;
  }
}

// ==== batch_norm_relu_gate_bn_grad_sums_16_finish
// for  first/bn1+relu1 (1 launch a step: backward)
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

// ==== bn_stats_32
// for  second/bn1 (1 launch a step: forward)
// from  examples/split.mlaan:7  second = first | conv(32, 3, stride: 2) | bn | relu
//   %1 bn_stats(in0) : [2, 32]
// moves 0.192 MiB, 0.000 GFLOP for a batch of 32, in 3 parts
void bn_stats_32(void *const *buf, long batch, void *scratch, int part, int parts) {
  MLA_USE(8)
  const real *in0 = buf[0]; // [batch, 7, 7, 32]
  real *partial = (real *)buf[1] + part * 64;
  const long rows = batch * 49, begin = rows * part / parts, end = rows * (part + 1) / parts;
  real *kept = scratch; // [1][32]
  {
    MLA_USE(8)
    for (long c = 0; c < 32; c += 8) {
      const vec p0 = mla_load(in0 + c);
      mla_store(kept + c, p0);
    }
  }
  real *sums = (real *)scratch + 32; // [2][32]
  for (long i = 0; i < 64; i++) sums[i] = 0;
  for (long block = begin; block < end; block += 128) {
    const long stop = block + 128 < end ? block + 128 : end;
    for (long c = 0; c < 32; c += 8) {
      const vec p0 = mla_load(kept + c);
      vec s0 = {0};
      vec s1 = {0};
      for (long r = block; r < stop; r++) {
        const long e = r * 32 + c;
        const vec a0 = mla_load(in0 + e);
        s0 += a0 - p0;
        s1 += (a0 - p0) * (a0 - p0);
      }
      mla_store(sums + c, mla_load(sums + c) + s0);
      mla_store(sums + 32 + c, mla_load(sums + 32 + c) + s1);
    }
  }
  for (long c = 0; c < 32; c++) {
    real total = 0;
    for (long i = c; i < 32; i += 32) total += *(sums + i);
    *(partial + c) = total;
  }
  for (long c = 0; c < 32; c++) {
    real total = 0;
    for (long i = c; i < 32; i += 32) total += *(sums + 32 + i);
    *(partial + 32 + c) = total;
  }
}

// ==== bn_stats_32_finish
// for  second/bn1 (1 launch a step: forward)
// from  examples/split.mlaan:7  second = first | conv(32, 3, stride: 2) | bn | relu
//   %1 bn_stats([batch, 7, 7, 32]) : [2, 32]
// moves 0.192 MiB for a batch of 32, in 1 part
void bn_stats_32_finish(void *const *buf, long batch, void *scratch, int part, int parts) {
  const real *in0 = buf[0]; // [batch, 7, 7, 32]
  const real *partial = buf[1]; // [3][64]
  real *result0 = buf[2]; // [2, 32]
  const real n_rows = (real)(batch * 49);
  { // bn_stats
    MLA_USE(8)
    for (long c = 0; c < 32; c += 8) {
      const vec p0 = mla_load(in0 + c);
      vec sum0 = {0};
      vec sum1 = {0};
      for (long p = 0; p < 3; p++) {
        sum0 += mla_load(partial + p * 64 + c);
        sum1 += mla_load(partial + p * 64 + 32 + c);
      }
      mla_store(result0 + c, mla_vec(p0 + sum0 / n_rows));
      mla_store(result0 + 32 + c, mla_vec(mla_max((sum1 - sum0 * sum0 / n_rows) / n_rows, ((real)0))));
    }
  }
}

// ==== batch_norm_relu_gate_bn_grad_sums_32
// for  second/bn1+relu1 (1 launch a step: backward)
// from  examples/split.mlaan:7  second = first | conv(32, 3, stride: 2) | bn | relu
//   %1 batch_norm(in0, in1, in2, in3, in4) : [batch, 7, 7, 32]
//   %2 relu(%1) : [batch, 7, 7, 32]
//   %3 gate(in5, %2) : [batch, 7, 7, 32]
//   %4 bn_grad_sums(%3, in0, in1, in2) : [2, 32]
// moves 0.384 MiB, 0.000 GFLOP for a batch of 32, in 3 parts
void batch_norm_relu_gate_bn_grad_sums_32(void *const *buf, long batch, void *scratch, int part, int parts) {
  MLA_USE(8)
  const real *in0 = buf[0]; // [batch, 7, 7, 32]
  const real *in1 = buf[1]; // [32]
  const real *in2 = buf[2]; // [32]
  const real *in3 = buf[3]; // [32]
  const real *in4 = buf[4]; // [32]
  const real *in5 = buf[5]; // [batch, 7, 7, 32]
  real *partial = (real *)buf[6] + part * 64;
  const long rows = batch * 49, begin = rows * part / parts, end = rows * (part + 1) / parts;
  real *kept = scratch; // [3][32]
  {
    MLA_USE(8)
    for (long c = 0; c < 32; c += 8) {
      const vec a1 = mla_load(in1 + c);
      const vec a2 = mla_load(in2 + c);
      const vec a3 = mla_load(in3 + c);
      const vec a4 = mla_load(in4 + c);
      const vec k0 = mla_vec(a3 * mla_rsqrt(a2 + ((real)1e-05)));
      const vec k1 = mla_vec(a4 - a1 * k0);
      const vec k2 = mla_vec(mla_rsqrt(a2 + ((real)1e-05)));
      mla_store(kept + c, k0);
      mla_store(kept + 32 + c, k1);
      mla_store(kept + 64 + c, k2);
    }
  }
  real *sums = (real *)scratch + 96; // [2][32]
  for (long i = 0; i < 64; i++) sums[i] = 0;
  for (long block = begin; block < end; block += 128) {
    const long stop = block + 128 < end ? block + 128 : end;
    for (long c = 0; c < 32; c += 8) {
      const vec a1 = mla_load(in1 + c);
      const vec k0 = mla_load(kept + c);
      const vec k1 = mla_load(kept + 32 + c);
      const vec k2 = mla_load(kept + 64 + c);
      vec s0 = {0};
      vec s1 = {0};
      for (long r = block; r < stop; r++) {
        const long e = r * 32 + c;
        const vec a0 = mla_load(in0 + e);
        const vec t0 = mla_vec(a0 * k0 + k1); // batch_norm
        const vec t1 = mla_vec(mla_max(t0, ((real)0))); // relu
        const vec a5 = mla_load(in5 + e);
        const vec t2 = mla_vec(mla_gate(t1, a5)); // gate
        s0 += t2 * ((a0 - a1) * k2);
        s1 += t2;
      }
      mla_store(sums + c, mla_load(sums + c) + s0);
      mla_store(sums + 32 + c, mla_load(sums + 32 + c) + s1);
    }
  }
  for (long c = 0; c < 32; c++) {
    real total = 0;
    for (long i = c; i < 32; i += 32) total += *(sums + i);
    *(partial + c) = total;
  }
  for (long c = 0; c < 32; c++) {
    real total = 0;
    for (long i = c; i < 32; i += 32) total += *(sums + 32 + i);
    *(partial + 32 + c) = total;
  }
}

// ==== batch_norm_relu_gate_bn_grad_sums_32_finish
// for  second/bn1+relu1 (1 launch a step: backward)
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
