// What gelu and its gradient share: the standard normal distribution.
#pragma once
#include "compiler/ops/rules.h"

#define INVERSE_ROOT_2    0.70710678118654752440
#define INVERSE_ROOT_2_PI 0.39894228040143267794

static inline double normal_below(double x) {
  return 0.5 * (1 + erf(x * INVERSE_ROOT_2));
}

static inline const char *emit_normal_below(Emit *emit, const char *x) {
  const char *half = emit_number(emit, 0.5), *root = emit_number(emit, INVERSE_ROOT_2);
  return arena_printf(emit_arena(emit), "%s + %s * mla_erf(%s * %s)", half, half, x, root);
}
