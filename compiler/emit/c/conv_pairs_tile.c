// The register tile of pairs: as in conv_tile.c, with two input channels a step.
//
//   const pairs w0_0 = mla_load_pairs(wc), w1_0 = mla_load_pairs(wc + 128), w2_0 = mla_load_pairs(wc + 256);
//   const pairs x1 = mla_spread(xc[8]);
//   a0_0 = mla_dot(a0_0, w1_0, x1); a1_0 = mla_dot(a1_0, w0_0, x1); ...
#include "compiler/emit/c/conv_pairs.h"

enum { MAX_LIVE_TAPS = 7 }; // wider kernel rows are summed in several goes

static int live_taps(const TapAxis *axis) {
  const int n_chunks = conv_div_up(axis->n_taps, MAX_LIVE_TAPS);
  return n_chunks > 0 ? conv_div_up(axis->n_taps, n_chunks) : 0;
}

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

// Weights of taps from..to-1 for pair c + u.
static void write_weights(StrBuf *out, const PairTile *tile, int from, int to, int u) {
  for (int k = from; k < to; k++) {
    if (!conv_tap_is_used(tile->axis, tile->run, k)) continue;
    const int64_t kernel = tile->axis->first_kernel + (int64_t)k * tile->axis->kernel_step;
    strbuf_put(out, "      const pairs");
    for (int v = 0; v < tile->n_vecs; v++)
      strbuf_printf(out, "%s w%d_%d = mla_load_pairs(wc + %lld)", v ? "," : "", k, v,
                    (long long)(kernel * tile->w_tap + u * tile->w_pair + v * tile->lanes));
    strbuf_put(out, ";\n");
  }
}

// One source pixel into every accumulator that it belongs to.
static void write_products(StrBuf *out, const PairTile *tile, int from, int to, int j, int u) {
  bool is_loaded = false;
  for (int p = 0; p < tile->run->n_pixels; p++) {
    const int k = j - p * tile->axis->source_step;
    if (k < from || k >= to) continue;
    if (!is_loaded)
      strbuf_printf(out, "      const pairs x%d = mla_spread(xc[%lld]);", j,
                    (long long)((j - tile->run->left) * tile->x_pixel + u));
    is_loaded = true;
    for (int v = 0; v < tile->n_vecs; v++)
      strbuf_printf(out, " a%d_%d = mla_dot(a%d_%d, w%d_%d, x%d);", p, v, p, v, k, v, j);
  }
  if (is_loaded) strbuf_put(out, "\n");
}

static void write_channel_loop(StrBuf *out, const PairTile *tile, int from, int to) {
  const int end = conv_run_end(tile->axis, tile->run);
  strbuf_put(out, "    xc = x;\n    wc = w;\n");
  strbuf_printf(out, "    for (long c = 0; c < %d; c += %d, xc += %d, wc += %lld) {\n", tile->n_pairs,
                tile->unroll, tile->unroll, (long long)(tile->unroll * tile->w_pair));
  for (int u = 0; u < tile->unroll; u++) {
    if (u) strbuf_put(out, "      }\n");
    if (tile->unroll > 1) strbuf_put(out, "      {\n");
    write_weights(out, tile, from, to, u);
    for (int j = tile->run->left; j < end; j++) write_products(out, tile, from, to, j, u);
  }
  strbuf_put(out, tile->unroll > 1 ? "      }\n    }\n" : "    }\n");
}

static bool reads_source(const PairTile *tile) {
  for (int k = 0; k < tile->axis->n_taps; k++)
    if (conv_tap_is_used(tile->axis, tile->run, k)) return true;
  return false;
}

static void write_rows(StrBuf *out, const PairTile *tile) {
  strbuf_put(out, "  const pair *xc, *wc;\n");
  strbuf_printf(out, "  for (; n_rows > 0; n_rows--, x += %lld, w += %lld) {\n", (long long)tile->x_row,
                (long long)tile->w_row);
  const int step = live_taps(tile->axis);
  for (int from = 0; from < tile->axis->n_taps; from += step) {
    const int to = from + step < tile->axis->n_taps ? from + step : tile->axis->n_taps;
    write_channel_loop(out, tile, from, to);
  }
  strbuf_put(out, "  }\n");
}

static void write_stores(StrBuf *out, const PairTile *tile) {
  for (int p = 0; p < tile->run->n_pixels; p++)
    for (int v = 0; v < tile->n_vecs; v++) {
      const long long at = p * tile->y_pixel + v * tile->lanes;
      if (v == tile->n_vecs - 1 && tile->last < tile->lanes)
        strbuf_printf(out, "  mla_store_part(y + %lld, a%d_%d, %d);\n", at, p, v, tile->last);
      else
        strbuf_printf(out, "  mla_store(y + %lld, a%d_%d);\n", at, p, v);
    }
}

void pair_write_tile(StrBuf *out, const char *name, const PairTile *tile) {
  strbuf_printf(out, "// %d pixels x %d output channels.\n", tile->run->n_pixels,
                (tile->n_vecs - 1) * tile->lanes + tile->last);
  strbuf_printf(
      out, "static __attribute__((noinline)) void %s(const pair *x, const pair *w, %s *y, long n_rows) {\n",
      name, tile->y_type);
  strbuf_printf(out, "  MLA_USE(%d)\n", tile->lanes);
  for (int p = 0; p < tile->run->n_pixels; p++) {
    strbuf_put(out, "  vec");
    for (int v = 0; v < tile->n_vecs; v++) strbuf_printf(out, "%s a%d_%d = {0}", v ? "," : "", p, v);
    strbuf_put(out, ";\n");
  }
  if (reads_source(tile))
    write_rows(out, tile);
  else
    strbuf_put(out, "  (void)x, (void)w, (void)n_rows;\n");
  write_stores(out, tile);
  strbuf_put(out, "}\n");
}
