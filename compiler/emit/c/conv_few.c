// For every vector of input channels the weights of the kernel row's taps are loaded into registers, one vector for each
// output channel, then every source pixel is loaded once and multiplied into all the sums that it belongs to:
//
//   const vec w0_0 = mla_load(wc), w0_1 = mla_load(wc + 16), w0_2 = mla_load(wc + 32);
//   const vec x1 = (vec)((w16)mla_load(xc + 12) & kept);
//   a0_0 += w1_0 * x1; a0_1 += w1_1 * x1; ... a1_0 += w0_0 * x1; ...
//
// At the end two vectors at a time become one, halves added pairwise as in mla_total, until a vector holds as many sums as
// it has lanes: 16 sums of 16 lanes take 15 times two shuffles and an addition. On AVX-512 12 -> 3 channels, 3x3, run at
// 155 GFLOP/s a core, where lanes of output channels (3 of 16) gave 48. At precision bf16 lanes are pairs of channels.
#include "compiler/emit/c/conv_few.h"

enum { FOLD_COST = 3 }; // in multiply-adds

static int n_vectors(int lanes, int n_in) {
  return conv_div_up(n_in, lanes);
}

// Multiply-adds of vectors for a pixel and tap: n_out for each vector of input channels, against one for each input channel.
bool conv_few_suits(const ConvSpec *spec, int n_taps, int n_in, int n_out) {
  const int lanes = conv_max_lanes(spec);
  if (lanes < 4 || spec->shape.groups > 1 || n_taps == 0) return false;
  const double with_folds = n_out * (n_vectors(lanes, n_in) + (double)FOLD_COST / n_taps);
  return 2 * n_out <= lanes && with_folds < n_in;
}

// A third of the registers for weights.
static int live_taps(const TapAxis *axis, int n_registers, int n_out) {
  const int most = n_registers / 3 / n_out;
  const int n_chunks = conv_div_up(axis->n_taps, most > 0 ? most : 1);
  return n_chunks > 0 ? conv_div_up(axis->n_taps, n_chunks) : 0;
}

int conv_few_max_pixels(const ConvSpec *spec, const TapAxis *axis, int n_out) {
  const int spare = 3; // the source pixel, the lanes that are kept, and one more for the compiler
  const int n_registers = conv_n_registers(spec), more = spec->cut.more_tiles;
  const int room = (n_registers - spare) / n_out - live_taps(axis, n_registers, n_out);
  if (room <= 1) return 1;
  return axis->n_out > 1 ? conv_div_up(axis->n_out, conv_div_up(axis->n_out, room) + more)
                         : conv_div_up(room, 1 + more);
}

int64_t conv_few_tap_elems(int lanes, int n_in, int n_out) {
  return (int64_t)n_vectors(lanes, n_in) * n_out * lanes;
}

void conv_write_few_packing(StrBuf *out, int lanes, int n_taps, int n_in, int n_out, const char *weight) {
  strbuf_printf(out, "      for (long i = 0; i < %lld; i++) w[i] = 0;\n",
                (long long)(n_taps * conv_few_tap_elems(lanes, n_in, n_out)));
  strbuf_printf(out, "      for (long tap = 0; tap < %d; tap++)\n        for (long c = 0; c < %d; c++)\n",
                n_taps, n_in);
  strbuf_printf(out, "          for (long o = 0; o < %d; o++)\n", n_out);
  strbuf_printf(out, "            w[((tap * %d + c / %d) * %d + o) * %d + c %% %d] = %s;\n",
                n_vectors(lanes, n_in), lanes, n_out, lanes, lanes, weight);
}

// ---- folds ----

// The first (second) half of every run of 2 * half lanes of a, then of b.
static void write_pick(StrBuf *out, int lanes, int half, bool is_second) {
  strbuf_printf(out, "mla_pick(%d, a, b", lanes);
  for (int i = 0; i < lanes; i++) {
    const int run = i / half, within = i % half;
    strbuf_printf(out, ", %d", run * 2 * half + within + (is_second ? half : 0));
  }
  strbuf_put(out, ")");
}

void conv_write_few_folds(StrBuf *out, const char *symbol, int lanes) {
  for (int half = lanes / 2; half >= 1; half /= 2) {
    strbuf_printf(out, "// Sums over %d lanes each become sums over %d.\n", 2 * half, half);
    strbuf_printf(out, "MLA_INLINE v%d %s_fold%d(v%d a, v%d b) {\n  return ", lanes, symbol, half, lanes,
                  lanes);
    write_pick(out, lanes, half, false);
    strbuf_put(out, " +\n         ");
    write_pick(out, lanes, half, true);
    strbuf_put(out, ";\n}\n");
  }
}

// Returns the number of vectors s0, s1, .. that hold the sums.
static int write_folding(StrBuf *out, const FewTile *tile) {
  int n = tile->run->n_pixels * tile->n_out;
  const char **names = ARENA_ARRAY(out->arena, const char *, n);
  for (int i = 0; i < n; i++) names[i] = arena_printf(out->arena, "a%d_%d", i / tile->n_out, i % tile->n_out);
  for (int half = tile->lanes / 2; half >= 1; half /= 2) {
    const int n_next = conv_div_up(n, 2);
    for (int i = 0; i < n_next; i++) {
      const char *sums =
          half == 1 ? arena_printf(out->arena, "s%d", i) : arena_printf(out->arena, "f%d_%d", half, i);
      strbuf_printf(out, "  const vec %s = %s_fold%d(%s, %s);\n", sums, tile->symbol, half, names[2 * i],
                    names[2 * i + 1 < n ? 2 * i + 1 : 2 * i]);
      names[i] = sums;
    }
    n = n_next;
  }
  return n;
}

static void write_stores(StrBuf *out, const FewTile *tile) {
  const int n_sums = tile->run->n_pixels * tile->n_out, n_vecs = write_folding(out, tile);
  for (int v = 0; v < n_vecs && tile->y_pixel == tile->n_out; v++) {
    const int n = n_sums - v * tile->lanes;
    if (n < tile->lanes)
      strbuf_printf(out, "  mla_store_part(y + %d, s%d, %d);\n", v * tile->lanes, v, n);
    else
      strbuf_printf(out, "  mla_store(y + %d, s%d);\n", v * tile->lanes, v);
  }
  for (int i = 0; i < n_sums && tile->y_pixel != tile->n_out; i++)
    strbuf_printf(
        out,
        tile->y_type == conv_type(true) ? "  mla_narrow_1(y + %lld, s%d[%d]);\n" : "  y[%lld] = s%d[%d];\n",
        (long long)(i / tile->n_out * tile->y_pixel + i % tile->n_out), i / tile->lanes, i % tile->lanes);
}

// ---- the products ----

static void write_source(StrBuf *out, const FewTile *tile, int j, bool is_part) {
  const long long at = (j - tile->run->left) * tile->x_pixel;
  const ConvTerm *term = tile->term;
  if (is_part)
    strbuf_printf(out, "      const %s x%d = (%s)((w%d)%s(xc + %lld) & kept);", term->vector, j, term->vector,
                  tile->lanes, term->load, at);
  else
    strbuf_printf(out, "      const %s x%d = %s(xc + %lld);", term->vector, j, term->load, at);
}

static void write_product(StrBuf *out, const FewTile *tile, int p, int o, int k, int j) {
  const char *sum = arena_printf(out->arena, "a%d_%d", p, o),
             *weight = arena_printf(out->arena, "w%d_%d", k, o), *source = arena_printf(out->arena, "x%d", j);
  strbuf_printf(out, tile->term->multiply_add, sum, weight, source);
}

// One vector of terms of taps from..to-1.
static void write_products(StrBuf *out, const FewTile *tile, int from, int to, bool is_part) {
  const TapAxis *axis = tile->axis;
  const int64_t w_tap = conv_few_tap_elems(tile->lanes, tile->n_in, tile->n_out);
  for (int k = from; k < to; k++) {
    if (!conv_tap_is_used(axis, tile->run, k)) continue;
    strbuf_printf(out, "      const %s", tile->term->vector);
    for (int o = 0; o < tile->n_out; o++)
      strbuf_printf(
          out, "%s w%d_%d = %s(wc + %lld)", o ? "," : "", k, o, tile->term->load,
          (long long)((axis->first_kernel + (int64_t)k * axis->kernel_step) * w_tap + o * tile->lanes));
    strbuf_put(out, ";\n");
  }
  for (int j = tile->run->left; j < conv_run_end(axis, tile->run); j++) {
    bool is_loaded = false;
    for (int p = 0; p < tile->run->n_pixels; p++) {
      const int k = j - p * axis->source_step;
      if (k < from || k >= to) continue;
      if (!is_loaded) write_source(out, tile, j, is_part);
      is_loaded = true;
      for (int o = 0; o < tile->n_out; o++) write_product(out, tile, p, o, k, j);
    }
    if (is_loaded) strbuf_put(out, "\n");
  }
}

static void write_taps(StrBuf *out, const FewTile *tile, int from, int to) {
  const int n_full = tile->n_in / tile->lanes;
  strbuf_put(out, "    xc = x;\n    wc = w;\n");
  if (n_full > 0) {
    strbuf_printf(out, "    for (long c = 0; c < %d; c++, xc += %d, wc += %d) {\n", n_full, tile->lanes,
                  tile->n_out * tile->lanes);
    write_products(out, tile, from, to, false);
    strbuf_put(out, "    }\n");
  }
  if (tile->n_in % tile->lanes == 0) return;
  strbuf_put(out, "    {\n");
  write_products(out, tile, from, to, true);
  strbuf_put(out, "    }\n");
}

// Lanes behind the last input channel are a neighbour's, which may be NaN: their weights of 0 do not leave them out.
static void write_kept(StrBuf *out, const FewTile *tile) {
  if (tile->n_in % tile->lanes == 0) return;
  strbuf_printf(out, "  const w%d kept = {", tile->lanes);
  for (int i = 0; i < tile->n_in % tile->lanes; i++) strbuf_put(out, i ? ", -1" : "-1");
  strbuf_put(out, "};\n");
}

static void write_rows(StrBuf *out, const FewTile *tile, int step) {
  const int n_taps = tile->axis->n_taps;
  write_kept(out, tile);
  strbuf_printf(out, "  const %s *xc, *wc;\n", tile->term->type);
  strbuf_printf(out, "  for (; n_rows > 0; n_rows--, x += %lld, w += %lld) {\n", (long long)tile->x_row,
                (long long)tile->w_row);
  for (int from = 0; from < n_taps; from += step)
    write_taps(out, tile, from, from + step < n_taps ? from + step : n_taps);
  strbuf_put(out, "  }\n");
}

static bool reads_source(const FewTile *tile) {
  for (int k = 0; k < tile->axis->n_taps; k++)
    if (conv_tap_is_used(tile->axis, tile->run, k)) return true;
  return false;
}

void conv_write_few_tile(StrBuf *out, const char *name, const FewTile *tile) {
  strbuf_printf(out, "// %d pixels x %d output channels, by input channels.\n", tile->run->n_pixels,
                tile->n_out);
  strbuf_printf(out,
                "static __attribute__((noinline)) void %s(const %s *x, const %s *w, %s *y, long n_rows) {\n",
                name, tile->term->type, tile->term->type, tile->y_type);
  strbuf_printf(out, "  MLA_USE(%d)\n", tile->lanes);
  for (int p = 0; p < tile->run->n_pixels; p++) {
    strbuf_put(out, "  vec");
    for (int o = 0; o < tile->n_out; o++) strbuf_printf(out, "%s a%d_%d = {0}", o ? "," : "", p, o);
    strbuf_put(out, ";\n");
  }
  if (reads_source(tile))
    write_rows(out, tile, live_taps(tile->axis, tile->n_registers, tile->n_out));
  else
    strbuf_put(out, "  (void)x, (void)w, (void)n_rows;\n");
  write_stores(out, tile);
  strbuf_put(out, "}\n");
}
