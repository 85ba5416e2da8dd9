// One register tile. For every input channel the weights of the kernel row's taps are loaded into registers,
// then every source pixel is broadcast once and multiplied into all the accumulators that it belongs to:
//
//   const vec w0_0 = mla_load(wc), w1_0 = mla_load(wc + 256), w2_0 = mla_load(wc + 512);
//   const vec x1 = mla_vec(xc[16]);
//   a0_0 += w1_0 * x1; a1_0 += w0_0 * x1; ...
//
// so a 3-tap row of 16 pixels takes 21 loads for 48 multiply-adds. With pairs of bf16 an input channel is two of them:
// mla_load_pairs, mla_spread and a0_0 = mla_dot(a0_0, w1_0, x1).
#include "compiler/emit/c/conv_tile.h"

enum { MAX_LIVE_TAPS = 7 }; // wider kernel rows are summed in several goes

static int live_taps(const TapAxis *axis) {
  const int n_chunks = conv_div_up(axis->n_taps, MAX_LIVE_TAPS);
  return n_chunks > 0 ? conv_div_up(axis->n_taps, n_chunks) : 0;
}

int conv_tile_max_pixels(const ConvSpec *spec, const TapAxis *axis, int n_vecs) {
  const int spare = 2; // the broadcast input and one more for the compiler
  const int room = (conv_n_registers(spec) - spare) / n_vecs - live_taps(axis), more = spec->cut.more_tiles;
  if (room <= 1) return 1;
  return axis->n_out > 1 ? conv_div_up(axis->n_out, conv_div_up(axis->n_out, room) + more)
                         : conv_div_up(room, 1 + more);
}

// Loads per multiply-add; weights count twice because they may come from the second-level cache.
static double tile_cost(const ConvSpec *spec, const TapAxis *axis, int n_vecs) {
  const int n_tiles = conv_div_up(axis->n_out, conv_tile_max_pixels(spec, axis, n_vecs));
  const double n_pixels = (double)axis->n_out / n_tiles, n_taps = axis->n_taps > 0 ? axis->n_taps : 1;
  const double n_loads = 2 * n_taps * n_vecs + (n_pixels - 1) * axis->source_step + n_taps;
  return n_loads / (n_taps * n_pixels * n_vecs);
}

int conv_tile_best_vecs(const ConvSpec *spec, const TapAxis *axis, int n_vecs) {
  int best = 1;
  const int given = spec->cut.n_vecs;
  if (given > 0 && given <= n_vecs && live_taps(axis) * given <= conv_n_registers(spec) / 2) return given;
  for (int try = 2; try <= 4 && try <= n_vecs; try++) {
    if (live_taps(axis) * try > conv_n_registers(spec) / 2) break;
    if (tile_cost(spec, axis, try) < tile_cost(spec, axis, best)) best = try;
  }
  return best;
}

// Weights of taps from..to-1 for term c + u.
static void write_weights(StrBuf *out, const Tile *tile, int from, int to, int u) {
  for (int k = from; k < to; k++) {
    if (!conv_tap_is_used(tile->axis, tile->run, k)) continue;
    const int64_t kernel = tile->axis->first_kernel + (int64_t)k * tile->axis->kernel_step;
    strbuf_printf(out, "      const %s", tile->term->vector);
    for (int v = 0; v < tile->n_vecs; v++)
      strbuf_printf(out, "%s w%d_%d = %s(wc + %lld)", v ? "," : "", k, v, tile->term->load,
                    (long long)(kernel * tile->w_tap + u * tile->w_in + v * tile->lanes));
    strbuf_put(out, ";\n");
  }
}

static void write_source(StrBuf *out, const Tile *tile, int j, int u) {
  const long long at = (j - tile->run->left) * tile->x_pixel + u;
  const ConvTerm *term = tile->term;
  strbuf_put(out, "      ");
  if (!tile->is_depthwise) {
    strbuf_printf(out, "const %s x%d_0 = %s(xc[%lld]);", term->vector, j, term->spread, at);
    return;
  }
  for (int v = 0; v < tile->n_vecs; v++)
    strbuf_printf(out, "const %s x%d_%d = %s(xc + %lld);", term->vector, j, v, term->load,
                  at + v * tile->lanes);
}

static void write_product(StrBuf *out, const Tile *tile, int p, int v, int k, int j) {
  const char *sum = arena_printf(out->arena, "a%d_%d", p, v),
             *weight = arena_printf(out->arena, "w%d_%d", k, v),
             *source = arena_printf(out->arena, "x%d_%d", j, tile->is_depthwise ? v : 0);
  strbuf_printf(out, tile->term->multiply_add, sum, weight, source);
}

// One source pixel into every accumulator that it belongs to.
static void write_products(StrBuf *out, const Tile *tile, int from, int to, int j, int u) {
  bool is_loaded = false;
  for (int p = 0; p < tile->run->n_pixels; p++) {
    const int k = j - p * tile->axis->source_step;
    if (k < from || k >= to) continue;
    if (!is_loaded) write_source(out, tile, j, u);
    is_loaded = true;
    for (int v = 0; v < tile->n_vecs; v++) write_product(out, tile, p, v, k, j);
  }
  if (is_loaded) strbuf_put(out, "\n");
}

static void write_channel_loop(StrBuf *out, const Tile *tile, int from, int to) {
  const int end = conv_run_end(tile->axis, tile->run);
  strbuf_put(out, "    xc = x;\n    wc = w;\n");
  if (tile->is_blocked) {
    strbuf_put(out, "    for (long c = 0; c < n_in;");
  } else {
    strbuf_printf(out, "    for (long c = 0; c < %d;", tile->n_in);
  }
  strbuf_printf(out, " c += %d, xc += %d, wc += %lld) {\n", tile->unroll, tile->unroll,
                (long long)(tile->unroll * tile->w_in));
  for (int u = 0; u < tile->unroll; u++) {
    if (u) strbuf_put(out, "      }\n");
    if (tile->unroll > 1) strbuf_put(out, "      {\n");
    write_weights(out, tile, from, to, u);
    for (int j = tile->run->left; j < end; j++) write_products(out, tile, from, to, j, u);
  }
  strbuf_put(out, tile->unroll > 1 ? "      }\n    }\n" : "    }\n");
}

static bool is_part(const Tile *tile, int v) {
  return tile->lacking > 0 && v == tile->n_vecs - 1;
}

static void write_stores(StrBuf *out, const Tile *tile) {
  for (int p = 0; p < tile->run->n_pixels; p++)
    for (int v = 0; v < tile->n_vecs; v++) {
      const long long at = p * tile->y_pixel + v * tile->lanes;
      if (is_part(tile, v))
        strbuf_printf(out, "  mla_store_part(y + %lld, a%d_%d, %d);\n", at, p, v,
                      tile->lanes - tile->lacking);
      else
        strbuf_printf(out, "  mla_store(y + %lld, a%d_%d);\n", at, p, v);
    }
}

static void write_accumulators(StrBuf *out, const Tile *tile) {
  for (int p = 0; p < tile->run->n_pixels; p++) {
    strbuf_put(out, "  vec");
    for (int v = 0; v < tile->n_vecs; v++) strbuf_printf(out, "%s a%d_%d = {0}", v ? "," : "", p, v);
    strbuf_put(out, ";\n");
  }
  if (!tile->is_blocked) return;
  strbuf_put(out, "  if (!is_first) {\n");
  for (int p = 0; p < tile->run->n_pixels; p++)
    for (int v = 0; v < tile->n_vecs; v++) {
      const long long at = p * tile->y_pixel + v * tile->lanes;
      if (is_part(tile, v))
        strbuf_printf(out, "    a%d_%d = mla_load_part(y + %lld, %d);\n", p, v, at,
                      tile->lanes - tile->lacking);
      else
        strbuf_printf(out, "    a%d_%d = mla_load(y + %lld);\n", p, v, at);
    }
  strbuf_put(out, "  }\n");
}

static bool reads_source(const Tile *tile) {
  return tile->axis->n_taps > 0 &&
         tile->run->left + tile->run->right < conv_tile_span(tile->axis, tile->run->n_pixels);
}

void conv_write_tile(StrBuf *out, const char *name, const Tile *tile) {
  strbuf_printf(out, "// %d pixels x %d output channels", tile->run->n_pixels,
                tile->n_vecs * tile->lanes - tile->lacking);
  if (tile->run->left + tile->run->right > 0)
    strbuf_printf(out, "; %d columns left and %d right are padding", tile->run->left, tile->run->right);
  strbuf_put(out, ".\n");
  strbuf_printf(
      out, "static __attribute__((noinline)) void %s(const %s *x, const %s *w, %s *y, long n_rows%s) {\n",
      name, tile->term->type, tile->term->type, tile->y_type,
      tile->is_blocked ? ", long n_in, long is_first" : "");
  strbuf_printf(out, "  MLA_USE(%d)\n", tile->lanes);
  write_accumulators(out, tile);
  if (reads_source(tile)) {
    strbuf_printf(out, "  const %s *xc, *wc;\n  for (; n_rows > 0; n_rows--, x += %lld, w += %lld) {\n",
                  tile->term->type, (long long)tile->x_row, (long long)tile->w_row);
    const int step = live_taps(tile->axis);
    for (int from = 0; from < tile->axis->n_taps; from += step) {
      const int to = from + step < tile->axis->n_taps ? from + step : tile->axis->n_taps;
      write_channel_loop(out, tile, from, to);
    }
    strbuf_put(out, "  }\n");
  } else {
    strbuf_printf(out, "  (void)x, (void)w, (void)n_rows%s;\n", tile->is_blocked ? ", (void)n_in" : "");
  }
  write_stores(out, tile);
  strbuf_put(out, "}\n");
}
