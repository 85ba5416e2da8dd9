// kernels/convolution.c of `small`: 6 kernels, in the order in which a step first comes to them.
#include "../prelude.h"

// ==== conv2d_3x3_1x16_14x14_s2
// for  first/conv1 (1 launch a step: forward; 1 in an evaluation)
// from  examples/split.mlaan:6  first  = image | conv(16, 3, stride: 2) | bn | relu
//   %1 conv2d([batch, 28, 28, 1], [3, 3, 1, 16]) : [batch, 14, 14, 16]
// moves 0.479 MiB, 0.002 GFLOP for a batch of 32, in 1 part
// 4 pixels x 16 output channels; 1 columns left and 0 right are padding.
static __attribute__((noinline)) void conv2d_3x3_1x16_14x14_s2_b0_l0_t0(const real *x, const real *w, real *y, long n_rows) {
  MLA_USE(8)
  vec a0_0 = {0}, a0_1 = {0};
  vec a1_0 = {0}, a1_1 = {0};
  vec a2_0 = {0}, a2_1 = {0};
  vec a3_0 = {0}, a3_1 = {0};
  const real *xc, *wc;
  for (; n_rows > 0; n_rows--, x += 28, w += 48) {
    xc = x;
    wc = w;
    for (long c = 0; c < 1; c += 1, xc += 1, wc += 16) {
      const vec w0_0 = mla_load(wc + 0), w0_1 = mla_load(wc + 8);
      const vec w1_0 = mla_load(wc + 16), w1_1 = mla_load(wc + 24);
      const vec w2_0 = mla_load(wc + 32), w2_1 = mla_load(wc + 40);
      const vec x1_0 = mla_vec(xc[0]); a0_0 += w1_0 * x1_0; a0_1 += w1_1 * x1_0;
      const vec x2_0 = mla_vec(xc[1]); a0_0 += w2_0 * x2_0; a0_1 += w2_1 * x2_0; a1_0 += w0_0 * x2_0; a1_1 += w0_1 * x2_0;
      const vec x3_0 = mla_vec(xc[2]); a1_0 += w1_0 * x3_0; a1_1 += w1_1 * x3_0;
      const vec x4_0 = mla_vec(xc[3]); a1_0 += w2_0 * x4_0; a1_1 += w2_1 * x4_0; a2_0 += w0_0 * x4_0; a2_1 += w0_1 * x4_0;
      const vec x5_0 = mla_vec(xc[4]); a2_0 += w1_0 * x5_0; a2_1 += w1_1 * x5_0;
      const vec x6_0 = mla_vec(xc[5]); a2_0 += w2_0 * x6_0; a2_1 += w2_1 * x6_0; a3_0 += w0_0 * x6_0; a3_1 += w0_1 * x6_0;
      const vec x7_0 = mla_vec(xc[6]); a3_0 += w1_0 * x7_0; a3_1 += w1_1 * x7_0;
      const vec x8_0 = mla_vec(xc[7]); a3_0 += w2_0 * x8_0; a3_1 += w2_1 * x8_0;
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
// 4 pixels x 16 output channels.
static __attribute__((noinline)) void conv2d_3x3_1x16_14x14_s2_b0_l0_t1(const real *x, const real *w, real *y, long n_rows) {
  MLA_USE(8)
  vec a0_0 = {0}, a0_1 = {0};
  vec a1_0 = {0}, a1_1 = {0};
  vec a2_0 = {0}, a2_1 = {0};
  vec a3_0 = {0}, a3_1 = {0};
  const real *xc, *wc;
  for (; n_rows > 0; n_rows--, x += 28, w += 48) {
    xc = x;
    wc = w;
    for (long c = 0; c < 1; c += 1, xc += 1, wc += 16) {
      const vec w0_0 = mla_load(wc + 0), w0_1 = mla_load(wc + 8);
      const vec w1_0 = mla_load(wc + 16), w1_1 = mla_load(wc + 24);
      const vec w2_0 = mla_load(wc + 32), w2_1 = mla_load(wc + 40);
      const vec x0_0 = mla_vec(xc[0]); a0_0 += w0_0 * x0_0; a0_1 += w0_1 * x0_0;
      const vec x1_0 = mla_vec(xc[1]); a0_0 += w1_0 * x1_0; a0_1 += w1_1 * x1_0;
      const vec x2_0 = mla_vec(xc[2]); a0_0 += w2_0 * x2_0; a0_1 += w2_1 * x2_0; a1_0 += w0_0 * x2_0; a1_1 += w0_1 * x2_0;
      const vec x3_0 = mla_vec(xc[3]); a1_0 += w1_0 * x3_0; a1_1 += w1_1 * x3_0;
      const vec x4_0 = mla_vec(xc[4]); a1_0 += w2_0 * x4_0; a1_1 += w2_1 * x4_0; a2_0 += w0_0 * x4_0; a2_1 += w0_1 * x4_0;
      const vec x5_0 = mla_vec(xc[5]); a2_0 += w1_0 * x5_0; a2_1 += w1_1 * x5_0;
      const vec x6_0 = mla_vec(xc[6]); a2_0 += w2_0 * x6_0; a2_1 += w2_1 * x6_0; a3_0 += w0_0 * x6_0; a3_1 += w0_1 * x6_0;
      const vec x7_0 = mla_vec(xc[7]); a3_0 += w1_0 * x7_0; a3_1 += w1_1 * x7_0;
      const vec x8_0 = mla_vec(xc[8]); a3_0 += w2_0 * x8_0; a3_1 += w2_1 * x8_0;
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
// 3 pixels x 16 output channels.
static __attribute__((noinline)) void conv2d_3x3_1x16_14x14_s2_b0_l0_t2(const real *x, const real *w, real *y, long n_rows) {
  MLA_USE(8)
  vec a0_0 = {0}, a0_1 = {0};
  vec a1_0 = {0}, a1_1 = {0};
  vec a2_0 = {0}, a2_1 = {0};
  const real *xc, *wc;
  for (; n_rows > 0; n_rows--, x += 28, w += 48) {
    xc = x;
    wc = w;
    for (long c = 0; c < 1; c += 1, xc += 1, wc += 16) {
      const vec w0_0 = mla_load(wc + 0), w0_1 = mla_load(wc + 8);
      const vec w1_0 = mla_load(wc + 16), w1_1 = mla_load(wc + 24);
      const vec w2_0 = mla_load(wc + 32), w2_1 = mla_load(wc + 40);
      const vec x0_0 = mla_vec(xc[0]); a0_0 += w0_0 * x0_0; a0_1 += w0_1 * x0_0;
      const vec x1_0 = mla_vec(xc[1]); a0_0 += w1_0 * x1_0; a0_1 += w1_1 * x1_0;
      const vec x2_0 = mla_vec(xc[2]); a0_0 += w2_0 * x2_0; a0_1 += w2_1 * x2_0; a1_0 += w0_0 * x2_0; a1_1 += w0_1 * x2_0;
      const vec x3_0 = mla_vec(xc[3]); a1_0 += w1_0 * x3_0; a1_1 += w1_1 * x3_0;
      const vec x4_0 = mla_vec(xc[4]); a1_0 += w2_0 * x4_0; a1_1 += w2_1 * x4_0; a2_0 += w0_0 * x4_0; a2_1 += w0_1 * x4_0;
      const vec x5_0 = mla_vec(xc[5]); a2_0 += w1_0 * x5_0; a2_1 += w1_1 * x5_0;
      const vec x6_0 = mla_vec(xc[6]); a2_0 += w2_0 * x6_0; a2_1 += w2_1 * x6_0;
    }
  }
  mla_store(y + 0, a0_0);
  mla_store(y + 8, a0_1);
  mla_store(y + 16, a1_0);
  mla_store(y + 24, a1_1);
  mla_store(y + 32, a2_0);
  mla_store(y + 40, a2_1);
}
// The rows of one image.
static void conv2d_3x3_1x16_14x14_s2_b0_l0(const real *x, const real *w, real *y) {
  for (long row = 0; row < 14; row++) {
    const long top = row * 2 - 1;
    const long skip = top < 0 ? -top : 0;
    const long n = 3 - skip;
    const real *from = x + (top + skip) * 28, *taps = w + 0 + skip * 48;
    real *to = y + (row * 1 + 0) * 224;
    conv2d_3x3_1x16_14x14_s2_b0_l0_t0(from + 0, taps, to + 0, n);
    conv2d_3x3_1x16_14x14_s2_b0_l0_t1(from + 7, taps, to + 64, n);
    for (long t = 0; t < 2; t++) conv2d_3x3_1x16_14x14_s2_b0_l0_t2(from + 15 + t * 6, taps, to + 128 + t * 48, n);
  }
}
static void conv2d_3x3_1x16_14x14_s2_b0(const real *x, const real *w, real *y, long n_images) {
  for (; n_images > 0; n_images--, x += 784, y += 3136) {
    conv2d_3x3_1x16_14x14_s2_b0_l0(x, w, y);
  }
}
// Parts: 1 shares of the images x 1 of the 1 blocks of output channels.
void conv2d_3x3_1x16_14x14_s2(void *const *buf, long batch, void *scratch, int part, int parts) {
  const real *x = buf[0], *weight = buf[1];
  real *y = buf[2];
  (void)parts, (void)scratch;
  const long share = part % 1;
  const long begin = (batch * share + 0) / 1, stop = (batch * (share + 1) + 0) / 1;
  if (begin == stop) return;
  const long first = part / 1 * 1 / 1, end = (part / 1 + 1) * 1 / 1;
  const real *source = x + begin * 784;
  real *result = y + begin * 3136;
  const long n = stop - begin;
  for (long g = 0; g < 1; g++) {
    for (long b = first < 0 ? 0 : first; b < end && b < 1; b++) {
      const long column = g * 16 + 0 + (b - 0) * 16;
      const real *from = weight + column;
      conv2d_3x3_1x16_14x14_s2_b0(source + g * 1, from, result + column, n);
    }
  }
}

// ==== conv2d_grad_weight_3x3_1x16_14x14_s2
// for  first/conv1 (1 launch a step: backward)
// from  examples/split.mlaan:6  first  = image | conv(16, 3, stride: 2) | bn | relu
//   %1 conv2d_grad_weight([batch, 28, 28, 1], [batch, 14, 14, 16]) : [3, 3, 1, 16]
// moves 0.483 MiB, 0.002 GFLOP for a batch of 32, in 8 parts
// 3 kernel columns x 1 input channels x 16 output channels.
static __attribute__((noinline)) void conv2d_grad_weight_3x3_1x16_14x14_s2_p0_0_0(const real *x, const real *g, real *sums, long n_images, long n_rows, long is_first) {
  MLA_USE(8)
  vec a0_0_0 = {0};
  vec a0_0_1 = {0};
  vec a1_0_0 = {0};
  vec a1_0_1 = {0};
  vec a2_0_0 = {0};
  vec a2_0_1 = {0};
  if (!is_first) {
    a0_0_0 = mla_load(sums + 0);
    a0_0_1 = mla_load(sums + 8);
    a1_0_0 = mla_load(sums + 16);
    a1_0_1 = mla_load(sums + 24);
    a2_0_0 = mla_load(sums + 32);
    a2_0_1 = mla_load(sums + 40);
  }
  for (; n_images > 0; n_images--, x += 784, g += 3136) {
    const real *xr = x, *gr = g;
    for (long row = 0; row < n_rows; row++, xr += 56, gr += 224) {
      const real *x0 = xr + 0, *g0 = gr + 0;
      for (long t = 0; t < 1; t++) {
        const real *xc = x0 + t * 28, *gc = g0 + t * 224;
        const vec g0_0 = mla_load(gc + 0); const vec g0_1 = mla_load(gc + 8);
        const vec x1_0 = mla_vec(xc[0]); a1_0_0 += x1_0 * g0_0; a1_0_1 += x1_0 * g0_1;
        const vec g1_0 = mla_load(gc + 16); const vec g1_1 = mla_load(gc + 24);
        const vec x2_0 = mla_vec(xc[1]); a2_0_0 += x2_0 * g0_0; a2_0_1 += x2_0 * g0_1; a0_0_0 += x2_0 * g1_0; a0_0_1 += x2_0 * g1_1;
        const vec x3_0 = mla_vec(xc[2]); a1_0_0 += x3_0 * g1_0; a1_0_1 += x3_0 * g1_1;
        const vec g2_0 = mla_load(gc + 32); const vec g2_1 = mla_load(gc + 40);
        const vec x4_0 = mla_vec(xc[3]); a2_0_0 += x4_0 * g1_0; a2_0_1 += x4_0 * g1_1; a0_0_0 += x4_0 * g2_0; a0_0_1 += x4_0 * g2_1;
        const vec x5_0 = mla_vec(xc[4]); a1_0_0 += x5_0 * g2_0; a1_0_1 += x5_0 * g2_1;
        const vec g3_0 = mla_load(gc + 48); const vec g3_1 = mla_load(gc + 56);
        const vec x6_0 = mla_vec(xc[5]); a2_0_0 += x6_0 * g2_0; a2_0_1 += x6_0 * g2_1; a0_0_0 += x6_0 * g3_0; a0_0_1 += x6_0 * g3_1;
        const vec x7_0 = mla_vec(xc[6]); a1_0_0 += x7_0 * g3_0; a1_0_1 += x7_0 * g3_1;
        const vec g4_0 = mla_load(gc + 64); const vec g4_1 = mla_load(gc + 72);
        const vec x8_0 = mla_vec(xc[7]); a2_0_0 += x8_0 * g3_0; a2_0_1 += x8_0 * g3_1; a0_0_0 += x8_0 * g4_0; a0_0_1 += x8_0 * g4_1;
        const vec x9_0 = mla_vec(xc[8]); a1_0_0 += x9_0 * g4_0; a1_0_1 += x9_0 * g4_1;
        const vec g5_0 = mla_load(gc + 80); const vec g5_1 = mla_load(gc + 88);
        const vec x10_0 = mla_vec(xc[9]); a2_0_0 += x10_0 * g4_0; a2_0_1 += x10_0 * g4_1; a0_0_0 += x10_0 * g5_0; a0_0_1 += x10_0 * g5_1;
        const vec x11_0 = mla_vec(xc[10]); a1_0_0 += x11_0 * g5_0; a1_0_1 += x11_0 * g5_1;
        const vec g6_0 = mla_load(gc + 96); const vec g6_1 = mla_load(gc + 104);
        const vec x12_0 = mla_vec(xc[11]); a2_0_0 += x12_0 * g5_0; a2_0_1 += x12_0 * g5_1; a0_0_0 += x12_0 * g6_0; a0_0_1 += x12_0 * g6_1;
        const vec x13_0 = mla_vec(xc[12]); a1_0_0 += x13_0 * g6_0; a1_0_1 += x13_0 * g6_1;
        const vec g7_0 = mla_load(gc + 112); const vec g7_1 = mla_load(gc + 120);
        const vec x14_0 = mla_vec(xc[13]); a2_0_0 += x14_0 * g6_0; a2_0_1 += x14_0 * g6_1; a0_0_0 += x14_0 * g7_0; a0_0_1 += x14_0 * g7_1;
        const vec x15_0 = mla_vec(xc[14]); a1_0_0 += x15_0 * g7_0; a1_0_1 += x15_0 * g7_1;
        const vec g8_0 = mla_load(gc + 128); const vec g8_1 = mla_load(gc + 136);
        const vec x16_0 = mla_vec(xc[15]); a2_0_0 += x16_0 * g7_0; a2_0_1 += x16_0 * g7_1; a0_0_0 += x16_0 * g8_0; a0_0_1 += x16_0 * g8_1;
        const vec x17_0 = mla_vec(xc[16]); a1_0_0 += x17_0 * g8_0; a1_0_1 += x17_0 * g8_1;
        const vec g9_0 = mla_load(gc + 144); const vec g9_1 = mla_load(gc + 152);
        const vec x18_0 = mla_vec(xc[17]); a2_0_0 += x18_0 * g8_0; a2_0_1 += x18_0 * g8_1; a0_0_0 += x18_0 * g9_0; a0_0_1 += x18_0 * g9_1;
        const vec x19_0 = mla_vec(xc[18]); a1_0_0 += x19_0 * g9_0; a1_0_1 += x19_0 * g9_1;
        const vec g10_0 = mla_load(gc + 160); const vec g10_1 = mla_load(gc + 168);
        const vec x20_0 = mla_vec(xc[19]); a2_0_0 += x20_0 * g9_0; a2_0_1 += x20_0 * g9_1; a0_0_0 += x20_0 * g10_0; a0_0_1 += x20_0 * g10_1;
        const vec x21_0 = mla_vec(xc[20]); a1_0_0 += x21_0 * g10_0; a1_0_1 += x21_0 * g10_1;
        const vec g11_0 = mla_load(gc + 176); const vec g11_1 = mla_load(gc + 184);
        const vec x22_0 = mla_vec(xc[21]); a2_0_0 += x22_0 * g10_0; a2_0_1 += x22_0 * g10_1; a0_0_0 += x22_0 * g11_0; a0_0_1 += x22_0 * g11_1;
        const vec x23_0 = mla_vec(xc[22]); a1_0_0 += x23_0 * g11_0; a1_0_1 += x23_0 * g11_1;
        const vec g12_0 = mla_load(gc + 192); const vec g12_1 = mla_load(gc + 200);
        const vec x24_0 = mla_vec(xc[23]); a2_0_0 += x24_0 * g11_0; a2_0_1 += x24_0 * g11_1; a0_0_0 += x24_0 * g12_0; a0_0_1 += x24_0 * g12_1;
        const vec x25_0 = mla_vec(xc[24]); a1_0_0 += x25_0 * g12_0; a1_0_1 += x25_0 * g12_1;
        const vec g13_0 = mla_load(gc + 208); const vec g13_1 = mla_load(gc + 216);
        const vec x26_0 = mla_vec(xc[25]); a2_0_0 += x26_0 * g12_0; a2_0_1 += x26_0 * g12_1; a0_0_0 += x26_0 * g13_0; a0_0_1 += x26_0 * g13_1;
        const vec x27_0 = mla_vec(xc[26]); a1_0_0 += x27_0 * g13_0; a1_0_1 += x27_0 * g13_1;
        const vec x28_0 = mla_vec(xc[27]); a2_0_0 += x28_0 * g13_0; a2_0_1 += x28_0 * g13_1;
      }
    }
  }
  mla_store(sums + 0, a0_0_0);
  mla_store(sums + 8, a0_0_1);
  mla_store(sums + 16, a1_0_0);
  mla_store(sums + 24, a1_0_1);
  mla_store(sums + 32, a2_0_0);
  mla_store(sums + 40, a2_0_1);
}
// Output rows row..last-1 of n_images images, into the sums of passes first..end-1.
static void conv2d_grad_weight_3x3_1x16_14x14_s2_sweep(const real *x, const real *g, real *sums, long n_images, long row, long last, long is_first, long first, long end) {
  const long n_rows = (n_images - 1) * 14 + last - row, n_swept = end - first;
  const real *next_x = x + (n_images - 1) * 784 + last * 56;
  const long x_share = (n_rows * 56 + n_swept - 1) / n_swept;
  const real *next_g = g + (n_images - 1) * 3136 + last * 224;
  const long g_share = (n_rows * 224 + n_swept - 1) / n_swept;
  enum { n_in = 1 };
  long pass = 0;
  for (long group = 0; group < 1; group++) {
    for (long b = 0; b < 1; b++) {
      const long wide = group * 16 + 0 + b * 16;
      for (long t = 0; t < 1; t++) {
        const long single = 0 + t * 1;
        for (long ky = 0; ky < 3; ky++) {
          long low = ky < 1 ? (2 - ky) / 2 : 0, high = (30 - ky) / 2;
          low = low > row ? low : row, high = high < last ? high : last;
          const long n = high > low ? high - low : 0;
          const real *from = x + (low * 2 + ky - 1) * 28 + group * n_in + single;
          if (pass >= first && pass < end) {
            conv2d_grad_weight_3x3_1x16_14x14_s2_p0_0_0(from, g + low * 224 + wide, sums + ((ky * 3 + 0) * 1 + single) * 16 + wide, n_images, n, is_first);
            mla_fetch(next_x + (pass - first) * x_share, x_share);
            mla_fetch(next_g + (pass - first) * g_share, g_share);
          }
          pass++;
        }
      }
    }
  }
}
void conv2d_grad_weight_3x3_1x16_14x14_s2(void *const *buf, long batch, void *scratch, int part, int parts) {
  const long share = part % 8, slice = part / 8;
  const long first = 3L * slice / 1, end = 3L * (slice + 1) / 1;
  const real *x = buf[0], *g = buf[1];
  real *dw = (real *)buf[2] + share * 144, *sums = dw;
  (void)scratch, (void)parts;
  conv2d_grad_weight_3x3_1x16_14x14_s2_sweep(x, g, sums, 0, 0, 0, 1, first, end); // the sums start at zero
  const long begin = batch * share / 8, stop = batch * (share + 1) / 8;
  for (long n = begin; n < stop; n += 1)
    for (long row = 0; row < 14; row += 7)
      conv2d_grad_weight_3x3_1x16_14x14_s2_sweep(x + n * 784, g + n * 3136, sums, stop - n < 1 ? stop - n : 1, row, row + 7 < 14 ? row + 7 : 14, 0, first, end);
}

// ==== conv2d_grad_weight_3x3_1x16_14x14_s2_finish
// for  first/conv1 (1 launch a step: backward)
// from  examples/split.mlaan:6  first  = image | conv(16, 3, stride: 2) | bn | relu
//   %1 conv2d_grad_weight([batch, 28, 28, 1], [batch, 14, 14, 16]) : [3, 3, 1, 16]
// moves 0.005 MiB for a batch of 32, in 1 part
void conv2d_grad_weight_3x3_1x16_14x14_s2_finish(void *const *buf, long batch, void *scratch, int part, int parts) {
  const real *partial = buf[0];
  real *dw = buf[1];
  (void)batch, (void)scratch, (void)parts;
  const long end = part == 0 ? 144 : 144L * (part + 1);
  long i = 144L * part;
  for (; i + 8 <= end; i += 8) {
    MLA_USE(8)
    vec sum = mla_load(partial + i);
    for (long p = 1; p < 8; p++) sum += mla_load(partial + p * 144 + i);
    mla_store(dw + i, sum);
  }
  for (; i + 1 <= end; i += 1) {
    MLA_USE(1)
    vec sum = mla_load(partial + i);
    for (long p = 1; p < 8; p++) sum += mla_load(partial + p * 144 + i);
    mla_store(dw + i, sum);
  }
}

// ==== conv2d_3x3_16x32_7x7_s2
// for  second/conv1 (1 launch a step: forward; 1 in an evaluation)
// from  examples/split.mlaan:7  second = first | conv(32, 3, stride: 2) | bn | relu
//   %1 conv2d([batch, 14, 14, 16], [3, 3, 16, 32]) : [batch, 7, 7, 32]
// moves 0.592 MiB, 0.014 GFLOP for a batch of 32, in 3 parts
// 4 pixels x 16 output channels; 1 columns left and 0 right are padding.
static __attribute__((noinline)) void conv2d_3x3_16x32_7x7_s2_b0_l0_t0(const real *x, const real *w, real *y, long n_rows) {
  MLA_USE(8)
  vec a0_0 = {0}, a0_1 = {0};
  vec a1_0 = {0}, a1_1 = {0};
  vec a2_0 = {0}, a2_1 = {0};
  vec a3_0 = {0}, a3_1 = {0};
  const real *xc, *wc;
  for (; n_rows > 0; n_rows--, x += 224, w += 768) {
    xc = x;
    wc = w;
    for (long c = 0; c < 16; c += 2, xc += 2, wc += 32) {
      {
      const vec w0_0 = mla_load(wc + 0), w0_1 = mla_load(wc + 8);
      const vec w1_0 = mla_load(wc + 256), w1_1 = mla_load(wc + 264);
      const vec w2_0 = mla_load(wc + 512), w2_1 = mla_load(wc + 520);
      const vec x1_0 = mla_vec(xc[0]); a0_0 += w1_0 * x1_0; a0_1 += w1_1 * x1_0;
      const vec x2_0 = mla_vec(xc[16]); a0_0 += w2_0 * x2_0; a0_1 += w2_1 * x2_0; a1_0 += w0_0 * x2_0; a1_1 += w0_1 * x2_0;
      const vec x3_0 = mla_vec(xc[32]); a1_0 += w1_0 * x3_0; a1_1 += w1_1 * x3_0;
      const vec x4_0 = mla_vec(xc[48]); a1_0 += w2_0 * x4_0; a1_1 += w2_1 * x4_0; a2_0 += w0_0 * x4_0; a2_1 += w0_1 * x4_0;
      const vec x5_0 = mla_vec(xc[64]); a2_0 += w1_0 * x5_0; a2_1 += w1_1 * x5_0;
      const vec x6_0 = mla_vec(xc[80]); a2_0 += w2_0 * x6_0; a2_1 += w2_1 * x6_0; a3_0 += w0_0 * x6_0; a3_1 += w0_1 * x6_0;
      const vec x7_0 = mla_vec(xc[96]); a3_0 += w1_0 * x7_0; a3_1 += w1_1 * x7_0;
      const vec x8_0 = mla_vec(xc[112]); a3_0 += w2_0 * x8_0; a3_1 += w2_1 * x8_0;
      }
      {
      const vec w0_0 = mla_load(wc + 16), w0_1 = mla_load(wc + 24);
      const vec w1_0 = mla_load(wc + 272), w1_1 = mla_load(wc + 280);
      const vec w2_0 = mla_load(wc + 528), w2_1 = mla_load(wc + 536);
      const vec x1_0 = mla_vec(xc[1]); a0_0 += w1_0 * x1_0; a0_1 += w1_1 * x1_0;
      const vec x2_0 = mla_vec(xc[17]); a0_0 += w2_0 * x2_0; a0_1 += w2_1 * x2_0; a1_0 += w0_0 * x2_0; a1_1 += w0_1 * x2_0;
      const vec x3_0 = mla_vec(xc[33]); a1_0 += w1_0 * x3_0; a1_1 += w1_1 * x3_0;
      const vec x4_0 = mla_vec(xc[49]); a1_0 += w2_0 * x4_0; a1_1 += w2_1 * x4_0; a2_0 += w0_0 * x4_0; a2_1 += w0_1 * x4_0;
      const vec x5_0 = mla_vec(xc[65]); a2_0 += w1_0 * x5_0; a2_1 += w1_1 * x5_0;
      const vec x6_0 = mla_vec(xc[81]); a2_0 += w2_0 * x6_0; a2_1 += w2_1 * x6_0; a3_0 += w0_0 * x6_0; a3_1 += w0_1 * x6_0;
      const vec x7_0 = mla_vec(xc[97]); a3_0 += w1_0 * x7_0; a3_1 += w1_1 * x7_0;
      const vec x8_0 = mla_vec(xc[113]); a3_0 += w2_0 * x8_0; a3_1 += w2_1 * x8_0;
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
// 3 pixels x 16 output channels.
static __attribute__((noinline)) void conv2d_3x3_16x32_7x7_s2_b0_l0_t1(const real *x, const real *w, real *y, long n_rows) {
  MLA_USE(8)
  vec a0_0 = {0}, a0_1 = {0};
  vec a1_0 = {0}, a1_1 = {0};
  vec a2_0 = {0}, a2_1 = {0};
  const real *xc, *wc;
  for (; n_rows > 0; n_rows--, x += 224, w += 768) {
    xc = x;
    wc = w;
    for (long c = 0; c < 16; c += 2, xc += 2, wc += 32) {
      {
      const vec w0_0 = mla_load(wc + 0), w0_1 = mla_load(wc + 8);
      const vec w1_0 = mla_load(wc + 256), w1_1 = mla_load(wc + 264);
      const vec w2_0 = mla_load(wc + 512), w2_1 = mla_load(wc + 520);
      const vec x0_0 = mla_vec(xc[0]); a0_0 += w0_0 * x0_0; a0_1 += w0_1 * x0_0;
      const vec x1_0 = mla_vec(xc[16]); a0_0 += w1_0 * x1_0; a0_1 += w1_1 * x1_0;
      const vec x2_0 = mla_vec(xc[32]); a0_0 += w2_0 * x2_0; a0_1 += w2_1 * x2_0; a1_0 += w0_0 * x2_0; a1_1 += w0_1 * x2_0;
      const vec x3_0 = mla_vec(xc[48]); a1_0 += w1_0 * x3_0; a1_1 += w1_1 * x3_0;
      const vec x4_0 = mla_vec(xc[64]); a1_0 += w2_0 * x4_0; a1_1 += w2_1 * x4_0; a2_0 += w0_0 * x4_0; a2_1 += w0_1 * x4_0;
      const vec x5_0 = mla_vec(xc[80]); a2_0 += w1_0 * x5_0; a2_1 += w1_1 * x5_0;
      const vec x6_0 = mla_vec(xc[96]); a2_0 += w2_0 * x6_0; a2_1 += w2_1 * x6_0;
      }
      {
      const vec w0_0 = mla_load(wc + 16), w0_1 = mla_load(wc + 24);
      const vec w1_0 = mla_load(wc + 272), w1_1 = mla_load(wc + 280);
      const vec w2_0 = mla_load(wc + 528), w2_1 = mla_load(wc + 536);
      const vec x0_0 = mla_vec(xc[1]); a0_0 += w0_0 * x0_0; a0_1 += w0_1 * x0_0;
      const vec x1_0 = mla_vec(xc[17]); a0_0 += w1_0 * x1_0; a0_1 += w1_1 * x1_0;
      const vec x2_0 = mla_vec(xc[33]); a0_0 += w2_0 * x2_0; a0_1 += w2_1 * x2_0; a1_0 += w0_0 * x2_0; a1_1 += w0_1 * x2_0;
      const vec x3_0 = mla_vec(xc[49]); a1_0 += w1_0 * x3_0; a1_1 += w1_1 * x3_0;
      const vec x4_0 = mla_vec(xc[65]); a1_0 += w2_0 * x4_0; a1_1 += w2_1 * x4_0; a2_0 += w0_0 * x4_0; a2_1 += w0_1 * x4_0;
      const vec x5_0 = mla_vec(xc[81]); a2_0 += w1_0 * x5_0; a2_1 += w1_1 * x5_0;
      const vec x6_0 = mla_vec(xc[97]); a2_0 += w2_0 * x6_0; a2_1 += w2_1 * x6_0;
      }
    }
  }
  mla_store(y + 0, a0_0);
  mla_store(y + 8, a0_1);
  mla_store(y + 32, a1_0);
  mla_store(y + 40, a1_1);
  mla_store(y + 64, a2_0);
  mla_store(y + 72, a2_1);
}
// The rows of one image.
static void conv2d_3x3_16x32_7x7_s2_b0_l0(const real *x, const real *w, real *y) {
  for (long row = 0; row < 7; row++) {
    const long top = row * 2 - 1;
    const long skip = top < 0 ? -top : 0;
    const long n = 3 - skip;
    const real *from = x + (top + skip) * 224, *taps = w + 0 + skip * 768;
    real *to = y + (row * 1 + 0) * 224;
    conv2d_3x3_16x32_7x7_s2_b0_l0_t0(from + 0, taps, to + 0, n);
    conv2d_3x3_16x32_7x7_s2_b0_l0_t1(from + 112, taps, to + 128, n);
  }
}
static void conv2d_3x3_16x32_7x7_s2_b0(const real *x, const real *w, real *y, long n_images) {
  for (; n_images > 0; n_images--, x += 3136, y += 1568) {
    conv2d_3x3_16x32_7x7_s2_b0_l0(x, w, y);
  }
}
// Parts: 3 shares of the images x 1 of the 2 blocks of output channels.
void conv2d_3x3_16x32_7x7_s2(void *const *buf, long batch, void *scratch, int part, int parts) {
  const real *x = buf[0], *weight = buf[1];
  real *y = buf[2];
  (void)parts, (void)scratch;
  real *packed = scratch;
  const long share = part % 3;
  const long begin = (batch * share + 2) / 3, stop = (batch * (share + 1) + 2) / 3;
  if (begin == stop) return;
  const long first = part / 3 * 2 / 1, end = (part / 3 + 1) * 2 / 1;
  {
  real *w = packed;
  for (long g = 0; g < 1; g++) {
    for (long b = first < 0 ? 0 : first; b < end && b < 2; b++) {
      MLA_USE(8)
      const long column = g * 32 + 0 + (b - 0) * 16;
      const real *from = weight + column;
      for (long tap = 0; tap < 9; tap++)
        for (long c = 0; c < 16; c++) {
          const real *row = from + (tap * 16 + c) * 32;
          real *to = w + (tap * 16 + c) * 16;
          mla_store(to + 0, mla_load(row + 0));
          mla_store(to + 8, mla_load(row + 8));
        }
      w += 2304;
    }
  }
  }
  const real *source = x + begin * 3136;
  real *result = y + begin * 1568;
  const long n = stop - begin;
  const real *w = packed;
  for (long g = 0; g < 1; g++) {
    for (long b = first < 0 ? 0 : first; b < end && b < 2; b++) {
      const long column = g * 32 + 0 + (b - 0) * 16;
      conv2d_3x3_16x32_7x7_s2_b0(source + g * 16, w, result + column, n);
      w += 2304;
    }
  }
}

// ==== conv2d_grad_weight_3x3_16x32_7x7_s2
// for  second/conv1 (1 launch a step: backward)
// from  examples/split.mlaan:7  second = first | conv(32, 3, stride: 2) | bn | relu
//   %1 conv2d_grad_weight([batch, 14, 14, 16], [batch, 7, 7, 32]) : [3, 3, 16, 32]
// moves 0.715 MiB, 0.014 GFLOP for a batch of 32, in 8 parts
// 3 kernel columns x 3 input channels x 8 output channels.
static __attribute__((noinline)) void conv2d_grad_weight_3x3_16x32_7x7_s2_p0_0_0(const real *x, const real *g, real *sums, long n_images, long n_rows, long is_first) {
  MLA_USE(8)
  vec a0_0_0 = {0};
  vec a0_1_0 = {0};
  vec a0_2_0 = {0};
  vec a1_0_0 = {0};
  vec a1_1_0 = {0};
  vec a1_2_0 = {0};
  vec a2_0_0 = {0};
  vec a2_1_0 = {0};
  vec a2_2_0 = {0};
  if (!is_first) {
    a0_0_0 = mla_load(sums + 0);
    a0_1_0 = mla_load(sums + 32);
    a0_2_0 = mla_load(sums + 64);
    a1_0_0 = mla_load(sums + 512);
    a1_1_0 = mla_load(sums + 544);
    a1_2_0 = mla_load(sums + 576);
    a2_0_0 = mla_load(sums + 1024);
    a2_1_0 = mla_load(sums + 1056);
    a2_2_0 = mla_load(sums + 1088);
  }
  for (; n_images > 0; n_images--, x += 3136, g += 1568) {
    const real *xr = x, *gr = g;
    for (long row = 0; row < n_rows; row++, xr += 448, gr += 224) {
      const real *x0 = xr + 0, *g0 = gr + 0;
      for (long t = 0; t < 1; t++) {
        const real *xc = x0 + t * 224, *gc = g0 + t * 224;
        const vec g0_0 = mla_load(gc + 0);
        const vec x1_0 = mla_vec(xc[0]); a1_0_0 += x1_0 * g0_0;
        const vec x1_1 = mla_vec(xc[1]); a1_1_0 += x1_1 * g0_0;
        const vec x1_2 = mla_vec(xc[2]); a1_2_0 += x1_2 * g0_0;
        const vec g1_0 = mla_load(gc + 32);
        const vec x2_0 = mla_vec(xc[16]); a2_0_0 += x2_0 * g0_0; a0_0_0 += x2_0 * g1_0;
        const vec x2_1 = mla_vec(xc[17]); a2_1_0 += x2_1 * g0_0; a0_1_0 += x2_1 * g1_0;
        const vec x2_2 = mla_vec(xc[18]); a2_2_0 += x2_2 * g0_0; a0_2_0 += x2_2 * g1_0;
        const vec x3_0 = mla_vec(xc[32]); a1_0_0 += x3_0 * g1_0;
        const vec x3_1 = mla_vec(xc[33]); a1_1_0 += x3_1 * g1_0;
        const vec x3_2 = mla_vec(xc[34]); a1_2_0 += x3_2 * g1_0;
        const vec g2_0 = mla_load(gc + 64);
        const vec x4_0 = mla_vec(xc[48]); a2_0_0 += x4_0 * g1_0; a0_0_0 += x4_0 * g2_0;
        const vec x4_1 = mla_vec(xc[49]); a2_1_0 += x4_1 * g1_0; a0_1_0 += x4_1 * g2_0;
        const vec x4_2 = mla_vec(xc[50]); a2_2_0 += x4_2 * g1_0; a0_2_0 += x4_2 * g2_0;
        const vec x5_0 = mla_vec(xc[64]); a1_0_0 += x5_0 * g2_0;
        const vec x5_1 = mla_vec(xc[65]); a1_1_0 += x5_1 * g2_0;
        const vec x5_2 = mla_vec(xc[66]); a1_2_0 += x5_2 * g2_0;
        const vec g3_0 = mla_load(gc + 96);
        const vec x6_0 = mla_vec(xc[80]); a2_0_0 += x6_0 * g2_0; a0_0_0 += x6_0 * g3_0;
        const vec x6_1 = mla_vec(xc[81]); a2_1_0 += x6_1 * g2_0; a0_1_0 += x6_1 * g3_0;
        const vec x6_2 = mla_vec(xc[82]); a2_2_0 += x6_2 * g2_0; a0_2_0 += x6_2 * g3_0;
        const vec x7_0 = mla_vec(xc[96]); a1_0_0 += x7_0 * g3_0;
        const vec x7_1 = mla_vec(xc[97]); a1_1_0 += x7_1 * g3_0;
        const vec x7_2 = mla_vec(xc[98]); a1_2_0 += x7_2 * g3_0;
        const vec g4_0 = mla_load(gc + 128);
        const vec x8_0 = mla_vec(xc[112]); a2_0_0 += x8_0 * g3_0; a0_0_0 += x8_0 * g4_0;
        const vec x8_1 = mla_vec(xc[113]); a2_1_0 += x8_1 * g3_0; a0_1_0 += x8_1 * g4_0;
        const vec x8_2 = mla_vec(xc[114]); a2_2_0 += x8_2 * g3_0; a0_2_0 += x8_2 * g4_0;
        const vec x9_0 = mla_vec(xc[128]); a1_0_0 += x9_0 * g4_0;
        const vec x9_1 = mla_vec(xc[129]); a1_1_0 += x9_1 * g4_0;
        const vec x9_2 = mla_vec(xc[130]); a1_2_0 += x9_2 * g4_0;
        const vec g5_0 = mla_load(gc + 160);
        const vec x10_0 = mla_vec(xc[144]); a2_0_0 += x10_0 * g4_0; a0_0_0 += x10_0 * g5_0;
        const vec x10_1 = mla_vec(xc[145]); a2_1_0 += x10_1 * g4_0; a0_1_0 += x10_1 * g5_0;
        const vec x10_2 = mla_vec(xc[146]); a2_2_0 += x10_2 * g4_0; a0_2_0 += x10_2 * g5_0;
        const vec x11_0 = mla_vec(xc[160]); a1_0_0 += x11_0 * g5_0;
        const vec x11_1 = mla_vec(xc[161]); a1_1_0 += x11_1 * g5_0;
        const vec x11_2 = mla_vec(xc[162]); a1_2_0 += x11_2 * g5_0;
        const vec g6_0 = mla_load(gc + 192);
        const vec x12_0 = mla_vec(xc[176]); a2_0_0 += x12_0 * g5_0; a0_0_0 += x12_0 * g6_0;
        const vec x12_1 = mla_vec(xc[177]); a2_1_0 += x12_1 * g5_0; a0_1_0 += x12_1 * g6_0;
        const vec x12_2 = mla_vec(xc[178]); a2_2_0 += x12_2 * g5_0; a0_2_0 += x12_2 * g6_0;
        const vec x13_0 = mla_vec(xc[192]); a1_0_0 += x13_0 * g6_0;
        const vec x13_1 = mla_vec(xc[193]); a1_1_0 += x13_1 * g6_0;
        const vec x13_2 = mla_vec(xc[194]); a1_2_0 += x13_2 * g6_0;
        const vec x14_0 = mla_vec(xc[208]); a2_0_0 += x14_0 * g6_0;
        const vec x14_1 = mla_vec(xc[209]); a2_1_0 += x14_1 * g6_0;
        const vec x14_2 = mla_vec(xc[210]); a2_2_0 += x14_2 * g6_0;
      }
    }
  }
  mla_store(sums + 0, a0_0_0);
  mla_store(sums + 32, a0_1_0);
  mla_store(sums + 64, a0_2_0);
  mla_store(sums + 512, a1_0_0);
  mla_store(sums + 544, a1_1_0);
  mla_store(sums + 576, a1_2_0);
  mla_store(sums + 1024, a2_0_0);
  mla_store(sums + 1056, a2_1_0);
  mla_store(sums + 1088, a2_2_0);
}
// 3 kernel columns x 2 input channels x 8 output channels.
static __attribute__((noinline)) void conv2d_grad_weight_3x3_16x32_7x7_s2_p0_1_0(const real *x, const real *g, real *sums, long n_images, long n_rows, long is_first) {
  MLA_USE(8)
  vec a0_0_0 = {0};
  vec a0_1_0 = {0};
  vec a1_0_0 = {0};
  vec a1_1_0 = {0};
  vec a2_0_0 = {0};
  vec a2_1_0 = {0};
  if (!is_first) {
    a0_0_0 = mla_load(sums + 0);
    a0_1_0 = mla_load(sums + 32);
    a1_0_0 = mla_load(sums + 512);
    a1_1_0 = mla_load(sums + 544);
    a2_0_0 = mla_load(sums + 1024);
    a2_1_0 = mla_load(sums + 1056);
  }
  for (; n_images > 0; n_images--, x += 3136, g += 1568) {
    const real *xr = x, *gr = g;
    for (long row = 0; row < n_rows; row++, xr += 448, gr += 224) {
      const real *x0 = xr + 0, *g0 = gr + 0;
      for (long t = 0; t < 1; t++) {
        const real *xc = x0 + t * 224, *gc = g0 + t * 224;
        const vec g0_0 = mla_load(gc + 0);
        const vec x1_0 = mla_vec(xc[0]); a1_0_0 += x1_0 * g0_0;
        const vec x1_1 = mla_vec(xc[1]); a1_1_0 += x1_1 * g0_0;
        const vec g1_0 = mla_load(gc + 32);
        const vec x2_0 = mla_vec(xc[16]); a2_0_0 += x2_0 * g0_0; a0_0_0 += x2_0 * g1_0;
        const vec x2_1 = mla_vec(xc[17]); a2_1_0 += x2_1 * g0_0; a0_1_0 += x2_1 * g1_0;
        const vec x3_0 = mla_vec(xc[32]); a1_0_0 += x3_0 * g1_0;
        const vec x3_1 = mla_vec(xc[33]); a1_1_0 += x3_1 * g1_0;
        const vec g2_0 = mla_load(gc + 64);
        const vec x4_0 = mla_vec(xc[48]); a2_0_0 += x4_0 * g1_0; a0_0_0 += x4_0 * g2_0;
        const vec x4_1 = mla_vec(xc[49]); a2_1_0 += x4_1 * g1_0; a0_1_0 += x4_1 * g2_0;
        const vec x5_0 = mla_vec(xc[64]); a1_0_0 += x5_0 * g2_0;
        const vec x5_1 = mla_vec(xc[65]); a1_1_0 += x5_1 * g2_0;
        const vec g3_0 = mla_load(gc + 96);
        const vec x6_0 = mla_vec(xc[80]); a2_0_0 += x6_0 * g2_0; a0_0_0 += x6_0 * g3_0;
        const vec x6_1 = mla_vec(xc[81]); a2_1_0 += x6_1 * g2_0; a0_1_0 += x6_1 * g3_0;
        const vec x7_0 = mla_vec(xc[96]); a1_0_0 += x7_0 * g3_0;
        const vec x7_1 = mla_vec(xc[97]); a1_1_0 += x7_1 * g3_0;
        const vec g4_0 = mla_load(gc + 128);
        const vec x8_0 = mla_vec(xc[112]); a2_0_0 += x8_0 * g3_0; a0_0_0 += x8_0 * g4_0;
        const vec x8_1 = mla_vec(xc[113]); a2_1_0 += x8_1 * g3_0; a0_1_0 += x8_1 * g4_0;
        const vec x9_0 = mla_vec(xc[128]); a1_0_0 += x9_0 * g4_0;
        const vec x9_1 = mla_vec(xc[129]); a1_1_0 += x9_1 * g4_0;
        const vec g5_0 = mla_load(gc + 160);
        const vec x10_0 = mla_vec(xc[144]); a2_0_0 += x10_0 * g4_0; a0_0_0 += x10_0 * g5_0;
        const vec x10_1 = mla_vec(xc[145]); a2_1_0 += x10_1 * g4_0; a0_1_0 += x10_1 * g5_0;
        const vec x11_0 = mla_vec(xc[160]); a1_0_0 += x11_0 * g5_0;
        const vec x11_1 = mla_vec(xc[161]); a1_1_0 += x11_1 * g5_0;
        const vec g6_0 = mla_load(gc + 192);
        const vec x12_0 = mla_vec(xc[176]); a2_0_0 += x12_0 * g5_0; a0_0_0 += x12_0 * g6_0;
        const vec x12_1 = mla_vec(xc[177]); a2_1_0 += x12_1 * g5_0; a0_1_0 += x12_1 * g6_0;
        const vec x13_0 = mla_vec(xc[192]); a1_0_0 += x13_0 * g6_0;
        const vec x13_1 = mla_vec(xc[193]); a1_1_0 += x13_1 * g6_0;
        const vec x14_0 = mla_vec(xc[208]); a2_0_0 += x14_0 * g6_0;
        const vec x14_1 = mla_vec(xc[209]); a2_1_0 += x14_1 * g6_0;
      }
    }
  }
  mla_store(sums + 0, a0_0_0);
  mla_store(sums + 32, a0_1_0);
  mla_store(sums + 512, a1_0_0);
  mla_store(sums + 544, a1_1_0);
  mla_store(sums + 1024, a2_0_0);
  mla_store(sums + 1056, a2_1_0);
}
// Output rows row..last-1 of n_images images, into the sums of passes first..end-1.
static void conv2d_grad_weight_3x3_16x32_7x7_s2_sweep(const real *x, const real *g, real *sums, long n_images, long row, long last, long is_first, long first, long end) {
  const long n_rows = (n_images - 1) * 7 + last - row, n_swept = end - first;
  const real *next_x = x + (n_images - 1) * 3136 + last * 448;
  const long x_share = (n_rows * 448 + n_swept - 1) / n_swept;
  const real *next_g = g + (n_images - 1) * 1568 + last * 224;
  const long g_share = (n_rows * 224 + n_swept - 1) / n_swept;
  enum { n_in = 16 };
  long pass = 0;
  for (long group = 0; group < 1; group++) {
    for (long b = 0; b < 4; b++) {
      const long wide = group * 32 + 0 + b * 8;
      for (long t = 0; t < 4; t++) {
        const long single = 0 + t * 3;
        for (long ky = 0; ky < 3; ky++) {
          long low = ky < 1 ? (2 - ky) / 2 : 0, high = (16 - ky) / 2;
          low = low > row ? low : row, high = high < last ? high : last;
          const long n = high > low ? high - low : 0;
          const real *from = x + (low * 2 + ky - 1) * 224 + group * n_in + single;
          if (pass >= first && pass < end) {
            conv2d_grad_weight_3x3_16x32_7x7_s2_p0_0_0(from, g + low * 224 + wide, sums + ((ky * 3 + 0) * 16 + single) * 32 + wide, n_images, n, is_first);
            mla_fetch(next_x + (pass - first) * x_share, x_share);
            mla_fetch(next_g + (pass - first) * g_share, g_share);
          }
          pass++;
        }
      }
      for (long t = 0; t < 2; t++) {
        const long single = 12 + t * 2;
        for (long ky = 0; ky < 3; ky++) {
          long low = ky < 1 ? (2 - ky) / 2 : 0, high = (16 - ky) / 2;
          low = low > row ? low : row, high = high < last ? high : last;
          const long n = high > low ? high - low : 0;
          const real *from = x + (low * 2 + ky - 1) * 224 + group * n_in + single;
          if (pass >= first && pass < end) {
            conv2d_grad_weight_3x3_16x32_7x7_s2_p0_1_0(from, g + low * 224 + wide, sums + ((ky * 3 + 0) * 16 + single) * 32 + wide, n_images, n, is_first);
            mla_fetch(next_x + (pass - first) * x_share, x_share);
            mla_fetch(next_g + (pass - first) * g_share, g_share);
          }
          pass++;
        }
      }
    }
  }
}
void conv2d_grad_weight_3x3_16x32_7x7_s2(void *const *buf, long batch, void *scratch, int part, int parts) {
  const long share = part % 8, slice = part / 8;
  const long first = 72L * slice / 1, end = 72L * (slice + 1) / 1;
  const real *x = buf[0], *g = buf[1];
  real *dw = (real *)buf[2] + share * 4608, *sums = dw;
  (void)scratch, (void)parts;
  conv2d_grad_weight_3x3_16x32_7x7_s2_sweep(x, g, sums, 0, 0, 0, 1, first, end); // the sums start at zero
  const long begin = batch * share / 8, stop = batch * (share + 1) / 8;
  for (long n = begin; n < stop; n += 1)
    for (long row = 0; row < 7; row += 7)
      conv2d_grad_weight_3x3_16x32_7x7_s2_sweep(x + n * 3136, g + n * 1568, sums, stop - n < 1 ? stop - n : 1, row, row + 7 < 7 ? row + 7 : 7, 0, first, end);
}

// ==== conv2d_grad_weight_3x3_16x32_7x7_s2_finish
// for  second/conv1 (1 launch a step: backward)
// from  examples/split.mlaan:7  second = first | conv(32, 3, stride: 2) | bn | relu
//   %1 conv2d_grad_weight([batch, 14, 14, 16], [batch, 7, 7, 32]) : [3, 3, 16, 32]
// moves 0.158 MiB for a batch of 32, in 2 parts
void conv2d_grad_weight_3x3_16x32_7x7_s2_finish(void *const *buf, long batch, void *scratch, int part, int parts) {
  const real *partial = buf[0];
  real *dw = buf[1];
  (void)batch, (void)scratch, (void)parts;
  const long end = part == 1 ? 4608 : 2304L * (part + 1);
  long i = 2304L * part;
  for (; i + 8 <= end; i += 8) {
    MLA_USE(8)
    vec sum = mla_load(partial + i);
    for (long p = 1; p < 8; p++) sum += mla_load(partial + p * 4608 + i);
    mla_store(dw + i, sum);
  }
  for (; i + 1 <= end; i += 1) {
    MLA_USE(1)
    vec sum = mla_load(partial + i);
    for (long p = 1; p < 8; p++) sum += mla_load(partial + p * 4608 + i);
    mla_store(dw + i, sum);
  }
}
