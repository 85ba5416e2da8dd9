// The text of one product of matrices over blocks, from what its two factors are in memory. Names that the pieces of
// text may use: thread, BLOCK_M, BLOCK_N, BLOCK_K, first_row, first_column (of the block, defined in `place` and
// `rows` with n_rows and n_terms), and what the comments here say.
#pragma once
#include "compiler/emit/cuda/around.h"
#include "compiler/emit/cuda/tile.h"
#include "compiler/emit/writer.h"

// How a thread fetches its part of a factor: `lanes` neighbours at a time, along the terms of a sum or along the rows
// (columns). X stands for `left` or `right`; X_term and X_row (right_column) are where the thread begins in the tile.
typedef struct Fetch {
  bool along_terms;
  int lanes;
  const char *
      prepare; // before the loop: what does not depend on the term; may loop over i < X_FETCHES, X_APART apart
  const char *locate; // of a step whose first term is `next`: what all fetches share
  const char *each;   // of fetch i
  const char *inside; // condition of fetch i: else it is zero
  const char *tensor; // what it is fetched from
  const char *at;     // index of its first element there
  // Of input 0: its channel, of the group's, and their number. Fixed: known before the loop, else of the step `next`.
  const char *channel, *n_channels;
  int most_channels;                      // n_channels as a number
  bool has_fixed_channel, keeps_channels; // keeps: the values of all channels are in shared memory
  const Around *around;                   // what comes before the product; NULL: nothing
} Fetch;

typedef struct Product {
  const char *place; // which columns, and how many rows there are
  // Which rows: of the block or, with a reduction behind the product, of each `tile` that its part has.
  const char *rows;
  const char *n_tiles; // a reduction's: all tiles, an expression
  bool has_first_row;  // row 0 of each part's first tile exists
  Fetch left, right;
  const Around *around; // NULL: the product is alone
  const char *result;   // the tensor that is stored, NULL: only what comes behind it is
  const char *target;   // defines `to`, the index there of the block's first column of `row`; may `continue`
  const char *n_columns;
  const char *behind;  // what follows when all is stored; NULL: nothing
  bool stores_vectors; // rows of the result are whole vectors
  int elem_bytes;
  Tile tile;
  int use; // where the choice of the tile is noted, -1: nowhere
} Product;

// Between the multiplication and the store: sum[m][n] is the sum of row first_row + my_row + m / ROW_LANES * ROW_SPREAD +
// m % ROW_LANES and of column my_column + n / COLUMN_LANES * COLUMN_SPREAD + n % COLUMN_LANES of the block. A multiplication
// that deals its sums to threads in another way defines these constants in another way; the store is the same.

// Everything behind the buffers and constants of the kernel, to its closing brace.
void product_write(StrBuf *out, const Product *product);
