// Forward and input gradient: every result pixel gathers from source pixels, tap by tap. The forward pass has
// one lattice of result pixels; the input gradient of a convolution with stride s has s x s, one for each
// remainder of the coordinates, and each lattice has only the taps that meet it (no zeros are multiplied).
// All that differs is the taps and the text; here the source and the result are "x" and "y" whatever they
// mean to the network.
#include "compiler/emit/c/conv_tile.h"

#include <stdlib.h>

enum {
  PART_FLOPS = 4000000,
  MAX_PARTS = 32,
  PACKED_BYTES = 512 * 1024,
  CACHE_LINE = 64,
  MIN_PREFETCHED = 16
};

typedef struct Gather {
  StrBuf *out;
  const char *symbol;
  const ConvSpec *spec;
  bool is_transposed; // input gradient
  bool reads_plain;   // input gradient of a linear layer, from the weight as it is
  int x_h, x_w, x_c, y_h, y_w, y_c;
  int n_in, n_out, n_groups; // channels per group; a depthwise convolution is one group with n_in = 1
  bool is_depthwise, is_matrix;
  ChannelRun runs[CONV_MAX_RUNS];
  int n_runs, n_blocks;
  int in_block;   // input channels summed at once, all if not blocked
  bool is_packed; // a block's weights are copied to scratch
  int image_parts, block_parts;
  int turn; // images at a time where something stands around the product; 0: all
} Gather;

static int min_int(int a, int b) {
  return a < b ? a : b;
}
static int64_t clamp64(int64_t x, int64_t low, int64_t high) {
  return x < low ? low : x > high ? high : x;
}

// ---- taps
// -----------------------------------------------------------------------------------------------------

static int n_remainders(const Gather *gather) {
  return gather->is_transposed ? gather->spec->stride : 1;
}

static TapAxis row_axis(const Gather *gather, int lattice) {
  const ConvSpec *spec = gather->spec;
  if (!gather->is_transposed) return conv_forward_axis(spec, spec->kernel_h, gather->x_h, gather->y_h);
  return conv_backward_axis(spec, spec->kernel_h, gather->x_h, gather->y_h, lattice / spec->stride);
}

static TapAxis column_axis(const Gather *gather, int lattice) {
  const ConvSpec *spec = gather->spec;
  if (!gather->is_transposed) return conv_forward_axis(spec, spec->kernel_w, gather->x_w, gather->y_w);
  return conv_backward_axis(spec, spec->kernel_w, gather->x_w, gather->y_w, lattice % spec->stride);
}

// A matrix product has as many positions as a tile.
static TapAxis matrix_axis(int n_pixels) {
  return (TapAxis){1, 0, 0, 1, 1, n_pixels, n_pixels, 0, 1};
}

static int matrix_pixels(const Gather *gather, int n_vecs) {
  const TapAxis axis = matrix_axis(1);
  return min_int(conv_tile_max_pixels(gather->spec, &axis, n_vecs), 16);
}

// ---- choices
// --------------------------------------------------------------------------------------------------

static int64_t block_columns(const Gather *gather) {
  int widest = 0;
  for (int i = 0; i < gather->n_runs; i++) {
    const int width = gather->runs[i].lanes * gather->runs[i].n_vecs;
    if (width > widest) widest = width;
  }
  return widest;
}

static void choose_blocks(Gather *gather) {
  const ConvSpec *spec = gather->spec;
  const TapAxis axis = gather->is_matrix ? matrix_axis(840) : column_axis(gather, 0);
  const int lanes = conv_max_lanes(spec);
  const int n_vecs = conv_tile_best_vecs(spec, &axis, gather->n_out / lanes);
  gather->n_runs = gather->is_depthwise ? conv_cut_channels(gather->n_out, lanes, n_vecs, gather->runs)
                                        : conv_cut_padded(gather->n_out, lanes, n_vecs, gather->runs);
  gather->n_blocks = conv_run_blocks(gather->runs, gather->n_runs);
}

// The weights of one block and of in_block input channels stay in the second-level cache.
static void choose_input_block(Gather *gather) {
  const ConvSpec *spec = gather->spec;
  const int64_t per_channel = spec->kernel_h * spec->kernel_w * block_columns(gather) * spec->elem_bytes;
  const int n = (int)clamp64((per_channel * gather->n_in + PACKED_BYTES - 1) / PACKED_BYTES, 1, gather->n_in);
  gather->in_block =
      n == 1 ? gather->n_in : min_int(conv_div_up(conv_div_up(gather->n_in, n), 4) * 4, gather->n_in);
}

// Images whose operand and result stay in the second-level cache. Where their sums are taken, parts are the plan's.
static void choose_turn(Gather *gather) {
  const int64_t x = (int64_t)gather->x_h * gather->x_w * gather->x_c,
                y = (int64_t)gather->y_h * gather->y_w * gather->y_c;
  gather->turn = (int)clamp64(CONV_TURN_ELEMS / (x > y ? x : y), 1, CONV_TURN_ELEMS);
  if (gather->spec->around->parts == 0) return;
  gather->block_parts = 1;
  gather->image_parts = gather->spec->around->parts;
}

static void choose_parts(Gather *gather) {
  const ConvSpec *spec = gather->spec;
  const int64_t n_weights = (int64_t)spec->kernel_h * spec->kernel_w * gather->n_in * gather->y_c;
  const int64_t pixels = spec->batch * spec->out_h * spec->out_w;
  const int64_t n_parts = clamp64(2 * pixels * n_weights / PART_FLOPS, 1, MAX_PARTS);
  const bool is_large = n_weights * spec->elem_bytes > PACKED_BYTES && gather->n_groups == 1;
  gather->block_parts = is_large ? (int)clamp64(gather->n_blocks, 1, n_parts) : 1;
  gather->image_parts = (int)clamp64(n_parts / gather->block_parts, 1, spec->batch > 0 ? spec->batch : 1);
  if (spec->around) choose_turn(gather);
  const bool is_strided = block_columns(gather) < (int64_t)gather->n_out * gather->n_groups;
  const bool is_padded = gather->runs[gather->n_runs - 1].lacking > 0;
  gather->is_packed = gather->reads_plain || is_padded || (is_strided && pixels / gather->image_parts >= 32);
}

static Gather gather_new(StrBuf *out, const char *symbol, const ConvSpec *spec, bool is_transposed) {
  Gather gather = {.out = out, .symbol = symbol, .spec = spec, .is_transposed = is_transposed};
  gather.x_h = spec->in_h, gather.x_w = spec->in_w, gather.x_c = spec->in_c;
  gather.y_h = spec->out_h, gather.y_w = spec->out_w, gather.y_c = spec->out_c;
  if (is_transposed) {
    gather.x_h = spec->out_h, gather.x_w = spec->out_w, gather.x_c = spec->out_c;
    gather.y_h = spec->in_h, gather.y_w = spec->in_w, gather.y_c = spec->in_c;
  }
  gather.is_depthwise = conv_is_depthwise(spec);
  gather.is_matrix = conv_is_matrix(spec) && !gather.is_depthwise;
  gather.n_groups = gather.is_depthwise ? 1 : spec->groups;
  gather.n_in = gather.x_c / spec->groups;
  gather.n_out = gather.y_c / gather.n_groups;
  return gather;
}

// ---- one block of output channels
// -----------------------------------------------------------------------------

// Strides of the weights as the tile finds them: as they lie in memory, or packed.
static int64_t weight_in_stride(const Gather *gather, const ChannelRun *block) {
  return gather->is_packed ? block->lanes * block->n_vecs : gather->n_out * gather->n_groups;
}
static int64_t weight_tap_stride(const Gather *gather, const ChannelRun *block) {
  return weight_in_stride(gather, block) * (gather->is_packed ? gather->in_block : gather->n_in);
}
static bool is_blocked(const Gather *gather) {
  return gather->in_block < gather->n_in;
}

static Tile make_tile(const Gather *gather, const ChannelRun *block, const TapAxis *rows,
                      const TapAxis *columns, const PixelRun *run) {
  const int64_t w_in = weight_in_stride(gather, block), w_tap = weight_tap_stride(gather, block);
  const int body = columns->n_taps * run->n_pixels * block->n_vecs; // multiply-adds of one input channel
  const int unroll = gather->in_block % 2 == 0 && body > 0 && body < 32 ? 2 : 1;
  return (Tile){.axis = columns,
                .run = run,
                .lanes = block->lanes,
                .n_vecs = block->n_vecs,
                .lacking = block->lacking,
                .n_in = gather->n_in,
                .unroll = is_blocked(gather) ? 1 : unroll,
                .is_depthwise = gather->is_depthwise,
                .is_blocked = is_blocked(gather),
                .x_pixel = gather->x_c,
                .x_row = (int64_t)gather->x_w * gather->x_c,
                .w_in = w_in,
                .w_tap = w_tap,
                .w_row = rows->kernel_step * gather->spec->kernel_w * w_tap,
                .y_pixel = (int64_t)gather->y_c * columns->out_step};
}

static const char *more_args(const Gather *gather) {
  return is_blocked(gather) ? ", n_in, is_first" : "";
}
static const char *more_params(const Gather *gather) {
  return is_blocked(gather) ? ", long n_in, long is_first" : "";
}

// The loop bounds of one row: `n` kernel rows meet the source, from tap `skip` on.
static void write_row_bounds(StrBuf *out, const TapAxis *axis) {
  const int last = (axis->n_out - 1) * axis->source_step + axis->first + axis->n_taps;
  strbuf_printf(out, "    const long top = row * %d %c %d;\n", axis->source_step, axis->first < 0 ? '-' : '+',
                abs(axis->first));
  if (axis->first < 0)
    strbuf_put(out, "    const long skip = top < 0 ? -top : 0;\n");
  else
    strbuf_put(out, "    const long skip = 0;\n");
  if (last > axis->n_source)
    strbuf_printf(out, "    const long n = (top + %d > %d ? %d - top : %d) - skip;\n", axis->n_taps,
                  axis->n_source, axis->n_source, axis->n_taps);
  else
    strbuf_printf(out, "    const long n = %d - skip;\n", axis->n_taps);
}

static void write_tile_call(const Gather *gather, const char *tile, const TapAxis *columns,
                            const PixelRun *run) {
  StrBuf *out = gather->out;
  const int64_t x_first = (int64_t)conv_run_source(columns, run) * gather->x_c;
  const int64_t y_first = ((int64_t)run->first * columns->out_step + columns->out_first) * gather->y_c;
  const int64_t x_step = (int64_t)run->n_pixels * columns->source_step * gather->x_c;
  const int64_t y_step = (int64_t)run->n_pixels * columns->out_step * gather->y_c;
  if (run->count == 1)
    strbuf_printf(out, "    %s(from + %lld, taps, to + %lld, n%s);\n", tile, (long long)x_first,
                  (long long)y_first, more_args(gather));
  else
    strbuf_printf(
        out,
        "    for (long t = 0; t < %d; t++) %s(from + %lld + t * %lld, taps, to + %lld + t * %lld, n%s);\n",
        run->count, tile, (long long)x_first, (long long)x_step, (long long)y_first, (long long)y_step,
        more_args(gather));
}

// A tile walks through many pixels at once, too many for the processor to see what comes next: the row that the
// next one needs is asked for in its order in memory.
static void write_prefetch(const Gather *gather, const TapAxis *rows) {
  const int line = CACHE_LINE / gather->spec->elem_bytes;
  const long long width = (long long)gather->x_w * gather->x_c;
  strbuf_printf(gather->out,
                "    for (long i = 0; i < %lld; i += %d) __builtin_prefetch(x + (top + %d) * %lld + i);\n",
                width, line, rows->n_taps, width);
}

// What the turn needs beside the product, and the next turn for it, is fetched from memory while the tiles multiply:
// ahead0, ahead1, .., a row of the image at a time.
static int n_ahead(const Gather *gather, int r) {
  const ConvAround *around = gather->spec->around;
  return around && r == 0 && !gather->is_matrix ? around->has_before + around->n_beside : 0;
}

static int64_t x_elems(const Gather *gather) {
  return (int64_t)gather->x_h * gather->x_w * gather->x_c;
}
static int64_t y_elems(const Gather *gather) {
  return (int64_t)gather->y_h * gather->y_w * gather->y_c;
}

static int64_t ahead_elems(const Gather *gather, int k) {
  const ConvAround *around = gather->spec->around;
  return around->has_before && k == 0 ? around->fetched : y_elems(gather);
}

static const char *ahead_list(const Gather *gather, int r, const char *before) {
  StrBuf list = strbuf_new(gather->out->arena);
  for (int k = 0; k < n_ahead(gather, r); k++) strbuf_printf(&list, ", %sahead%d", before, k);
  return list.text;
}

static void write_ahead(const Gather *gather, int r, int n_rows) {
  const int line = CACHE_LINE / gather->spec->elem_bytes;
  for (int k = 0; k < n_ahead(gather, r); k++) {
    const long long row = (ahead_elems(gather, k) + n_rows - 1) / n_rows;
    strbuf_printf(gather->out,
                  "    for (long i = 0; i < %lld; i += %d) __builtin_prefetch(ahead%d + row * %lld + i);\n",
                  row, line, k, row);
  }
}

// The rows of one lattice of one image, and before them the tiles that they are made of.
static void write_lattice(const Gather *gather, int r, int lattice) {
  StrBuf *out = gather->out;
  const ChannelRun *block = &gather->runs[r];
  const TapAxis rows = row_axis(gather, lattice), columns = column_axis(gather, lattice);
  if (rows.n_out == 0 || columns.n_out == 0) return;
  PixelRun *runs;
  const int n_runs = conv_cut_pixels(out->arena, &columns,
                                     conv_tile_max_pixels(gather->spec, &columns, block->n_vecs), &runs);
  const char **names = ARENA_ARRAY(out->arena, const char *, n_runs);
  for (int i = 0; i < n_runs; i++) {
    const Tile tile = make_tile(gather, block, &rows, &columns, &runs[i]);
    names[i] = arena_printf(out->arena, "%s_b%d_l%d_t%d", gather->symbol, r, lattice, i);
    conv_write_tile(out, names[i], &tile);
  }
  const int64_t w_tap = weight_tap_stride(gather, block), w_row = gather->spec->kernel_w * w_tap;
  if (rows.out_step > 1 || columns.out_step > 1)
    strbuf_printf(out, "// One image: rows in steps of %d from %d, pixels in steps of %d from %d.\n",
                  rows.out_step, rows.out_first, columns.out_step, columns.out_first);
  else
    strbuf_put(out, "// The rows of one image.\n");
  const bool is_first = lattice == 0;
  strbuf_printf(out, "static void %s_b%d_l%d(const real *x, const real *w, real *y%s%s) {\n", gather->symbol,
                r, lattice, more_params(gather), is_first ? ahead_list(gather, r, "const real *") : "");
  strbuf_printf(out, "  for (long row = 0; row < %d; row++) {\n", rows.n_out);
  write_row_bounds(out, &rows);
  strbuf_printf(out, "    const real *from = x + (top + skip) * %lld, *taps = w + %lld + skip * %lld;\n",
                (long long)gather->x_w * gather->x_c, (long long)(rows.first_kernel * w_row),
                (long long)(rows.kernel_step * w_row));
  strbuf_printf(out, "    real *to = y + (row * %d + %d) * %lld;\n", rows.out_step, rows.out_first,
                (long long)gather->y_w * gather->y_c);
  const bool is_staged = gather->spec->around && gather->spec->around->has_before;
  if (!is_staged && gather->x_w >= MIN_PREFETCHED && rows.source_step == 1) write_prefetch(gather, &rows);
  if (is_first) write_ahead(gather, r, rows.n_out);
  for (int i = 0; i < n_runs; i++) write_tile_call(gather, names[i], &columns, &runs[i]);
  strbuf_put(out, "  }\n}\n");
}

static void write_image_block(const Gather *gather, int r) {
  StrBuf *out = gather->out;
  const int n_lattices = n_remainders(gather) * n_remainders(gather);
  for (int lattice = 0; lattice < n_lattices; lattice++) write_lattice(gather, r, lattice);
  strbuf_printf(out, "static void %s_b%d(const real *x, const real *w, real *y, long n_images%s%s) {\n",
                gather->symbol, r, more_params(gather), ahead_list(gather, r, "const real *"));
  strbuf_printf(out, "  for (; n_images > 0; n_images--, x += %lld, y += %lld", (long long)x_elems(gather),
                (long long)y_elems(gather));
  for (int k = 0; k < n_ahead(gather, r); k++)
    strbuf_printf(out, ", ahead%d += %lld", k, (long long)ahead_elems(gather, k));
  strbuf_put(out, ") {\n");
  for (int lattice = 0; lattice < n_lattices; lattice++) {
    if (row_axis(gather, lattice).n_out == 0 || column_axis(gather, lattice).n_out == 0) continue;
    strbuf_printf(out, "    %s_b%d_l%d(x, w, y%s%s);\n", gather->symbol, r, lattice, more_args(gather),
                  lattice == 0 ? ahead_list(gather, r, "") : "");
  }
  strbuf_put(out, "  }\n}\n");
}

// Rows of a matrix: tiles of the best height, then of 4 and of 1.
static void write_matrix_block(const Gather *gather, int r) {
  StrBuf *out = gather->out;
  const ChannelRun *block = &gather->runs[r];
  const int best = matrix_pixels(gather, block->n_vecs);
  const int heights[] = {best, 4, 1}, n_heights = 3;
  for (int i = 0; i < n_heights; i++) {
    const TapAxis axis = matrix_axis(heights[i]);
    const PixelRun run = {0, heights[i], 0, 0, 1};
    const Tile tile = make_tile(gather, block, &axis, &axis, &run);
    conv_write_tile(out, arena_printf(out->arena, "%s_b%d_t%d", gather->symbol, r, heights[i]), &tile);
  }
  strbuf_printf(out, "static void %s_b%d(const real *x, const real *w, real *y, long n_pixels%s) {\n",
                gather->symbol, r, more_params(gather));
  for (int i = 0; i < n_heights; i++)
    strbuf_printf(
        out, "  for (; n_pixels >= %d; n_pixels -= %d, x += %lld, y += %lld) %s_b%d_t%d(x, w, y, 1%s);\n",
        heights[i], heights[i], (long long)heights[i] * gather->x_c, (long long)heights[i] * gather->y_c,
        gather->symbol, r, heights[i], more_args(gather));
  strbuf_put(out, "}\n");
}

// ---- the kernel
// -----------------------------------------------------------------------------------------------

// Copies the weights of a block from `from` to scratch: [kernel rows][kernel columns][in_block][columns of
// the block].
static void write_packing(const Gather *gather, const ChannelRun *block) {
  StrBuf *out = gather->out;
  const int width = block->lanes * block->n_vecs, n_taps = gather->spec->kernel_h * gather->spec->kernel_w;
  const char *n_in = is_blocked(gather) ? "n_in" : arena_printf(out->arena, "%d", gather->n_in);
  if (gather->reads_plain) { // weight [y_c, x_c]: the block's columns are rows there
    const int stored = width - block->lacking;
    strbuf_printf(out, "      for (long c = 0; c < %s; c++) {\n", n_in);
    strbuf_printf(out, "        for (long o = 0; o < %d; o++) w[c * %d + o] = from[o * %d + c];\n", stored,
                  width, gather->x_c);
    if (block->lacking)
      strbuf_printf(out, "        for (long o = %d; o < %d; o++) w[c * %d + o] = 0;\n", stored, width, width);
    strbuf_put(out, "      }\n");
    return;
  }
  strbuf_printf(out, "      for (long tap = 0; tap < %d; tap++)\n        for (long c = 0; c < %s; c++) {\n",
                n_taps, n_in);
  strbuf_printf(out, "          const real *row = from + (tap * %d + c) * %d;\n", gather->n_in,
                gather->n_out * gather->n_groups);
  strbuf_printf(out, "          real *to = w + (tap * %d + c) * %d;\n", gather->in_block, width);
  for (int v = 0; v < block->n_vecs; v++) {
    const int at = v * block->lanes, lacking = v == block->n_vecs - 1 ? block->lacking : 0;
    if (lacking)
      strbuf_printf(out, "          mla_store(to + %d, mla_load_part(row + %d, %d));\n", at, at,
                    block->lanes - lacking);
    else
      strbuf_printf(out, "          mla_store(to + %d, mla_load(row + %d));\n", at, at);
  }
  strbuf_put(out, "        }\n");
}

// Elements of scratch that the weights of a block and in_block input channels take.
static int64_t packed_elems(const Gather *gather, const ChannelRun *block) {
  return (int64_t)gather->spec->kernel_h * gather->spec->kernel_w * gather->in_block * block->lanes *
         block->n_vecs;
}

// What is done with the weights of a block at `from`: packed to `w`, or multiplied.
static void write_block_work(const Gather *gather, int r, bool is_packing) {
  StrBuf *out = gather->out;
  const ChannelRun *block = &gather->runs[r];
  const char *c0 = is_blocked(gather) ? " + c0" : "";
  if (is_packing || !gather->is_packed) {
    if (gather->reads_plain)
      strbuf_printf(out, "      const real *from = weight + column * %d%s;\n", gather->x_c, c0);
    else if (is_blocked(gather))
      strbuf_printf(out, "      const real *from = weight + column + c0 * %d;\n",
                    gather->n_out * gather->n_groups);
    else
      strbuf_put(out, "      const real *from = weight + column;\n");
  }
  if (is_packing) {
    write_packing(gather, block);
  } else {
    const char *x_channel =
        gather->is_depthwise ? "column" : arena_printf(out->arena, "g * %d%s", gather->n_in, c0);
    strbuf_printf(out, "      %s_b%d(source + %s, %s, result + column, n%s%s);\n", gather->symbol, r,
                  x_channel, gather->is_packed ? "w" : "from", more_args(gather), ahead_list(gather, r, ""));
  }
  if (gather->is_packed) strbuf_printf(out, "      w += %lld;\n", (long long)packed_elems(gather, block));
}

static void write_run(const Gather *gather, int r, int base, bool is_packing) {
  StrBuf *out = gather->out;
  const ChannelRun *block = &gather->runs[r];
  strbuf_printf(out, "    for (long b = first < %d ? %d : first; b < end && b < %d; b++) {\n", base, base,
                base + block->count);
  if (is_packing) strbuf_printf(out, "      MLA_USE(%d)\n", block->lanes);
  strbuf_printf(out, "      const long column = g * %d + %d + (b - %d) * %d;\n", gather->n_out, block->offset,
                base, block->lanes * block->n_vecs);
  if (is_blocked(gather)) {
    strbuf_printf(out, "      for (long c0 = 0; c0 < %d; c0 += %d) {\n", gather->n_in, gather->in_block);
    strbuf_printf(out, "      const long n_in = %d - c0 < %d ? %d - c0 : %d, is_first = c0 == 0;\n",
                  gather->n_in, gather->in_block, gather->n_in, gather->in_block);
    if (is_packing) strbuf_put(out, "      (void)is_first;\n");
  }
  write_block_work(gather, r, is_packing);
  strbuf_put(out, is_blocked(gather) ? "      }\n    }\n" : "    }\n");
}

// All blocks of this part: their weights are packed, or multiplied with n images.
static void write_blocks(const Gather *gather, bool is_packing) {
  StrBuf *out = gather->out;
  if (gather->is_packed) strbuf_printf(out, "  %sw = packed;\n", is_packing ? "real *" : "const real *");
  strbuf_printf(out, "  for (long g = 0; g < %d; g++) {\n", gather->n_groups);
  for (int r = 0, base = 0; r < gather->n_runs; base += gather->runs[r].count, r++)
    write_run(gather, r, base, is_packing);
  strbuf_put(out, "  }\n");
}

// A share of the images, or of their pixels in whole tiles if all are rows of one matrix.
static void write_share(const Gather *gather) {
  StrBuf *out = gather->out;
  const int n = gather->image_parts;
  strbuf_printf(out, "  const long share = part %% %d;\n", n);
  if (gather->is_matrix && !gather->turn) {
    const int height = matrix_pixels(gather, gather->runs[0].n_vecs);
    strbuf_printf(out, "  const long n_tiles = batch * %lld / %d;\n", (long long)gather->y_h * gather->y_w,
                  height);
    strbuf_printf(out, "  const long begin = n_tiles * share / %d * %d;\n", n, height);
    strbuf_printf(out, "  const long stop = share == %d ? batch * %lld : n_tiles * (share + 1) / %d * %d;\n",
                  n - 1, (long long)gather->y_h * gather->y_w, n, height);
  } else {
    strbuf_printf(out,
                  "  const long begin = " CONV_SHARE("share") ", stop = " CONV_SHARE("(share + 1)") ";\n",
                  n - 1, n, n - 1, n);
  }
}

// ---- scratch ----

typedef struct Scratch { // first elements; weights first
  int64_t staged, made, sums, spare, end;
} Scratch;

static Scratch scratch_of(const Gather *gather) {
  const ConvAround *around = gather->spec->around;
  int64_t packed = 0;
  for (int r = 0; r < gather->n_runs; r++)
    packed += gather->runs[r].count * packed_elems(gather, &gather->runs[r]);
  packed *= conv_div_up(gather->n_in, gather->in_block) * gather->n_groups;
  if (gather->block_parts > 1)
    packed = conv_div_up(gather->n_blocks, gather->block_parts) *
             conv_div_up(gather->n_in, gather->in_block) * (int64_t)gather->spec->kernel_h *
             gather->spec->kernel_w * gather->in_block * block_columns(gather);
  Scratch scratch = {.staged = gather->is_packed ? packed : 0};
  const int64_t x = (int64_t)gather->x_h * gather->x_w * gather->x_c * gather->turn,
                y = (int64_t)gather->y_h * gather->y_w * gather->y_c * gather->turn;
  scratch.made = scratch.staged + (around && around->has_before ? x : 0);
  scratch.sums = scratch.made + (around && around->result < 0 ? y : 0);
  scratch.spare = scratch.sums + (around ? around->n_sums : 0);
  scratch.end = scratch.spare + (around ? around->spare : 0);
  return scratch;
}

static void write_scratch(const Gather *gather, const Scratch *scratch) {
  StrBuf *out = gather->out;
  const ConvAround *around = gather->spec->around;
  if (gather->is_packed) strbuf_put(out, "  real *packed = scratch;\n");
  if (!around) return;
  if (around->has_before)
    strbuf_printf(out, "  real *staged = (real *)scratch + %lld;\n", (long long)scratch->staged);
  if (around->result < 0)
    strbuf_printf(out, "  real *made = (real *)scratch + %lld;\n", (long long)scratch->made);
  if (around->parts) strbuf_printf(out, "  real *sums = (real *)scratch + %lld;\n", (long long)scratch->sums);
  strbuf_printf(out, "  real *spare = (real *)scratch + %lld;\n", (long long)scratch->spare);
}

// ---- the kernel ----

// A few images at a time: what comes before the product, the product, what comes behind it.
static void write_turns(const Gather *gather) {
  StrBuf *out = gather->out;
  const ConvAround *around = gather->spec->around;
  const long long x = (long long)gather->x_h * gather->x_w * gather->x_c,
                  y = (long long)gather->y_h * gather->y_w * gather->y_c;
  strbuf_printf(out, "  for (long at = begin; at < stop; at += %d) {\n", gather->turn);
  strbuf_printf(out, "  const long n_images = stop - at < %d ? stop - at : %d;\n", gather->turn,
                gather->turn);
  if (around->has_before)
    strbuf_printf(out, "  %s_before(buf, batch, at, n_images, staged, spare);\n", gather->symbol);
  strbuf_printf(out, "  const real *source = %s;\n",
                around->has_before ? "staged" : arena_printf(out->arena, "x + at * %lld", x));
  strbuf_printf(out, "  real *result = %s;\n",
                around->result < 0 ? "made" : arena_printf(out->arena, "y + at * %lld", y));
  strbuf_printf(out, "  const long n = n_images * %d;\n", gather->is_matrix ? gather->y_h * gather->y_w : 1);
  if (around->has_before && n_ahead(gather, 0))
    strbuf_printf(out, "  const real *ahead0 = x + (at + %d) * %lld;\n", gather->turn,
                  (long long)around->fetched);
  for (int k = around->has_before; k < n_ahead(gather, 0); k++)
    strbuf_printf(out, "  const real *ahead%d = (const real *)buf[%d] + at * %lld;\n", k,
                  around->beside[k - around->has_before], y);
  write_blocks(gather, false);
  if (around->has_behind)
    strbuf_printf(out, "  %s_behind(buf, batch, at, n_images, result, %sspare);\n", gather->symbol,
                  around->parts ? "sums, at == begin, " : "");
  strbuf_put(out, "  }\n");
  if (around->parts) strbuf_printf(out, "  %s_close(buf, part, sums);\n", gather->symbol);
}

static void write_all_images(const Gather *gather) {
  StrBuf *out = gather->out;
  const long long x = gather->is_matrix ? gather->x_c : (long long)gather->x_h * gather->x_w * gather->x_c;
  const long long y = gather->is_matrix ? gather->y_c : (long long)gather->y_h * gather->y_w * gather->y_c;
  strbuf_printf(out, "  const real *source = x + begin * %lld;\n  real *result = y + begin * %lld;\n", x, y);
  strbuf_put(out, "  const long n = stop - begin;\n");
  write_blocks(gather, false);
}

static void write_kernel(const Gather *gather, const Scratch *scratch) {
  StrBuf *out = gather->out;
  const ConvAround *around = gather->spec->around;
  const int result = around ? around->result : 2;
  strbuf_printf(out, "// Parts: %d shares of the images x %d of the %d blocks of output channels.\n",
                gather->image_parts, gather->block_parts, gather->n_blocks);
  strbuf_printf(out, "void %s(void *const *buf, long batch, void *scratch, int part, int parts) {\n",
                gather->symbol);
  strbuf_put(out, "  const real *x = buf[0], *weight = buf[1];\n");
  if (result >= 0) strbuf_printf(out, "  real *y = buf[%d];\n", result);
  strbuf_put(out, "  (void)parts, (void)scratch;\n");
  write_scratch(gather, scratch);
  write_share(gather);
  if (around && around->parts) {
    strbuf_printf(out, "  for (long i = 0; i < %lld; i++) sums[i] = 0;\n", (long long)around->n_sums);
    strbuf_printf(out, "  if (begin == stop) %s_close(buf, part, sums);\n", gather->symbol);
  }
  strbuf_put(out, "  if (begin == stop) return;\n");
  strbuf_printf(out, "  const long first = part / %d * %d / %d, end = (part / %d + 1) * %d / %d;\n",
                gather->image_parts, gather->n_blocks, gather->block_parts, gather->image_parts,
                gather->n_blocks, gather->block_parts);
  if (gather->is_packed) {
    strbuf_put(out, "  {\n");
    write_blocks(gather, true);
    strbuf_put(out, "  }\n");
  }
  if (gather->turn)
    write_turns(gather);
  else
    write_all_images(gather);
  strbuf_put(out, "}\n");
}

static ConvKernel write_gather(Gather *gather) {
  choose_blocks(gather);
  choose_input_block(gather);
  choose_parts(gather);
  for (int r = 0; r < gather->n_runs; r++) {
    if (gather->is_matrix)
      write_matrix_block(gather, r);
    else
      write_image_block(gather, r);
  }
  const Scratch scratch = scratch_of(gather);
  write_kernel(gather, &scratch);
  return (ConvKernel){scratch.end * gather->spec->elem_bytes, gather->image_parts * gather->block_parts};
}

ConvKernel conv_write_forward(StrBuf *out, const char *symbol, const ConvSpec *spec) {
  Gather gather = gather_new(out, symbol, spec, false);
  return write_gather(&gather);
}

ConvKernel conv_write_grad_input(StrBuf *out, const char *symbol, const ConvSpec *spec) {
  Gather gather = gather_new(out, symbol, spec, true);
  return write_gather(&gather);
}

ConvKernel conv_write_linear_grad_input(StrBuf *out, const char *symbol, const ConvSpec *spec) {
  Gather gather = gather_new(out, symbol, spec, true);
  gather.reads_plain = true;
  return write_gather(&gather);
}
