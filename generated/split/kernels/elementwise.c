// kernels/elementwise.c of `small`: 6 kernels, in the order in which a step first comes to them.
#include "../prelude.h"

// ==== batch_norm_relu_16
// for  first/bn1+relu1 (1 launch a step: forward; 1 in an evaluation)
// from  examples/split.mlaan:6  first  = image | conv(16, 3, stride: 2) | bn | relu
//   %1 batch_norm(in0, in1, in2, in3, in4) : [batch, 14, 14, 16]
//   %2 relu(%1) : [batch, 14, 14, 16]
// moves 0.766 MiB, 0.000 GFLOP for a batch of 32, in 6 parts
void batch_norm_relu_16(void *const *buf, long batch, void *scratch, int part, int parts) {
  MLA_USE(8)
  const real *in0 = buf[0]; // [batch, 14, 14, 16]
  const real *in1 = buf[1]; // [16]
  const real *in2 = buf[2]; // [16]
  const real *in3 = buf[3]; // [16]
  const real *in4 = buf[4]; // [16]
  real *out0 = buf[5]; // [batch, 14, 14, 16]
  const long rows = batch * 196, begin = rows * part / parts, end = rows * (part + 1) / parts;
  real *kept = scratch; // [2][16]
  {
    MLA_USE(8)
    for (long c = 0; c < 16; c += 8) {
      const vec a1 = mla_load(in1 + c);
      const vec a2 = mla_load(in2 + c);
      const vec a3 = mla_load(in3 + c);
      const vec a4 = mla_load(in4 + c);
      const vec k0 = mla_vec(a3 * mla_rsqrt(a2 + ((real)1e-05)));
      const vec k1 = mla_vec(a4 - a1 * k0);
      mla_store(kept + c, k0);
      mla_store(kept + 16 + c, k1);
    }
  }
  for (long r = begin; r < end; r++) {
    for (long c = 0; c < 16; c += 8) {
      const long e = r * 16 + c;
      const vec k0 = mla_load(kept + c);
      const vec k1 = mla_load(kept + 16 + c);
      const vec a0 = mla_load(in0 + e);
      const vec t0 = mla_vec(a0 * k0 + k1); // batch_norm
      const vec t1 = mla_vec(mla_max(t0, ((real)0))); // relu
      mla_store(out0 + e, t1);
    }
  }
}

// ==== add_10
// for  aux0/linear1; logits/linear1 (2 launches a step: forward; 1 in an evaluation)
// from  examples/split.mlaan:13  auxiliary head { loss cross_entropy(x | avgpool | linear(classes), label) }
//       examples/split.mlaan:8  logits = second | avgpool | linear(classes)
//   %1 add(in0, in1) : [batch, 10]
// moves 0.002 MiB, 0.000 GFLOP for a batch of 32, in 1 part
void add_10(void *const *buf, long batch, void *scratch, int part, int parts) {
  MLA_USE(2)
  const real *in0 = buf[0]; // [batch, 10]
  const real *in1 = buf[1]; // [10]
  real *out0 = buf[2]; // [batch, 10]
  const long rows = batch * 1, begin = rows * part / parts, end = rows * (part + 1) / parts;
  for (long r = begin; r < end; r++) {
    for (long c = 0; c < 10; c += 2) {
      const long e = r * 10 + c;
      const vec a1 = mla_load(in1 + c);
      const vec a0 = mla_load(in0 + e);
      const vec t0 = mla_vec(a0 + a1); // add
      mla_store(out0 + e, t0);
    }
  }
}

// ==== fill_1
// for  aux0/cross_entropy1; final/cross_entropy1 (2 launches a step: backward)
// from  examples/split.mlaan:13  auxiliary head { loss cross_entropy(x | avgpool | linear(classes), label) }
//       examples/split.mlaan:4  model small {
//   %1 fill() : scalar
// moves 0.000 MiB, 0.000 GFLOP for a batch of 32, in 1 part
void fill_1(void *const *buf, long batch, void *scratch, int part, int parts) {
  MLA_USE(1)
  real *out0 = buf[0]; // scalar
  const long rows = 1, begin = rows * part / parts, end = rows * (part + 1) / parts;
  for (long r = begin; r < end; r++) {
    const long e = r * 1;
    const vec t0 = mla_vec(((real)1)); // fill
    mla_store(out0 + e, t0);
  }
}

// ==== batch_norm_relu_gate_bn_grad_input_16
// for  first/bn1+relu1 (1 launch a step: backward)
// from  examples/split.mlaan:6  first  = image | conv(16, 3, stride: 2) | bn | relu
//   %1 batch_norm(in0, in1, in2, in3, in4) : [batch, 14, 14, 16]
//   %2 relu(%1) : [batch, 14, 14, 16]
//   %3 gate(in5, %2) : [batch, 14, 14, 16]
//   %4 bn_grad_input(%3, in0, in1, in2, in3, in6, in7) : [batch, 14, 14, 16]
// moves 1.149 MiB, 0.000 GFLOP for a batch of 32, in 6 parts
void batch_norm_relu_gate_bn_grad_input_16(void *const *buf, long batch, void *scratch, int part, int parts) {
  MLA_USE(8)
  const real *in0 = buf[0]; // [batch, 14, 14, 16]
  const real *in1 = buf[1]; // [16]
  const real *in2 = buf[2]; // [16]
  const real *in3 = buf[3]; // [16]
  const real *in4 = buf[4]; // [16]
  const real *in5 = buf[5]; // [batch, 14, 14, 16]
  const real *in6 = buf[6]; // [16]
  const real *in7 = buf[7]; // [16]
  real *out0 = buf[8]; // [batch, 14, 14, 16]
  const real n_rows = (real)(batch * 196);
  const long rows = batch * 196, begin = rows * part / parts, end = rows * (part + 1) / parts;
  real *kept = scratch; // [5][16]
  {
    MLA_USE(8)
    for (long c = 0; c < 16; c += 8) {
      const vec a1 = mla_load(in1 + c);
      const vec a2 = mla_load(in2 + c);
      const vec a3 = mla_load(in3 + c);
      const vec a4 = mla_load(in4 + c);
      const vec k0 = mla_vec(a3 * mla_rsqrt(a2 + ((real)1e-05)));
      const vec k1 = mla_vec(a4 - a1 * k0);
      const vec a6 = mla_load(in6 + c);
      const vec a7 = mla_load(in7 + c);
      const vec k2 = mla_vec(mla_rsqrt(a2 + ((real)1e-05)));
      const vec k3 = mla_vec(a3 * k2);
      const vec k4 = mla_vec(-k3 * k2 * a6 / n_rows);
      const vec k5 = mla_vec(-k3 * a7 / n_rows);
      mla_store(kept + c, k0);
      mla_store(kept + 16 + c, k1);
      mla_store(kept + 32 + c, k3);
      mla_store(kept + 48 + c, k4);
      mla_store(kept + 64 + c, k5);
    }
  }
  for (long r = begin; r < end; r++) {
    for (long c = 0; c < 16; c += 8) {
      const long e = r * 16 + c;
      const vec a1 = mla_load(in1 + c);
      const vec k0 = mla_load(kept + c);
      const vec k1 = mla_load(kept + 16 + c);
      const vec k3 = mla_load(kept + 32 + c);
      const vec k4 = mla_load(kept + 48 + c);
      const vec k5 = mla_load(kept + 64 + c);
      const vec a0 = mla_load(in0 + e);
      const vec t0 = mla_vec(a0 * k0 + k1); // batch_norm
      const vec t1 = mla_vec(mla_max(t0, ((real)0))); // relu
      const vec a5 = mla_load(in5 + e);
      const vec t2 = mla_vec(mla_gate(t1, a5)); // gate
      const vec t3 = mla_vec(t2 * k3 + (k4 * (a0 - a1) + k5)); // bn_grad_input
      mla_store(out0 + e, t3);
    }
  }
}

// ==== batch_norm_relu_32
// for  second/bn1+relu1 (1 launch a step: forward; 1 in an evaluation)
// from  examples/split.mlaan:7  second = first | conv(32, 3, stride: 2) | bn | relu
//   %1 batch_norm(in0, in1, in2, in3, in4) : [batch, 7, 7, 32]
//   %2 relu(%1) : [batch, 7, 7, 32]
// moves 0.383 MiB, 0.000 GFLOP for a batch of 32, in 3 parts
void batch_norm_relu_32(void *const *buf, long batch, void *scratch, int part, int parts) {
  MLA_USE(8)
  const real *in0 = buf[0]; // [batch, 7, 7, 32]
  const real *in1 = buf[1]; // [32]
  const real *in2 = buf[2]; // [32]
  const real *in3 = buf[3]; // [32]
  const real *in4 = buf[4]; // [32]
  real *out0 = buf[5]; // [batch, 7, 7, 32]
  const long rows = batch * 49, begin = rows * part / parts, end = rows * (part + 1) / parts;
  real *kept = scratch; // [2][32]
  {
    MLA_USE(8)
    for (long c = 0; c < 32; c += 8) {
      const vec a1 = mla_load(in1 + c);
      const vec a2 = mla_load(in2 + c);
      const vec a3 = mla_load(in3 + c);
      const vec a4 = mla_load(in4 + c);
      const vec k0 = mla_vec(a3 * mla_rsqrt(a2 + ((real)1e-05)));
      const vec k1 = mla_vec(a4 - a1 * k0);
      mla_store(kept + c, k0);
      mla_store(kept + 32 + c, k1);
    }
  }
  for (long r = begin; r < end; r++) {
    for (long c = 0; c < 32; c += 8) {
      const long e = r * 32 + c;
      const vec k0 = mla_load(kept + c);
      const vec k1 = mla_load(kept + 32 + c);
      const vec a0 = mla_load(in0 + e);
      const vec t0 = mla_vec(a0 * k0 + k1); // batch_norm
      const vec t1 = mla_vec(mla_max(t0, ((real)0))); // relu
      mla_store(out0 + e, t1);
    }
  }
}

// ==== batch_norm_relu_gate_bn_grad_input_32
// for  second/bn1+relu1 (1 launch a step: backward)
// from  examples/split.mlaan:7  second = first | conv(32, 3, stride: 2) | bn | relu
//   %1 batch_norm(in0, in1, in2, in3, in4) : [batch, 7, 7, 32]
//   %2 relu(%1) : [batch, 7, 7, 32]
//   %3 gate(in5, %2) : [batch, 7, 7, 32]
//   %4 bn_grad_input(%3, in0, in1, in2, in3, in6, in7) : [batch, 7, 7, 32]
// moves 0.575 MiB, 0.000 GFLOP for a batch of 32, in 3 parts
void batch_norm_relu_gate_bn_grad_input_32(void *const *buf, long batch, void *scratch, int part, int parts) {
  MLA_USE(8)
  const real *in0 = buf[0]; // [batch, 7, 7, 32]
  const real *in1 = buf[1]; // [32]
  const real *in2 = buf[2]; // [32]
  const real *in3 = buf[3]; // [32]
  const real *in4 = buf[4]; // [32]
  const real *in5 = buf[5]; // [batch, 7, 7, 32]
  const real *in6 = buf[6]; // [32]
  const real *in7 = buf[7]; // [32]
  real *out0 = buf[8]; // [batch, 7, 7, 32]
  const real n_rows = (real)(batch * 49);
  const long rows = batch * 49, begin = rows * part / parts, end = rows * (part + 1) / parts;
  real *kept = scratch; // [5][32]
  {
    MLA_USE(8)
    for (long c = 0; c < 32; c += 8) {
      const vec a1 = mla_load(in1 + c);
      const vec a2 = mla_load(in2 + c);
      const vec a3 = mla_load(in3 + c);
      const vec a4 = mla_load(in4 + c);
      const vec k0 = mla_vec(a3 * mla_rsqrt(a2 + ((real)1e-05)));
      const vec k1 = mla_vec(a4 - a1 * k0);
      const vec a6 = mla_load(in6 + c);
      const vec a7 = mla_load(in7 + c);
      const vec k2 = mla_vec(mla_rsqrt(a2 + ((real)1e-05)));
      const vec k3 = mla_vec(a3 * k2);
      const vec k4 = mla_vec(-k3 * k2 * a6 / n_rows);
      const vec k5 = mla_vec(-k3 * a7 / n_rows);
      mla_store(kept + c, k0);
      mla_store(kept + 32 + c, k1);
      mla_store(kept + 64 + c, k3);
      mla_store(kept + 96 + c, k4);
      mla_store(kept + 128 + c, k5);
    }
  }
  for (long r = begin; r < end; r++) {
    for (long c = 0; c < 32; c += 8) {
      const long e = r * 32 + c;
      const vec a1 = mla_load(in1 + c);
      const vec k0 = mla_load(kept + c);
      const vec k1 = mla_load(kept + 32 + c);
      const vec k3 = mla_load(kept + 64 + c);
      const vec k4 = mla_load(kept + 96 + c);
      const vec k5 = mla_load(kept + 128 + c);
      const vec a0 = mla_load(in0 + e);
      const vec t0 = mla_vec(a0 * k0 + k1); // batch_norm
      const vec t1 = mla_vec(mla_max(t0, ((real)0))); // relu
      const vec a5 = mla_load(in5 + e);
      const vec t2 = mla_vec(mla_gate(t1, a5)); // gate
      const vec t3 = mla_vec(t2 * k3 + (k4 * (a0 - a1) + k5)); // bn_grad_input
      mla_store(out0 + e, t3);
    }
  }
}
