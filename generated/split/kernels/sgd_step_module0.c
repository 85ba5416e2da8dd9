// for  aux0.linear1.weight
// from  examples/split.mlaan:13  auxiliary head { loss cross_entropy(x | avgpool | linear(classes), label) }
//   %1 sgd_step(scalar, [16, 10], [10]) on 2 tensors
// moves 0.003 MiB, 0.000 GFLOP for a batch of 32, in 1 part
void sgd_step_module0(void *const *buf, long batch, void *scratch, int part, int parts) {
  MLA_USE(8)
  static const struct { long state, momentum, count; } table[] = {
    {5184, 5184, 160}, // aux0.linear1.weight
    {5344, 5344, 10}, // aux0.linear1.bias
  };
  const real rate = *(const real *)buf[0];
  const long total = 170, begin = total * part / parts, end = total * (part + 1) / parts;
  long first = 0;
  for (int k = 0; k < 2; first += table[k++].count) {
    long i = begin > first ? begin - first : 0, stop = end - first;
    if (stop > table[k].count) stop = table[k].count;
    const real *source = buf[1 + k];
    real *state = (real *)buf[3] + table[k].state;
    real *velocity = (real *)buf[4] + table[k].momentum;
    for (; i + 8 <= stop; i += 8) {
      const vec w = mla_load(state + i), g = mla_load(source + i) + ((real)0) * w;
      const vec v = ((real)0.9) * mla_load(velocity + i) + g;
      mla_store(velocity + i, v);
      mla_store(state + i, w - rate * (g + ((real)0.9) * v));
    }
    for (; i < stop; i++) {
      MLA_USE(1)
      const vec w = mla_load(state + i), g = mla_load(source + i) + ((real)0) * w;
      const vec v = ((real)0.9) * mla_load(velocity + i) + g;
      mla_store(velocity + i, v);
      mla_store(state + i, w - rate * (g + ((real)0.9) * v));
    }
  }
}
