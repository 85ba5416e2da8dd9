// The parts of the gather kernels (forward and input gradient, conv_gather.c), as their files know them.
#pragma once
#include "compiler/emit/c/conv_few.h"
#include "compiler/emit/c/conv_tile.h"

// The source and the result are "x" and "y" whatever they mean to the network.
typedef struct Gather {
  StrBuf *out;
  const char *symbol;
  const ConvSpec *spec;
  bool is_transposed; // input gradient
  bool reads_plain;   // input gradient of a linear layer, from the weight as it is
  int x_h, x_w, x_c, y_h, y_w, y_c;
  const ConvTerm *term;
  const char *x_type, *y_type; // of buffer 0 and of the result
  bool is_copied;              // the source is staged because it does not lie in memory as terms
  bool is_staged;              // by SYMBOL_before: it is copied, or more is done to it
  int x_terms;                 // of a pixel of the source
  int n_in, n_out,
      n_groups; // terms and channels per group; a depthwise convolution is one group with n_in = 1
  bool is_depthwise, is_matrix;
  bool is_few; // lanes are input channels (conv_few.h)
  ChannelRun runs[CONV_MAX_RUNS];
  int n_runs, n_blocks;
  int in_block;   // terms of input channels summed at once, all if not blocked
  bool is_packed; // a block's weights are copied to scratch
  int image_parts, block_parts;
  int turn; // images at a time where the source is staged or something stands around the product; 0: all
} Gather;

// ---- one block of output channels: conv_gather_block.c ----

bool gather_is_blocked(const Gather *gather); // by input channels
TapAxis gather_columns(const Gather *gather, int lattice);
TapAxis gather_matrix_axis(int n_pixels); // a matrix product has as many positions as a tile
int gather_matrix_pixels(const Gather *gather, int n_vecs);
int64_t gather_x_terms(const Gather *gather); // of an image
int64_t gather_x_elems(const Gather *gather);
int64_t gather_y_elems(const Gather *gather);
// What the turn needs beside the product, and the next turn for it, is fetched from memory while the tiles multiply:
// ahead0, ahead1, .., a row of the image at a time. `r`: the run of blocks.
int gather_n_ahead(const Gather *gather, int r);
const char *gather_ahead_list(const Gather *gather, int r, bool with_types);
const char *gather_ahead_type(const Gather *gather, int k);
// Arguments behind the number of images (pixels).
const char *gather_more_args(const Gather *gather);
// SYMBOL_bR(x, w, y, n, ..): n images (pixels of a matrix) of one block of the run.
void gather_write_block(const Gather *gather, int r);

// ---- what is made of the operands before the tiles multiply: conv_gather_pack.c ----

// SYMBOL_before where the source is only copied, as pairs.
void gather_write_copy(const Gather *gather);
// Lines that pack the weights of a block from `from` to `w`, and the terms that these take.
void gather_write_packing(const Gather *gather, const ChannelRun *block);
int64_t gather_packed_terms(const Gather *gather, const ChannelRun *block);
