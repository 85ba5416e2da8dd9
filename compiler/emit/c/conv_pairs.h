// Convolutions and linear layers at precision bf16: operands rounded to bf16 and multiplied two at a time (mla_dot of the
// prelude), float32 sums. The same kernels as those of conv.h, by the same buffers and partial sums, on tensors that are
// stored as bf16 or as float32 (ConvSpec.x_is_bf16, y_is_bf16); weights are float32 masters. No groups.
#pragma once
#include "compiler/emit/c/conv_tile.h"

ConvKernel conv_write_grad_weight_pairs(StrBuf *out, const char *symbol, const ConvSpec *spec,
                                        int n_partials);

// ---- what they share ----

// `count` neighbouring blocks of n_vecs full vectors of output channels, the first at `offset`; of the last vector of a
// block only `last` lanes are there.
typedef struct PairRun {
  int offset, n_vecs, count, last;
} PairRun;
enum { PAIR_MAX_RUNS = 3 };
// Cuts channels into blocks of at most max_vecs vectors; the block with a vector that is not full is a run of its own.
int pair_cut_channels(int channels, int lanes, int max_vecs, PairRun runs[PAIR_MAX_RUNS]);
int pair_run_blocks(const PairRun *runs, int n_runs);
