// for  aux0/linear1
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
  real *y = buf[2], *packed = scratch;
  (void)parts, (void)packed;
  const long share = part % 1;
  const long n_tiles = batch * 1 / 6;
  const long begin = n_tiles * share / 1 * 6;
  const long stop = share == 0 ? batch * 1 : n_tiles * (share + 1) / 1 * 6;
  if (begin == stop) return;
  const long first = part / 1 * 1 / 1, end = (part / 1 + 1) * 1 / 1;
  for (long g = 0; g < 1; g++) {
    for (long b = first < 0 ? 0 : first; b < end && b < 1; b++) {
      MLA_USE(8)
      const long column = g * 16 + 0 + (b - 0) * 16;
      const real *from = weight + column * 10;
      for (long c = 0; c < 10; c++)
        for (long o = 0; o < 16; o++) packed[c * 16 + o] = from[o * 10 + c];
      linear_grad_input_16x10_b0(x + begin * 10 + g * 10, packed, y + begin * 16 + column, stop - begin);
    }
  }
}
