// for  logits/avgpool1 (2 launches)
// from  examples/split.mlaan:8  logits = second | avgpool | linear(classes)
//   %1 adaptive_avg_pool([batch, 7, 7, 32]) : [batch, 1, 1, 32]
// moves 0.195 MiB, 0.000 GFLOP for a batch of 32, in 1 part
void adaptive_avg_pool_32(void *const *buf, long batch, void *scratch, int part, int parts) {
  MLA_USE(8)
  const real *in0 = buf[0]; // [batch, 7, 7, 32]
  real *out = buf[1]; // [batch, 1, 1, 32]
  const long lines = batch * 1, begin = lines * part / parts, end = lines * (part + 1) / parts;
  for (long line = begin; line < end; line++) {
    const long n = line / 1, y = line % 1;
    for (long x = 0; x < 1; x++) {
      for (long c = 0; c < 32; c += 8) {
        real *to = out + (line * 1 + x) * 32 + c;
        long row_begin = y * 7 / 1, row_end = ((y + 1) * 7 + 0) / 1;
        long col_begin = x * 7 / 1, col_end = ((x + 1) * 7 + 0) / 1;
        vec sum = {0};
        for (long row = row_begin; row < row_end; row++) {
          for (long col = col_begin; col < col_end; col++) {
            sum = sum + mla_load(in0 + ((n * 7 + row) * 7 + col) * 32 + c);
          }
        }
        mla_store(to, mla_vec(sum / (real)((row_end - row_begin) * (col_end - col_begin))));
      }
    }
  }
}
