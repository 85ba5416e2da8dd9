// How the weight gradient of pairs cuts channels into blocks.
#include "compiler/emit/c/conv_pairs.h"

int pair_cut_channels(int channels, int lanes, int max_vecs, PairRun runs[PAIR_MAX_RUNS]) {
  const int n_vecs = conv_div_up(channels, lanes), rest = channels - (n_vecs - 1) * lanes;
  const int n_blocks = conv_div_up(n_vecs, max_vecs), small = n_vecs / n_blocks, n_large = n_vecs % n_blocks;
  int n_runs = 0, offset = 0;
  if (n_large) runs[n_runs++] = (PairRun){0, small + 1, n_large, lanes};
  offset = n_large * (small + 1) * lanes;
  const int n_full = n_blocks - n_large - (rest < lanes);
  if (n_full) runs[n_runs++] = (PairRun){offset, small, n_full, lanes};
  offset += n_full * small * lanes;
  if (rest < lanes) runs[n_runs++] = (PairRun){offset, small, 1, rest};
  return n_runs;
}

int pair_run_blocks(const PairRun *runs, int n_runs) {
  int n = 0;
  for (int i = 0; i < n_runs; i++) n += runs[i].count;
  return n;
}
