// The register tile of the forward and grad_input kernels, as one C function.
#pragma once
#include "compiler/emit/c/conv_parts.h"

// n_pixels x n_vecs accumulators, summed over a run of kernel rows, the columns of one kernel row and the
// input channels, which come as terms (conv_parts.h): one by one or as pairs. Strides are in terms, those of y in
// elements. The written function is
//   static void NAME(const TERM *x, const TERM *w, Y *y, long n_rows [, long n_in, long is_first])
// x: the tile's first source pixel inside the image; w: the first kernel row's weights of this block; y: the
// first result. With `is_blocked`, it sums n_in of the terms and adds to y unless is_first.
typedef struct Tile {
  const TapAxis *axis; // columns
  const PixelRun *run;
  const ConvTerm *term;
  const char *y_type;
  int lanes, n_vecs, lacking; // lanes of the last vector that are not in y
  int n_in, unroll;           // terms per group; unroll divides them
  bool is_depthwise;          // channel k of the result reads channel k alone
  bool is_blocked;
  int64_t x_pixel, x_row, w_in, w_tap, w_row, y_pixel;
} Tile;

// The largest number of pixels for n_vecs vectors of output channels that leaves room for weights and an
// input.
int conv_tile_max_pixels(const ConvSpec *spec, const TapAxis *axis, int n_vecs);
// How many vectors of output channels, of n_vecs there are, a tile should hold.
int conv_tile_best_vecs(const ConvSpec *spec, const TapAxis *axis, int n_vecs);
void conv_write_tile(StrBuf *out, const char *name, const Tile *tile);
