// Between product.c and product_tensor.c: the pieces of a product's text in which multiplying by a thread's own
// arithmetic and by tensor cores differ. Both leave `real sum[THREAD_M][THREAD_N]`: row m of a thread is
// my_row + m / ROW_LANES * ROW_SPREAD + m % ROW_LANES of the block, columns alike.
#pragma once
#include "compiler/emit/cuda/product.h"

// Names of one factor's side.
typedef struct Side {
  const char *name, *capital, *type; // left LEFT Left
  const char *block, *item;          // BLOCK_M row
  int extent;                        // the number BLOCK_M
  const Fetch *fetch;
} Side;

void product_column_vector(StrBuf *out); // the type of a thread's neighbouring columns

// Where a thread stands, and the tiles in shared memory.
void tensor_tiles(StrBuf *out, const Product *product);
// Puts fetch i of a side into its tile.
void tensor_stash(StrBuf *out, const Side *side);
// Adds the products of the tiles at hand to `fragment[THREAD_M / 2][THREAD_N / 2][4]`; when all is summed, `sum` from it.
void tensor_multiply(StrBuf *out, const Product *product);
void tensor_sums(StrBuf *out);
