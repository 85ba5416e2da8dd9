// The supervised contrastive loss (Khosla et al., 2020) over rows f of unit length. With l_ab = f_a.f_b / temperature and
// P(a) the other rows of a's class, anchor a costs
//   log sum_{b != a} exp l_ab  -  mean_{p in P(a)} l_ap,      or 0 if P(a) is empty.
// contrast_rows computes this for each anchor, contrast takes the mean over all, contrast_grad goes back.
#pragma once
#include "compiler/ops/pairs.h"

enum { CONTRAST_TEMPERATURE };
// Columns of contrast_rows.
enum { CONTRAST_COST, CONTRAST_LOG_SUM, CONTRAST_POSITIVES, CONTRAST_COLUMNS };

#define CONTRAST_ATTRS                                                                                       \
  { "temperature", ATTR_REAL, false, 0.07, "divides the similarities" }

static inline bool contrast_operands(ShapeQuery *query, int rows, int labels) {
  return rows_and_labels(query, "contrast", rows, labels) &&
         expect_positive(query, "contrast", "temperature", query->attr[CONTRAST_TEMPERATURE].r);
}
