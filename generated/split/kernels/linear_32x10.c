// for  logits/linear1 (2 launches)
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
  real *y = buf[2], *packed = scratch;
  (void)parts, (void)packed;
  const long share = part % 1;
  const long n_tiles = batch * 1 / 13;
  const long begin = n_tiles * share / 1 * 13;
  const long stop = share == 0 ? batch * 1 : n_tiles * (share + 1) / 1 * 13;
  if (begin == stop) return;
  const long first = part / 1 * 2 / 1, end = (part / 1 + 1) * 2 / 1;
  for (long g = 0; g < 1; g++) {
    for (long b = first < 0 ? 0 : first; b < end && b < 1; b++) {
      MLA_USE(8)
      const long column = g * 10 + 0 + (b - 0) * 8;
      const real *from = weight + column;
      for (long tap = 0; tap < 1; tap++)
        for (long c = 0; c < 32; c++) {
          const real *row = from + (tap * 32 + c) * 10;
          real *to = packed + (tap * 32 + c) * 8;
          mla_store(to + 0, mla_load(row + 0));
        }
      linear_32x10_b0(x + begin * 32 + g * 32, packed, y + begin * 10 + column, stop - begin);
    }
    for (long b = first < 1 ? 1 : first; b < end && b < 2; b++) {
      MLA_USE(2)
      const long column = g * 10 + 8 + (b - 1) * 2;
      const real *from = weight + column;
      for (long tap = 0; tap < 1; tap++)
        for (long c = 0; c < 32; c++) {
          const real *row = from + (tap * 32 + c) * 10;
          real *to = packed + (tap * 32 + c) * 2;
          mla_store(to + 0, mla_load(row + 0));
        }
      linear_32x10_b1(x + begin * 32 + g * 32, packed, y + begin * 10 + column, stop - begin);
    }
  }
}
