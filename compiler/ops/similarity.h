// The similarity-matching loss of PredSim (Nokland and Eidnes, 2019): the mean over all pairs of (R_ab - T_ab)^2, where
// R_ab = clamp(u_a.u_b, -1, 1) for the centred rows u of about unit length, and T_ab is the same of the labels' one-hot
// rows. T_ab takes two values: one for a pair of one class, one for a pair of two.
#pragma once
#include "compiler/ops/pairs.h"

enum { SIMILARITY_CLASSES };
#define SIMILARITY_ATTRS                                                                                     \
  { "classes", ATTR_INT, true, 0, "number of classes" }

static inline bool similarity_operands(ShapeQuery *query, int rows, int labels) {
  return rows_and_labels(query, "similarity", rows, labels) &&
         expect_range(query, "similarity", "classes", query->attr[SIMILARITY_CLASSES].i, 2);
}

// Centred, a one-hot row has 1 - 1/classes once and -1/classes elsewhere; products of two such rows are 1 - 1/classes
// and -1/classes. Rows are divided by their norm plus 1e-8.
static inline double similarity_target(const Attr *attr, bool is_same) {
  double share = 1 / (double)attr[SIMILARITY_CLASSES].i, size = 1e-8 + sqrt(1 - share);
  return fmax(-1, (is_same ? 1 - share : -share) / (size * size));
}

static inline double clamp_similarity(double r) {
  return fmin(fmax(r, -1), 1);
}
