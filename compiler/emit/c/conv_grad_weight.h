// The weight gradient's kernel: how its sums are cut into passes (conv_grad_weight.c), and one pass as a C function
// (conv_grad_tile.c).
#pragma once
#include "compiler/emit/c/conv_parts.h"

// The channels of one side of the weight lie across the lanes (`wide`), those of the other are broadcast one by one
// (`single`).
typedef struct WeightGrad {
  StrBuf *out;
  const char *symbol;
  const ConvSpec *spec;
  bool is_depthwise, is_matrix;
  bool is_by_input; // input channels are wide and gradients are broadcast; else the other way round
  bool is_padded;   // the last vector has more lanes than channels
  int n_wide, n_single, n_groups;
  int n_vecs; // of a pass, 0: by estimate
  ChannelRun wide_runs[CONV_MAX_RUNS], single_runs[CONV_MAX_RUNS];
  int n_wide_runs, n_single_runs, n_tap_runs; // wide kernel rows are summed in several runs of taps
  int64_t sum_row; // from a single channel's sums to the next one's: [kernel_h][kernel_w][n_single][sum_row]
  int n_passes;
  int block_rows, block_images; // of one sweep; of a matrix, block_rows pixels
  int turn;                     // images staged at a time, 0: x is read as it is
  int n_partials, n_slices;
} WeightGrad;

// One set of accumulators: kernel columns x single channels x vectors of wide channels.
typedef struct GradPass {
  const WeightGrad *grad;
  const ChannelRun *wide, *single, *taps; // single, taps: n_vecs of them
} GradPass;

// static void NAME(const real *x, const real *g, real *sums, long n_images, long n_rows, long is_first)
void conv_write_grad_pass(const GradPass *pass, const char *name);
