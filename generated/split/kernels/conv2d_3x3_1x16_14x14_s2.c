// for  first/conv1 (2 launches)
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
  real *y = buf[2], *packed = scratch;
  (void)parts, (void)packed;
  const long share = part % 1;
  const long begin = batch * share / 1, stop = batch * (share + 1) / 1;
  if (begin == stop) return;
  const long first = part / 1 * 1 / 1, end = (part / 1 + 1) * 1 / 1;
  for (long g = 0; g < 1; g++) {
    for (long b = first < 0 ? 0 : first; b < end && b < 1; b++) {
      MLA_USE(8)
      const long column = g * 16 + 0 + (b - 0) * 16;
      const real *from = weight + column;
      conv2d_3x3_1x16_14x14_s2_b0(x + begin * 784 + g * 1, from, y + begin * 3136 + column, stop - begin);
    }
  }
}
