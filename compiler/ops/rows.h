// What operators on rows of channels share. A row is one position of one image, or one row of features.
#pragma once
#include "compiler/ops/rules.h"

static inline bool expect_rows(ShapeQuery *query, const char *op, int input) {
  Shape x = query->in[input];
  if (x.rank >= 2 && x.dim[0] == DIM_BATCH) return true;
  return shape_fail(query, input, "%s expects an image or features, x is %s", op,
                    shape_text(query->arena, x));
}

// row_stats has two numbers for each row of x.
static inline Shape row_stats_of(Shape x) {
  x.dim[x.rank - 1] = 2;
  return x;
}

static inline bool expect_row_stats(ShapeQuery *query, const char *op, int x, int stats) {
  if (shape_equal(row_stats_of(query->in[x]), query->in[stats])) return true;
  return shape_fail(query, stats, "%s expects two numbers for each row of %s, they are %s", op,
                    shape_text(query->arena, query->in[x]), shape_text(query->arena, query->in[stats]));
}
