// for  second/conv1 (2 launches)
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
  real *y = buf[2], *packed = scratch;
  (void)parts, (void)packed;
  const long share = part % 3;
  const long begin = batch * share / 3, stop = batch * (share + 1) / 3;
  if (begin == stop) return;
  const long first = part / 3 * 2 / 1, end = (part / 3 + 1) * 2 / 1;
  for (long g = 0; g < 1; g++) {
    for (long b = first < 0 ? 0 : first; b < end && b < 2; b++) {
      MLA_USE(8)
      const long column = g * 32 + 0 + (b - 0) * 16;
      const real *from = weight + column;
      for (long tap = 0; tap < 9; tap++)
        for (long c = 0; c < 16; c++) {
          const real *row = from + (tap * 16 + c) * 32;
          real *to = packed + (tap * 16 + c) * 16;
          mla_store(to + 0, mla_load(row + 0));
          mla_store(to + 8, mla_load(row + 8));
        }
      conv2d_3x3_16x32_7x7_s2_b0(x + begin * 3136 + g * 16, packed, y + begin * 1568 + column, stop - begin);
    }
  }
}
