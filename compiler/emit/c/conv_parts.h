// What the convolution writers share: how channels are cut into vectors, how a row of pixels is cut into
// register tiles, and the tile itself.
#pragma once
#include "compiler/emit/c/conv.h"

enum { CONV_MAX_RUNS = 8 };

// What is multiplied in a sum: numbers, or pairs of bf16 whose products are added at once (prelude: mla_dot).
typedef struct ConvTerm {
  const char *type;         // "real", "pair": as it lies in memory
  const char *vector;       // "vec", "pairs": in registers
  const char *load;         // "mla_load"
  const char *spread;       // "mla_vec": one in every lane
  const char *multiply_add; // format of a statement, from the sum and two factors
} ConvTerm;
const ConvTerm *conv_term(const ConvSpec *spec);
int conv_n_terms(const ConvSpec *spec, int channels);
const char *conv_type(bool is_bf16); // "bf16", "real": of a tensor

// `count` neighbouring blocks of channels, each of n_vecs vectors of `lanes` lanes, the first at channel
// `offset`. `lacking` lanes of the last vector lie beyond the channels: they are neither loaded nor stored.
typedef struct ChannelRun {
  int offset, lanes, n_vecs, count, lacking;
} ChannelRun;

// Cuts channels into blocks of at most max_vecs full vectors, of nearly equal size, and the rest into one
// vector each of half the lanes, a quarter, ...: 44 channels at 16 lanes and 2 vectors are 32 + 8 + 4.
// Returns the number of runs.
int conv_cut_channels(int channels, int max_lanes, int max_vecs, ChannelRun runs[CONV_MAX_RUNS]);
// The same with the whole rest in one vector of at least `min_lanes` lanes, some of which may be lacking: 44 channels
// are 32 + 12 of 16.
int conv_cut_padded(int channels, int min_lanes, int max_lanes, int max_vecs, ChannelRun runs[CONV_MAX_RUNS]);
int conv_run_blocks(const ChannelRun *runs, int n_runs); // sum of the counts

// The taps of one axis: tap k of output position p reads source position source_step * p + first + k, and is
// row first_kernel + k * kernel_step of the kernel.
typedef struct TapAxis {
  int n_taps, first, first_kernel, kernel_step;
  int source_step;
  int n_out, n_source;     // positions along the axis
  int out_first, out_step; // output position p is element out_first + out_step * p of the result
} TapAxis;

// Along an axis of the convolution, `kernel` taps, `n_source` positions of x, `n_out` of y.
TapAxis conv_forward_axis(const ConvSpec *spec, int kernel, int n_source, int n_out);
// The input gradient at positions remainder, remainder + stride, ..., from `n_source` positions of g.
TapAxis conv_backward_axis(const ConvSpec *spec, int kernel, int n_source, int n_out, int remainder);

// `count` neighbouring tiles of n_pixels output positions with the same taps inside the source. Of the source
// positions a tile touches, the first `left` and the last `right` lie outside.
typedef struct PixelRun {
  int first, n_pixels, left, right, count;
} PixelRun;

int conv_tile_span(const TapAxis *axis, int n_pixels);      // source positions that a tile touches
int conv_run_end(const TapAxis *axis, const PixelRun *run); // the first of them behind the source
bool conv_tap_is_used(const TapAxis *axis, const PixelRun *run, int k); // reads from inside the source
// Cuts the axis into tiles of nearly equal size, at most max_pixels. Returns the number of runs.
int conv_cut_pixels(Arena *arena, const TapAxis *axis, int max_pixels, PixelRun **runs);
// Index of the first source position inside the source that the first tile of the run touches.
int conv_run_source(const TapAxis *axis, const PixelRun *run);

int conv_max_lanes(const ConvSpec *spec);
int conv_n_registers(const ConvSpec *spec);
// Pointwise with stride 1: every pixel is a row of a matrix.
bool conv_is_matrix(const ConvSpec *spec);
bool conv_is_depthwise(const ConvSpec *spec);
int conv_div_up(int a, int b);
