// kernels/pooling.c of `small`: 4 kernels, in the order in which a step first comes to them.
#include "../prelude.h"

// ==== adaptive_avg_pool_16
// for  aux0/avgpool1 (1 launch a step: forward)
// from  examples/split.mlaan:13  auxiliary head { loss cross_entropy(x | avgpool | linear(classes), label) }
//   %1 adaptive_avg_pool([batch, 14, 14, 16]) : [batch, 1, 1, 16]
// moves 0.385 MiB, 0.000 GFLOP for a batch of 32, in 6 parts
void adaptive_avg_pool_16(void *const *buf, long batch, void *scratch, int part, int parts) {
  static const int row_first[] = {0};
  static const int row_at[] = {0};
  static const int row_n[] = {14};
  static const real row_weight[] = {0.071428571428571425, 0.071428571428571425, 0.071428571428571425, 0.071428571428571425, 0.071428571428571425, 0.071428571428571425, 0.071428571428571425, 0.071428571428571425, 0.071428571428571425, 0.071428571428571425, 0.071428571428571425, 0.071428571428571425, 0.071428571428571425, 0.071428571428571425};
  static const int col_first[] = {0};
  static const int col_at[] = {0};
  static const int col_n[] = {14};
  static const real col_weight[] = {0.071428571428571425, 0.071428571428571425, 0.071428571428571425, 0.071428571428571425, 0.071428571428571425, 0.071428571428571425, 0.071428571428571425, 0.071428571428571425, 0.071428571428571425, 0.071428571428571425, 0.071428571428571425, 0.071428571428571425, 0.071428571428571425, 0.071428571428571425};
  const real *in0 = buf[0]; // [batch, 14, 14, 16]
  real *out = buf[1]; // [batch, 1, 1, 16]
  const long lines = batch * 1, begin = lines * part / parts, end = lines * (part + 1) / parts;
  real *across = scratch; // [14][16]
  for (long line = begin; line < end; line++) {
    const long n = line / 1, y = line % 1;
    const real *from = in0 + (n * 14 + row_first[y]) * 224;
    const real *rows = row_weight + row_at[y];
    const long n_rows = row_n[y];
    for (long e = 0; e < 224; e += 8) {
      MLA_USE(8)
      vec sum = {0};
      for (long k = 0; k < n_rows; k++)
        sum += mla_vec(rows[k]) * mla_load(from + e + k * 224);
      mla_store(across + e, sum);
    }
    for (long x = 0; x < 1; x++) {
      MLA_USE(8)
      const real *cols = col_weight + col_at[x], *start = across + col_first[x] * 16;
      const long n_cols = col_n[x];
      for (long c = 0; c < 16; c += 8) {
        vec sum = {0};
        for (long k = 0; k < n_cols; k++)
          sum += mla_vec(cols[k]) * mla_load(start + c + k * 16);
        mla_store(out + (line * 1 + x) * 16 + c, sum);
      }
    }
  }
}

// ==== adaptive_avg_pool_grad_16
// for  aux0/avgpool1 (1 launch a step: backward)
// from  examples/split.mlaan:13  auxiliary head { loss cross_entropy(x | avgpool | linear(classes), label) }
//   %1 adaptive_avg_pool_grad([batch, 1, 1, 16]) : [batch, 14, 14, 16]
// moves 0.385 MiB, 0.000 GFLOP for a batch of 32, in 6 parts
void adaptive_avg_pool_grad_16(void *const *buf, long batch, void *scratch, int part, int parts) {
  static const int row_first[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  static const int row_at[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  static const int row_n[] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  static const real row_weight[] = {0.071428571428571425};
  static const int col_first[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  static const int col_at[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  static const int col_n[] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  static const real col_weight[] = {0.071428571428571425};
  const real *in0 = buf[0]; // [batch, 1, 1, 16]
  real *out = buf[1]; // [batch, 14, 14, 16]
  const long lines = batch * 14, begin = lines * part / parts, end = lines * (part + 1) / parts;
  real *across = scratch; // [1][16]
  for (long line = begin; line < end; line++) {
    const long n = line / 14, y = line % 14;
    const real *from = in0 + (n * 1 + row_first[y]) * 16;
    const real *rows = row_weight + row_at[y];
    const long n_rows = row_n[y];
    for (long e = 0; e < 16; e += 8) {
      MLA_USE(8)
      vec sum = {0};
      for (long k = 0; k < n_rows; k++)
        sum += mla_vec(rows[k]) * mla_load(from + e + k * 16);
      mla_store(across + e, sum);
    }
    for (long x = 0; x < 14; x++) {
      MLA_USE(8)
      const real *cols = col_weight + col_at[x], *start = across + col_first[x] * 16;
      const long n_cols = col_n[x];
      for (long c = 0; c < 16; c += 8) {
        vec sum = {0};
        for (long k = 0; k < n_cols; k++)
          sum += mla_vec(cols[k]) * mla_load(start + c + k * 16);
        mla_store(out + (line * 14 + x) * 16 + c, sum);
      }
    }
  }
}

// ==== adaptive_avg_pool_32
// for  logits/avgpool1 (1 launch a step: forward; 1 in an evaluation)
// from  examples/split.mlaan:8  logits = second | avgpool | linear(classes)
//   %1 adaptive_avg_pool([batch, 7, 7, 32]) : [batch, 1, 1, 32]
// moves 0.195 MiB, 0.000 GFLOP for a batch of 32, in 3 parts
void adaptive_avg_pool_32(void *const *buf, long batch, void *scratch, int part, int parts) {
  static const int row_first[] = {0};
  static const int row_at[] = {0};
  static const int row_n[] = {7};
  static const real row_weight[] = {0.14285714285714285, 0.14285714285714285, 0.14285714285714285, 0.14285714285714285, 0.14285714285714285, 0.14285714285714285, 0.14285714285714285};
  static const int col_first[] = {0};
  static const int col_at[] = {0};
  static const int col_n[] = {7};
  static const real col_weight[] = {0.14285714285714285, 0.14285714285714285, 0.14285714285714285, 0.14285714285714285, 0.14285714285714285, 0.14285714285714285, 0.14285714285714285};
  const real *in0 = buf[0]; // [batch, 7, 7, 32]
  real *out = buf[1]; // [batch, 1, 1, 32]
  const long lines = batch * 1, begin = lines * part / parts, end = lines * (part + 1) / parts;
  real *across = scratch; // [7][32]
  for (long line = begin; line < end; line++) {
    const long n = line / 1, y = line % 1;
    const real *from = in0 + (n * 7 + row_first[y]) * 224;
    const real *rows = row_weight + row_at[y];
    const long n_rows = row_n[y];
    for (long e = 0; e < 224; e += 8) {
      MLA_USE(8)
      vec sum = {0};
      for (long k = 0; k < n_rows; k++)
        sum += mla_vec(rows[k]) * mla_load(from + e + k * 224);
      mla_store(across + e, sum);
    }
    for (long x = 0; x < 1; x++) {
      MLA_USE(8)
      const real *cols = col_weight + col_at[x], *start = across + col_first[x] * 32;
      const long n_cols = col_n[x];
      for (long c = 0; c < 32; c += 8) {
        vec sum = {0};
        for (long k = 0; k < n_cols; k++)
          sum += mla_vec(cols[k]) * mla_load(start + c + k * 32);
        mla_store(out + (line * 1 + x) * 32 + c, sum);
      }
    }
  }
}

// ==== adaptive_avg_pool_grad_32
// for  logits/avgpool1 (1 launch a step: backward)
// from  examples/split.mlaan:8  logits = second | avgpool | linear(classes)
//   %1 adaptive_avg_pool_grad([batch, 1, 1, 32]) : [batch, 7, 7, 32]
// moves 0.195 MiB, 0.000 GFLOP for a batch of 32, in 3 parts
void adaptive_avg_pool_grad_32(void *const *buf, long batch, void *scratch, int part, int parts) {
  static const int row_first[] = {0, 0, 0, 0, 0, 0, 0};
  static const int row_at[] = {0, 0, 0, 0, 0, 0, 0};
  static const int row_n[] = {1, 1, 1, 1, 1, 1, 1};
  static const real row_weight[] = {0.14285714285714285};
  static const int col_first[] = {0, 0, 0, 0, 0, 0, 0};
  static const int col_at[] = {0, 0, 0, 0, 0, 0, 0};
  static const int col_n[] = {1, 1, 1, 1, 1, 1, 1};
  static const real col_weight[] = {0.14285714285714285};
  const real *in0 = buf[0]; // [batch, 1, 1, 32]
  real *out = buf[1]; // [batch, 7, 7, 32]
  const long lines = batch * 7, begin = lines * part / parts, end = lines * (part + 1) / parts;
  real *across = scratch; // [1][32]
  for (long line = begin; line < end; line++) {
    const long n = line / 7, y = line % 7;
    const real *from = in0 + (n * 1 + row_first[y]) * 32;
    const real *rows = row_weight + row_at[y];
    const long n_rows = row_n[y];
    for (long e = 0; e < 32; e += 8) {
      MLA_USE(8)
      vec sum = {0};
      for (long k = 0; k < n_rows; k++)
        sum += mla_vec(rows[k]) * mla_load(from + e + k * 32);
      mla_store(across + e, sum);
    }
    for (long x = 0; x < 7; x++) {
      MLA_USE(8)
      const real *cols = col_weight + col_at[x], *start = across + col_first[x] * 32;
      const long n_cols = col_n[x];
      for (long c = 0; c < 32; c += 8) {
        vec sum = {0};
        for (long k = 0; k < n_cols; k++)
          sum += mla_vec(cols[k]) * mla_load(start + c + k * 32);
        mla_store(out + (line * 7 + x) * 32 + c, sum);
      }
    }
  }
}
