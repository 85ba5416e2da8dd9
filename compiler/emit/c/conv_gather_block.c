// The tiles of one block of output channels and the loops over them: the rows of an image, lattice by lattice, or the rows
// of a matrix.
#include "compiler/emit/c/conv_gather.h"

#include <stdlib.h>

enum { CACHE_LINE = 64, MIN_PREFETCHED = 16 };

static int min_int(int a, int b) {
  return a < b ? a : b;
}

// ---- taps
// -----------------------------------------------------------------------------------------------------

static int n_remainders(const Gather *gather) {
  return gather->is_transposed ? gather->spec->shape.stride : 1;
}

static TapAxis row_axis(const Gather *gather, int lattice) {
  const ConvSpec *spec = gather->spec;
  if (!gather->is_transposed) return conv_forward_axis(spec, spec->shape.kernel_h, gather->x_h, gather->y_h);
  return conv_backward_axis(spec, spec->shape.kernel_h, gather->x_h, gather->y_h,
                            lattice / spec->shape.stride);
}

TapAxis gather_columns(const Gather *gather, int lattice) {
  const ConvSpec *spec = gather->spec;
  if (!gather->is_transposed) return conv_forward_axis(spec, spec->shape.kernel_w, gather->x_w, gather->y_w);
  return conv_backward_axis(spec, spec->shape.kernel_w, gather->x_w, gather->y_w,
                            lattice % spec->shape.stride);
}

TapAxis gather_matrix_axis(int n_pixels) {
  return (TapAxis){1, 0, 0, 1, 1, n_pixels, n_pixels, 0, 1};
}

static int max_pixels(const Gather *gather, const TapAxis *axis, int n_vecs) {
  if (gather->is_few) return conv_few_max_pixels(gather->spec, axis, gather->n_out);
  return conv_tile_max_pixels(gather->spec, axis, n_vecs);
}

int gather_matrix_pixels(const Gather *gather, int n_vecs) {
  const TapAxis axis = gather_matrix_axis(1);
  return min_int(max_pixels(gather, &axis, n_vecs), 16);
}

// ---- one block of output channels
// -----------------------------------------------------------------------------

// Strides of the weights as the tile finds them: as they lie in memory, or packed.
static int64_t weight_in_stride(const Gather *gather, const ChannelRun *block) {
  return gather->is_packed ? block->lanes * block->n_vecs : gather->n_out * gather->n_groups;
}
static int64_t weight_tap_stride(const Gather *gather, const ChannelRun *block) {
  if (gather->is_few) return conv_few_tap_elems(block->lanes, gather->n_in, gather->n_out);
  return weight_in_stride(gather, block) * (gather->is_packed ? gather->in_block : gather->n_in);
}
bool gather_is_blocked(const Gather *gather) {
  return gather->in_block < gather->n_in;
}

static Tile make_tile(const Gather *gather, const ChannelRun *block, const TapAxis *rows,
                      const TapAxis *columns, const PixelRun *run) {
  const int64_t w_in = weight_in_stride(gather, block), w_tap = weight_tap_stride(gather, block);
  const int body = columns->n_taps * run->n_pixels * block->n_vecs; // multiply-adds of one term
  const int unroll = gather->in_block % 2 == 0 && body > 0 && body < 32 ? 2 : 1;
  return (Tile){.axis = columns,
                .run = run,
                .term = gather->term,
                .y_type = gather->y_type,
                .lanes = block->lanes,
                .n_vecs = block->n_vecs,
                .lacking = block->lacking,
                .n_in = gather->n_in,
                .unroll = gather_is_blocked(gather) ? 1 : unroll,
                .is_depthwise = gather->is_depthwise,
                .is_blocked = gather_is_blocked(gather),
                .x_pixel = gather->x_terms,
                .x_row = (int64_t)gather->x_w * gather->x_terms,
                .w_in = w_in,
                .w_tap = w_tap,
                .w_row = rows->kernel_step * gather->spec->shape.kernel_w * w_tap,
                .y_pixel = (int64_t)gather->y_c * columns->out_step};
}

static void write_tile(const Gather *gather, const char *name, const ChannelRun *block, const TapAxis *rows,
                       const TapAxis *columns, const PixelRun *run) {
  const Tile tile = make_tile(gather, block, rows, columns, run);
  const FewTile few = {.axis = columns,
                       .run = run,
                       .symbol = gather->symbol,
                       .term = gather->term,
                       .y_type = gather->y_type,
                       .n_registers = conv_n_registers(gather->spec),
                       .lanes = tile.lanes,
                       .n_in = tile.n_in,
                       .n_out = gather->n_out,
                       .x_pixel = tile.x_pixel,
                       .x_row = tile.x_row,
                       .w_row = tile.w_row,
                       .y_pixel = tile.y_pixel};
  if (gather->is_few)
    conv_write_few_tile(gather->out, name, &few);
  else
    conv_write_tile(gather->out, name, &tile);
}

const char *gather_more_args(const Gather *gather) {
  return gather_is_blocked(gather) ? ", n_in, is_first" : "";
}
static const char *more_params(const Gather *gather) {
  return gather_is_blocked(gather) ? ", long n_in, long is_first" : "";
}

static const char *operands(const Gather *gather) {
  return arena_printf(gather->out->arena, "const %s *x, const %s *w, %s *y", gather->term->type,
                      gather->term->type, gather->y_type);
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
  const int64_t x_first = (int64_t)conv_run_source(columns, run) * gather->x_terms;
  const int64_t y_first = ((int64_t)run->first * columns->out_step + columns->out_first) * gather->y_c;
  const int64_t x_step = (int64_t)run->n_pixels * columns->source_step * gather->x_terms;
  const int64_t y_step = (int64_t)run->n_pixels * columns->out_step * gather->y_c;
  if (run->count == 1)
    strbuf_printf(out, "    %s(from + %lld, taps, to + %lld, n%s);\n", tile, (long long)x_first,
                  (long long)y_first, gather_more_args(gather));
  else
    strbuf_printf(
        out,
        "    for (long t = 0; t < %d; t++) %s(from + %lld + t * %lld, taps, to + %lld + t * %lld, n%s);\n",
        run->count, tile, (long long)x_first, (long long)x_step, (long long)y_first, (long long)y_step,
        gather_more_args(gather));
}

// A tile walks through many pixels at once, too many for the processor to see what comes next: the row that the
// next one needs is asked for in its order in memory.
static void write_prefetch(const Gather *gather, const TapAxis *rows) {
  const int line = CACHE_LINE / gather->spec->elem_bytes;
  const long long width = (long long)gather->x_w * gather->x_terms;
  strbuf_printf(gather->out,
                "    for (long i = 0; i < %lld; i += %d) __builtin_prefetch(x + (top + %d) * %lld + i);\n",
                width, line, rows->n_taps, width);
}

int gather_n_ahead(const Gather *gather, int r) {
  const ConvAround *around = gather->spec->around;
  if (r > 0 || gather->is_matrix) return 0;
  return gather->is_staged + (around ? around->n_beside : 0);
}

int64_t gather_x_terms(const Gather *gather) {
  return (int64_t)gather->x_h * gather->x_w * gather->x_terms;
}

int64_t gather_x_elems(const Gather *gather) {
  return (int64_t)gather->x_h * gather->x_w * gather->x_c;
}
int64_t gather_y_elems(const Gather *gather) {
  return (int64_t)gather->y_h * gather->y_w * gather->y_c;
}

static int64_t ahead_elems(const Gather *gather, int k) {
  if (!gather->is_staged || k > 0) return gather_y_elems(gather);
  return gather->is_copied ? gather_x_elems(gather) : gather->spec->around->fetched;
}

const char *gather_ahead_type(const Gather *gather, int k) {
  if (gather->is_staged && k == 0) return gather->x_type;
  return conv_type(gather->spec->around->beside_is_bf16[k - gather->is_staged]);
}

const char *gather_ahead_list(const Gather *gather, int r, bool with_types) {
  StrBuf list = strbuf_new(gather->out->arena);
  for (int k = 0; k < gather_n_ahead(gather, r); k++) {
    strbuf_put(&list, ", ");
    if (with_types) strbuf_printf(&list, "const %s *", gather_ahead_type(gather, k));
    strbuf_printf(&list, "ahead%d", k);
  }
  return list.text;
}

static void write_ahead(const Gather *gather, int r, int n_rows) {
  for (int k = 0; k < gather_n_ahead(gather, r); k++) {
    const bool is_bf16 = gather_ahead_type(gather, k) == conv_type(true);
    const int line = CACHE_LINE / (is_bf16 ? 2 : gather->spec->elem_bytes);
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
  const TapAxis rows = row_axis(gather, lattice), columns = gather_columns(gather, lattice);
  if (rows.n_out == 0 || columns.n_out == 0) return;
  PixelRun *runs;
  const int n_runs =
      conv_cut_pixels(out->arena, &columns, max_pixels(gather, &columns, block->n_vecs), &runs);
  const char **names = ARENA_ARRAY(out->arena, const char *, n_runs);
  for (int i = 0; i < n_runs; i++) {
    names[i] = arena_printf(out->arena, "%s_b%d_l%d_t%d", gather->symbol, r, lattice, i);
    write_tile(gather, names[i], block, &rows, &columns, &runs[i]);
  }
  const int64_t w_tap = weight_tap_stride(gather, block), w_row = gather->spec->shape.kernel_w * w_tap;
  if (rows.out_step > 1 || columns.out_step > 1)
    strbuf_printf(out, "// One image: rows in steps of %d from %d, pixels in steps of %d from %d.\n",
                  rows.out_step, rows.out_first, columns.out_step, columns.out_first);
  else
    strbuf_put(out, "// The rows of one image.\n");
  const bool is_first = lattice == 0;
  strbuf_printf(out, "static void %s_b%d_l%d(%s%s%s) {\n", gather->symbol, r, lattice, operands(gather),
                more_params(gather), is_first ? gather_ahead_list(gather, r, true) : "");
  strbuf_printf(out, "  for (long row = 0; row < %d; row++) {\n", rows.n_out);
  write_row_bounds(out, &rows);
  strbuf_printf(out, "    const %s *from = x + (top + skip) * %lld, *taps = w + %lld + skip * %lld;\n",
                gather->term->type, (long long)gather->x_w * gather->x_terms,
                (long long)(rows.first_kernel * w_row), (long long)(rows.kernel_step * w_row));
  strbuf_printf(out, "    %s *to = y + (row * %d + %d) * %lld;\n", gather->y_type, rows.out_step,
                rows.out_first, (long long)gather->y_w * gather->y_c);
  if (!gather->is_staged && gather->x_w >= MIN_PREFETCHED && rows.source_step == 1)
    write_prefetch(gather, &rows);
  if (is_first) write_ahead(gather, r, rows.n_out);
  for (int i = 0; i < n_runs; i++) write_tile_call(gather, names[i], &columns, &runs[i]);
  strbuf_put(out, "  }\n}\n");
}

static void write_image_block(const Gather *gather, int r) {
  StrBuf *out = gather->out;
  const int n_lattices = n_remainders(gather) * n_remainders(gather);
  for (int lattice = 0; lattice < n_lattices; lattice++) write_lattice(gather, r, lattice);
  strbuf_printf(out, "static void %s_b%d(%s, long n_images%s%s) {\n", gather->symbol, r, operands(gather),
                more_params(gather), gather_ahead_list(gather, r, true));
  strbuf_printf(out, "  for (; n_images > 0; n_images--, x += %lld, y += %lld",
                (long long)gather_x_terms(gather), (long long)gather_y_elems(gather));
  for (int k = 0; k < gather_n_ahead(gather, r); k++)
    strbuf_printf(out, ", ahead%d += %lld", k, (long long)ahead_elems(gather, k));
  strbuf_put(out, ") {\n");
  for (int lattice = 0; lattice < n_lattices; lattice++) {
    if (row_axis(gather, lattice).n_out == 0 || gather_columns(gather, lattice).n_out == 0) continue;
    strbuf_printf(out, "    %s_b%d_l%d(x, w, y%s%s);\n", gather->symbol, r, lattice, gather_more_args(gather),
                  lattice == 0 ? gather_ahead_list(gather, r, false) : "");
  }
  strbuf_put(out, "  }\n}\n");
}

// Rows of a matrix: tiles of the best height, then of 4 and of 1.
static void write_matrix_block(const Gather *gather, int r) {
  StrBuf *out = gather->out;
  const ChannelRun *block = &gather->runs[r];
  const int best = gather_matrix_pixels(gather, block->n_vecs);
  int heights[3] = {best}, n_heights = 1;
  if (best > 4) heights[n_heights++] = 4;
  if (best > 1) heights[n_heights++] = 1;
  for (int i = 0; i < n_heights; i++) {
    const TapAxis axis = gather_matrix_axis(heights[i]);
    const PixelRun run = {0, heights[i], 0, 0, 1};
    write_tile(gather, arena_printf(out->arena, "%s_b%d_t%d", gather->symbol, r, heights[i]), block, &axis,
               &axis, &run);
  }
  strbuf_printf(out, "static void %s_b%d(%s, long n_pixels%s) {\n", gather->symbol, r, operands(gather),
                more_params(gather));
  for (int i = 0; i < n_heights; i++)
    strbuf_printf(
        out, "  for (; n_pixels >= %d; n_pixels -= %d, x += %lld, y += %lld) %s_b%d_t%d(x, w, y, 1%s);\n",
        heights[i], heights[i], (long long)heights[i] * gather->x_terms, (long long)heights[i] * gather->y_c,
        gather->symbol, r, heights[i], gather_more_args(gather));
  strbuf_put(out, "}\n");
}

void gather_write_block(const Gather *gather, int r) {
  if (gather->is_matrix)
    write_matrix_block(gather, r);
  else
    write_image_block(gather, r);
}
