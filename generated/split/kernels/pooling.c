// kernels/pooling.c of `small`: 4 kernels, in the order in which a step first comes to them.
#include "../prelude.h"

// ==== adaptive_avg_pool_16
// for  aux0/avgpool1 (1 launch a step: forward)
// from  examples/split.mlaan:13  auxiliary head { loss cross_entropy(x | avgpool | linear(classes), label) }
//   %1 adaptive_avg_pool([batch, 14, 14, 16]) : [batch, 1, 1, 16]
// moves 0.385 MiB, 0.000 GFLOP for a batch of 32, in 1 part
void adaptive_avg_pool_16(void *const *buf, long batch, void *scratch, int part, int parts) {
  MLA_USE(8)
  const real *in0 = buf[0]; // [batch, 14, 14, 16]
  real *out = buf[1]; // [batch, 1, 1, 16]
  const long lines = batch * 1, begin = lines * part / parts, end = lines * (part + 1) / parts;
  for (long line = begin; line < end; line++) {
    const long n = line / 1, y = line % 1;
    for (long x = 0; x < 1; x++) {
      for (long c = 0; c < 16; c += 8) {
        real *to = out + (line * 1 + x) * 16 + c;
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
    }
  }
}

// ==== adaptive_avg_pool_grad_16
// for  aux0/avgpool1 (1 launch a step: backward)
// from  examples/split.mlaan:13  auxiliary head { loss cross_entropy(x | avgpool | linear(classes), label) }
//   %1 adaptive_avg_pool_grad([batch, 1, 1, 16]) : [batch, 14, 14, 16]
// moves 0.385 MiB, 0.000 GFLOP for a batch of 32, in 12 parts
void adaptive_avg_pool_grad_16(void *const *buf, long batch, void *scratch, int part, int parts) {
  MLA_USE(8)
  const real *in0 = buf[0]; // [batch, 1, 1, 16]
  real *out = buf[1]; // [batch, 14, 14, 16]
  const long lines = batch * 14, begin = lines * part / parts, end = lines * (part + 1) / parts;
  for (long line = begin; line < end; line++) {
    const long n = line / 14, y = line % 14;
    for (long x = 0; x < 14; x++) {
      for (long c = 0; c < 16; c += 8) {
        real *to = out + (line * 14 + x) * 16 + c;
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
    }
  }
}

// ==== adaptive_avg_pool_32
// for  logits/avgpool1 (1 launch a step: forward; 1 in an evaluation)
// from  examples/split.mlaan:8  logits = second | avgpool | linear(classes)
//   %1 adaptive_avg_pool([batch, 7, 7, 32]) : [batch, 1, 1, 32]
// moves 0.195 MiB, 0.000 GFLOP for a batch of 32, in 1 part
void adaptive_avg_pool_32(void *const *buf, long batch, void *scratch, int part, int parts) {
  MLA_USE(8)
  const real *in0 = buf[0]; // [batch, 7, 7, 32]
  real *out = buf[1]; // [batch, 1, 1, 32]
  const long lines = batch * 1, begin = lines * part / parts, end = lines * (part + 1) / parts;
  for (long line = begin; line < end; line++) {
    const long n = line / 1, y = line % 1;
    for (long x = 0; x < 1; x++) {
      for (long c = 0; c < 32; c += 8) {
        real *to = out + (line * 1 + x) * 32 + c;
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
    }
  }
}

// ==== adaptive_avg_pool_grad_32
// for  logits/avgpool1 (1 launch a step: backward)
// from  examples/split.mlaan:8  logits = second | avgpool | linear(classes)
//   %1 adaptive_avg_pool_grad([batch, 1, 1, 32]) : [batch, 7, 7, 32]
// moves 0.195 MiB, 0.000 GFLOP for a batch of 32, in 6 parts
void adaptive_avg_pool_grad_32(void *const *buf, long batch, void *scratch, int part, int parts) {
  MLA_USE(8)
  const real *in0 = buf[0]; // [batch, 1, 1, 32]
  real *out = buf[1]; // [batch, 7, 7, 32]
  const long lines = batch * 7, begin = lines * part / parts, end = lines * (part + 1) / parts;
  for (long line = begin; line < end; line++) {
    const long n = line / 7, y = line % 7;
    for (long x = 0; x < 7; x++) {
      for (long c = 0; c < 32; c += 8) {
        real *to = out + (line * 7 + x) * 32 + c;
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
    }
  }
}
