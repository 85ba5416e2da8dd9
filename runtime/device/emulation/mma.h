// Matrix fragments of a warp as PTX lays them out, for the emulation. In a warp, g = lane / 4 and t = lane % 4.
// Operands are rounded as the chip does (TF32: 10 bits of mantissa, ties away from zero; bf16: 7, ties to even); products
// are summed in float32 in the order of k.
MLA_UNCHECKED static float mla_from_bits(unsigned bits) {
  float value;
  memcpy(&value, &bits, 4);
  return value;
}
MLA_UNCHECKED static unsigned mla_to_bits(float value) {
  unsigned bits;
  memcpy(&bits, &value, 4);
  return bits;
}
// Without the last bits, which are less than half a unit of what stays, half, or more.
MLA_UNCHECKED static unsigned mla_round_bits(float value, int n_dropped, int is_tie_even) {
  const unsigned bits = mla_to_bits(value), half = 1u << (n_dropped - 1), mask = ~(2 * half - 1);
  if (value != value) return 0x7FFFFFFFu & mask;
  if ((bits & 0x7F800000u) == 0x7F800000u) return bits;
  return (bits + half - (is_tie_even && !(bits >> n_dropped & 1))) & mask;
}
// What an operand of mma is made of: a float rounded to TF32, or two floats as bf16, the first in the low half.
MLA_UNCHECKED static unsigned mla_tf32(float value) {
  return mla_round_bits(value, 13, 0);
}
MLA_UNCHECKED static unsigned mla_bf16_pair(float low, float high) {
  return mla_round_bits(low, 16, 1) >> 16 | mla_round_bits(high, 16, 1);
}
MLA_UNCHECKED static float mla_bf16_half(unsigned pair, int is_high) {
  return mla_from_bits(is_high ? pair & 0xFFFF0000u : pair << 16);
}

struct MlaOperands {
  unsigned a[4], b[2];
};

// c (16 x 8) += a (16 x 8) b (8 x 8). a: (g, t) (g + 8, t) (g, t + 4) (g + 8, t + 4); b: (t, g) (t + 4, g);
// c: (g, 2t) (g, 2t + 1) (g + 8, 2t) (g + 8, 2t + 1).
MLA_UNCHECKED static void mla_mma_tf32_at(const MlaSite *site, float (&c)[4], const unsigned (&a)[4],
                                          const unsigned (&b)[2]) {
  MlaOperands mine = {{a[0], a[1], a[2], a[3]}, {b[0], b[1]}}, all[32];
  mla_gather(site, 0xFFFFFFFFu, 0, &mine, (int)sizeof mine, all);
  const int lane = mla_lane();
  for (int i = 0; i < 4; i++) {
    const int row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
    for (int k = 0; k < 8; k++) {
      const unsigned from_a = all[row % 8 * 4 + k % 4].a[row / 8 + k / 4 * 2],
                     from_b = all[column * 4 + k % 4].b[k / 4];
      c[i] += mla_from_bits(from_a & ~0x1FFFu) * mla_from_bits(from_b & ~0x1FFFu);
    }
  }
}

// c (16 x 8) += a (16 x 16) b (16 x 8), bf16 in pairs along k. a: (g, 2t..) (g + 8, 2t..) (g, 2t + 8..)
// (g + 8, 2t + 8..); b: (2t.., g) (2t + 8.., g); c as above.
MLA_UNCHECKED static void mla_mma_bf16_at(const MlaSite *site, float (&c)[4], const unsigned (&a)[4],
                                          const unsigned (&b)[2]) {
  MlaOperands mine = {{a[0], a[1], a[2], a[3]}, {b[0], b[1]}}, all[32];
  mla_gather(site, 0xFFFFFFFFu, 0, &mine, (int)sizeof mine, all);
  const int lane = mla_lane();
  for (int i = 0; i < 4; i++) {
    const int row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
    for (int k = 0; k < 16; k++) {
      const int t = k % 8 / 2;
      c[i] += mla_bf16_half(all[row % 8 * 4 + t].a[row / 8 + k / 8 * 2], k % 2) *
              mla_bf16_half(all[column * 4 + t].b[k / 8], k % 2);
    }
  }
}

// Four 8 x 8 matrices of 16-bit elements: lane 8 m + r gives the address of row r of matrix m; register m of a lane
// holds elements 2t and 2t + 1 of row g of matrix m. (Transposed: elements g of rows 2t and 2t + 1.)
MLA_UNCHECKED static void mla_ldmatrix_at(const MlaSite *site, unsigned (&d)[4], const void *row,
                                          int is_transposed) {
  const unsigned short *rows[32], *mine = (const unsigned short *)row;
  if ((unsigned long)row % 16) mla_fault(site, "the address of a row of ldmatrix is not a multiple of 16");
  mla_services->touch(mla_self, row, 16, 0, MLA_CALLER);
  mla_gather(site, 0xFFFFFFFFu, 0, &mine, (int)sizeof mine, rows);
  const int g = mla_lane() / 4, t = mla_lane() % 4;
  for (int m = 0; m < 4; m++) {
    const unsigned low = is_transposed ? rows[8 * m + 2 * t][g] : rows[8 * m + g][2 * t];
    const unsigned high = is_transposed ? rows[8 * m + 2 * t + 1][g] : rows[8 * m + g][2 * t + 1];
    d[m] = low | high << 16;
  }
}
#define mla_mma_tf32_16x8x8(c, a, b)    mla_mma_tf32_at(MLA_SITE, c, a, b)
#define mla_mma_bf16_16x8x16(c, a, b)   mla_mma_bf16_at(MLA_SITE, c, a, b)
#define mla_ldmatrix(d, row)            mla_ldmatrix_at(MLA_SITE, d, row, 0)
#define mla_ldmatrix_transposed(d, row) mla_ldmatrix_at(MLA_SITE, d, row, 1)
