// for  first.conv1.weight
// from  examples/split.mlaan:6  first  = image | conv(16, 3, stride: 2) | bn | relu
//   %1 sgd_step(scalar, [3, 3, 1, 16], [16], [16]) on 3 tensors
// moves 0.003 MiB, 0.000 GFLOP for a batch of 32, in 1 part
void sgd_step_module0_v2(void *const *buf, long batch, void *scratch, int part, int parts) {
  MLA_USE(8)
  static const struct { long state, momentum, count; } table[] = {
    {0, 0, 144}, // first.conv1.weight
    {144, 144, 16}, // first.bn1.weight
    {160, 160, 16}, // first.bn1.bias
  };
  const real rate = *(const real *)buf[0];
  const long total = 176, begin = total * part / parts, end = total * (part + 1) / parts;
  long first = 0;
  for (int k = 0; k < 3; first += table[k++].count) {
    long i = begin > first ? begin - first : 0, stop = end - first;
    if (stop > table[k].count) stop = table[k].count;
    const real *source = buf[1 + k];
    real *state = (real *)buf[4] + table[k].state;
    real *velocity = (real *)buf[5] + table[k].momentum;
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
