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

// ==== sgd_step_2_tensors
// for  aux0.linear1.weight (1 launch a step: update)
// from  examples/split.mlaan:13  auxiliary head { loss cross_entropy(x | avgpool | linear(classes), label) }
//   %1 sgd_step(scalar, [16, 10], [10]) on 2 tensors
// moves 0.003 MiB, 0.000 GFLOP for a batch of 32, in 1 part
void sgd_step_2_tensors(void *const *buf, long batch, void *scratch, int part, int parts) {
  MLA_USE(8)
  const real rate = *(const real *)buf[0];
  static const struct { long at, count; } table[] = {
    {0, 160},
    {160, 10},
  };
  const long total = 170, begin = total * part / parts, end = total * (part + 1) / parts;
  long first = 0;
  for (int k = 0; k < 2; first += table[k++].count) {
    long i = begin > first ? begin - first : 0, stop = end - first;
    if (stop > table[k].count) stop = table[k].count;
    const real *source = buf[1 + k];
    real *state = (real *)buf[3] + table[k].at;
    real *velocity = (real *)buf[4] + table[k].at;
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

// ==== sgd_step_3_tensors
// for  first.conv1.weight (1 launch a step: update)
// from  examples/split.mlaan:6  first  = image | conv(16, 3, stride: 2) | bn | relu
//   %1 sgd_step(scalar, [3, 3, 1, 16], [16], [16]) on 3 tensors
// moves 0.003 MiB, 0.000 GFLOP for a batch of 32, in 1 part
void sgd_step_3_tensors(void *const *buf, long batch, void *scratch, int part, int parts) {
  MLA_USE(8)
  const real rate = *(const real *)buf[0];
  static const struct { long at, count; } table[] = {
    {0, 144},
    {144, 16},
    {160, 16},
  };
  const long total = 176, begin = total * part / parts, end = total * (part + 1) / parts;
  long first = 0;
  for (int k = 0; k < 3; first += table[k++].count) {
    long i = begin > first ? begin - first : 0, stop = end - first;
    if (stop > table[k].count) stop = table[k].count;
    const real *source = buf[1 + k];
    real *state = (real *)buf[4] + table[k].at;
    real *velocity = (real *)buf[5] + table[k].at;
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

// ==== sgd_step_5_tensors
// for  second.conv1.weight (1 launch a step: update)
// from  examples/split.mlaan:7  second = first | conv(32, 3, stride: 2) | bn | relu
//   %1 sgd_step(scalar, [3, 3, 16, 32], [32], [32], [32, 10], [10]) on 5 tensors
// moves 0.095 MiB, 0.000 GFLOP for a batch of 32, in 1 part
void sgd_step_5_tensors(void *const *buf, long batch, void *scratch, int part, int parts) {
  MLA_USE(8)
  const real rate = *(const real *)buf[0];
  static const struct { long at, count; } table[] = {
    {0, 4608},
    {4608, 32},
    {4640, 32},
    {4672, 320},
    {4992, 10},
  };
  const long total = 5002, begin = total * part / parts, end = total * (part + 1) / parts;
  long first = 0;
  for (int k = 0; k < 5; first += table[k++].count) {
    long i = begin > first ? begin - first : 0, stop = end - first;
    if (stop > table[k].count) stop = table[k].count;
    const real *source = buf[1 + k];
    real *state = (real *)buf[6] + table[k].at;
    real *velocity = (real *)buf[7] + table[k].at;
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
