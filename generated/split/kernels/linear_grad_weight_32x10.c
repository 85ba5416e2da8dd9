// for  logits/linear1
// from  examples/split.mlaan:8  logits = second | avgpool | linear(classes)
//   %1 linear_grad_weight([batch, 32], [batch, 10]) : [32, 10]
// moves 0.015 MiB, 0.000 GFLOP for a batch of 32, in 8 parts
// 1 kernel columns x 11 input channels x 8 output channels.
static __attribute__((noinline)) void linear_grad_weight_32x10_p0_0_0(const real *x, const real *g, real *dw, long n_images, long n_rows, long is_first) {
  MLA_USE(8)
  vec a0_0_0 = {0};
  vec a0_1_0 = {0};
  vec a0_2_0 = {0};
  vec a0_3_0 = {0};
  vec a0_4_0 = {0};
  vec a0_5_0 = {0};
  vec a0_6_0 = {0};
  vec a0_7_0 = {0};
  vec a0_8_0 = {0};
  vec a0_9_0 = {0};
  vec a0_10_0 = {0};
  if (!is_first) {
    a0_0_0 = mla_load(dw + 0);
    a0_1_0 = mla_load(dw + 10);
    a0_2_0 = mla_load(dw + 20);
    a0_3_0 = mla_load(dw + 30);
    a0_4_0 = mla_load(dw + 40);
    a0_5_0 = mla_load(dw + 50);
    a0_6_0 = mla_load(dw + 60);
    a0_7_0 = mla_load(dw + 70);
    a0_8_0 = mla_load(dw + 80);
    a0_9_0 = mla_load(dw + 90);
    a0_10_0 = mla_load(dw + 100);
  }
  (void)n_images;
  const real *xc = x, *gc = g;
  for (; n_rows >= 4; n_rows -= 4, xc += 128, gc += 40) {
        const vec g0_0 = mla_load(gc + 0);
        const vec x0_0_0 = mla_vec(xc[0]); a0_0_0 += x0_0_0 * g0_0;
        const vec x0_1_0 = mla_vec(xc[1]); a0_1_0 += x0_1_0 * g0_0;
        const vec x0_2_0 = mla_vec(xc[2]); a0_2_0 += x0_2_0 * g0_0;
        const vec x0_3_0 = mla_vec(xc[3]); a0_3_0 += x0_3_0 * g0_0;
        const vec x0_4_0 = mla_vec(xc[4]); a0_4_0 += x0_4_0 * g0_0;
        const vec x0_5_0 = mla_vec(xc[5]); a0_5_0 += x0_5_0 * g0_0;
        const vec x0_6_0 = mla_vec(xc[6]); a0_6_0 += x0_6_0 * g0_0;
        const vec x0_7_0 = mla_vec(xc[7]); a0_7_0 += x0_7_0 * g0_0;
        const vec x0_8_0 = mla_vec(xc[8]); a0_8_0 += x0_8_0 * g0_0;
        const vec x0_9_0 = mla_vec(xc[9]); a0_9_0 += x0_9_0 * g0_0;
        const vec x0_10_0 = mla_vec(xc[10]); a0_10_0 += x0_10_0 * g0_0;
        const vec g1_0 = mla_load(gc + 10);
        const vec x1_0_0 = mla_vec(xc[32]); a0_0_0 += x1_0_0 * g1_0;
        const vec x1_1_0 = mla_vec(xc[33]); a0_1_0 += x1_1_0 * g1_0;
        const vec x1_2_0 = mla_vec(xc[34]); a0_2_0 += x1_2_0 * g1_0;
        const vec x1_3_0 = mla_vec(xc[35]); a0_3_0 += x1_3_0 * g1_0;
        const vec x1_4_0 = mla_vec(xc[36]); a0_4_0 += x1_4_0 * g1_0;
        const vec x1_5_0 = mla_vec(xc[37]); a0_5_0 += x1_5_0 * g1_0;
        const vec x1_6_0 = mla_vec(xc[38]); a0_6_0 += x1_6_0 * g1_0;
        const vec x1_7_0 = mla_vec(xc[39]); a0_7_0 += x1_7_0 * g1_0;
        const vec x1_8_0 = mla_vec(xc[40]); a0_8_0 += x1_8_0 * g1_0;
        const vec x1_9_0 = mla_vec(xc[41]); a0_9_0 += x1_9_0 * g1_0;
        const vec x1_10_0 = mla_vec(xc[42]); a0_10_0 += x1_10_0 * g1_0;
        const vec g2_0 = mla_load(gc + 20);
        const vec x2_0_0 = mla_vec(xc[64]); a0_0_0 += x2_0_0 * g2_0;
        const vec x2_1_0 = mla_vec(xc[65]); a0_1_0 += x2_1_0 * g2_0;
        const vec x2_2_0 = mla_vec(xc[66]); a0_2_0 += x2_2_0 * g2_0;
        const vec x2_3_0 = mla_vec(xc[67]); a0_3_0 += x2_3_0 * g2_0;
        const vec x2_4_0 = mla_vec(xc[68]); a0_4_0 += x2_4_0 * g2_0;
        const vec x2_5_0 = mla_vec(xc[69]); a0_5_0 += x2_5_0 * g2_0;
        const vec x2_6_0 = mla_vec(xc[70]); a0_6_0 += x2_6_0 * g2_0;
        const vec x2_7_0 = mla_vec(xc[71]); a0_7_0 += x2_7_0 * g2_0;
        const vec x2_8_0 = mla_vec(xc[72]); a0_8_0 += x2_8_0 * g2_0;
        const vec x2_9_0 = mla_vec(xc[73]); a0_9_0 += x2_9_0 * g2_0;
        const vec x2_10_0 = mla_vec(xc[74]); a0_10_0 += x2_10_0 * g2_0;
        const vec g3_0 = mla_load(gc + 30);
        const vec x3_0_0 = mla_vec(xc[96]); a0_0_0 += x3_0_0 * g3_0;
        const vec x3_1_0 = mla_vec(xc[97]); a0_1_0 += x3_1_0 * g3_0;
        const vec x3_2_0 = mla_vec(xc[98]); a0_2_0 += x3_2_0 * g3_0;
        const vec x3_3_0 = mla_vec(xc[99]); a0_3_0 += x3_3_0 * g3_0;
        const vec x3_4_0 = mla_vec(xc[100]); a0_4_0 += x3_4_0 * g3_0;
        const vec x3_5_0 = mla_vec(xc[101]); a0_5_0 += x3_5_0 * g3_0;
        const vec x3_6_0 = mla_vec(xc[102]); a0_6_0 += x3_6_0 * g3_0;
        const vec x3_7_0 = mla_vec(xc[103]); a0_7_0 += x3_7_0 * g3_0;
        const vec x3_8_0 = mla_vec(xc[104]); a0_8_0 += x3_8_0 * g3_0;
        const vec x3_9_0 = mla_vec(xc[105]); a0_9_0 += x3_9_0 * g3_0;
        const vec x3_10_0 = mla_vec(xc[106]); a0_10_0 += x3_10_0 * g3_0;
  }
  for (; n_rows >= 1; n_rows -= 1, xc += 32, gc += 10) {
        const vec g0_0 = mla_load(gc + 0);
        const vec x0_0_0 = mla_vec(xc[0]); a0_0_0 += x0_0_0 * g0_0;
        const vec x0_1_0 = mla_vec(xc[1]); a0_1_0 += x0_1_0 * g0_0;
        const vec x0_2_0 = mla_vec(xc[2]); a0_2_0 += x0_2_0 * g0_0;
        const vec x0_3_0 = mla_vec(xc[3]); a0_3_0 += x0_3_0 * g0_0;
        const vec x0_4_0 = mla_vec(xc[4]); a0_4_0 += x0_4_0 * g0_0;
        const vec x0_5_0 = mla_vec(xc[5]); a0_5_0 += x0_5_0 * g0_0;
        const vec x0_6_0 = mla_vec(xc[6]); a0_6_0 += x0_6_0 * g0_0;
        const vec x0_7_0 = mla_vec(xc[7]); a0_7_0 += x0_7_0 * g0_0;
        const vec x0_8_0 = mla_vec(xc[8]); a0_8_0 += x0_8_0 * g0_0;
        const vec x0_9_0 = mla_vec(xc[9]); a0_9_0 += x0_9_0 * g0_0;
        const vec x0_10_0 = mla_vec(xc[10]); a0_10_0 += x0_10_0 * g0_0;
  }
  mla_store(dw + 0, a0_0_0);
  mla_store(dw + 10, a0_1_0);
  mla_store(dw + 20, a0_2_0);
  mla_store(dw + 30, a0_3_0);
  mla_store(dw + 40, a0_4_0);
  mla_store(dw + 50, a0_5_0);
  mla_store(dw + 60, a0_6_0);
  mla_store(dw + 70, a0_7_0);
  mla_store(dw + 80, a0_8_0);
  mla_store(dw + 90, a0_9_0);
  mla_store(dw + 100, a0_10_0);
}
// 1 kernel columns x 10 input channels x 8 output channels.
static __attribute__((noinline)) void linear_grad_weight_32x10_p0_1_0(const real *x, const real *g, real *dw, long n_images, long n_rows, long is_first) {
  MLA_USE(8)
  vec a0_0_0 = {0};
  vec a0_1_0 = {0};
  vec a0_2_0 = {0};
  vec a0_3_0 = {0};
  vec a0_4_0 = {0};
  vec a0_5_0 = {0};
  vec a0_6_0 = {0};
  vec a0_7_0 = {0};
  vec a0_8_0 = {0};
  vec a0_9_0 = {0};
  if (!is_first) {
    a0_0_0 = mla_load(dw + 0);
    a0_1_0 = mla_load(dw + 10);
    a0_2_0 = mla_load(dw + 20);
    a0_3_0 = mla_load(dw + 30);
    a0_4_0 = mla_load(dw + 40);
    a0_5_0 = mla_load(dw + 50);
    a0_6_0 = mla_load(dw + 60);
    a0_7_0 = mla_load(dw + 70);
    a0_8_0 = mla_load(dw + 80);
    a0_9_0 = mla_load(dw + 90);
  }
  (void)n_images;
  const real *xc = x, *gc = g;
  for (; n_rows >= 4; n_rows -= 4, xc += 128, gc += 40) {
        const vec g0_0 = mla_load(gc + 0);
        const vec x0_0_0 = mla_vec(xc[0]); a0_0_0 += x0_0_0 * g0_0;
        const vec x0_1_0 = mla_vec(xc[1]); a0_1_0 += x0_1_0 * g0_0;
        const vec x0_2_0 = mla_vec(xc[2]); a0_2_0 += x0_2_0 * g0_0;
        const vec x0_3_0 = mla_vec(xc[3]); a0_3_0 += x0_3_0 * g0_0;
        const vec x0_4_0 = mla_vec(xc[4]); a0_4_0 += x0_4_0 * g0_0;
        const vec x0_5_0 = mla_vec(xc[5]); a0_5_0 += x0_5_0 * g0_0;
        const vec x0_6_0 = mla_vec(xc[6]); a0_6_0 += x0_6_0 * g0_0;
        const vec x0_7_0 = mla_vec(xc[7]); a0_7_0 += x0_7_0 * g0_0;
        const vec x0_8_0 = mla_vec(xc[8]); a0_8_0 += x0_8_0 * g0_0;
        const vec x0_9_0 = mla_vec(xc[9]); a0_9_0 += x0_9_0 * g0_0;
        const vec g1_0 = mla_load(gc + 10);
        const vec x1_0_0 = mla_vec(xc[32]); a0_0_0 += x1_0_0 * g1_0;
        const vec x1_1_0 = mla_vec(xc[33]); a0_1_0 += x1_1_0 * g1_0;
        const vec x1_2_0 = mla_vec(xc[34]); a0_2_0 += x1_2_0 * g1_0;
        const vec x1_3_0 = mla_vec(xc[35]); a0_3_0 += x1_3_0 * g1_0;
        const vec x1_4_0 = mla_vec(xc[36]); a0_4_0 += x1_4_0 * g1_0;
        const vec x1_5_0 = mla_vec(xc[37]); a0_5_0 += x1_5_0 * g1_0;
        const vec x1_6_0 = mla_vec(xc[38]); a0_6_0 += x1_6_0 * g1_0;
        const vec x1_7_0 = mla_vec(xc[39]); a0_7_0 += x1_7_0 * g1_0;
        const vec x1_8_0 = mla_vec(xc[40]); a0_8_0 += x1_8_0 * g1_0;
        const vec x1_9_0 = mla_vec(xc[41]); a0_9_0 += x1_9_0 * g1_0;
        const vec g2_0 = mla_load(gc + 20);
        const vec x2_0_0 = mla_vec(xc[64]); a0_0_0 += x2_0_0 * g2_0;
        const vec x2_1_0 = mla_vec(xc[65]); a0_1_0 += x2_1_0 * g2_0;
        const vec x2_2_0 = mla_vec(xc[66]); a0_2_0 += x2_2_0 * g2_0;
        const vec x2_3_0 = mla_vec(xc[67]); a0_3_0 += x2_3_0 * g2_0;
        const vec x2_4_0 = mla_vec(xc[68]); a0_4_0 += x2_4_0 * g2_0;
        const vec x2_5_0 = mla_vec(xc[69]); a0_5_0 += x2_5_0 * g2_0;
        const vec x2_6_0 = mla_vec(xc[70]); a0_6_0 += x2_6_0 * g2_0;
        const vec x2_7_0 = mla_vec(xc[71]); a0_7_0 += x2_7_0 * g2_0;
        const vec x2_8_0 = mla_vec(xc[72]); a0_8_0 += x2_8_0 * g2_0;
        const vec x2_9_0 = mla_vec(xc[73]); a0_9_0 += x2_9_0 * g2_0;
        const vec g3_0 = mla_load(gc + 30);
        const vec x3_0_0 = mla_vec(xc[96]); a0_0_0 += x3_0_0 * g3_0;
        const vec x3_1_0 = mla_vec(xc[97]); a0_1_0 += x3_1_0 * g3_0;
        const vec x3_2_0 = mla_vec(xc[98]); a0_2_0 += x3_2_0 * g3_0;
        const vec x3_3_0 = mla_vec(xc[99]); a0_3_0 += x3_3_0 * g3_0;
        const vec x3_4_0 = mla_vec(xc[100]); a0_4_0 += x3_4_0 * g3_0;
        const vec x3_5_0 = mla_vec(xc[101]); a0_5_0 += x3_5_0 * g3_0;
        const vec x3_6_0 = mla_vec(xc[102]); a0_6_0 += x3_6_0 * g3_0;
        const vec x3_7_0 = mla_vec(xc[103]); a0_7_0 += x3_7_0 * g3_0;
        const vec x3_8_0 = mla_vec(xc[104]); a0_8_0 += x3_8_0 * g3_0;
        const vec x3_9_0 = mla_vec(xc[105]); a0_9_0 += x3_9_0 * g3_0;
  }
  for (; n_rows >= 1; n_rows -= 1, xc += 32, gc += 10) {
        const vec g0_0 = mla_load(gc + 0);
        const vec x0_0_0 = mla_vec(xc[0]); a0_0_0 += x0_0_0 * g0_0;
        const vec x0_1_0 = mla_vec(xc[1]); a0_1_0 += x0_1_0 * g0_0;
        const vec x0_2_0 = mla_vec(xc[2]); a0_2_0 += x0_2_0 * g0_0;
        const vec x0_3_0 = mla_vec(xc[3]); a0_3_0 += x0_3_0 * g0_0;
        const vec x0_4_0 = mla_vec(xc[4]); a0_4_0 += x0_4_0 * g0_0;
        const vec x0_5_0 = mla_vec(xc[5]); a0_5_0 += x0_5_0 * g0_0;
        const vec x0_6_0 = mla_vec(xc[6]); a0_6_0 += x0_6_0 * g0_0;
        const vec x0_7_0 = mla_vec(xc[7]); a0_7_0 += x0_7_0 * g0_0;
        const vec x0_8_0 = mla_vec(xc[8]); a0_8_0 += x0_8_0 * g0_0;
        const vec x0_9_0 = mla_vec(xc[9]); a0_9_0 += x0_9_0 * g0_0;
  }
  mla_store(dw + 0, a0_0_0);
  mla_store(dw + 10, a0_1_0);
  mla_store(dw + 20, a0_2_0);
  mla_store(dw + 30, a0_3_0);
  mla_store(dw + 40, a0_4_0);
  mla_store(dw + 50, a0_5_0);
  mla_store(dw + 60, a0_6_0);
  mla_store(dw + 70, a0_7_0);
  mla_store(dw + 80, a0_8_0);
  mla_store(dw + 90, a0_9_0);
}
// 1 kernel columns x 11 input channels x 2 output channels.
static __attribute__((noinline)) void linear_grad_weight_32x10_p1_0_0(const real *x, const real *g, real *dw, long n_images, long n_rows, long is_first) {
  MLA_USE(2)
  vec a0_0_0 = {0};
  vec a0_1_0 = {0};
  vec a0_2_0 = {0};
  vec a0_3_0 = {0};
  vec a0_4_0 = {0};
  vec a0_5_0 = {0};
  vec a0_6_0 = {0};
  vec a0_7_0 = {0};
  vec a0_8_0 = {0};
  vec a0_9_0 = {0};
  vec a0_10_0 = {0};
  if (!is_first) {
    a0_0_0 = mla_load(dw + 0);
    a0_1_0 = mla_load(dw + 10);
    a0_2_0 = mla_load(dw + 20);
    a0_3_0 = mla_load(dw + 30);
    a0_4_0 = mla_load(dw + 40);
    a0_5_0 = mla_load(dw + 50);
    a0_6_0 = mla_load(dw + 60);
    a0_7_0 = mla_load(dw + 70);
    a0_8_0 = mla_load(dw + 80);
    a0_9_0 = mla_load(dw + 90);
    a0_10_0 = mla_load(dw + 100);
  }
  (void)n_images;
  const real *xc = x, *gc = g;
  for (; n_rows >= 4; n_rows -= 4, xc += 128, gc += 40) {
        const vec g0_0 = mla_load(gc + 0);
        const vec x0_0_0 = mla_vec(xc[0]); a0_0_0 += x0_0_0 * g0_0;
        const vec x0_1_0 = mla_vec(xc[1]); a0_1_0 += x0_1_0 * g0_0;
        const vec x0_2_0 = mla_vec(xc[2]); a0_2_0 += x0_2_0 * g0_0;
        const vec x0_3_0 = mla_vec(xc[3]); a0_3_0 += x0_3_0 * g0_0;
        const vec x0_4_0 = mla_vec(xc[4]); a0_4_0 += x0_4_0 * g0_0;
        const vec x0_5_0 = mla_vec(xc[5]); a0_5_0 += x0_5_0 * g0_0;
        const vec x0_6_0 = mla_vec(xc[6]); a0_6_0 += x0_6_0 * g0_0;
        const vec x0_7_0 = mla_vec(xc[7]); a0_7_0 += x0_7_0 * g0_0;
        const vec x0_8_0 = mla_vec(xc[8]); a0_8_0 += x0_8_0 * g0_0;
        const vec x0_9_0 = mla_vec(xc[9]); a0_9_0 += x0_9_0 * g0_0;
        const vec x0_10_0 = mla_vec(xc[10]); a0_10_0 += x0_10_0 * g0_0;
        const vec g1_0 = mla_load(gc + 10);
        const vec x1_0_0 = mla_vec(xc[32]); a0_0_0 += x1_0_0 * g1_0;
        const vec x1_1_0 = mla_vec(xc[33]); a0_1_0 += x1_1_0 * g1_0;
        const vec x1_2_0 = mla_vec(xc[34]); a0_2_0 += x1_2_0 * g1_0;
        const vec x1_3_0 = mla_vec(xc[35]); a0_3_0 += x1_3_0 * g1_0;
        const vec x1_4_0 = mla_vec(xc[36]); a0_4_0 += x1_4_0 * g1_0;
        const vec x1_5_0 = mla_vec(xc[37]); a0_5_0 += x1_5_0 * g1_0;
        const vec x1_6_0 = mla_vec(xc[38]); a0_6_0 += x1_6_0 * g1_0;
        const vec x1_7_0 = mla_vec(xc[39]); a0_7_0 += x1_7_0 * g1_0;
        const vec x1_8_0 = mla_vec(xc[40]); a0_8_0 += x1_8_0 * g1_0;
        const vec x1_9_0 = mla_vec(xc[41]); a0_9_0 += x1_9_0 * g1_0;
        const vec x1_10_0 = mla_vec(xc[42]); a0_10_0 += x1_10_0 * g1_0;
        const vec g2_0 = mla_load(gc + 20);
        const vec x2_0_0 = mla_vec(xc[64]); a0_0_0 += x2_0_0 * g2_0;
        const vec x2_1_0 = mla_vec(xc[65]); a0_1_0 += x2_1_0 * g2_0;
        const vec x2_2_0 = mla_vec(xc[66]); a0_2_0 += x2_2_0 * g2_0;
        const vec x2_3_0 = mla_vec(xc[67]); a0_3_0 += x2_3_0 * g2_0;
        const vec x2_4_0 = mla_vec(xc[68]); a0_4_0 += x2_4_0 * g2_0;
        const vec x2_5_0 = mla_vec(xc[69]); a0_5_0 += x2_5_0 * g2_0;
        const vec x2_6_0 = mla_vec(xc[70]); a0_6_0 += x2_6_0 * g2_0;
        const vec x2_7_0 = mla_vec(xc[71]); a0_7_0 += x2_7_0 * g2_0;
        const vec x2_8_0 = mla_vec(xc[72]); a0_8_0 += x2_8_0 * g2_0;
        const vec x2_9_0 = mla_vec(xc[73]); a0_9_0 += x2_9_0 * g2_0;
        const vec x2_10_0 = mla_vec(xc[74]); a0_10_0 += x2_10_0 * g2_0;
        const vec g3_0 = mla_load(gc + 30);
        const vec x3_0_0 = mla_vec(xc[96]); a0_0_0 += x3_0_0 * g3_0;
        const vec x3_1_0 = mla_vec(xc[97]); a0_1_0 += x3_1_0 * g3_0;
        const vec x3_2_0 = mla_vec(xc[98]); a0_2_0 += x3_2_0 * g3_0;
        const vec x3_3_0 = mla_vec(xc[99]); a0_3_0 += x3_3_0 * g3_0;
        const vec x3_4_0 = mla_vec(xc[100]); a0_4_0 += x3_4_0 * g3_0;
        const vec x3_5_0 = mla_vec(xc[101]); a0_5_0 += x3_5_0 * g3_0;
        const vec x3_6_0 = mla_vec(xc[102]); a0_6_0 += x3_6_0 * g3_0;
        const vec x3_7_0 = mla_vec(xc[103]); a0_7_0 += x3_7_0 * g3_0;
        const vec x3_8_0 = mla_vec(xc[104]); a0_8_0 += x3_8_0 * g3_0;
        const vec x3_9_0 = mla_vec(xc[105]); a0_9_0 += x3_9_0 * g3_0;
        const vec x3_10_0 = mla_vec(xc[106]); a0_10_0 += x3_10_0 * g3_0;
  }
  for (; n_rows >= 1; n_rows -= 1, xc += 32, gc += 10) {
        const vec g0_0 = mla_load(gc + 0);
        const vec x0_0_0 = mla_vec(xc[0]); a0_0_0 += x0_0_0 * g0_0;
        const vec x0_1_0 = mla_vec(xc[1]); a0_1_0 += x0_1_0 * g0_0;
        const vec x0_2_0 = mla_vec(xc[2]); a0_2_0 += x0_2_0 * g0_0;
        const vec x0_3_0 = mla_vec(xc[3]); a0_3_0 += x0_3_0 * g0_0;
        const vec x0_4_0 = mla_vec(xc[4]); a0_4_0 += x0_4_0 * g0_0;
        const vec x0_5_0 = mla_vec(xc[5]); a0_5_0 += x0_5_0 * g0_0;
        const vec x0_6_0 = mla_vec(xc[6]); a0_6_0 += x0_6_0 * g0_0;
        const vec x0_7_0 = mla_vec(xc[7]); a0_7_0 += x0_7_0 * g0_0;
        const vec x0_8_0 = mla_vec(xc[8]); a0_8_0 += x0_8_0 * g0_0;
        const vec x0_9_0 = mla_vec(xc[9]); a0_9_0 += x0_9_0 * g0_0;
        const vec x0_10_0 = mla_vec(xc[10]); a0_10_0 += x0_10_0 * g0_0;
  }
  mla_store(dw + 0, a0_0_0);
  mla_store(dw + 10, a0_1_0);
  mla_store(dw + 20, a0_2_0);
  mla_store(dw + 30, a0_3_0);
  mla_store(dw + 40, a0_4_0);
  mla_store(dw + 50, a0_5_0);
  mla_store(dw + 60, a0_6_0);
  mla_store(dw + 70, a0_7_0);
  mla_store(dw + 80, a0_8_0);
  mla_store(dw + 90, a0_9_0);
  mla_store(dw + 100, a0_10_0);
}
// 1 kernel columns x 10 input channels x 2 output channels.
static __attribute__((noinline)) void linear_grad_weight_32x10_p1_1_0(const real *x, const real *g, real *dw, long n_images, long n_rows, long is_first) {
  MLA_USE(2)
  vec a0_0_0 = {0};
  vec a0_1_0 = {0};
  vec a0_2_0 = {0};
  vec a0_3_0 = {0};
  vec a0_4_0 = {0};
  vec a0_5_0 = {0};
  vec a0_6_0 = {0};
  vec a0_7_0 = {0};
  vec a0_8_0 = {0};
  vec a0_9_0 = {0};
  if (!is_first) {
    a0_0_0 = mla_load(dw + 0);
    a0_1_0 = mla_load(dw + 10);
    a0_2_0 = mla_load(dw + 20);
    a0_3_0 = mla_load(dw + 30);
    a0_4_0 = mla_load(dw + 40);
    a0_5_0 = mla_load(dw + 50);
    a0_6_0 = mla_load(dw + 60);
    a0_7_0 = mla_load(dw + 70);
    a0_8_0 = mla_load(dw + 80);
    a0_9_0 = mla_load(dw + 90);
  }
  (void)n_images;
  const real *xc = x, *gc = g;
  for (; n_rows >= 4; n_rows -= 4, xc += 128, gc += 40) {
        const vec g0_0 = mla_load(gc + 0);
        const vec x0_0_0 = mla_vec(xc[0]); a0_0_0 += x0_0_0 * g0_0;
        const vec x0_1_0 = mla_vec(xc[1]); a0_1_0 += x0_1_0 * g0_0;
        const vec x0_2_0 = mla_vec(xc[2]); a0_2_0 += x0_2_0 * g0_0;
        const vec x0_3_0 = mla_vec(xc[3]); a0_3_0 += x0_3_0 * g0_0;
        const vec x0_4_0 = mla_vec(xc[4]); a0_4_0 += x0_4_0 * g0_0;
        const vec x0_5_0 = mla_vec(xc[5]); a0_5_0 += x0_5_0 * g0_0;
        const vec x0_6_0 = mla_vec(xc[6]); a0_6_0 += x0_6_0 * g0_0;
        const vec x0_7_0 = mla_vec(xc[7]); a0_7_0 += x0_7_0 * g0_0;
        const vec x0_8_0 = mla_vec(xc[8]); a0_8_0 += x0_8_0 * g0_0;
        const vec x0_9_0 = mla_vec(xc[9]); a0_9_0 += x0_9_0 * g0_0;
        const vec g1_0 = mla_load(gc + 10);
        const vec x1_0_0 = mla_vec(xc[32]); a0_0_0 += x1_0_0 * g1_0;
        const vec x1_1_0 = mla_vec(xc[33]); a0_1_0 += x1_1_0 * g1_0;
        const vec x1_2_0 = mla_vec(xc[34]); a0_2_0 += x1_2_0 * g1_0;
        const vec x1_3_0 = mla_vec(xc[35]); a0_3_0 += x1_3_0 * g1_0;
        const vec x1_4_0 = mla_vec(xc[36]); a0_4_0 += x1_4_0 * g1_0;
        const vec x1_5_0 = mla_vec(xc[37]); a0_5_0 += x1_5_0 * g1_0;
        const vec x1_6_0 = mla_vec(xc[38]); a0_6_0 += x1_6_0 * g1_0;
        const vec x1_7_0 = mla_vec(xc[39]); a0_7_0 += x1_7_0 * g1_0;
        const vec x1_8_0 = mla_vec(xc[40]); a0_8_0 += x1_8_0 * g1_0;
        const vec x1_9_0 = mla_vec(xc[41]); a0_9_0 += x1_9_0 * g1_0;
        const vec g2_0 = mla_load(gc + 20);
        const vec x2_0_0 = mla_vec(xc[64]); a0_0_0 += x2_0_0 * g2_0;
        const vec x2_1_0 = mla_vec(xc[65]); a0_1_0 += x2_1_0 * g2_0;
        const vec x2_2_0 = mla_vec(xc[66]); a0_2_0 += x2_2_0 * g2_0;
        const vec x2_3_0 = mla_vec(xc[67]); a0_3_0 += x2_3_0 * g2_0;
        const vec x2_4_0 = mla_vec(xc[68]); a0_4_0 += x2_4_0 * g2_0;
        const vec x2_5_0 = mla_vec(xc[69]); a0_5_0 += x2_5_0 * g2_0;
        const vec x2_6_0 = mla_vec(xc[70]); a0_6_0 += x2_6_0 * g2_0;
        const vec x2_7_0 = mla_vec(xc[71]); a0_7_0 += x2_7_0 * g2_0;
        const vec x2_8_0 = mla_vec(xc[72]); a0_8_0 += x2_8_0 * g2_0;
        const vec x2_9_0 = mla_vec(xc[73]); a0_9_0 += x2_9_0 * g2_0;
        const vec g3_0 = mla_load(gc + 30);
        const vec x3_0_0 = mla_vec(xc[96]); a0_0_0 += x3_0_0 * g3_0;
        const vec x3_1_0 = mla_vec(xc[97]); a0_1_0 += x3_1_0 * g3_0;
        const vec x3_2_0 = mla_vec(xc[98]); a0_2_0 += x3_2_0 * g3_0;
        const vec x3_3_0 = mla_vec(xc[99]); a0_3_0 += x3_3_0 * g3_0;
        const vec x3_4_0 = mla_vec(xc[100]); a0_4_0 += x3_4_0 * g3_0;
        const vec x3_5_0 = mla_vec(xc[101]); a0_5_0 += x3_5_0 * g3_0;
        const vec x3_6_0 = mla_vec(xc[102]); a0_6_0 += x3_6_0 * g3_0;
        const vec x3_7_0 = mla_vec(xc[103]); a0_7_0 += x3_7_0 * g3_0;
        const vec x3_8_0 = mla_vec(xc[104]); a0_8_0 += x3_8_0 * g3_0;
        const vec x3_9_0 = mla_vec(xc[105]); a0_9_0 += x3_9_0 * g3_0;
  }
  for (; n_rows >= 1; n_rows -= 1, xc += 32, gc += 10) {
        const vec g0_0 = mla_load(gc + 0);
        const vec x0_0_0 = mla_vec(xc[0]); a0_0_0 += x0_0_0 * g0_0;
        const vec x0_1_0 = mla_vec(xc[1]); a0_1_0 += x0_1_0 * g0_0;
        const vec x0_2_0 = mla_vec(xc[2]); a0_2_0 += x0_2_0 * g0_0;
        const vec x0_3_0 = mla_vec(xc[3]); a0_3_0 += x0_3_0 * g0_0;
        const vec x0_4_0 = mla_vec(xc[4]); a0_4_0 += x0_4_0 * g0_0;
        const vec x0_5_0 = mla_vec(xc[5]); a0_5_0 += x0_5_0 * g0_0;
        const vec x0_6_0 = mla_vec(xc[6]); a0_6_0 += x0_6_0 * g0_0;
        const vec x0_7_0 = mla_vec(xc[7]); a0_7_0 += x0_7_0 * g0_0;
        const vec x0_8_0 = mla_vec(xc[8]); a0_8_0 += x0_8_0 * g0_0;
        const vec x0_9_0 = mla_vec(xc[9]); a0_9_0 += x0_9_0 * g0_0;
  }
  mla_store(dw + 0, a0_0_0);
  mla_store(dw + 10, a0_1_0);
  mla_store(dw + 20, a0_2_0);
  mla_store(dw + 30, a0_3_0);
  mla_store(dw + 40, a0_4_0);
  mla_store(dw + 50, a0_5_0);
  mla_store(dw + 60, a0_6_0);
  mla_store(dw + 70, a0_7_0);
  mla_store(dw + 80, a0_8_0);
  mla_store(dw + 90, a0_9_0);
}
// Output rows row..last-1 of n_images images, into the sums of passes first..end-1.
static void linear_grad_weight_32x10_sweep(const real *x, const real *g, real *dw, long n_images, long row, long last, long is_first, long first, long end) {
  enum { n_in = 32 };
  long pass = 0;
  for (long group = 0; group < 1; group++) {
    for (long b = 0; b < 1; b++) {
      const long column = group * 10 + 0 + b * 8;
      for (long t = 0; t < 2; t++) {
        const long channel = 0 + t * 11;
        for (long ky = 0; ky < 1; ky++) {
          const long low = 0, n = last - row;
          const real *from = x + group * n_in + channel;
          if (pass >= first && pass < end)
            linear_grad_weight_32x10_p0_0_0(from, g + low * 10 + column, dw + ((ky * 1 + 0) * 32 + channel) * 10 + column, n_images, n, is_first);
          pass++;
        }
      }
      for (long t = 0; t < 1; t++) {
        const long channel = 22 + t * 10;
        for (long ky = 0; ky < 1; ky++) {
          const long low = 0, n = last - row;
          const real *from = x + group * n_in + channel;
          if (pass >= first && pass < end)
            linear_grad_weight_32x10_p0_1_0(from, g + low * 10 + column, dw + ((ky * 1 + 0) * 32 + channel) * 10 + column, n_images, n, is_first);
          pass++;
        }
      }
    }
    for (long b = 0; b < 1; b++) {
      const long column = group * 10 + 8 + b * 2;
      for (long t = 0; t < 2; t++) {
        const long channel = 0 + t * 11;
        for (long ky = 0; ky < 1; ky++) {
          const long low = 0, n = last - row;
          const real *from = x + group * n_in + channel;
          if (pass >= first && pass < end)
            linear_grad_weight_32x10_p1_0_0(from, g + low * 10 + column, dw + ((ky * 1 + 0) * 32 + channel) * 10 + column, n_images, n, is_first);
          pass++;
        }
      }
      for (long t = 0; t < 1; t++) {
        const long channel = 22 + t * 10;
        for (long ky = 0; ky < 1; ky++) {
          const long low = 0, n = last - row;
          const real *from = x + group * n_in + channel;
          if (pass >= first && pass < end)
            linear_grad_weight_32x10_p1_1_0(from, g + low * 10 + column, dw + ((ky * 1 + 0) * 32 + channel) * 10 + column, n_images, n, is_first);
          pass++;
        }
      }
    }
  }
}
void linear_grad_weight_32x10(void *const *buf, long batch, void *scratch, int part, int parts) {
  const long share = part % 8, slice = part / 8;
  const long first = 6L * slice / 1, end = 6L * (slice + 1) / 1;
  const real *x = buf[0], *g = buf[1];
  real *dw = (real *)buf[2] + share * 320;
  (void)scratch, (void)parts;
  linear_grad_weight_32x10_sweep(x, g, dw, 0, 0, 0, 1, first, end); // the sums start at zero
  const long begin = batch * 1 * share / 8, stop = batch * 1 * (share + 1) / 8;
  for (long n = begin; n < stop; n += 64)
    linear_grad_weight_32x10_sweep(x + n * 32, g + n * 10, dw, 1, 0, stop - n < 64 ? stop - n : 64, 0, first, end);
}
