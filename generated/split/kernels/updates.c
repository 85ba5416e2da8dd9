// kernels/updates.c of `small`: 5 kernels, in the order in which a step first comes to them.
#include "../prelude.h"

// ==== running_step_16
// for  first.bn1.running_mean (1 launch a step: update)
// from  examples/split.mlaan:6  first  = image | conv(16, 3, stride: 2) | bn | relu
//   %1 running_step([2, 16]) on 2 tensors
// moves 0.000 MiB, 0.000 GFLOP for a batch of 32, in 1 part
void running_step_16(void *const *buf, long batch, void *scratch, int part, int parts) {
  MLA_USE(8)
  const real *stats = buf[0]; // [2][16]
  real *mean = buf[1], *var = buf[2];
  const real n = (real)(batch * 196);
  const real unbiased = n > 1 ? n / (n - 1) : 1;
  for (long c = 0; c < 16; c += 8) {
    mla_store(mean + c, ((real)0.9) * mla_load(mean + c) + ((real)0.1) * mla_load(stats + c));
    mla_store(var + c, ((real)0.9) * mla_load(var + c) + ((real)0.1) * unbiased * mla_load(stats + 16 + c));
  }
}

// ==== sgd_step_module0
// for  aux0.linear1.weight (1 launch a step: update)
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

// ==== sgd_step_module0_v2
// for  first.conv1.weight (1 launch a step: update)
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

// ==== running_step_32
// for  second.bn1.running_mean (1 launch a step: update)
// from  examples/split.mlaan:7  second = first | conv(32, 3, stride: 2) | bn | relu
//   %1 running_step([2, 32]) on 2 tensors
// moves 0.000 MiB, 0.000 GFLOP for a batch of 32, in 1 part
void running_step_32(void *const *buf, long batch, void *scratch, int part, int parts) {
  MLA_USE(8)
  const real *stats = buf[0]; // [2][32]
  real *mean = buf[1], *var = buf[2];
  const real n = (real)(batch * 49);
  const real unbiased = n > 1 ? n / (n - 1) : 1;
  for (long c = 0; c < 32; c += 8) {
    mla_store(mean + c, ((real)0.9) * mla_load(mean + c) + ((real)0.1) * mla_load(stats + c));
    mla_store(var + c, ((real)0.9) * mla_load(var + c) + ((real)0.1) * unbiased * mla_load(stats + 32 + c));
  }
}

// ==== sgd_step_module1
// for  second.conv1.weight (1 launch a step: update)
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
