// kernels/linear.c of `small`: 8 kernels, in the order in which a step first comes to them.
#include "../prelude.h"

// ==== linear_16x10
// for  aux0/linear1 (1 launch a step: forward)
// from  examples/split.mlaan:13  auxiliary head { loss cross_entropy(x | avgpool | linear(classes), label) }
//   %1 linear([batch, 16], [16, 10]) : [batch, 10]
// moves 0.004 MiB, 0.000 GFLOP for a batch of 32, in 1 part
// 13 pixels x 8 output channels.
static __attribute__((noinline)) void linear_16x10_b0_t13(const real *x, const real *w, real *y, long n_rows) {
  MLA_USE(8)
  vec a0_0 = {0};
  vec a1_0 = {0};
  vec a2_0 = {0};
  vec a3_0 = {0};
  vec a4_0 = {0};
  vec a5_0 = {0};
  vec a6_0 = {0};
  vec a7_0 = {0};
  vec a8_0 = {0};
  vec a9_0 = {0};
  vec a10_0 = {0};
  vec a11_0 = {0};
  vec a12_0 = {0};
  const real *xc, *wc;
  for (; n_rows > 0; n_rows--, x += 16, w += 128) {
    xc = x;
    wc = w;
    for (long c = 0; c < 16; c += 2, xc += 2, wc += 16) {
      {
      const vec w0_0 = mla_load(wc + 0);
      const vec x0_0 = mla_vec(xc[0]); a0_0 += w0_0 * x0_0;
      const vec x1_0 = mla_vec(xc[16]); a1_0 += w0_0 * x1_0;
      const vec x2_0 = mla_vec(xc[32]); a2_0 += w0_0 * x2_0;
      const vec x3_0 = mla_vec(xc[48]); a3_0 += w0_0 * x3_0;
      const vec x4_0 = mla_vec(xc[64]); a4_0 += w0_0 * x4_0;
      const vec x5_0 = mla_vec(xc[80]); a5_0 += w0_0 * x5_0;
      const vec x6_0 = mla_vec(xc[96]); a6_0 += w0_0 * x6_0;
      const vec x7_0 = mla_vec(xc[112]); a7_0 += w0_0 * x7_0;
      const vec x8_0 = mla_vec(xc[128]); a8_0 += w0_0 * x8_0;
      const vec x9_0 = mla_vec(xc[144]); a9_0 += w0_0 * x9_0;
      const vec x10_0 = mla_vec(xc[160]); a10_0 += w0_0 * x10_0;
      const vec x11_0 = mla_vec(xc[176]); a11_0 += w0_0 * x11_0;
      const vec x12_0 = mla_vec(xc[192]); a12_0 += w0_0 * x12_0;
      }
      {
      const vec w0_0 = mla_load(wc + 8);
      const vec x0_0 = mla_vec(xc[1]); a0_0 += w0_0 * x0_0;
      const vec x1_0 = mla_vec(xc[17]); a1_0 += w0_0 * x1_0;
      const vec x2_0 = mla_vec(xc[33]); a2_0 += w0_0 * x2_0;
      const vec x3_0 = mla_vec(xc[49]); a3_0 += w0_0 * x3_0;
      const vec x4_0 = mla_vec(xc[65]); a4_0 += w0_0 * x4_0;
      const vec x5_0 = mla_vec(xc[81]); a5_0 += w0_0 * x5_0;
      const vec x6_0 = mla_vec(xc[97]); a6_0 += w0_0 * x6_0;
      const vec x7_0 = mla_vec(xc[113]); a7_0 += w0_0 * x7_0;
      const vec x8_0 = mla_vec(xc[129]); a8_0 += w0_0 * x8_0;
      const vec x9_0 = mla_vec(xc[145]); a9_0 += w0_0 * x9_0;
      const vec x10_0 = mla_vec(xc[161]); a10_0 += w0_0 * x10_0;
      const vec x11_0 = mla_vec(xc[177]); a11_0 += w0_0 * x11_0;
      const vec x12_0 = mla_vec(xc[193]); a12_0 += w0_0 * x12_0;
      }
    }
  }
  mla_store(y + 0, a0_0);
  mla_store(y + 10, a1_0);
  mla_store(y + 20, a2_0);
  mla_store(y + 30, a3_0);
  mla_store(y + 40, a4_0);
  mla_store(y + 50, a5_0);
  mla_store(y + 60, a6_0);
  mla_store(y + 70, a7_0);
  mla_store(y + 80, a8_0);
  mla_store(y + 90, a9_0);
  mla_store(y + 100, a10_0);
  mla_store(y + 110, a11_0);
  mla_store(y + 120, a12_0);
}
// 4 pixels x 8 output channels.
static __attribute__((noinline)) void linear_16x10_b0_t4(const real *x, const real *w, real *y, long n_rows) {
  MLA_USE(8)
  vec a0_0 = {0};
  vec a1_0 = {0};
  vec a2_0 = {0};
  vec a3_0 = {0};
  const real *xc, *wc;
  for (; n_rows > 0; n_rows--, x += 16, w += 128) {
    xc = x;
    wc = w;
    for (long c = 0; c < 16; c += 2, xc += 2, wc += 16) {
      {
      const vec w0_0 = mla_load(wc + 0);
      const vec x0_0 = mla_vec(xc[0]); a0_0 += w0_0 * x0_0;
      const vec x1_0 = mla_vec(xc[16]); a1_0 += w0_0 * x1_0;
      const vec x2_0 = mla_vec(xc[32]); a2_0 += w0_0 * x2_0;
      const vec x3_0 = mla_vec(xc[48]); a3_0 += w0_0 * x3_0;
      }
      {
      const vec w0_0 = mla_load(wc + 8);
      const vec x0_0 = mla_vec(xc[1]); a0_0 += w0_0 * x0_0;
      const vec x1_0 = mla_vec(xc[17]); a1_0 += w0_0 * x1_0;
      const vec x2_0 = mla_vec(xc[33]); a2_0 += w0_0 * x2_0;
      const vec x3_0 = mla_vec(xc[49]); a3_0 += w0_0 * x3_0;
      }
    }
  }
  mla_store(y + 0, a0_0);
  mla_store(y + 10, a1_0);
  mla_store(y + 20, a2_0);
  mla_store(y + 30, a3_0);
}
// 1 pixels x 8 output channels.
static __attribute__((noinline)) void linear_16x10_b0_t1(const real *x, const real *w, real *y, long n_rows) {
  MLA_USE(8)
  vec a0_0 = {0};
  const real *xc, *wc;
  for (; n_rows > 0; n_rows--, x += 16, w += 128) {
    xc = x;
    wc = w;
    for (long c = 0; c < 16; c += 2, xc += 2, wc += 16) {
      {
      const vec w0_0 = mla_load(wc + 0);
      const vec x0_0 = mla_vec(xc[0]); a0_0 += w0_0 * x0_0;
      }
      {
      const vec w0_0 = mla_load(wc + 8);
      const vec x0_0 = mla_vec(xc[1]); a0_0 += w0_0 * x0_0;
      }
    }
  }
  mla_store(y + 0, a0_0);
}
static void linear_16x10_b0(const real *x, const real *w, real *y, long n_pixels) {
  for (; n_pixels >= 13; n_pixels -= 13, x += 208, y += 130) linear_16x10_b0_t13(x, w, y, 1);
  for (; n_pixels >= 4; n_pixels -= 4, x += 64, y += 40) linear_16x10_b0_t4(x, w, y, 1);
  for (; n_pixels >= 1; n_pixels -= 1, x += 16, y += 10) linear_16x10_b0_t1(x, w, y, 1);
}
// 13 pixels x 2 output channels.
static __attribute__((noinline)) void linear_16x10_b1_t13(const real *x, const real *w, real *y, long n_rows) {
  MLA_USE(2)
  vec a0_0 = {0};
  vec a1_0 = {0};
  vec a2_0 = {0};
  vec a3_0 = {0};
  vec a4_0 = {0};
  vec a5_0 = {0};
  vec a6_0 = {0};
  vec a7_0 = {0};
  vec a8_0 = {0};
  vec a9_0 = {0};
  vec a10_0 = {0};
  vec a11_0 = {0};
  vec a12_0 = {0};
  const real *xc, *wc;
  for (; n_rows > 0; n_rows--, x += 16, w += 32) {
    xc = x;
    wc = w;
    for (long c = 0; c < 16; c += 2, xc += 2, wc += 4) {
      {
      const vec w0_0 = mla_load(wc + 0);
      const vec x0_0 = mla_vec(xc[0]); a0_0 += w0_0 * x0_0;
      const vec x1_0 = mla_vec(xc[16]); a1_0 += w0_0 * x1_0;
      const vec x2_0 = mla_vec(xc[32]); a2_0 += w0_0 * x2_0;
      const vec x3_0 = mla_vec(xc[48]); a3_0 += w0_0 * x3_0;
      const vec x4_0 = mla_vec(xc[64]); a4_0 += w0_0 * x4_0;
      const vec x5_0 = mla_vec(xc[80]); a5_0 += w0_0 * x5_0;
      const vec x6_0 = mla_vec(xc[96]); a6_0 += w0_0 * x6_0;
      const vec x7_0 = mla_vec(xc[112]); a7_0 += w0_0 * x7_0;
      const vec x8_0 = mla_vec(xc[128]); a8_0 += w0_0 * x8_0;
      const vec x9_0 = mla_vec(xc[144]); a9_0 += w0_0 * x9_0;
      const vec x10_0 = mla_vec(xc[160]); a10_0 += w0_0 * x10_0;
      const vec x11_0 = mla_vec(xc[176]); a11_0 += w0_0 * x11_0;
      const vec x12_0 = mla_vec(xc[192]); a12_0 += w0_0 * x12_0;
      }
      {
      const vec w0_0 = mla_load(wc + 2);
      const vec x0_0 = mla_vec(xc[1]); a0_0 += w0_0 * x0_0;
      const vec x1_0 = mla_vec(xc[17]); a1_0 += w0_0 * x1_0;
      const vec x2_0 = mla_vec(xc[33]); a2_0 += w0_0 * x2_0;
      const vec x3_0 = mla_vec(xc[49]); a3_0 += w0_0 * x3_0;
      const vec x4_0 = mla_vec(xc[65]); a4_0 += w0_0 * x4_0;
      const vec x5_0 = mla_vec(xc[81]); a5_0 += w0_0 * x5_0;
      const vec x6_0 = mla_vec(xc[97]); a6_0 += w0_0 * x6_0;
      const vec x7_0 = mla_vec(xc[113]); a7_0 += w0_0 * x7_0;
      const vec x8_0 = mla_vec(xc[129]); a8_0 += w0_0 * x8_0;
      const vec x9_0 = mla_vec(xc[145]); a9_0 += w0_0 * x9_0;
      const vec x10_0 = mla_vec(xc[161]); a10_0 += w0_0 * x10_0;
      const vec x11_0 = mla_vec(xc[177]); a11_0 += w0_0 * x11_0;
      const vec x12_0 = mla_vec(xc[193]); a12_0 += w0_0 * x12_0;
      }
    }
  }
  mla_store(y + 0, a0_0);
  mla_store(y + 10, a1_0);
  mla_store(y + 20, a2_0);
  mla_store(y + 30, a3_0);
  mla_store(y + 40, a4_0);
  mla_store(y + 50, a5_0);
  mla_store(y + 60, a6_0);
  mla_store(y + 70, a7_0);
  mla_store(y + 80, a8_0);
  mla_store(y + 90, a9_0);
  mla_store(y + 100, a10_0);
  mla_store(y + 110, a11_0);
  mla_store(y + 120, a12_0);
}
// 4 pixels x 2 output channels.
static __attribute__((noinline)) void linear_16x10_b1_t4(const real *x, const real *w, real *y, long n_rows) {
  MLA_USE(2)
  vec a0_0 = {0};
  vec a1_0 = {0};
  vec a2_0 = {0};
  vec a3_0 = {0};
  const real *xc, *wc;
  for (; n_rows > 0; n_rows--, x += 16, w += 32) {
    xc = x;
    wc = w;
    for (long c = 0; c < 16; c += 2, xc += 2, wc += 4) {
      {
      const vec w0_0 = mla_load(wc + 0);
      const vec x0_0 = mla_vec(xc[0]); a0_0 += w0_0 * x0_0;
      const vec x1_0 = mla_vec(xc[16]); a1_0 += w0_0 * x1_0;
      const vec x2_0 = mla_vec(xc[32]); a2_0 += w0_0 * x2_0;
      const vec x3_0 = mla_vec(xc[48]); a3_0 += w0_0 * x3_0;
      }
      {
      const vec w0_0 = mla_load(wc + 2);
      const vec x0_0 = mla_vec(xc[1]); a0_0 += w0_0 * x0_0;
      const vec x1_0 = mla_vec(xc[17]); a1_0 += w0_0 * x1_0;
      const vec x2_0 = mla_vec(xc[33]); a2_0 += w0_0 * x2_0;
      const vec x3_0 = mla_vec(xc[49]); a3_0 += w0_0 * x3_0;
      }
    }
  }
  mla_store(y + 0, a0_0);
  mla_store(y + 10, a1_0);
  mla_store(y + 20, a2_0);
  mla_store(y + 30, a3_0);
}
// 1 pixels x 2 output channels.
static __attribute__((noinline)) void linear_16x10_b1_t1(const real *x, const real *w, real *y, long n_rows) {
  MLA_USE(2)
  vec a0_0 = {0};
  const real *xc, *wc;
  for (; n_rows > 0; n_rows--, x += 16, w += 32) {
    xc = x;
    wc = w;
    for (long c = 0; c < 16; c += 2, xc += 2, wc += 4) {
      {
      const vec w0_0 = mla_load(wc + 0);
      const vec x0_0 = mla_vec(xc[0]); a0_0 += w0_0 * x0_0;
      }
      {
      const vec w0_0 = mla_load(wc + 2);
      const vec x0_0 = mla_vec(xc[1]); a0_0 += w0_0 * x0_0;
      }
    }
  }
  mla_store(y + 0, a0_0);
}
static void linear_16x10_b1(const real *x, const real *w, real *y, long n_pixels) {
  for (; n_pixels >= 13; n_pixels -= 13, x += 208, y += 130) linear_16x10_b1_t13(x, w, y, 1);
  for (; n_pixels >= 4; n_pixels -= 4, x += 64, y += 40) linear_16x10_b1_t4(x, w, y, 1);
  for (; n_pixels >= 1; n_pixels -= 1, x += 16, y += 10) linear_16x10_b1_t1(x, w, y, 1);
}
// Parts: 1 shares of the images x 1 of the 2 blocks of output channels.
void linear_16x10(void *const *buf, long batch, void *scratch, int part, int parts) {
  const real *x = buf[0], *weight = buf[1];
  real *y = buf[2];
  (void)parts, (void)scratch;
  real *packed = scratch;
  const long share = part % 1;
  const long n_tiles = batch * 1 / 13;
  const long begin = n_tiles * share / 1 * 13;
  const long stop = share == 0 ? batch * 1 : n_tiles * (share + 1) / 1 * 13;
  if (begin == stop) return;
  const long first = part / 1 * 2 / 1, end = (part / 1 + 1) * 2 / 1;
  {
  real *w = packed;
  for (long g = 0; g < 1; g++) {
    for (long b = first < 0 ? 0 : first; b < end && b < 1; b++) {
      MLA_USE(8)
      const long column = g * 10 + 0 + (b - 0) * 8;
      const real *from = weight + column;
      for (long tap = 0; tap < 1; tap++)
        for (long c = 0; c < 16; c++) {
          const real *row = from + (tap * 16 + c) * 10;
          real *to = w + (tap * 16 + c) * 8;
          mla_store(to + 0, mla_load(row + 0));
        }
      w += 128;
    }
    for (long b = first < 1 ? 1 : first; b < end && b < 2; b++) {
      MLA_USE(2)
      const long column = g * 10 + 8 + (b - 1) * 2;
      const real *from = weight + column;
      for (long tap = 0; tap < 1; tap++)
        for (long c = 0; c < 16; c++) {
          const real *row = from + (tap * 16 + c) * 10;
          real *to = w + (tap * 16 + c) * 2;
          mla_store(to + 0, mla_load(row + 0));
        }
      w += 32;
    }
  }
  }
  const real *source = x + begin * 16;
  real *result = y + begin * 10;
  const long n = stop - begin;
  const real *w = packed;
  for (long g = 0; g < 1; g++) {
    for (long b = first < 0 ? 0 : first; b < end && b < 1; b++) {
      const long column = g * 10 + 0 + (b - 0) * 8;
      linear_16x10_b0(source + g * 16, w, result + column, n);
      w += 128;
    }
    for (long b = first < 1 ? 1 : first; b < end && b < 2; b++) {
      const long column = g * 10 + 8 + (b - 1) * 2;
      linear_16x10_b1(source + g * 16, w, result + column, n);
      w += 32;
    }
  }
}

// ==== linear_grad_weight_16x10
// for  aux0/linear1 (1 launch a step: backward)
// from  examples/split.mlaan:13  auxiliary head { loss cross_entropy(x | avgpool | linear(classes), label) }
//   %1 linear_grad_weight([batch, 16], [batch, 10]) : [16, 10]
// moves 0.008 MiB, 0.000 GFLOP for a batch of 32, in 8 parts
// 1 kernel columns x 5 output channels x 16 input channels.
static __attribute__((noinline)) void linear_grad_weight_16x10_p0_0_0(const real *x, const real *g, real *sums, long n_images, long n_rows, long is_first) {
  MLA_USE(8)
  vec a0_0_0 = {0};
  vec a0_0_1 = {0};
  vec a0_1_0 = {0};
  vec a0_1_1 = {0};
  vec a0_2_0 = {0};
  vec a0_2_1 = {0};
  vec a0_3_0 = {0};
  vec a0_3_1 = {0};
  vec a0_4_0 = {0};
  vec a0_4_1 = {0};
  if (!is_first) {
    a0_0_0 = mla_load(sums + 0);
    a0_0_1 = mla_load(sums + 8);
    a0_1_0 = mla_load(sums + 16);
    a0_1_1 = mla_load(sums + 24);
    a0_2_0 = mla_load(sums + 32);
    a0_2_1 = mla_load(sums + 40);
    a0_3_0 = mla_load(sums + 48);
    a0_3_1 = mla_load(sums + 56);
    a0_4_0 = mla_load(sums + 64);
    a0_4_1 = mla_load(sums + 72);
  }
  (void)n_images;
  const real *xc = x, *gc = g;
  for (; n_rows >= 4; n_rows -= 4, xc += 64, gc += 40) {
        const vec x0_0 = mla_load(xc + 0); const vec x0_1 = mla_load(xc + 8);
        const vec g0_0 = mla_vec(gc[0]); a0_0_0 += x0_0 * g0_0; a0_0_1 += x0_1 * g0_0;
        const vec g0_1 = mla_vec(gc[1]); a0_1_0 += x0_0 * g0_1; a0_1_1 += x0_1 * g0_1;
        const vec g0_2 = mla_vec(gc[2]); a0_2_0 += x0_0 * g0_2; a0_2_1 += x0_1 * g0_2;
        const vec g0_3 = mla_vec(gc[3]); a0_3_0 += x0_0 * g0_3; a0_3_1 += x0_1 * g0_3;
        const vec g0_4 = mla_vec(gc[4]); a0_4_0 += x0_0 * g0_4; a0_4_1 += x0_1 * g0_4;
        const vec x1_0 = mla_load(xc + 16); const vec x1_1 = mla_load(xc + 24);
        const vec g1_0 = mla_vec(gc[10]); a0_0_0 += x1_0 * g1_0; a0_0_1 += x1_1 * g1_0;
        const vec g1_1 = mla_vec(gc[11]); a0_1_0 += x1_0 * g1_1; a0_1_1 += x1_1 * g1_1;
        const vec g1_2 = mla_vec(gc[12]); a0_2_0 += x1_0 * g1_2; a0_2_1 += x1_1 * g1_2;
        const vec g1_3 = mla_vec(gc[13]); a0_3_0 += x1_0 * g1_3; a0_3_1 += x1_1 * g1_3;
        const vec g1_4 = mla_vec(gc[14]); a0_4_0 += x1_0 * g1_4; a0_4_1 += x1_1 * g1_4;
        const vec x2_0 = mla_load(xc + 32); const vec x2_1 = mla_load(xc + 40);
        const vec g2_0 = mla_vec(gc[20]); a0_0_0 += x2_0 * g2_0; a0_0_1 += x2_1 * g2_0;
        const vec g2_1 = mla_vec(gc[21]); a0_1_0 += x2_0 * g2_1; a0_1_1 += x2_1 * g2_1;
        const vec g2_2 = mla_vec(gc[22]); a0_2_0 += x2_0 * g2_2; a0_2_1 += x2_1 * g2_2;
        const vec g2_3 = mla_vec(gc[23]); a0_3_0 += x2_0 * g2_3; a0_3_1 += x2_1 * g2_3;
        const vec g2_4 = mla_vec(gc[24]); a0_4_0 += x2_0 * g2_4; a0_4_1 += x2_1 * g2_4;
        const vec x3_0 = mla_load(xc + 48); const vec x3_1 = mla_load(xc + 56);
        const vec g3_0 = mla_vec(gc[30]); a0_0_0 += x3_0 * g3_0; a0_0_1 += x3_1 * g3_0;
        const vec g3_1 = mla_vec(gc[31]); a0_1_0 += x3_0 * g3_1; a0_1_1 += x3_1 * g3_1;
        const vec g3_2 = mla_vec(gc[32]); a0_2_0 += x3_0 * g3_2; a0_2_1 += x3_1 * g3_2;
        const vec g3_3 = mla_vec(gc[33]); a0_3_0 += x3_0 * g3_3; a0_3_1 += x3_1 * g3_3;
        const vec g3_4 = mla_vec(gc[34]); a0_4_0 += x3_0 * g3_4; a0_4_1 += x3_1 * g3_4;
  }
  for (; n_rows >= 1; n_rows -= 1, xc += 16, gc += 10) {
        const vec x0_0 = mla_load(xc + 0); const vec x0_1 = mla_load(xc + 8);
        const vec g0_0 = mla_vec(gc[0]); a0_0_0 += x0_0 * g0_0; a0_0_1 += x0_1 * g0_0;
        const vec g0_1 = mla_vec(gc[1]); a0_1_0 += x0_0 * g0_1; a0_1_1 += x0_1 * g0_1;
        const vec g0_2 = mla_vec(gc[2]); a0_2_0 += x0_0 * g0_2; a0_2_1 += x0_1 * g0_2;
        const vec g0_3 = mla_vec(gc[3]); a0_3_0 += x0_0 * g0_3; a0_3_1 += x0_1 * g0_3;
        const vec g0_4 = mla_vec(gc[4]); a0_4_0 += x0_0 * g0_4; a0_4_1 += x0_1 * g0_4;
  }
  mla_store(sums + 0, a0_0_0);
  mla_store(sums + 8, a0_0_1);
  mla_store(sums + 16, a0_1_0);
  mla_store(sums + 24, a0_1_1);
  mla_store(sums + 32, a0_2_0);
  mla_store(sums + 40, a0_2_1);
  mla_store(sums + 48, a0_3_0);
  mla_store(sums + 56, a0_3_1);
  mla_store(sums + 64, a0_4_0);
  mla_store(sums + 72, a0_4_1);
}
// Output rows row..last-1 of n_images images, into the sums of passes first..end-1.
static void linear_grad_weight_16x10_sweep(const real *x, const real *g, real *sums, long n_images, long row, long last, long is_first, long first, long end) {
  enum { n_in = 16 };
  long pass = 0;
  for (long group = 0; group < 1; group++) {
    for (long b = 0; b < 1; b++) {
      const long wide = group * 16 + 0 + b * 16;
      for (long t = 0; t < 2; t++) {
        const long single = 0 + t * 5;
        for (long ky = 0; ky < 1; ky++) {
          const long low = 0, n = last - row;
          const real *from = x + wide;
          if (pass >= first && pass < end) {
            linear_grad_weight_16x10_p0_0_0(from, g + low * 10 + single, sums + ((ky * 1 + 0) * 10 + single) * 16 + wide, n_images, n, is_first);
          }
          pass++;
        }
      }
    }
  }
}
void linear_grad_weight_16x10(void *const *buf, long batch, void *scratch, int part, int parts) {
  const long share = part % 8, slice = part / 8;
  const long first = 2L * slice / 1, end = 2L * (slice + 1) / 1;
  const real *x = buf[0], *g = buf[1];
  real *dw = (real *)buf[2] + share * 160, *sums = scratch;
  (void)scratch, (void)parts;
  linear_grad_weight_16x10_sweep(x, g, sums, 0, 0, 0, 1, first, end); // the sums start at zero
  const long begin = batch * 1 * share / 8, stop = batch * 1 * (share + 1) / 8;
  for (long n = begin; n < stop; n += 192)
    linear_grad_weight_16x10_sweep(x + n * 16, g + n * 10, sums, 1, 0, stop - n < 192 ? stop - n : 192, 0, first, end);
  for (long tap = 0; tap < 1; tap++)
    for (long i = 0; i < 16; i++)
      for (long o = 0; o < 10; o++)
        dw[(tap * 16 + i) * 10 + o] = sums[(tap * 10 + o) * 16 + i];
}

// ==== linear_grad_weight_16x10_finish
// for  aux0/linear1 (1 launch a step: backward)
// from  examples/split.mlaan:13  auxiliary head { loss cross_entropy(x | avgpool | linear(classes), label) }
//   %1 linear_grad_weight([batch, 16], [batch, 10]) : [16, 10]
// moves 0.005 MiB for a batch of 32, in 1 part
void linear_grad_weight_16x10_finish(void *const *buf, long batch, void *scratch, int part, int parts) {
  const real *partial = buf[0];
  real *dw = buf[1];
  (void)batch, (void)scratch, (void)parts;
  const long end = part == 0 ? 160 : 160L * (part + 1);
  long i = 160L * part;
  for (; i + 8 <= end; i += 8) {
    MLA_USE(8)
    vec sum = mla_load(partial + i);
    for (long p = 1; p < 8; p++) sum += mla_load(partial + p * 160 + i);
    mla_store(dw + i, sum);
  }
  for (; i + 1 <= end; i += 1) {
    MLA_USE(1)
    vec sum = mla_load(partial + i);
    for (long p = 1; p < 8; p++) sum += mla_load(partial + p * 160 + i);
    mla_store(dw + i, sum);
  }
}

// ==== linear_grad_input_16x10
// for  aux0/linear1 (1 launch a step: backward)
// from  examples/split.mlaan:13  auxiliary head { loss cross_entropy(x | avgpool | linear(classes), label) }
//   %1 linear_grad_input([batch, 10], [16, 10]) : [batch, 16]
// moves 0.004 MiB, 0.000 GFLOP for a batch of 32, in 1 part
// 6 pixels x 16 output channels.
static __attribute__((noinline)) void linear_grad_input_16x10_b0_t6(const real *x, const real *w, real *y, long n_rows) {
  MLA_USE(8)
  vec a0_0 = {0}, a0_1 = {0};
  vec a1_0 = {0}, a1_1 = {0};
  vec a2_0 = {0}, a2_1 = {0};
  vec a3_0 = {0}, a3_1 = {0};
  vec a4_0 = {0}, a4_1 = {0};
  vec a5_0 = {0}, a5_1 = {0};
  const real *xc, *wc;
  for (; n_rows > 0; n_rows--, x += 10, w += 160) {
    xc = x;
    wc = w;
    for (long c = 0; c < 10; c += 2, xc += 2, wc += 32) {
      {
      const vec w0_0 = mla_load(wc + 0), w0_1 = mla_load(wc + 8);
      const vec x0_0 = mla_vec(xc[0]); a0_0 += w0_0 * x0_0; a0_1 += w0_1 * x0_0;
      const vec x1_0 = mla_vec(xc[10]); a1_0 += w0_0 * x1_0; a1_1 += w0_1 * x1_0;
      const vec x2_0 = mla_vec(xc[20]); a2_0 += w0_0 * x2_0; a2_1 += w0_1 * x2_0;
      const vec x3_0 = mla_vec(xc[30]); a3_0 += w0_0 * x3_0; a3_1 += w0_1 * x3_0;
      const vec x4_0 = mla_vec(xc[40]); a4_0 += w0_0 * x4_0; a4_1 += w0_1 * x4_0;
      const vec x5_0 = mla_vec(xc[50]); a5_0 += w0_0 * x5_0; a5_1 += w0_1 * x5_0;
      }
      {
      const vec w0_0 = mla_load(wc + 16), w0_1 = mla_load(wc + 24);
      const vec x0_0 = mla_vec(xc[1]); a0_0 += w0_0 * x0_0; a0_1 += w0_1 * x0_0;
      const vec x1_0 = mla_vec(xc[11]); a1_0 += w0_0 * x1_0; a1_1 += w0_1 * x1_0;
      const vec x2_0 = mla_vec(xc[21]); a2_0 += w0_0 * x2_0; a2_1 += w0_1 * x2_0;
      const vec x3_0 = mla_vec(xc[31]); a3_0 += w0_0 * x3_0; a3_1 += w0_1 * x3_0;
      const vec x4_0 = mla_vec(xc[41]); a4_0 += w0_0 * x4_0; a4_1 += w0_1 * x4_0;
      const vec x5_0 = mla_vec(xc[51]); a5_0 += w0_0 * x5_0; a5_1 += w0_1 * x5_0;
      }
    }
  }
  mla_store(y + 0, a0_0);
  mla_store(y + 8, a0_1);
  mla_store(y + 16, a1_0);
  mla_store(y + 24, a1_1);
  mla_store(y + 32, a2_0);
  mla_store(y + 40, a2_1);
  mla_store(y + 48, a3_0);
  mla_store(y + 56, a3_1);
  mla_store(y + 64, a4_0);
  mla_store(y + 72, a4_1);
  mla_store(y + 80, a5_0);
  mla_store(y + 88, a5_1);
}
// 4 pixels x 16 output channels.
static __attribute__((noinline)) void linear_grad_input_16x10_b0_t4(const real *x, const real *w, real *y, long n_rows) {
  MLA_USE(8)
  vec a0_0 = {0}, a0_1 = {0};
  vec a1_0 = {0}, a1_1 = {0};
  vec a2_0 = {0}, a2_1 = {0};
  vec a3_0 = {0}, a3_1 = {0};
  const real *xc, *wc;
  for (; n_rows > 0; n_rows--, x += 10, w += 160) {
    xc = x;
    wc = w;
    for (long c = 0; c < 10; c += 2, xc += 2, wc += 32) {
      {
      const vec w0_0 = mla_load(wc + 0), w0_1 = mla_load(wc + 8);
      const vec x0_0 = mla_vec(xc[0]); a0_0 += w0_0 * x0_0; a0_1 += w0_1 * x0_0;
      const vec x1_0 = mla_vec(xc[10]); a1_0 += w0_0 * x1_0; a1_1 += w0_1 * x1_0;
      const vec x2_0 = mla_vec(xc[20]); a2_0 += w0_0 * x2_0; a2_1 += w0_1 * x2_0;
      const vec x3_0 = mla_vec(xc[30]); a3_0 += w0_0 * x3_0; a3_1 += w0_1 * x3_0;
      }
      {
      const vec w0_0 = mla_load(wc + 16), w0_1 = mla_load(wc + 24);
      const vec x0_0 = mla_vec(xc[1]); a0_0 += w0_0 * x0_0; a0_1 += w0_1 * x0_0;
      const vec x1_0 = mla_vec(xc[11]); a1_0 += w0_0 * x1_0; a1_1 += w0_1 * x1_0;
      const vec x2_0 = mla_vec(xc[21]); a2_0 += w0_0 * x2_0; a2_1 += w0_1 * x2_0;
      const vec x3_0 = mla_vec(xc[31]); a3_0 += w0_0 * x3_0; a3_1 += w0_1 * x3_0;
      }
    }
  }
  mla_store(y + 0, a0_0);
  mla_store(y + 8, a0_1);
  mla_store(y + 16, a1_0);
  mla_store(y + 24, a1_1);
  mla_store(y + 32, a2_0);
  mla_store(y + 40, a2_1);
  mla_store(y + 48, a3_0);
  mla_store(y + 56, a3_1);
}
// 1 pixels x 16 output channels.
static __attribute__((noinline)) void linear_grad_input_16x10_b0_t1(const real *x, const real *w, real *y, long n_rows) {
  MLA_USE(8)
  vec a0_0 = {0}, a0_1 = {0};
  const real *xc, *wc;
  for (; n_rows > 0; n_rows--, x += 10, w += 160) {
    xc = x;
    wc = w;
    for (long c = 0; c < 10; c += 2, xc += 2, wc += 32) {
      {
      const vec w0_0 = mla_load(wc + 0), w0_1 = mla_load(wc + 8);
      const vec x0_0 = mla_vec(xc[0]); a0_0 += w0_0 * x0_0; a0_1 += w0_1 * x0_0;
      }
      {
      const vec w0_0 = mla_load(wc + 16), w0_1 = mla_load(wc + 24);
      const vec x0_0 = mla_vec(xc[1]); a0_0 += w0_0 * x0_0; a0_1 += w0_1 * x0_0;
      }
    }
  }
  mla_store(y + 0, a0_0);
  mla_store(y + 8, a0_1);
}
static void linear_grad_input_16x10_b0(const real *x, const real *w, real *y, long n_pixels) {
  for (; n_pixels >= 6; n_pixels -= 6, x += 60, y += 96) linear_grad_input_16x10_b0_t6(x, w, y, 1);
  for (; n_pixels >= 4; n_pixels -= 4, x += 40, y += 64) linear_grad_input_16x10_b0_t4(x, w, y, 1);
  for (; n_pixels >= 1; n_pixels -= 1, x += 10, y += 16) linear_grad_input_16x10_b0_t1(x, w, y, 1);
}
// Parts: 1 shares of the images x 1 of the 1 blocks of output channels.
void linear_grad_input_16x10(void *const *buf, long batch, void *scratch, int part, int parts) {
  const real *x = buf[0], *weight = buf[1];
  real *y = buf[2];
  (void)parts, (void)scratch;
  real *packed = scratch;
  const long share = part % 1;
  const long n_tiles = batch * 1 / 6;
  const long begin = n_tiles * share / 1 * 6;
  const long stop = share == 0 ? batch * 1 : n_tiles * (share + 1) / 1 * 6;
  if (begin == stop) return;
  const long first = part / 1 * 1 / 1, end = (part / 1 + 1) * 1 / 1;
  {
  real *w = packed;
  for (long g = 0; g < 1; g++) {
    for (long b = first < 0 ? 0 : first; b < end && b < 1; b++) {
      MLA_USE(8)
      const long column = g * 16 + 0 + (b - 0) * 16;
      const real *from = weight + column * 10;
      for (long c = 0; c < 10; c++) {
        for (long o = 0; o < 16; o++) w[c * 16 + o] = from[o * 10 + c];
      }
      w += 160;
    }
  }
  }
  const real *source = x + begin * 10;
  real *result = y + begin * 16;
  const long n = stop - begin;
  const real *w = packed;
  for (long g = 0; g < 1; g++) {
    for (long b = first < 0 ? 0 : first; b < end && b < 1; b++) {
      const long column = g * 16 + 0 + (b - 0) * 16;
      linear_grad_input_16x10_b0(source + g * 10, w, result + column, n);
      w += 160;
    }
  }
}

// ==== linear_32x10
// for  logits/linear1 (1 launch a step: forward; 1 in an evaluation)
// from  examples/split.mlaan:8  logits = second | avgpool | linear(classes)
//   %1 linear([batch, 32], [32, 10]) : [batch, 10]
// moves 0.006 MiB, 0.000 GFLOP for a batch of 32, in 1 part
// 13 pixels x 8 output channels.
static __attribute__((noinline)) void linear_32x10_b0_t13(const real *x, const real *w, real *y, long n_rows) {
  MLA_USE(8)
  vec a0_0 = {0};
  vec a1_0 = {0};
  vec a2_0 = {0};
  vec a3_0 = {0};
  vec a4_0 = {0};
  vec a5_0 = {0};
  vec a6_0 = {0};
  vec a7_0 = {0};
  vec a8_0 = {0};
  vec a9_0 = {0};
  vec a10_0 = {0};
  vec a11_0 = {0};
  vec a12_0 = {0};
  const real *xc, *wc;
  for (; n_rows > 0; n_rows--, x += 32, w += 256) {
    xc = x;
    wc = w;
    for (long c = 0; c < 32; c += 2, xc += 2, wc += 16) {
      {
      const vec w0_0 = mla_load(wc + 0);
      const vec x0_0 = mla_vec(xc[0]); a0_0 += w0_0 * x0_0;
      const vec x1_0 = mla_vec(xc[32]); a1_0 += w0_0 * x1_0;
      const vec x2_0 = mla_vec(xc[64]); a2_0 += w0_0 * x2_0;
      const vec x3_0 = mla_vec(xc[96]); a3_0 += w0_0 * x3_0;
      const vec x4_0 = mla_vec(xc[128]); a4_0 += w0_0 * x4_0;
      const vec x5_0 = mla_vec(xc[160]); a5_0 += w0_0 * x5_0;
      const vec x6_0 = mla_vec(xc[192]); a6_0 += w0_0 * x6_0;
      const vec x7_0 = mla_vec(xc[224]); a7_0 += w0_0 * x7_0;
      const vec x8_0 = mla_vec(xc[256]); a8_0 += w0_0 * x8_0;
      const vec x9_0 = mla_vec(xc[288]); a9_0 += w0_0 * x9_0;
      const vec x10_0 = mla_vec(xc[320]); a10_0 += w0_0 * x10_0;
      const vec x11_0 = mla_vec(xc[352]); a11_0 += w0_0 * x11_0;
      const vec x12_0 = mla_vec(xc[384]); a12_0 += w0_0 * x12_0;
      }
      {
      const vec w0_0 = mla_load(wc + 8);
      const vec x0_0 = mla_vec(xc[1]); a0_0 += w0_0 * x0_0;
      const vec x1_0 = mla_vec(xc[33]); a1_0 += w0_0 * x1_0;
      const vec x2_0 = mla_vec(xc[65]); a2_0 += w0_0 * x2_0;
      const vec x3_0 = mla_vec(xc[97]); a3_0 += w0_0 * x3_0;
      const vec x4_0 = mla_vec(xc[129]); a4_0 += w0_0 * x4_0;
      const vec x5_0 = mla_vec(xc[161]); a5_0 += w0_0 * x5_0;
      const vec x6_0 = mla_vec(xc[193]); a6_0 += w0_0 * x6_0;
      const vec x7_0 = mla_vec(xc[225]); a7_0 += w0_0 * x7_0;
      const vec x8_0 = mla_vec(xc[257]); a8_0 += w0_0 * x8_0;
      const vec x9_0 = mla_vec(xc[289]); a9_0 += w0_0 * x9_0;
      const vec x10_0 = mla_vec(xc[321]); a10_0 += w0_0 * x10_0;
      const vec x11_0 = mla_vec(xc[353]); a11_0 += w0_0 * x11_0;
      const vec x12_0 = mla_vec(xc[385]); a12_0 += w0_0 * x12_0;
      }
    }
  }
  mla_store(y + 0, a0_0);
  mla_store(y + 10, a1_0);
  mla_store(y + 20, a2_0);
  mla_store(y + 30, a3_0);
  mla_store(y + 40, a4_0);
  mla_store(y + 50, a5_0);
  mla_store(y + 60, a6_0);
  mla_store(y + 70, a7_0);
  mla_store(y + 80, a8_0);
  mla_store(y + 90, a9_0);
  mla_store(y + 100, a10_0);
  mla_store(y + 110, a11_0);
  mla_store(y + 120, a12_0);
}
// 4 pixels x 8 output channels.
static __attribute__((noinline)) void linear_32x10_b0_t4(const real *x, const real *w, real *y, long n_rows) {
  MLA_USE(8)
  vec a0_0 = {0};
  vec a1_0 = {0};
  vec a2_0 = {0};
  vec a3_0 = {0};
  const real *xc, *wc;
  for (; n_rows > 0; n_rows--, x += 32, w += 256) {
    xc = x;
    wc = w;
    for (long c = 0; c < 32; c += 2, xc += 2, wc += 16) {
      {
      const vec w0_0 = mla_load(wc + 0);
      const vec x0_0 = mla_vec(xc[0]); a0_0 += w0_0 * x0_0;
      const vec x1_0 = mla_vec(xc[32]); a1_0 += w0_0 * x1_0;
      const vec x2_0 = mla_vec(xc[64]); a2_0 += w0_0 * x2_0;
      const vec x3_0 = mla_vec(xc[96]); a3_0 += w0_0 * x3_0;
      }
      {
      const vec w0_0 = mla_load(wc + 8);
      const vec x0_0 = mla_vec(xc[1]); a0_0 += w0_0 * x0_0;
      const vec x1_0 = mla_vec(xc[33]); a1_0 += w0_0 * x1_0;
      const vec x2_0 = mla_vec(xc[65]); a2_0 += w0_0 * x2_0;
      const vec x3_0 = mla_vec(xc[97]); a3_0 += w0_0 * x3_0;
      }
    }
  }
  mla_store(y + 0, a0_0);
  mla_store(y + 10, a1_0);
  mla_store(y + 20, a2_0);
  mla_store(y + 30, a3_0);
}
// 1 pixels x 8 output channels.
static __attribute__((noinline)) void linear_32x10_b0_t1(const real *x, const real *w, real *y, long n_rows) {
  MLA_USE(8)
  vec a0_0 = {0};
  const real *xc, *wc;
  for (; n_rows > 0; n_rows--, x += 32, w += 256) {
    xc = x;
    wc = w;
    for (long c = 0; c < 32; c += 2, xc += 2, wc += 16) {
      {
      const vec w0_0 = mla_load(wc + 0);
      const vec x0_0 = mla_vec(xc[0]); a0_0 += w0_0 * x0_0;
      }
      {
      const vec w0_0 = mla_load(wc + 8);
      const vec x0_0 = mla_vec(xc[1]); a0_0 += w0_0 * x0_0;
      }
    }
  }
  mla_store(y + 0, a0_0);
}
static void linear_32x10_b0(const real *x, const real *w, real *y, long n_pixels) {
  for (; n_pixels >= 13; n_pixels -= 13, x += 416, y += 130) linear_32x10_b0_t13(x, w, y, 1);
  for (; n_pixels >= 4; n_pixels -= 4, x += 128, y += 40) linear_32x10_b0_t4(x, w, y, 1);
  for (; n_pixels >= 1; n_pixels -= 1, x += 32, y += 10) linear_32x10_b0_t1(x, w, y, 1);
}
// 13 pixels x 2 output channels.
static __attribute__((noinline)) void linear_32x10_b1_t13(const real *x, const real *w, real *y, long n_rows) {
  MLA_USE(2)
  vec a0_0 = {0};
  vec a1_0 = {0};
  vec a2_0 = {0};
  vec a3_0 = {0};
  vec a4_0 = {0};
  vec a5_0 = {0};
  vec a6_0 = {0};
  vec a7_0 = {0};
  vec a8_0 = {0};
  vec a9_0 = {0};
  vec a10_0 = {0};
  vec a11_0 = {0};
  vec a12_0 = {0};
  const real *xc, *wc;
  for (; n_rows > 0; n_rows--, x += 32, w += 64) {
    xc = x;
    wc = w;
    for (long c = 0; c < 32; c += 2, xc += 2, wc += 4) {
      {
      const vec w0_0 = mla_load(wc + 0);
      const vec x0_0 = mla_vec(xc[0]); a0_0 += w0_0 * x0_0;
      const vec x1_0 = mla_vec(xc[32]); a1_0 += w0_0 * x1_0;
      const vec x2_0 = mla_vec(xc[64]); a2_0 += w0_0 * x2_0;
      const vec x3_0 = mla_vec(xc[96]); a3_0 += w0_0 * x3_0;
      const vec x4_0 = mla_vec(xc[128]); a4_0 += w0_0 * x4_0;
      const vec x5_0 = mla_vec(xc[160]); a5_0 += w0_0 * x5_0;
      const vec x6_0 = mla_vec(xc[192]); a6_0 += w0_0 * x6_0;
      const vec x7_0 = mla_vec(xc[224]); a7_0 += w0_0 * x7_0;
      const vec x8_0 = mla_vec(xc[256]); a8_0 += w0_0 * x8_0;
      const vec x9_0 = mla_vec(xc[288]); a9_0 += w0_0 * x9_0;
      const vec x10_0 = mla_vec(xc[320]); a10_0 += w0_0 * x10_0;
      const vec x11_0 = mla_vec(xc[352]); a11_0 += w0_0 * x11_0;
      const vec x12_0 = mla_vec(xc[384]); a12_0 += w0_0 * x12_0;
      }
      {
      const vec w0_0 = mla_load(wc + 2);
      const vec x0_0 = mla_vec(xc[1]); a0_0 += w0_0 * x0_0;
      const vec x1_0 = mla_vec(xc[33]); a1_0 += w0_0 * x1_0;
      const vec x2_0 = mla_vec(xc[65]); a2_0 += w0_0 * x2_0;
      const vec x3_0 = mla_vec(xc[97]); a3_0 += w0_0 * x3_0;
      const vec x4_0 = mla_vec(xc[129]); a4_0 += w0_0 * x4_0;
      const vec x5_0 = mla_vec(xc[161]); a5_0 += w0_0 * x5_0;
      const vec x6_0 = mla_vec(xc[193]); a6_0 += w0_0 * x6_0;
      const vec x7_0 = mla_vec(xc[225]); a7_0 += w0_0 * x7_0;
      const vec x8_0 = mla_vec(xc[257]); a8_0 += w0_0 * x8_0;
      const vec x9_0 = mla_vec(xc[289]); a9_0 += w0_0 * x9_0;
      const vec x10_0 = mla_vec(xc[321]); a10_0 += w0_0 * x10_0;
      const vec x11_0 = mla_vec(xc[353]); a11_0 += w0_0 * x11_0;
      const vec x12_0 = mla_vec(xc[385]); a12_0 += w0_0 * x12_0;
      }
    }
  }
  mla_store(y + 0, a0_0);
  mla_store(y + 10, a1_0);
  mla_store(y + 20, a2_0);
  mla_store(y + 30, a3_0);
  mla_store(y + 40, a4_0);
  mla_store(y + 50, a5_0);
  mla_store(y + 60, a6_0);
  mla_store(y + 70, a7_0);
  mla_store(y + 80, a8_0);
  mla_store(y + 90, a9_0);
  mla_store(y + 100, a10_0);
  mla_store(y + 110, a11_0);
  mla_store(y + 120, a12_0);
}
// 4 pixels x 2 output channels.
static __attribute__((noinline)) void linear_32x10_b1_t4(const real *x, const real *w, real *y, long n_rows) {
  MLA_USE(2)
  vec a0_0 = {0};
  vec a1_0 = {0};
  vec a2_0 = {0};
  vec a3_0 = {0};
  const real *xc, *wc;
  for (; n_rows > 0; n_rows--, x += 32, w += 64) {
    xc = x;
    wc = w;
    for (long c = 0; c < 32; c += 2, xc += 2, wc += 4) {
      {
      const vec w0_0 = mla_load(wc + 0);
      const vec x0_0 = mla_vec(xc[0]); a0_0 += w0_0 * x0_0;
      const vec x1_0 = mla_vec(xc[32]); a1_0 += w0_0 * x1_0;
      const vec x2_0 = mla_vec(xc[64]); a2_0 += w0_0 * x2_0;
      const vec x3_0 = mla_vec(xc[96]); a3_0 += w0_0 * x3_0;
      }
      {
      const vec w0_0 = mla_load(wc + 2);
      const vec x0_0 = mla_vec(xc[1]); a0_0 += w0_0 * x0_0;
      const vec x1_0 = mla_vec(xc[33]); a1_0 += w0_0 * x1_0;
      const vec x2_0 = mla_vec(xc[65]); a2_0 += w0_0 * x2_0;
      const vec x3_0 = mla_vec(xc[97]); a3_0 += w0_0 * x3_0;
      }
    }
  }
  mla_store(y + 0, a0_0);
  mla_store(y + 10, a1_0);
  mla_store(y + 20, a2_0);
  mla_store(y + 30, a3_0);
}
// 1 pixels x 2 output channels.
static __attribute__((noinline)) void linear_32x10_b1_t1(const real *x, const real *w, real *y, long n_rows) {
  MLA_USE(2)
  vec a0_0 = {0};
  const real *xc, *wc;
  for (; n_rows > 0; n_rows--, x += 32, w += 64) {
    xc = x;
    wc = w;
    for (long c = 0; c < 32; c += 2, xc += 2, wc += 4) {
      {
      const vec w0_0 = mla_load(wc + 0);
      const vec x0_0 = mla_vec(xc[0]); a0_0 += w0_0 * x0_0;
      }
      {
      const vec w0_0 = mla_load(wc + 2);
      const vec x0_0 = mla_vec(xc[1]); a0_0 += w0_0 * x0_0;
      }
    }
  }
  mla_store(y + 0, a0_0);
}
static void linear_32x10_b1(const real *x, const real *w, real *y, long n_pixels) {
  for (; n_pixels >= 13; n_pixels -= 13, x += 416, y += 130) linear_32x10_b1_t13(x, w, y, 1);
  for (; n_pixels >= 4; n_pixels -= 4, x += 128, y += 40) linear_32x10_b1_t4(x, w, y, 1);
  for (; n_pixels >= 1; n_pixels -= 1, x += 32, y += 10) linear_32x10_b1_t1(x, w, y, 1);
}
// Parts: 1 shares of the images x 1 of the 2 blocks of output channels.
void linear_32x10(void *const *buf, long batch, void *scratch, int part, int parts) {
  const real *x = buf[0], *weight = buf[1];
  real *y = buf[2];
  (void)parts, (void)scratch;
  real *packed = scratch;
  const long share = part % 1;
  const long n_tiles = batch * 1 / 13;
  const long begin = n_tiles * share / 1 * 13;
  const long stop = share == 0 ? batch * 1 : n_tiles * (share + 1) / 1 * 13;
  if (begin == stop) return;
  const long first = part / 1 * 2 / 1, end = (part / 1 + 1) * 2 / 1;
  {
  real *w = packed;
  for (long g = 0; g < 1; g++) {
    for (long b = first < 0 ? 0 : first; b < end && b < 1; b++) {
      MLA_USE(8)
      const long column = g * 10 + 0 + (b - 0) * 8;
      const real *from = weight + column;
      for (long tap = 0; tap < 1; tap++)
        for (long c = 0; c < 32; c++) {
          const real *row = from + (tap * 32 + c) * 10;
          real *to = w + (tap * 32 + c) * 8;
          mla_store(to + 0, mla_load(row + 0));
        }
      w += 256;
    }
    for (long b = first < 1 ? 1 : first; b < end && b < 2; b++) {
      MLA_USE(2)
      const long column = g * 10 + 8 + (b - 1) * 2;
      const real *from = weight + column;
      for (long tap = 0; tap < 1; tap++)
        for (long c = 0; c < 32; c++) {
          const real *row = from + (tap * 32 + c) * 10;
          real *to = w + (tap * 32 + c) * 2;
          mla_store(to + 0, mla_load(row + 0));
        }
      w += 64;
    }
  }
  }
  const real *source = x + begin * 32;
  real *result = y + begin * 10;
  const long n = stop - begin;
  const real *w = packed;
  for (long g = 0; g < 1; g++) {
    for (long b = first < 0 ? 0 : first; b < end && b < 1; b++) {
      const long column = g * 10 + 0 + (b - 0) * 8;
      linear_32x10_b0(source + g * 32, w, result + column, n);
      w += 256;
    }
    for (long b = first < 1 ? 1 : first; b < end && b < 2; b++) {
      const long column = g * 10 + 8 + (b - 1) * 2;
      linear_32x10_b1(source + g * 32, w, result + column, n);
      w += 64;
    }
  }
}

// ==== linear_grad_weight_32x10
// for  logits/linear1 (1 launch a step: backward)
// from  examples/split.mlaan:8  logits = second | avgpool | linear(classes)
//   %1 linear_grad_weight([batch, 32], [batch, 10]) : [32, 10]
// moves 0.015 MiB, 0.000 GFLOP for a batch of 32, in 8 parts
// 1 kernel columns x 5 output channels x 16 input channels.
static __attribute__((noinline)) void linear_grad_weight_32x10_p0_0_0(const real *x, const real *g, real *sums, long n_images, long n_rows, long is_first) {
  MLA_USE(8)
  vec a0_0_0 = {0};
  vec a0_0_1 = {0};
  vec a0_1_0 = {0};
  vec a0_1_1 = {0};
  vec a0_2_0 = {0};
  vec a0_2_1 = {0};
  vec a0_3_0 = {0};
  vec a0_3_1 = {0};
  vec a0_4_0 = {0};
  vec a0_4_1 = {0};
  if (!is_first) {
    a0_0_0 = mla_load(sums + 0);
    a0_0_1 = mla_load(sums + 8);
    a0_1_0 = mla_load(sums + 32);
    a0_1_1 = mla_load(sums + 40);
    a0_2_0 = mla_load(sums + 64);
    a0_2_1 = mla_load(sums + 72);
    a0_3_0 = mla_load(sums + 96);
    a0_3_1 = mla_load(sums + 104);
    a0_4_0 = mla_load(sums + 128);
    a0_4_1 = mla_load(sums + 136);
  }
  (void)n_images;
  const real *xc = x, *gc = g;
  for (; n_rows >= 4; n_rows -= 4, xc += 128, gc += 40) {
        const vec x0_0 = mla_load(xc + 0); const vec x0_1 = mla_load(xc + 8);
        const vec g0_0 = mla_vec(gc[0]); a0_0_0 += x0_0 * g0_0; a0_0_1 += x0_1 * g0_0;
        const vec g0_1 = mla_vec(gc[1]); a0_1_0 += x0_0 * g0_1; a0_1_1 += x0_1 * g0_1;
        const vec g0_2 = mla_vec(gc[2]); a0_2_0 += x0_0 * g0_2; a0_2_1 += x0_1 * g0_2;
        const vec g0_3 = mla_vec(gc[3]); a0_3_0 += x0_0 * g0_3; a0_3_1 += x0_1 * g0_3;
        const vec g0_4 = mla_vec(gc[4]); a0_4_0 += x0_0 * g0_4; a0_4_1 += x0_1 * g0_4;
        const vec x1_0 = mla_load(xc + 32); const vec x1_1 = mla_load(xc + 40);
        const vec g1_0 = mla_vec(gc[10]); a0_0_0 += x1_0 * g1_0; a0_0_1 += x1_1 * g1_0;
        const vec g1_1 = mla_vec(gc[11]); a0_1_0 += x1_0 * g1_1; a0_1_1 += x1_1 * g1_1;
        const vec g1_2 = mla_vec(gc[12]); a0_2_0 += x1_0 * g1_2; a0_2_1 += x1_1 * g1_2;
        const vec g1_3 = mla_vec(gc[13]); a0_3_0 += x1_0 * g1_3; a0_3_1 += x1_1 * g1_3;
        const vec g1_4 = mla_vec(gc[14]); a0_4_0 += x1_0 * g1_4; a0_4_1 += x1_1 * g1_4;
        const vec x2_0 = mla_load(xc + 64); const vec x2_1 = mla_load(xc + 72);
        const vec g2_0 = mla_vec(gc[20]); a0_0_0 += x2_0 * g2_0; a0_0_1 += x2_1 * g2_0;
        const vec g2_1 = mla_vec(gc[21]); a0_1_0 += x2_0 * g2_1; a0_1_1 += x2_1 * g2_1;
        const vec g2_2 = mla_vec(gc[22]); a0_2_0 += x2_0 * g2_2; a0_2_1 += x2_1 * g2_2;
        const vec g2_3 = mla_vec(gc[23]); a0_3_0 += x2_0 * g2_3; a0_3_1 += x2_1 * g2_3;
        const vec g2_4 = mla_vec(gc[24]); a0_4_0 += x2_0 * g2_4; a0_4_1 += x2_1 * g2_4;
        const vec x3_0 = mla_load(xc + 96); const vec x3_1 = mla_load(xc + 104);
        const vec g3_0 = mla_vec(gc[30]); a0_0_0 += x3_0 * g3_0; a0_0_1 += x3_1 * g3_0;
        const vec g3_1 = mla_vec(gc[31]); a0_1_0 += x3_0 * g3_1; a0_1_1 += x3_1 * g3_1;
        const vec g3_2 = mla_vec(gc[32]); a0_2_0 += x3_0 * g3_2; a0_2_1 += x3_1 * g3_2;
        const vec g3_3 = mla_vec(gc[33]); a0_3_0 += x3_0 * g3_3; a0_3_1 += x3_1 * g3_3;
        const vec g3_4 = mla_vec(gc[34]); a0_4_0 += x3_0 * g3_4; a0_4_1 += x3_1 * g3_4;
  }
  for (; n_rows >= 1; n_rows -= 1, xc += 32, gc += 10) {
        const vec x0_0 = mla_load(xc + 0); const vec x0_1 = mla_load(xc + 8);
        const vec g0_0 = mla_vec(gc[0]); a0_0_0 += x0_0 * g0_0; a0_0_1 += x0_1 * g0_0;
        const vec g0_1 = mla_vec(gc[1]); a0_1_0 += x0_0 * g0_1; a0_1_1 += x0_1 * g0_1;
        const vec g0_2 = mla_vec(gc[2]); a0_2_0 += x0_0 * g0_2; a0_2_1 += x0_1 * g0_2;
        const vec g0_3 = mla_vec(gc[3]); a0_3_0 += x0_0 * g0_3; a0_3_1 += x0_1 * g0_3;
        const vec g0_4 = mla_vec(gc[4]); a0_4_0 += x0_0 * g0_4; a0_4_1 += x0_1 * g0_4;
  }
  mla_store(sums + 0, a0_0_0);
  mla_store(sums + 8, a0_0_1);
  mla_store(sums + 32, a0_1_0);
  mla_store(sums + 40, a0_1_1);
  mla_store(sums + 64, a0_2_0);
  mla_store(sums + 72, a0_2_1);
  mla_store(sums + 96, a0_3_0);
  mla_store(sums + 104, a0_3_1);
  mla_store(sums + 128, a0_4_0);
  mla_store(sums + 136, a0_4_1);
}
// Output rows row..last-1 of n_images images, into the sums of passes first..end-1.
static void linear_grad_weight_32x10_sweep(const real *x, const real *g, real *sums, long n_images, long row, long last, long is_first, long first, long end) {
  enum { n_in = 32 };
  long pass = 0;
  for (long group = 0; group < 1; group++) {
    for (long b = 0; b < 2; b++) {
      const long wide = group * 32 + 0 + b * 16;
      for (long t = 0; t < 2; t++) {
        const long single = 0 + t * 5;
        for (long ky = 0; ky < 1; ky++) {
          const long low = 0, n = last - row;
          const real *from = x + wide;
          if (pass >= first && pass < end) {
            linear_grad_weight_32x10_p0_0_0(from, g + low * 10 + single, sums + ((ky * 1 + 0) * 10 + single) * 32 + wide, n_images, n, is_first);
          }
          pass++;
        }
      }
    }
  }
}
void linear_grad_weight_32x10(void *const *buf, long batch, void *scratch, int part, int parts) {
  const long share = part % 8, slice = part / 8;
  const long first = 4L * slice / 1, end = 4L * (slice + 1) / 1;
  const real *x = buf[0], *g = buf[1];
  real *dw = (real *)buf[2] + share * 320, *sums = scratch;
  (void)scratch, (void)parts;
  linear_grad_weight_32x10_sweep(x, g, sums, 0, 0, 0, 1, first, end); // the sums start at zero
  const long begin = batch * 1 * share / 8, stop = batch * 1 * (share + 1) / 8;
  for (long n = begin; n < stop; n += 192)
    linear_grad_weight_32x10_sweep(x + n * 32, g + n * 10, sums, 1, 0, stop - n < 192 ? stop - n : 192, 0, first, end);
  for (long tap = 0; tap < 1; tap++)
    for (long i = 0; i < 32; i++)
      for (long o = 0; o < 10; o++)
        dw[(tap * 32 + i) * 10 + o] = sums[(tap * 10 + o) * 32 + i];
}

// ==== linear_grad_weight_32x10_finish
// for  logits/linear1 (1 launch a step: backward)
// from  examples/split.mlaan:8  logits = second | avgpool | linear(classes)
//   %1 linear_grad_weight([batch, 32], [batch, 10]) : [32, 10]
// moves 0.011 MiB for a batch of 32, in 1 part
void linear_grad_weight_32x10_finish(void *const *buf, long batch, void *scratch, int part, int parts) {
  const real *partial = buf[0];
  real *dw = buf[1];
  (void)batch, (void)scratch, (void)parts;
  const long end = part == 0 ? 320 : 320L * (part + 1);
  long i = 320L * part;
  for (; i + 8 <= end; i += 8) {
    MLA_USE(8)
    vec sum = mla_load(partial + i);
    for (long p = 1; p < 8; p++) sum += mla_load(partial + p * 320 + i);
    mla_store(dw + i, sum);
  }
  for (; i + 1 <= end; i += 1) {
    MLA_USE(1)
    vec sum = mla_load(partial + i);
    for (long p = 1; p < 8; p++) sum += mla_load(partial + p * 320 + i);
    mla_store(dw + i, sum);
  }
}

// ==== linear_grad_input_32x10
// for  logits/linear1 (1 launch a step: backward)
// from  examples/split.mlaan:8  logits = second | avgpool | linear(classes)
//   %1 linear_grad_input([batch, 10], [32, 10]) : [batch, 32]
// moves 0.006 MiB, 0.000 GFLOP for a batch of 32, in 1 part
// 6 pixels x 16 output channels.
static __attribute__((noinline)) void linear_grad_input_32x10_b0_t6(const real *x, const real *w, real *y, long n_rows) {
  MLA_USE(8)
  vec a0_0 = {0}, a0_1 = {0};
  vec a1_0 = {0}, a1_1 = {0};
  vec a2_0 = {0}, a2_1 = {0};
  vec a3_0 = {0}, a3_1 = {0};
  vec a4_0 = {0}, a4_1 = {0};
  vec a5_0 = {0}, a5_1 = {0};
  const real *xc, *wc;
  for (; n_rows > 0; n_rows--, x += 10, w += 160) {
    xc = x;
    wc = w;
    for (long c = 0; c < 10; c += 2, xc += 2, wc += 32) {
      {
      const vec w0_0 = mla_load(wc + 0), w0_1 = mla_load(wc + 8);
      const vec x0_0 = mla_vec(xc[0]); a0_0 += w0_0 * x0_0; a0_1 += w0_1 * x0_0;
      const vec x1_0 = mla_vec(xc[10]); a1_0 += w0_0 * x1_0; a1_1 += w0_1 * x1_0;
      const vec x2_0 = mla_vec(xc[20]); a2_0 += w0_0 * x2_0; a2_1 += w0_1 * x2_0;
      const vec x3_0 = mla_vec(xc[30]); a3_0 += w0_0 * x3_0; a3_1 += w0_1 * x3_0;
      const vec x4_0 = mla_vec(xc[40]); a4_0 += w0_0 * x4_0; a4_1 += w0_1 * x4_0;
      const vec x5_0 = mla_vec(xc[50]); a5_0 += w0_0 * x5_0; a5_1 += w0_1 * x5_0;
      }
      {
      const vec w0_0 = mla_load(wc + 16), w0_1 = mla_load(wc + 24);
      const vec x0_0 = mla_vec(xc[1]); a0_0 += w0_0 * x0_0; a0_1 += w0_1 * x0_0;
      const vec x1_0 = mla_vec(xc[11]); a1_0 += w0_0 * x1_0; a1_1 += w0_1 * x1_0;
      const vec x2_0 = mla_vec(xc[21]); a2_0 += w0_0 * x2_0; a2_1 += w0_1 * x2_0;
      const vec x3_0 = mla_vec(xc[31]); a3_0 += w0_0 * x3_0; a3_1 += w0_1 * x3_0;
      const vec x4_0 = mla_vec(xc[41]); a4_0 += w0_0 * x4_0; a4_1 += w0_1 * x4_0;
      const vec x5_0 = mla_vec(xc[51]); a5_0 += w0_0 * x5_0; a5_1 += w0_1 * x5_0;
      }
    }
  }
  mla_store(y + 0, a0_0);
  mla_store(y + 8, a0_1);
  mla_store(y + 32, a1_0);
  mla_store(y + 40, a1_1);
  mla_store(y + 64, a2_0);
  mla_store(y + 72, a2_1);
  mla_store(y + 96, a3_0);
  mla_store(y + 104, a3_1);
  mla_store(y + 128, a4_0);
  mla_store(y + 136, a4_1);
  mla_store(y + 160, a5_0);
  mla_store(y + 168, a5_1);
}
// 4 pixels x 16 output channels.
static __attribute__((noinline)) void linear_grad_input_32x10_b0_t4(const real *x, const real *w, real *y, long n_rows) {
  MLA_USE(8)
  vec a0_0 = {0}, a0_1 = {0};
  vec a1_0 = {0}, a1_1 = {0};
  vec a2_0 = {0}, a2_1 = {0};
  vec a3_0 = {0}, a3_1 = {0};
  const real *xc, *wc;
  for (; n_rows > 0; n_rows--, x += 10, w += 160) {
    xc = x;
    wc = w;
    for (long c = 0; c < 10; c += 2, xc += 2, wc += 32) {
      {
      const vec w0_0 = mla_load(wc + 0), w0_1 = mla_load(wc + 8);
      const vec x0_0 = mla_vec(xc[0]); a0_0 += w0_0 * x0_0; a0_1 += w0_1 * x0_0;
      const vec x1_0 = mla_vec(xc[10]); a1_0 += w0_0 * x1_0; a1_1 += w0_1 * x1_0;
      const vec x2_0 = mla_vec(xc[20]); a2_0 += w0_0 * x2_0; a2_1 += w0_1 * x2_0;
      const vec x3_0 = mla_vec(xc[30]); a3_0 += w0_0 * x3_0; a3_1 += w0_1 * x3_0;
      }
      {
      const vec w0_0 = mla_load(wc + 16), w0_1 = mla_load(wc + 24);
      const vec x0_0 = mla_vec(xc[1]); a0_0 += w0_0 * x0_0; a0_1 += w0_1 * x0_0;
      const vec x1_0 = mla_vec(xc[11]); a1_0 += w0_0 * x1_0; a1_1 += w0_1 * x1_0;
      const vec x2_0 = mla_vec(xc[21]); a2_0 += w0_0 * x2_0; a2_1 += w0_1 * x2_0;
      const vec x3_0 = mla_vec(xc[31]); a3_0 += w0_0 * x3_0; a3_1 += w0_1 * x3_0;
      }
    }
  }
  mla_store(y + 0, a0_0);
  mla_store(y + 8, a0_1);
  mla_store(y + 32, a1_0);
  mla_store(y + 40, a1_1);
  mla_store(y + 64, a2_0);
  mla_store(y + 72, a2_1);
  mla_store(y + 96, a3_0);
  mla_store(y + 104, a3_1);
}
// 1 pixels x 16 output channels.
static __attribute__((noinline)) void linear_grad_input_32x10_b0_t1(const real *x, const real *w, real *y, long n_rows) {
  MLA_USE(8)
  vec a0_0 = {0}, a0_1 = {0};
  const real *xc, *wc;
  for (; n_rows > 0; n_rows--, x += 10, w += 160) {
    xc = x;
    wc = w;
    for (long c = 0; c < 10; c += 2, xc += 2, wc += 32) {
      {
      const vec w0_0 = mla_load(wc + 0), w0_1 = mla_load(wc + 8);
      const vec x0_0 = mla_vec(xc[0]); a0_0 += w0_0 * x0_0; a0_1 += w0_1 * x0_0;
      }
      {
      const vec w0_0 = mla_load(wc + 16), w0_1 = mla_load(wc + 24);
      const vec x0_0 = mla_vec(xc[1]); a0_0 += w0_0 * x0_0; a0_1 += w0_1 * x0_0;
      }
    }
  }
  mla_store(y + 0, a0_0);
  mla_store(y + 8, a0_1);
}
static void linear_grad_input_32x10_b0(const real *x, const real *w, real *y, long n_pixels) {
  for (; n_pixels >= 6; n_pixels -= 6, x += 60, y += 192) linear_grad_input_32x10_b0_t6(x, w, y, 1);
  for (; n_pixels >= 4; n_pixels -= 4, x += 40, y += 128) linear_grad_input_32x10_b0_t4(x, w, y, 1);
  for (; n_pixels >= 1; n_pixels -= 1, x += 10, y += 32) linear_grad_input_32x10_b0_t1(x, w, y, 1);
}
// Parts: 1 shares of the images x 1 of the 2 blocks of output channels.
void linear_grad_input_32x10(void *const *buf, long batch, void *scratch, int part, int parts) {
  const real *x = buf[0], *weight = buf[1];
  real *y = buf[2];
  (void)parts, (void)scratch;
  real *packed = scratch;
  const long share = part % 1;
  const long n_tiles = batch * 1 / 6;
  const long begin = n_tiles * share / 1 * 6;
  const long stop = share == 0 ? batch * 1 : n_tiles * (share + 1) / 1 * 6;
  if (begin == stop) return;
  const long first = part / 1 * 2 / 1, end = (part / 1 + 1) * 2 / 1;
  {
  real *w = packed;
  for (long g = 0; g < 1; g++) {
    for (long b = first < 0 ? 0 : first; b < end && b < 2; b++) {
      MLA_USE(8)
      const long column = g * 32 + 0 + (b - 0) * 16;
      const real *from = weight + column * 10;
      for (long c = 0; c < 10; c++) {
        for (long o = 0; o < 16; o++) w[c * 16 + o] = from[o * 10 + c];
      }
      w += 160;
    }
  }
  }
  const real *source = x + begin * 10;
  real *result = y + begin * 32;
  const long n = stop - begin;
  const real *w = packed;
  for (long g = 0; g < 1; g++) {
    for (long b = first < 0 ? 0 : first; b < end && b < 2; b++) {
      const long column = g * 32 + 0 + (b - 0) * 16;
      linear_grad_input_32x10_b0(source + g * 10, w, result + column, n);
      w += 160;
    }
  }
}
