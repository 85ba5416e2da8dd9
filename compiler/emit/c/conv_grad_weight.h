// The weight gradient's kernel: how its sums are cut into passes (conv_grad_weight.c), one pass as a C function
// (conv_grad_tile.c), and, of pairs of bf16, what is woven for the passes (conv_weave.c).
#pragma once
#include "compiler/emit/c/conv_parts.h"

// The channels of one side of the weight lie across the lanes (`wide`), those of the other are broadcast one by one
// (`single`).
typedef struct WeightGrad {
  StrBuf *out;
  const char *symbol;
  const ConvSpec *spec;
  const ConvTerm *term;
  bool is_depthwise, is_matrix;
  bool is_by_input; // input channels are wide and gradients are broadcast; else the other way round
  bool is_padded;   // the last vector has more lanes than channels
  int n_wide, n_single, n_groups;
  int n_vecs; // of a pass, 0: by estimate
  ChannelRun wide_runs[CONV_MAX_RUNS], single_runs[CONV_MAX_RUNS];
  int n_wide_runs, n_single_runs, n_tap_runs; // wide kernel rows are summed in several runs of taps
  int64_t sum_row; // from a single channel's sums to the next one's: [kernel_h][kernel_w][n_single][sum_row]
  int n_passes;
  int block_rows, block_images; // of one sweep; of a matrix, block_rows pixels. Pairs: each stands for two
  int64_t x_image, g_image; // from what a pass reads of an image to the next one: all of it, or what is woven
  int turn;                 // images staged at a time, 0: x is read as it is
  bool x_is_bf16;           // as it is or as it is staged
  int n_partials, n_slices;
} WeightGrad;

// One set of accumulators: kernel columns x single channels x vectors of wide channels.
typedef struct GradPass {
  const WeightGrad *grad;
  const ChannelRun *wide, *single, *taps; // single, taps: n_vecs of them
} GradPass;

// static void NAME(const TERM *x, const TERM *g, real *sums, long n_images, long n_rows, long is_first)
void conv_write_grad_pass(const GradPass *pass, const char *name);

// ---- of pairs ----

void conv_choose_woven(WeightGrad *grad); // x_image and g_image
int64_t conv_woven_elems(const WeightGrad *grad);
// Declares `woven_x` and `woven_g`, `at` elements from the beginning of scratch.
void conv_write_woven(const WeightGrad *grad, int64_t at);
// Weaves images (of a matrix: rows) begin..stop of x and g block by block, and sweeps over each.
void conv_write_weaving(const WeightGrad *grad);
