// for  first/conv1
// from  examples/split.mlaan:6  first  = image | conv(16, 3, stride: 2) | bn | relu
//   %1 conv2d_grad_weight([batch, 28, 28, 1], [batch, 14, 14, 16]) : [3, 3, 1, 16]
// moves 0.483 MiB, 0.002 GFLOP for a batch of 32, in 8 parts
// 3 kernel columns x 1 input channels x 16 output channels.
static __attribute__((noinline)) void conv2d_grad_weight_3x3_1x16_14x14_s2_p0_0_0(const real *x, const real *g, real *dw, long n_images, long n_rows, long is_first) {
  MLA_USE(8)
  vec a0_0_0 = {0};
  vec a0_0_1 = {0};
  vec a1_0_0 = {0};
  vec a1_0_1 = {0};
  vec a2_0_0 = {0};
  vec a2_0_1 = {0};
  if (!is_first) {
    a0_0_0 = mla_load(dw + 0);
    a0_0_1 = mla_load(dw + 8);
    a1_0_0 = mla_load(dw + 16);
    a1_0_1 = mla_load(dw + 24);
    a2_0_0 = mla_load(dw + 32);
    a2_0_1 = mla_load(dw + 40);
  }
  for (; n_images > 0; n_images--, x += 784, g += 3136) {
    const real *xr = x, *gr = g;
    for (long row = 0; row < n_rows; row++, xr += 56, gr += 224) {
      const real *x0 = xr + 0, *g0 = gr + 0;
      for (long t = 0; t < 1; t++) {
        const real *xc = x0 + t * 28, *gc = g0 + t * 224;
        const vec g0_0 = mla_load(gc + 0);
        const vec g0_1 = mla_load(gc + 8);
        const vec x1_0_0 = mla_vec(xc[0]); a1_0_0 += x1_0_0 * g0_0; a1_0_1 += x1_0_0 * g0_1;
        const vec g1_0 = mla_load(gc + 16);
        const vec g1_1 = mla_load(gc + 24);
        const vec x2_0_0 = mla_vec(xc[1]); a2_0_0 += x2_0_0 * g0_0; a2_0_1 += x2_0_0 * g0_1; a0_0_0 += x2_0_0 * g1_0; a0_0_1 += x2_0_0 * g1_1;
        const vec x3_0_0 = mla_vec(xc[2]); a1_0_0 += x3_0_0 * g1_0; a1_0_1 += x3_0_0 * g1_1;
        const vec g2_0 = mla_load(gc + 32);
        const vec g2_1 = mla_load(gc + 40);
        const vec x4_0_0 = mla_vec(xc[3]); a2_0_0 += x4_0_0 * g1_0; a2_0_1 += x4_0_0 * g1_1; a0_0_0 += x4_0_0 * g2_0; a0_0_1 += x4_0_0 * g2_1;
        const vec x5_0_0 = mla_vec(xc[4]); a1_0_0 += x5_0_0 * g2_0; a1_0_1 += x5_0_0 * g2_1;
        const vec g3_0 = mla_load(gc + 48);
        const vec g3_1 = mla_load(gc + 56);
        const vec x6_0_0 = mla_vec(xc[5]); a2_0_0 += x6_0_0 * g2_0; a2_0_1 += x6_0_0 * g2_1; a0_0_0 += x6_0_0 * g3_0; a0_0_1 += x6_0_0 * g3_1;
        const vec x7_0_0 = mla_vec(xc[6]); a1_0_0 += x7_0_0 * g3_0; a1_0_1 += x7_0_0 * g3_1;
        const vec g4_0 = mla_load(gc + 64);
        const vec g4_1 = mla_load(gc + 72);
        const vec x8_0_0 = mla_vec(xc[7]); a2_0_0 += x8_0_0 * g3_0; a2_0_1 += x8_0_0 * g3_1; a0_0_0 += x8_0_0 * g4_0; a0_0_1 += x8_0_0 * g4_1;
        const vec x9_0_0 = mla_vec(xc[8]); a1_0_0 += x9_0_0 * g4_0; a1_0_1 += x9_0_0 * g4_1;
        const vec g5_0 = mla_load(gc + 80);
        const vec g5_1 = mla_load(gc + 88);
        const vec x10_0_0 = mla_vec(xc[9]); a2_0_0 += x10_0_0 * g4_0; a2_0_1 += x10_0_0 * g4_1; a0_0_0 += x10_0_0 * g5_0; a0_0_1 += x10_0_0 * g5_1;
        const vec x11_0_0 = mla_vec(xc[10]); a1_0_0 += x11_0_0 * g5_0; a1_0_1 += x11_0_0 * g5_1;
        const vec g6_0 = mla_load(gc + 96);
        const vec g6_1 = mla_load(gc + 104);
        const vec x12_0_0 = mla_vec(xc[11]); a2_0_0 += x12_0_0 * g5_0; a2_0_1 += x12_0_0 * g5_1; a0_0_0 += x12_0_0 * g6_0; a0_0_1 += x12_0_0 * g6_1;
        const vec x13_0_0 = mla_vec(xc[12]); a1_0_0 += x13_0_0 * g6_0; a1_0_1 += x13_0_0 * g6_1;
        const vec g7_0 = mla_load(gc + 112);
        const vec g7_1 = mla_load(gc + 120);
        const vec x14_0_0 = mla_vec(xc[13]); a2_0_0 += x14_0_0 * g6_0; a2_0_1 += x14_0_0 * g6_1; a0_0_0 += x14_0_0 * g7_0; a0_0_1 += x14_0_0 * g7_1;
        const vec x15_0_0 = mla_vec(xc[14]); a1_0_0 += x15_0_0 * g7_0; a1_0_1 += x15_0_0 * g7_1;
        const vec g8_0 = mla_load(gc + 128);
        const vec g8_1 = mla_load(gc + 136);
        const vec x16_0_0 = mla_vec(xc[15]); a2_0_0 += x16_0_0 * g7_0; a2_0_1 += x16_0_0 * g7_1; a0_0_0 += x16_0_0 * g8_0; a0_0_1 += x16_0_0 * g8_1;
        const vec x17_0_0 = mla_vec(xc[16]); a1_0_0 += x17_0_0 * g8_0; a1_0_1 += x17_0_0 * g8_1;
        const vec g9_0 = mla_load(gc + 144);
        const vec g9_1 = mla_load(gc + 152);
        const vec x18_0_0 = mla_vec(xc[17]); a2_0_0 += x18_0_0 * g8_0; a2_0_1 += x18_0_0 * g8_1; a0_0_0 += x18_0_0 * g9_0; a0_0_1 += x18_0_0 * g9_1;
        const vec x19_0_0 = mla_vec(xc[18]); a1_0_0 += x19_0_0 * g9_0; a1_0_1 += x19_0_0 * g9_1;
        const vec g10_0 = mla_load(gc + 160);
        const vec g10_1 = mla_load(gc + 168);
        const vec x20_0_0 = mla_vec(xc[19]); a2_0_0 += x20_0_0 * g9_0; a2_0_1 += x20_0_0 * g9_1; a0_0_0 += x20_0_0 * g10_0; a0_0_1 += x20_0_0 * g10_1;
        const vec x21_0_0 = mla_vec(xc[20]); a1_0_0 += x21_0_0 * g10_0; a1_0_1 += x21_0_0 * g10_1;
        const vec g11_0 = mla_load(gc + 176);
        const vec g11_1 = mla_load(gc + 184);
        const vec x22_0_0 = mla_vec(xc[21]); a2_0_0 += x22_0_0 * g10_0; a2_0_1 += x22_0_0 * g10_1; a0_0_0 += x22_0_0 * g11_0; a0_0_1 += x22_0_0 * g11_1;
        const vec x23_0_0 = mla_vec(xc[22]); a1_0_0 += x23_0_0 * g11_0; a1_0_1 += x23_0_0 * g11_1;
        const vec g12_0 = mla_load(gc + 192);
        const vec g12_1 = mla_load(gc + 200);
        const vec x24_0_0 = mla_vec(xc[23]); a2_0_0 += x24_0_0 * g11_0; a2_0_1 += x24_0_0 * g11_1; a0_0_0 += x24_0_0 * g12_0; a0_0_1 += x24_0_0 * g12_1;
        const vec x25_0_0 = mla_vec(xc[24]); a1_0_0 += x25_0_0 * g12_0; a1_0_1 += x25_0_0 * g12_1;
        const vec g13_0 = mla_load(gc + 208);
        const vec g13_1 = mla_load(gc + 216);
        const vec x26_0_0 = mla_vec(xc[25]); a2_0_0 += x26_0_0 * g12_0; a2_0_1 += x26_0_0 * g12_1; a0_0_0 += x26_0_0 * g13_0; a0_0_1 += x26_0_0 * g13_1;
        const vec x27_0_0 = mla_vec(xc[26]); a1_0_0 += x27_0_0 * g13_0; a1_0_1 += x27_0_0 * g13_1;
        const vec x28_0_0 = mla_vec(xc[27]); a2_0_0 += x28_0_0 * g13_0; a2_0_1 += x28_0_0 * g13_1;
      }
    }
  }
  mla_store(dw + 0, a0_0_0);
  mla_store(dw + 8, a0_0_1);
  mla_store(dw + 16, a1_0_0);
  mla_store(dw + 24, a1_0_1);
  mla_store(dw + 32, a2_0_0);
  mla_store(dw + 40, a2_0_1);
}
// Output rows row..last-1 of n_images images, into the sums of passes first..end-1.
static void conv2d_grad_weight_3x3_1x16_14x14_s2_sweep(const real *x, const real *g, real *dw, long n_images, long row, long last, long is_first, long first, long end) {
  enum { n_in = 1 };
  long pass = 0;
  for (long group = 0; group < 1; group++) {
    for (long b = 0; b < 1; b++) {
      const long column = group * 16 + 0 + b * 16;
      for (long t = 0; t < 1; t++) {
        const long channel = 0 + t * 1;
        for (long ky = 0; ky < 3; ky++) {
          long low = ky < 1 ? (2 - ky) / 2 : 0, high = (30 - ky) / 2;
          low = low > row ? low : row, high = high < last ? high : last;
          const long n = high > low ? high - low : 0;
          const real *from = x + (low * 2 + ky - 1) * 28 + group * n_in + channel;
          if (pass >= first && pass < end)
            conv2d_grad_weight_3x3_1x16_14x14_s2_p0_0_0(from, g + low * 224 + column, dw + ((ky * 3 + 0) * 1 + channel) * 16 + column, n_images, n, is_first);
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
  real *dw = (real *)buf[2] + share * 144;
  (void)scratch, (void)parts;
  conv2d_grad_weight_3x3_1x16_14x14_s2_sweep(x, g, dw, 0, 0, 0, 1, first, end); // the sums start at zero
  const long begin = batch * share / 8, stop = batch * (share + 1) / 8;
  for (long n = begin; n < stop; n += 1)
    for (long row = 0; row < 14; row += 7)
      conv2d_grad_weight_3x3_1x16_14x14_s2_sweep(x + n * 784, g + n * 3136, dw, stop - n < 1 ? stop - n : 1, row, row + 7 < 14 ? row + 7 : 14, 0, first, end);
}
