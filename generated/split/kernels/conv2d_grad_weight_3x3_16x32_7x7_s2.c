// for  second/conv1
// from  examples/split.mlaan:7  second = first | conv(32, 3, stride: 2) | bn | relu
//   %1 conv2d_grad_weight([batch, 14, 14, 16], [batch, 7, 7, 32]) : [3, 3, 16, 32]
// moves 0.715 MiB, 0.014 GFLOP for a batch of 32, in 8 parts
// 3 kernel columns x 3 input channels x 8 output channels.
static __attribute__((noinline)) void conv2d_grad_weight_3x3_16x32_7x7_s2_p0_0_0(const real *x, const real *g, real *dw, long n_images, long n_rows, long is_first) {
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
    a0_0_0 = mla_load(dw + 0);
    a0_1_0 = mla_load(dw + 32);
    a0_2_0 = mla_load(dw + 64);
    a1_0_0 = mla_load(dw + 512);
    a1_1_0 = mla_load(dw + 544);
    a1_2_0 = mla_load(dw + 576);
    a2_0_0 = mla_load(dw + 1024);
    a2_1_0 = mla_load(dw + 1056);
    a2_2_0 = mla_load(dw + 1088);
  }
  for (; n_images > 0; n_images--, x += 3136, g += 1568) {
    const real *xr = x, *gr = g;
    for (long row = 0; row < n_rows; row++, xr += 448, gr += 224) {
      const real *x0 = xr + 0, *g0 = gr + 0;
      for (long t = 0; t < 1; t++) {
        const real *xc = x0 + t * 224, *gc = g0 + t * 224;
        const vec g0_0 = mla_load(gc + 0);
        const vec x1_0_0 = mla_vec(xc[0]); a1_0_0 += x1_0_0 * g0_0;
        const vec x1_1_0 = mla_vec(xc[1]); a1_1_0 += x1_1_0 * g0_0;
        const vec x1_2_0 = mla_vec(xc[2]); a1_2_0 += x1_2_0 * g0_0;
        const vec g1_0 = mla_load(gc + 32);
        const vec x2_0_0 = mla_vec(xc[16]); a2_0_0 += x2_0_0 * g0_0; a0_0_0 += x2_0_0 * g1_0;
        const vec x2_1_0 = mla_vec(xc[17]); a2_1_0 += x2_1_0 * g0_0; a0_1_0 += x2_1_0 * g1_0;
        const vec x2_2_0 = mla_vec(xc[18]); a2_2_0 += x2_2_0 * g0_0; a0_2_0 += x2_2_0 * g1_0;
        const vec x3_0_0 = mla_vec(xc[32]); a1_0_0 += x3_0_0 * g1_0;
        const vec x3_1_0 = mla_vec(xc[33]); a1_1_0 += x3_1_0 * g1_0;
        const vec x3_2_0 = mla_vec(xc[34]); a1_2_0 += x3_2_0 * g1_0;
        const vec g2_0 = mla_load(gc + 64);
        const vec x4_0_0 = mla_vec(xc[48]); a2_0_0 += x4_0_0 * g1_0; a0_0_0 += x4_0_0 * g2_0;
        const vec x4_1_0 = mla_vec(xc[49]); a2_1_0 += x4_1_0 * g1_0; a0_1_0 += x4_1_0 * g2_0;
        const vec x4_2_0 = mla_vec(xc[50]); a2_2_0 += x4_2_0 * g1_0; a0_2_0 += x4_2_0 * g2_0;
        const vec x5_0_0 = mla_vec(xc[64]); a1_0_0 += x5_0_0 * g2_0;
        const vec x5_1_0 = mla_vec(xc[65]); a1_1_0 += x5_1_0 * g2_0;
        const vec x5_2_0 = mla_vec(xc[66]); a1_2_0 += x5_2_0 * g2_0;
        const vec g3_0 = mla_load(gc + 96);
        const vec x6_0_0 = mla_vec(xc[80]); a2_0_0 += x6_0_0 * g2_0; a0_0_0 += x6_0_0 * g3_0;
        const vec x6_1_0 = mla_vec(xc[81]); a2_1_0 += x6_1_0 * g2_0; a0_1_0 += x6_1_0 * g3_0;
        const vec x6_2_0 = mla_vec(xc[82]); a2_2_0 += x6_2_0 * g2_0; a0_2_0 += x6_2_0 * g3_0;
        const vec x7_0_0 = mla_vec(xc[96]); a1_0_0 += x7_0_0 * g3_0;
        const vec x7_1_0 = mla_vec(xc[97]); a1_1_0 += x7_1_0 * g3_0;
        const vec x7_2_0 = mla_vec(xc[98]); a1_2_0 += x7_2_0 * g3_0;
        const vec g4_0 = mla_load(gc + 128);
        const vec x8_0_0 = mla_vec(xc[112]); a2_0_0 += x8_0_0 * g3_0; a0_0_0 += x8_0_0 * g4_0;
        const vec x8_1_0 = mla_vec(xc[113]); a2_1_0 += x8_1_0 * g3_0; a0_1_0 += x8_1_0 * g4_0;
        const vec x8_2_0 = mla_vec(xc[114]); a2_2_0 += x8_2_0 * g3_0; a0_2_0 += x8_2_0 * g4_0;
        const vec x9_0_0 = mla_vec(xc[128]); a1_0_0 += x9_0_0 * g4_0;
        const vec x9_1_0 = mla_vec(xc[129]); a1_1_0 += x9_1_0 * g4_0;
        const vec x9_2_0 = mla_vec(xc[130]); a1_2_0 += x9_2_0 * g4_0;
        const vec g5_0 = mla_load(gc + 160);
        const vec x10_0_0 = mla_vec(xc[144]); a2_0_0 += x10_0_0 * g4_0; a0_0_0 += x10_0_0 * g5_0;
        const vec x10_1_0 = mla_vec(xc[145]); a2_1_0 += x10_1_0 * g4_0; a0_1_0 += x10_1_0 * g5_0;
        const vec x10_2_0 = mla_vec(xc[146]); a2_2_0 += x10_2_0 * g4_0; a0_2_0 += x10_2_0 * g5_0;
        const vec x11_0_0 = mla_vec(xc[160]); a1_0_0 += x11_0_0 * g5_0;
        const vec x11_1_0 = mla_vec(xc[161]); a1_1_0 += x11_1_0 * g5_0;
        const vec x11_2_0 = mla_vec(xc[162]); a1_2_0 += x11_2_0 * g5_0;
        const vec g6_0 = mla_load(gc + 192);
        const vec x12_0_0 = mla_vec(xc[176]); a2_0_0 += x12_0_0 * g5_0; a0_0_0 += x12_0_0 * g6_0;
        const vec x12_1_0 = mla_vec(xc[177]); a2_1_0 += x12_1_0 * g5_0; a0_1_0 += x12_1_0 * g6_0;
        const vec x12_2_0 = mla_vec(xc[178]); a2_2_0 += x12_2_0 * g5_0; a0_2_0 += x12_2_0 * g6_0;
        const vec x13_0_0 = mla_vec(xc[192]); a1_0_0 += x13_0_0 * g6_0;
        const vec x13_1_0 = mla_vec(xc[193]); a1_1_0 += x13_1_0 * g6_0;
        const vec x13_2_0 = mla_vec(xc[194]); a1_2_0 += x13_2_0 * g6_0;
        const vec x14_0_0 = mla_vec(xc[208]); a2_0_0 += x14_0_0 * g6_0;
        const vec x14_1_0 = mla_vec(xc[209]); a2_1_0 += x14_1_0 * g6_0;
        const vec x14_2_0 = mla_vec(xc[210]); a2_2_0 += x14_2_0 * g6_0;
      }
    }
  }
  mla_store(dw + 0, a0_0_0);
  mla_store(dw + 32, a0_1_0);
  mla_store(dw + 64, a0_2_0);
  mla_store(dw + 512, a1_0_0);
  mla_store(dw + 544, a1_1_0);
  mla_store(dw + 576, a1_2_0);
  mla_store(dw + 1024, a2_0_0);
  mla_store(dw + 1056, a2_1_0);
  mla_store(dw + 1088, a2_2_0);
}
// 3 kernel columns x 2 input channels x 8 output channels.
static __attribute__((noinline)) void conv2d_grad_weight_3x3_16x32_7x7_s2_p0_1_0(const real *x, const real *g, real *dw, long n_images, long n_rows, long is_first) {
  MLA_USE(8)
  vec a0_0_0 = {0};
  vec a0_1_0 = {0};
  vec a1_0_0 = {0};
  vec a1_1_0 = {0};
  vec a2_0_0 = {0};
  vec a2_1_0 = {0};
  if (!is_first) {
    a0_0_0 = mla_load(dw + 0);
    a0_1_0 = mla_load(dw + 32);
    a1_0_0 = mla_load(dw + 512);
    a1_1_0 = mla_load(dw + 544);
    a2_0_0 = mla_load(dw + 1024);
    a2_1_0 = mla_load(dw + 1056);
  }
  for (; n_images > 0; n_images--, x += 3136, g += 1568) {
    const real *xr = x, *gr = g;
    for (long row = 0; row < n_rows; row++, xr += 448, gr += 224) {
      const real *x0 = xr + 0, *g0 = gr + 0;
      for (long t = 0; t < 1; t++) {
        const real *xc = x0 + t * 224, *gc = g0 + t * 224;
        const vec g0_0 = mla_load(gc + 0);
        const vec x1_0_0 = mla_vec(xc[0]); a1_0_0 += x1_0_0 * g0_0;
        const vec x1_1_0 = mla_vec(xc[1]); a1_1_0 += x1_1_0 * g0_0;
        const vec g1_0 = mla_load(gc + 32);
        const vec x2_0_0 = mla_vec(xc[16]); a2_0_0 += x2_0_0 * g0_0; a0_0_0 += x2_0_0 * g1_0;
        const vec x2_1_0 = mla_vec(xc[17]); a2_1_0 += x2_1_0 * g0_0; a0_1_0 += x2_1_0 * g1_0;
        const vec x3_0_0 = mla_vec(xc[32]); a1_0_0 += x3_0_0 * g1_0;
        const vec x3_1_0 = mla_vec(xc[33]); a1_1_0 += x3_1_0 * g1_0;
        const vec g2_0 = mla_load(gc + 64);
        const vec x4_0_0 = mla_vec(xc[48]); a2_0_0 += x4_0_0 * g1_0; a0_0_0 += x4_0_0 * g2_0;
        const vec x4_1_0 = mla_vec(xc[49]); a2_1_0 += x4_1_0 * g1_0; a0_1_0 += x4_1_0 * g2_0;
        const vec x5_0_0 = mla_vec(xc[64]); a1_0_0 += x5_0_0 * g2_0;
        const vec x5_1_0 = mla_vec(xc[65]); a1_1_0 += x5_1_0 * g2_0;
        const vec g3_0 = mla_load(gc + 96);
        const vec x6_0_0 = mla_vec(xc[80]); a2_0_0 += x6_0_0 * g2_0; a0_0_0 += x6_0_0 * g3_0;
        const vec x6_1_0 = mla_vec(xc[81]); a2_1_0 += x6_1_0 * g2_0; a0_1_0 += x6_1_0 * g3_0;
        const vec x7_0_0 = mla_vec(xc[96]); a1_0_0 += x7_0_0 * g3_0;
        const vec x7_1_0 = mla_vec(xc[97]); a1_1_0 += x7_1_0 * g3_0;
        const vec g4_0 = mla_load(gc + 128);
        const vec x8_0_0 = mla_vec(xc[112]); a2_0_0 += x8_0_0 * g3_0; a0_0_0 += x8_0_0 * g4_0;
        const vec x8_1_0 = mla_vec(xc[113]); a2_1_0 += x8_1_0 * g3_0; a0_1_0 += x8_1_0 * g4_0;
        const vec x9_0_0 = mla_vec(xc[128]); a1_0_0 += x9_0_0 * g4_0;
        const vec x9_1_0 = mla_vec(xc[129]); a1_1_0 += x9_1_0 * g4_0;
        const vec g5_0 = mla_load(gc + 160);
        const vec x10_0_0 = mla_vec(xc[144]); a2_0_0 += x10_0_0 * g4_0; a0_0_0 += x10_0_0 * g5_0;
        const vec x10_1_0 = mla_vec(xc[145]); a2_1_0 += x10_1_0 * g4_0; a0_1_0 += x10_1_0 * g5_0;
        const vec x11_0_0 = mla_vec(xc[160]); a1_0_0 += x11_0_0 * g5_0;
        const vec x11_1_0 = mla_vec(xc[161]); a1_1_0 += x11_1_0 * g5_0;
        const vec g6_0 = mla_load(gc + 192);
        const vec x12_0_0 = mla_vec(xc[176]); a2_0_0 += x12_0_0 * g5_0; a0_0_0 += x12_0_0 * g6_0;
        const vec x12_1_0 = mla_vec(xc[177]); a2_1_0 += x12_1_0 * g5_0; a0_1_0 += x12_1_0 * g6_0;
        const vec x13_0_0 = mla_vec(xc[192]); a1_0_0 += x13_0_0 * g6_0;
        const vec x13_1_0 = mla_vec(xc[193]); a1_1_0 += x13_1_0 * g6_0;
        const vec x14_0_0 = mla_vec(xc[208]); a2_0_0 += x14_0_0 * g6_0;
        const vec x14_1_0 = mla_vec(xc[209]); a2_1_0 += x14_1_0 * g6_0;
      }
    }
  }
  mla_store(dw + 0, a0_0_0);
  mla_store(dw + 32, a0_1_0);
  mla_store(dw + 512, a1_0_0);
  mla_store(dw + 544, a1_1_0);
  mla_store(dw + 1024, a2_0_0);
  mla_store(dw + 1056, a2_1_0);
}
// Output rows row..last-1 of n_images images, into the sums of passes first..end-1.
static void conv2d_grad_weight_3x3_16x32_7x7_s2_sweep(const real *x, const real *g, real *dw, long n_images, long row, long last, long is_first, long first, long end) {
  enum { n_in = 16 };
  long pass = 0;
  for (long group = 0; group < 1; group++) {
    for (long b = 0; b < 4; b++) {
      const long column = group * 32 + 0 + b * 8;
      for (long t = 0; t < 4; t++) {
        const long channel = 0 + t * 3;
        for (long ky = 0; ky < 3; ky++) {
          long low = ky < 1 ? (2 - ky) / 2 : 0, high = (16 - ky) / 2;
          low = low > row ? low : row, high = high < last ? high : last;
          const long n = high > low ? high - low : 0;
          const real *from = x + (low * 2 + ky - 1) * 224 + group * n_in + channel;
          if (pass >= first && pass < end)
            conv2d_grad_weight_3x3_16x32_7x7_s2_p0_0_0(from, g + low * 224 + column, dw + ((ky * 3 + 0) * 16 + channel) * 32 + column, n_images, n, is_first);
          pass++;
        }
      }
      for (long t = 0; t < 2; t++) {
        const long channel = 12 + t * 2;
        for (long ky = 0; ky < 3; ky++) {
          long low = ky < 1 ? (2 - ky) / 2 : 0, high = (16 - ky) / 2;
          low = low > row ? low : row, high = high < last ? high : last;
          const long n = high > low ? high - low : 0;
          const real *from = x + (low * 2 + ky - 1) * 224 + group * n_in + channel;
          if (pass >= first && pass < end)
            conv2d_grad_weight_3x3_16x32_7x7_s2_p0_1_0(from, g + low * 224 + column, dw + ((ky * 3 + 0) * 16 + channel) * 32 + column, n_images, n, is_first);
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
  real *dw = (real *)buf[2] + share * 4608;
  (void)scratch, (void)parts;
  conv2d_grad_weight_3x3_16x32_7x7_s2_sweep(x, g, dw, 0, 0, 0, 1, first, end); // the sums start at zero
  const long begin = batch * share / 8, stop = batch * (share + 1) / 8;
  for (long n = begin; n < stop; n += 4)
    for (long row = 0; row < 7; row += 7)
      conv2d_grad_weight_3x3_16x32_7x7_s2_sweep(x + n * 3136, g + n * 1568, dw, stop - n < 4 ? stop - n : 4, row, row + 7 < 7 ? row + 7 : 7, 0, first, end);
}
