// What a product takes in (see ir/kernel.h), as text: the lines of the operators that come before and behind it.
#pragma once
#include "compiler/emit/writer.h"

// Lines for one vec of a tensor, channels from `c`.
typedef struct AroundLines {
  const char *channel;     // values per channel; NULL: there are none
  const char *const *kept; // of these, what `element` names
  int n_kept;
  const char *element; // for the vec at index `e`; NULL: nothing comes here
} AroundLines;

typedef struct Around {
  AroundLines before;           // from `fetched` to
  const char *operand;          // this variable
  AroundLines behind;           // from `product`; ends with the stores
  int most_lanes;               // of a vec, as the operands' places in memory allow
  const char *buffers;          // declarations of all but the product's own, and numbers of rows
  int n_buffers, result_buffer; // in all; the product's result, -1: it is not stored
  // Sums behind the product, lines `s0 += ..`:
  int n_sums; // 0: none
  int parts, ticket_buffer;
  int64_t channels, row; // of a sum; elements of a part's row: the sums and the pivot
  const char *pivot,
      *pivot_lines;    // the value whose first one is `p0`, and the lines up to it; NULL: no pivot
  const char *totals;  // of column `c`, from all parts: defines sum0, ..; all threads of the block run this
  const char *results; // stores what follows from them
} Around;

// NULL where the group's product takes in nothing of the kind. `refs`: all buffers in order, the first two those of the
// product's operands as they are in memory; `n`: their number.
const Around *cuda_around(Emit *emit, BufferRef **refs, int *n);
