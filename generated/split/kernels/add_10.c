// for  aux0/linear1, logits/linear1 (3 launches)
// from  examples/split.mlaan:13  auxiliary head { loss cross_entropy(x | avgpool | linear(classes), label) }
//       examples/split.mlaan:8  logits = second | avgpool | linear(classes)
//   %1 add([batch, 10], [10]) : [batch, 10]
// moves 0.002 MiB, 0.000 GFLOP for a batch of 32, in 1 part
void add_10(void *const *buf, long batch, void *scratch, int part, int parts) {
  MLA_USE(2)
  const real *in0 = buf[0]; // [batch, 10]
  const real *in1 = buf[1]; // [10]
  real *out0 = buf[2]; // [batch, 10]
  const long rows = batch * 1, begin = rows * part / parts, end = rows * (part + 1) / parts;
  for (long r = begin; r < end; r++) {
    for (long c = 0; c < 10; c += 2) {
      const long e = r * 10 + c;
      const vec a1 = mla_load(in1 + c);
      const vec a0 = mla_load(in0 + e);
      const vec t0 = mla_vec(a0 + a1); // add
      mla_store(out0 + e, t0);
    }
  }
}
