// The register tile of forward and grad_input kernels with few output channels, such as a decoder's 12 -> 3: lanes are
// input channels, and each pixel of each output channel has a vector of sums that is folded at the end.
#pragma once
#include "compiler/emit/c/conv_parts.h"

// As Tile in conv_tile.h; the written function has the same parameters. Lanes are terms of input channels. Weights are
// packed (conv_write_few_packing): [kernel rows][kernel columns][vectors of terms][output channels][lanes].
typedef struct FewTile {
  const TapAxis *axis; // columns
  const PixelRun *run;
  const char *symbol; // of the kernel, for its folds
  const ConvTerm *term;
  const char *y_type;
  int n_registers, lanes, n_in, n_out;
  int64_t x_pixel, x_row, w_row, y_pixel;
} FewTile;

// Whether lanes are better used by the input channels, of which there are n_in terms.
bool conv_few_suits(const ConvSpec *spec, int n_taps, int n_in, int n_out);
int conv_few_max_pixels(const ConvSpec *spec, const TapAxis *axis, int n_out);
int64_t conv_few_tap_elems(int lanes, int n_in, int n_out); // of packed weights
// The functions that add up lanes: once a kernel, in front of its tiles.
void conv_write_few_folds(StrBuf *out, const char *symbol, int lanes);
void conv_write_few_tile(StrBuf *out, const char *name, const FewTile *tile);
// Packs the weights to `w`. `weight`: that of a `tap`, term `c` and output channel `o`.
void conv_write_few_packing(StrBuf *out, int lanes, int n_taps, int n_in, int n_out, const char *weight);
