// Operators whose result has a shape given by attributes: rank, then d0..d3 (-1 for the batch).
#pragma once
#include "compiler/ops/rules.h"

enum { TARGET_RANK, TARGET_D0, N_TARGET_ATTRS = TARGET_D0 + MAX_RANK };

#define TARGET_ATTRS                                                                                         \
  {"rank", ATTR_INT, true, 0, "number of extents of the result"},                                            \
      {"d0", ATTR_INT, false, 0, "first extent, -1 for the batch"},                                          \
      {"d1", ATTR_INT, false, 0, "second extent"}, {"d2", ATTR_INT, false, 0, "third extent"}, {             \
    "d3", ATTR_INT, false, 0, "fourth extent"                                                                \
  }

static inline Shape target_shape(const Attr *attr) {
  Shape shape = {.rank = (int)attr[TARGET_RANK].i};
  for (int i = 0; i < shape.rank; i++) shape.dim[i] = attr[TARGET_D0 + i].i;
  return shape;
}

static inline void target_set(Attr *attr, Shape shape) {
  attr[TARGET_RANK].i = shape.rank;
  for (int i = 0; i < MAX_RANK; i++) attr[TARGET_D0 + i].i = i < shape.rank ? shape.dim[i] : 0;
}
