// for  second.conv1.weight
// from  examples/split.mlaan:7  second = first | conv(32, 3, stride: 2) | bn | relu
//   %1 sgd_step(scalar, [3, 3, 16, 32], [32], [32], [32, 10], [10]) on 5 tensors
// moves 0.095 MiB, 0.000 GFLOP for a batch of 32, in 1 part
void sgd_step_module1(void *const *buf, long batch, void *scratch, int part, int parts) {
  MLA_USE(8)
  static const struct { long state, momentum, count; } table[] = {
    {176, 176, 4608}, // second.conv1.weight
    {4784, 4784, 32}, // second.bn1.weight
    {4816, 4816, 32}, // second.bn1.bias
    {4848, 4848, 320}, // logits.linear1.weight
    {5168, 5168, 10}, // logits.linear1.bias
  };
  const real rate = *(const real *)buf[0];
  const long total = 5002, begin = total * part / parts, end = total * (part + 1) / parts;
  long first = 0;
  for (int k = 0; k < 5; first += table[k++].count) {
    long i = begin > first ? begin - first : 0, stop = end - first;
    if (stop > table[k].count) stop = table[k].count;
    const real *source = buf[1 + k];
    real *state = (real *)buf[6] + table[k].state;
    real *velocity = (real *)buf[7] + table[k].momentum;
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
