// Forward and input gradient of pairs. The taps are those of conv_gather.c; here each block of output channels first packs
// its weights, rounded, into scratch as pairs of input channels
//
//   packed[kernel rows][kernel columns][pairs of input channels][columns of the block]
//
// (the last pair of an odd number of channels, and the lanes behind the last column, are 0). The source is read in place
// as pairs where it is stored as bf16 and its channels are even in number; else each image (of a matrix: 64 rows at a
// time) is first copied to scratch, rounded and padded.
#include "compiler/emit/c/conv_pairs.h"

#include <stdlib.h>

enum { PART_FLOPS = 8000000, MAX_PARTS = 32, LARGE_WEIGHT = 16 * 1024, COPIED_ROWS = 64 };

typedef struct Pairs {
  StrBuf *out;
  const char *symbol;
  const ConvSpec *spec;
  bool is_transposed; // input gradient
  bool reads_plain;   // input gradient of a linear layer, from the weight as it is
  int x_h, x_w, x_c, y_h, y_w, y_c;
  const char *x_type, *y_type;
  bool is_matrix, is_copied;
  int n_pairs, lanes;
  PairRun runs[PAIR_MAX_RUNS];
  int n_runs, n_blocks;
  int image_parts, block_parts;
} Pairs;

static int min_int(int a, int b) {
  return a < b ? a : b;
}
static int64_t clamp64(int64_t x, int64_t low, int64_t high) {
  return x < low ? low : x > high ? high : x;
}

// ---- choices ----

static int n_remainders(const Pairs *pairs) {
  return pairs->is_transposed ? pairs->spec->shape.stride : 1;
}

static TapAxis row_axis(const Pairs *pairs, int lattice) {
  const ConvSpec *spec = pairs->spec;
  if (!pairs->is_transposed) return conv_forward_axis(spec, spec->shape.kernel_h, pairs->x_h, pairs->y_h);
  return conv_backward_axis(spec, spec->shape.kernel_h, pairs->x_h, pairs->y_h, lattice / spec->shape.stride);
}

static TapAxis column_axis(const Pairs *pairs, int lattice) {
  const ConvSpec *spec = pairs->spec;
  if (!pairs->is_transposed) return conv_forward_axis(spec, spec->shape.kernel_w, pairs->x_w, pairs->y_w);
  return conv_backward_axis(spec, spec->shape.kernel_w, pairs->x_w, pairs->y_w, lattice % spec->shape.stride);
}

// A matrix product has as many positions as a tile.
static TapAxis matrix_axis(int n_pixels) {
  return (TapAxis){1, 0, 0, 1, 1, n_pixels, n_pixels, 0, 1};
}

static int matrix_pixels(const Pairs *pairs, int n_vecs) {
  const TapAxis axis = matrix_axis(1);
  return min_int(conv_tile_max_pixels(pairs->spec, &axis, n_vecs), 16);
}

static int run_width(const Pairs *pairs, const PairRun *run) {
  return run->n_vecs * pairs->lanes;
}

static int64_t packed_pairs(const Pairs *pairs, const PairRun *run) {
  return (int64_t)pairs->spec->shape.kernel_h * pairs->spec->shape.kernel_w * pairs->n_pairs *
         run_width(pairs, run);
}

static int64_t most_packed(const Pairs *pairs) {
  int64_t most = 0;
  for (int r = 0; r < pairs->n_runs; r++) {
    const int64_t n = packed_pairs(pairs, &pairs->runs[r]);
    most = n > most ? n : most;
  }
  return most;
}

// Packing costs a part as much as some dozens of pixels: parts of large weights share the blocks.
static void choose_parts(Pairs *pairs) {
  const ConvSpec *spec = pairs->spec;
  const int64_t n_weights = (int64_t)spec->shape.kernel_h * spec->shape.kernel_w * pairs->x_c * pairs->y_c;
  const int64_t pixels = spec->batch * spec->shape.out_h * spec->shape.out_w;
  const int64_t n_parts = clamp64(2 * pixels * n_weights / PART_FLOPS, 1, MAX_PARTS);
  pairs->block_parts = n_weights > LARGE_WEIGHT ? (int)clamp64(pairs->n_blocks, 1, n_parts) : 1;
  pairs->image_parts = (int)clamp64(n_parts / pairs->block_parts, 1, spec->batch > 0 ? spec->batch : 1);
}

static Pairs pairs_new(StrBuf *out, const char *symbol, const ConvSpec *spec, bool is_transposed) {
  Pairs pairs = {.out = out, .symbol = symbol, .spec = spec, .is_transposed = is_transposed};
  pairs.x_h = spec->shape.in_h, pairs.x_w = spec->shape.in_w, pairs.x_c = spec->shape.in_c;
  pairs.y_h = spec->shape.out_h, pairs.y_w = spec->shape.out_w, pairs.y_c = spec->shape.out_c;
  if (is_transposed) {
    pairs.x_h = spec->shape.out_h, pairs.x_w = spec->shape.out_w, pairs.x_c = spec->shape.out_c;
    pairs.y_h = spec->shape.in_h, pairs.y_w = spec->shape.in_w, pairs.y_c = spec->shape.in_c;
  }
  const bool x_is_bf16 = is_transposed ? spec->y_is_bf16 : spec->x_is_bf16;
  pairs.x_type = conv_type(x_is_bf16);
  pairs.y_type = conv_type(is_transposed ? spec->x_is_bf16 : spec->y_is_bf16);
  pairs.is_matrix = conv_is_matrix(spec);
  pairs.is_copied = !x_is_bf16 || pairs.x_c % 2 != 0;
  pairs.n_pairs = conv_div_up(pairs.x_c, 2);
  pairs.lanes = conv_max_lanes(spec);
  const TapAxis axis = pairs.is_matrix ? matrix_axis(840) : column_axis(&pairs, 0);
  const int n_vecs = conv_tile_best_vecs(spec, &axis, conv_div_up(pairs.y_c, pairs.lanes));
  pairs.n_runs = pair_cut_channels(pairs.y_c, pairs.lanes, n_vecs, pairs.runs);
  pairs.n_blocks = pair_run_blocks(pairs.runs, pairs.n_runs);
  choose_parts(&pairs);
  return pairs;
}

// ---- copying the source, packing the weights ----

static void write_copy(const Pairs *pairs) {
  StrBuf *out = pairs->out;
  ChannelRun runs[CONV_MAX_RUNS];
  const int n_runs = conv_cut_channels(pairs->x_c, pairs->lanes, 1, runs);
  strbuf_printf(out, "static void %s_copy(const %s *x, bf16 *to, long n_pixels) {\n", pairs->symbol,
                pairs->x_type);
  strbuf_printf(out, "  for (; n_pixels > 0; n_pixels--, x += %d, to += %d) {\n", pairs->x_c,
                2 * pairs->n_pairs);
  for (int r = 0; r < n_runs; r++)
    strbuf_printf(
        out,
        "    {\n      MLA_USE(%d)\n      for (long c = %d; c < %d; c += %d) mla_store(to + c, mla_load(x + "
        "c));\n    }\n",
        runs[r].lanes, runs[r].offset, runs[r].offset + runs[r].count * runs[r].lanes, runs[r].lanes);
  if (pairs->x_c % 2) strbuf_printf(out, "    to[%d] = (bf16){0};\n", pairs->x_c);
  strbuf_put(out, "  }\n}\n");
}

// One vector of a row of packed weights, from the rows of two input channels.
static void write_packed_vector(const Pairs *pairs, const PairRun *run, int v, bool has_high) {
  StrBuf *out = pairs->out;
  const int at = v * pairs->lanes;
  if (v < run->n_vecs - 1 || run->last == pairs->lanes) {
    strbuf_printf(out, "      mla_store_pairs(to + %d, mla_pairs(mla_load(low + %d), ", at, at);
    if (has_high)
      strbuf_printf(out, "mla_load(low + %d)));\n", pairs->y_c + at);
    else
      strbuf_put(out, "(vec){0}));\n");
    return;
  }
  const char *high = has_high ? arena_printf(out->arena, "low[%d + o]", pairs->y_c) : "0";
  strbuf_printf(out, "      for (long o = %d; o < %d; o++) to[o] = mla_pairs_1(low[o], %s);\n", at,
                at + run->last, high);
  strbuf_printf(out, "      for (long o = %d; o < %d; o++) to[o] = 0;\n", at + run->last, at + pairs->lanes);
}

static void write_packed_row(const Pairs *pairs, const PairRun *run, bool has_high) {
  for (int v = 0; v < run->n_vecs; v++) write_packed_vector(pairs, run, v, has_high);
}

// From the weight [y_c, x_c]: the block's columns are rows there.
static void write_plain_packing(const Pairs *pairs, const PairRun *run) {
  StrBuf *out = pairs->out;
  const int width = run_width(pairs, run), n_there = width - pairs->lanes + run->last;
  const int odd = pairs->x_c % 2;
  strbuf_printf(out, "  for (long c = 0; c < %d; c++, to += %d) {\n", pairs->n_pairs, width);
  strbuf_printf(out, "    for (long o = 0; o < %d; o++) to[o] = mla_pairs_1(weight[o * %d + 2 * c], ",
                n_there, pairs->x_c);
  if (odd) strbuf_printf(out, "c == %d ? 0 : ", pairs->n_pairs - 1);
  strbuf_printf(out, "weight[o * %d + 2 * c + 1]);\n", pairs->x_c);
  if (n_there < width) strbuf_printf(out, "    for (long o = %d; o < %d; o++) to[o] = 0;\n", n_there, width);
  strbuf_put(out, "  }\n");
}

static void write_packing(const Pairs *pairs, int r) {
  StrBuf *out = pairs->out;
  const PairRun *run = &pairs->runs[r];
  const int width = run_width(pairs, run), whole = pairs->x_c / 2;
  strbuf_printf(out, "static void %s_p%d(const real *weight, pair *to) {\n", pairs->symbol, r);
  if (pairs->reads_plain) {
    write_plain_packing(pairs, run);
  } else {
    strbuf_printf(out, "  MLA_USE(%d)\n", pairs->lanes);
    strbuf_printf(out, "  for (long tap = 0; tap < %d; tap++) {\n",
                  pairs->spec->shape.kernel_h * pairs->spec->shape.kernel_w);
    strbuf_printf(out, "    const real *low = weight + tap * %lld;\n", (long long)pairs->x_c * pairs->y_c);
    strbuf_printf(out, "    for (long c = 0; c < %d; c++, low += %d, to += %d) {\n", whole, 2 * pairs->y_c,
                  width);
    write_packed_row(pairs, run, true);
    strbuf_put(out, "    }\n");
    if (pairs->x_c % 2) {
      strbuf_put(out, "    {\n");
      write_packed_row(pairs, run, false);
      strbuf_printf(out, "      to += %d;\n    }\n", width);
    }
    strbuf_put(out, "  }\n");
  }
  strbuf_put(out, "}\n");
}

// ---- one block of output channels ----

static PairTile make_tile(const Pairs *pairs, const PairRun *block, const TapAxis *rows,
                          const TapAxis *columns, const PixelRun *run) {
  const int64_t width = run_width(pairs, block), w_tap = width * pairs->n_pairs;
  const int body = columns->n_taps * run->n_pixels * block->n_vecs; // products of one pair of channels
  return (PairTile){.axis = columns,
                    .run = run,
                    .lanes = pairs->lanes,
                    .n_vecs = block->n_vecs,
                    .last = block->last,
                    .n_pairs = pairs->n_pairs,
                    .unroll = pairs->n_pairs % 2 == 0 && body > 0 && body < 32 ? 2 : 1,
                    .y_type = pairs->y_type,
                    .x_pixel = pairs->n_pairs,
                    .x_row = (int64_t)pairs->x_w * pairs->n_pairs,
                    .w_pair = width,
                    .w_tap = w_tap,
                    .w_row = rows->kernel_step * pairs->spec->shape.kernel_w * w_tap,
                    .y_pixel = (int64_t)pairs->y_c * columns->out_step};
}

// The loop bounds of one row: `n` kernel rows meet the source, from tap `skip` on.
static void write_row_bounds(StrBuf *out, const TapAxis *axis) {
  const int last = (axis->n_out - 1) * axis->source_step + axis->first + axis->n_taps;
  strbuf_printf(out, "    const long top = row * %d %c %d;\n", axis->source_step, axis->first < 0 ? '-' : '+',
                abs(axis->first));
  strbuf_printf(out, "    const long skip = %s;\n", axis->first < 0 ? "top < 0 ? -top : 0" : "0");
  if (last > axis->n_source)
    strbuf_printf(out, "    const long n = (top + %d > %d ? %d - top : %d) - skip;\n", axis->n_taps,
                  axis->n_source, axis->n_source, axis->n_taps);
  else
    strbuf_printf(out, "    const long n = %d - skip;\n", axis->n_taps);
}

static void write_tile_calls(const Pairs *pairs, const char *tile, const TapAxis *columns,
                             const PixelRun *run) {
  const int64_t x_first = (int64_t)conv_run_source(columns, run) * pairs->n_pairs;
  const int64_t y_first = ((int64_t)run->first * columns->out_step + columns->out_first) * pairs->y_c;
  const int64_t x_step = (int64_t)run->n_pixels * columns->source_step * pairs->n_pairs;
  const int64_t y_step = (int64_t)run->n_pixels * columns->out_step * pairs->y_c;
  if (run->count == 1)
    strbuf_printf(pairs->out, "    %s(from + %lld, taps, to + %lld, n);\n", tile, (long long)x_first,
                  (long long)y_first);
  else
    strbuf_printf(
        pairs->out,
        "    for (long t = 0; t < %d; t++) %s(from + %lld + t * %lld, taps, to + %lld + t * %lld, n);\n",
        run->count, tile, (long long)x_first, (long long)x_step, (long long)y_first, (long long)y_step);
}

// The rows of one lattice of one image, and before them the tiles that they are made of.
static void write_lattice(const Pairs *pairs, int r, int lattice) {
  StrBuf *out = pairs->out;
  const PairRun *block = &pairs->runs[r];
  const TapAxis rows = row_axis(pairs, lattice), columns = column_axis(pairs, lattice);
  if (rows.n_out == 0 || columns.n_out == 0) return;
  PixelRun *runs;
  const int most = conv_tile_max_pixels(pairs->spec, &columns, block->n_vecs);
  const int n_runs = conv_cut_pixels(out->arena, &columns, most, &runs);
  const char **names = ARENA_ARRAY(out->arena, const char *, n_runs);
  for (int i = 0; i < n_runs; i++) {
    const PairTile tile = make_tile(pairs, block, &rows, &columns, &runs[i]);
    names[i] = arena_printf(out->arena, "%s_b%d_l%d_t%d", pairs->symbol, r, lattice, i);
    pair_write_tile(out, names[i], &tile);
  }
  const int64_t w_row = pairs->spec->shape.kernel_w * (int64_t)run_width(pairs, block) * pairs->n_pairs;
  strbuf_put(out, "// The rows of one image");
  if (rows.out_step > 1 || columns.out_step > 1)
    strbuf_printf(out, " from %d in steps of %d, their pixels from %d in steps of %d", rows.out_first,
                  rows.out_step, columns.out_first, columns.out_step);
  strbuf_printf(out, ".\nstatic void %s_b%d_l%d(const pair *x, const pair *w, %s *y) {\n", pairs->symbol, r,
                lattice, pairs->y_type);
  strbuf_printf(out, "  for (long row = 0; row < %d; row++) {\n", rows.n_out);
  write_row_bounds(out, &rows);
  strbuf_printf(out, "    const pair *from = x + (top + skip) * %lld, *taps = w + %lld + skip * %lld;\n",
                (long long)pairs->x_w * pairs->n_pairs, (long long)(rows.first_kernel * w_row),
                (long long)(rows.kernel_step * w_row));
  strbuf_printf(out, "    %s *to = y + (row * %d + %d) * %lld;\n", pairs->y_type, rows.out_step,
                rows.out_first, (long long)pairs->y_w * pairs->y_c);
  for (int i = 0; i < n_runs; i++) write_tile_calls(pairs, names[i], &columns, &runs[i]);
  strbuf_put(out, "  }\n}\n");
}

static void write_image_block(const Pairs *pairs, int r) {
  StrBuf *out = pairs->out;
  const int n_lattices = n_remainders(pairs) * n_remainders(pairs);
  for (int lattice = 0; lattice < n_lattices; lattice++) write_lattice(pairs, r, lattice);
  strbuf_printf(out, "static void %s_b%d(const pair *x, const pair *w, %s *y) {\n", pairs->symbol, r,
                pairs->y_type);
  for (int lattice = 0; lattice < n_lattices; lattice++) {
    if (row_axis(pairs, lattice).n_out == 0 || column_axis(pairs, lattice).n_out == 0) continue;
    strbuf_printf(out, "  %s_b%d_l%d(x, w, y);\n", pairs->symbol, r, lattice);
  }
  strbuf_put(out, "}\n");
}

// Rows of a matrix: tiles of the best height, then of 4 and of 1.
static void write_matrix_block(const Pairs *pairs, int r) {
  StrBuf *out = pairs->out;
  const PairRun *block = &pairs->runs[r];
  const int heights[] = {matrix_pixels(pairs, block->n_vecs), 4, 1}, n_heights = 3;
  for (int i = 0; i < n_heights; i++) {
    const TapAxis axis = matrix_axis(heights[i]);
    const PixelRun run = {0, heights[i], 0, 0, 1};
    const PairTile tile = make_tile(pairs, block, &axis, &axis, &run);
    pair_write_tile(out, arena_printf(out->arena, "%s_b%d_t%d", pairs->symbol, r, i), &tile);
  }
  strbuf_printf(out, "static void %s_b%d(const pair *x, const pair *w, %s *y, long n_pixels) {\n",
                pairs->symbol, r, pairs->y_type);
  for (int i = 0; i < n_heights; i++)
    strbuf_printf(out,
                  "  for (; n_pixels >= %d; n_pixels -= %d, x += %lld, y += %lld) %s_b%d_t%d(x, w, y, 1);\n",
                  heights[i], heights[i], (long long)heights[i] * pairs->n_pairs,
                  (long long)heights[i] * pairs->y_c, pairs->symbol, r, i);
  strbuf_put(out, "}\n");
}

// ---- the kernel ----

// All images, or rows, of the share through one block.
static void write_visits(const Pairs *pairs, int r) {
  StrBuf *out = pairs->out;
  const int64_t x_unit = pairs->is_matrix ? pairs->x_c : (int64_t)pairs->x_h * pairs->x_w * pairs->x_c;
  const int64_t y_unit = pairs->is_matrix ? pairs->y_c : (int64_t)pairs->y_h * pairs->y_w * pairs->y_c;
  const int step = pairs->is_matrix && pairs->is_copied ? COPIED_ROWS : 1;
  const char *n = "", *n_copied = arena_printf(out->arena, "%d", pairs->x_h * pairs->x_w);
  if (pairs->is_matrix && !pairs->is_copied) {
    strbuf_printf(
        out,
        "    %s_b%d((const pair *)(x + begin * %lld), packed, y + begin * %lld + column, stop - begin);\n",
        pairs->symbol, r, (long long)x_unit, (long long)y_unit);
    return;
  }
  strbuf_printf(out, "    for (long n = begin; n < stop; n += %d) {\n", step);
  if (pairs->is_matrix) {
    strbuf_printf(out, "      const long n_rows = stop - n < %d ? stop - n : %d;\n", step, step);
    n = ", n_rows", n_copied = "n_rows";
  }
  if (pairs->is_copied)
    strbuf_printf(out, "      %s_copy(x + n * %lld, (bf16 *)copied, %s);\n", pairs->symbol, (long long)x_unit,
                  n_copied);
  const char *from = pairs->is_copied
                         ? "copied"
                         : arena_printf(out->arena, "(const pair *)(x + n * %lld)", (long long)x_unit);
  strbuf_printf(out, "      %s_b%d(%s, packed, y + n * %lld + column%s);\n    }\n", pairs->symbol, r, from,
                (long long)y_unit, n);
}

static void write_run(const Pairs *pairs, int r, int base) {
  StrBuf *out = pairs->out;
  const PairRun *run = &pairs->runs[r];
  strbuf_printf(out, "  for (long b = first < %d ? %d : first; b < end && b < %d; b++) {\n", base, base,
                base + run->count);
  strbuf_printf(out, "    const long column = %d + (b - %d) * %d;\n", run->offset, base,
                run_width(pairs, run));
  strbuf_printf(out, "    %s_p%d(weight + column%s, packed);\n", pairs->symbol, r,
                pairs->reads_plain ? arena_printf(out->arena, " * %d", pairs->x_c) : "");
  write_visits(pairs, r);
  strbuf_put(out, "  }\n");
}

// A share of the images, or of their pixels in whole tiles if all are rows of one matrix.
static void write_share(const Pairs *pairs) {
  StrBuf *out = pairs->out;
  const int n = pairs->image_parts;
  strbuf_printf(out, "  const long share = part %% %d;\n", n);
  if (pairs->is_matrix)
    strbuf_printf(
        out, "  const long rows = batch * %lld, begin = rows * share / %d, stop = rows * (share + 1) / %d;\n",
        (long long)pairs->y_h * pairs->y_w, n, n);
  else
    strbuf_printf(out, "  const long begin = batch * share / %d, stop = batch * (share + 1) / %d;\n", n, n);
}

static ConvKernel write_pairs(const Pairs *pairs) {
  StrBuf *out = pairs->out;
  const int64_t n_packed = most_packed(pairs);
  const int64_t n_copied =
      pairs->is_copied ? (pairs->is_matrix ? COPIED_ROWS : (int64_t)pairs->x_h * pairs->x_w) * pairs->n_pairs
                       : 0;
  if (pairs->is_copied) write_copy(pairs);
  for (int r = 0; r < pairs->n_runs; r++) {
    write_packing(pairs, r);
    if (pairs->is_matrix)
      write_matrix_block(pairs, r);
    else
      write_image_block(pairs, r);
  }
  strbuf_printf(out, "// Parts: %d shares of the images x %d of the %d blocks of output channels.\n",
                pairs->image_parts, pairs->block_parts, pairs->n_blocks);
  strbuf_printf(out, "void %s(void *const *buf, long batch, void *scratch, int part, int parts) {\n",
                pairs->symbol);
  strbuf_printf(out, "  const %s *x = buf[0];\n  const real *weight = buf[1];\n  %s *y = buf[2];\n",
                pairs->x_type, pairs->y_type);
  strbuf_put(out, "  pair *packed = scratch;\n");
  if (pairs->is_copied) strbuf_printf(out, "  pair *copied = packed + %lld;\n", (long long)n_packed);
  strbuf_put(out, "  (void)parts;\n");
  write_share(pairs);
  strbuf_put(out, "  if (begin == stop) return;\n");
  strbuf_printf(out, "  const long first = part / %d * %d / %d, end = (part / %d + 1) * %d / %d;\n",
                pairs->image_parts, pairs->n_blocks, pairs->block_parts, pairs->image_parts, pairs->n_blocks,
                pairs->block_parts);
  for (int r = 0, base = 0; r < pairs->n_runs; base += pairs->runs[r].count, r++) write_run(pairs, r, base);
  strbuf_put(out, "}\n");
  return (ConvKernel){4 * (n_packed + n_copied), pairs->image_parts * pairs->block_parts};
}

ConvKernel conv_write_forward_pairs(StrBuf *out, const char *symbol, const ConvSpec *spec) {
  const Pairs pairs = pairs_new(out, symbol, spec, false);
  return write_pairs(&pairs);
}

ConvKernel conv_write_grad_input_pairs(StrBuf *out, const char *symbol, const ConvSpec *spec) {
  const Pairs pairs = pairs_new(out, symbol, spec, true);
  return write_pairs(&pairs);
}

ConvKernel conv_write_linear_grad_input_pairs(StrBuf *out, const char *symbol, const ConvSpec *spec) {
  Pairs pairs = pairs_new(out, symbol, spec, true);
  pairs.reads_plain = true;
  return write_pairs(&pairs);
}
