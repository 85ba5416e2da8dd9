// Between product.c and product_tensor.c: the pieces of a product's text in which multiplying by a thread's own
// arithmetic and by tensor cores differ. Both leave `real sum[THREAD_M][THREAD_N]`: row m of a thread is
// my_row + m / ROW_LANES * ROW_SPREAD + m % ROW_LANES of the block, columns alike. Threads of equal columns are counted by
// `thread_row`, BLOCK_M / THREAD_M of them.
#pragma once
#include "compiler/emit/cuda/product.h"

// Names of one factor's side.
typedef struct Side {
  const char *name, *capital, *type; // left LEFT Left
  const char *block, *item;          // BLOCK_M row
  int extent;                        // the number BLOCK_M
  const Fetch *fetch;
} Side;

// Where a thread stands, and the tiles in shared memory.
void tensor_tiles(StrBuf *out, const Product *product);
// Puts fetch i of a side into its tile.
void tensor_stash(StrBuf *out, const Side *side);
// Adds the products of the tiles at hand to `fragment[THREAD_M / 2][THREAD_N / 2][4]`; when all is summed, `sum` from it.
void tensor_multiply(StrBuf *out, const Product *product);
void tensor_sums(StrBuf *out);

// ---- product_store.c: what becomes of the sums ----
bool store_has_sums(const Product *product);
// STORE_LANES neighbouring columns are a vec.
void store_lanes(StrBuf *out, const Product *product);
void store_put(StrBuf *out, const Product *product);
// Where a reduction comes behind the product: before and after the tiles of the block.
void store_open_sums(StrBuf *out, const Product *product);
void store_close_sums(StrBuf *out, const Product *product);
// Lines of a loop's body, written as if there was no loop.
void store_deeper(StrBuf *out, const char *text);
