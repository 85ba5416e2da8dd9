// Convolutions and linear layers as products of matrices: where the rows, columns and terms of each lie in memory.
#include "compiler/emit/cuda/matrix.h"
#include "compiler/emit/cuda/product.h"
#include "compiler/emit/cuda/tile_choice.h"

enum {
  MOST_CHANNEL_BYTES = 16 << 10
}; // of shared memory, for values per channel; more are computed where they are used

bool matrix_is_plain(const MatrixLayer *layer) {
  return layer->shape.kernel_h * layer->shape.kernel_w == 1 && layer->shape.stride == 1 &&
         layer->shape.pad == 0;
}

// Elements that one access may fetch where both numbers of channels are met.
static int lanes_of(const MatrixLayer *layer, int a, int b) {
  int most = TILE_VECTOR_BYTES / layer->elem_bytes;
  while (a % most || b % most) most /= 2;
  return most;
}

static int64_t div_up(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

// ---- buffers and constants ----

static const char *image_text(StrBuf *out, int h, int w, int c) {
  return h * w == 1 ? arena_printf(out->arena, "[batch, %d]", c)
                    : arena_printf(out->arena, "[batch, %d, %d, %d]", h, w, c);
}
static const char *x_text(StrBuf *out, const MatrixLayer *layer) {
  return image_text(out, layer->shape.in_h, layer->shape.in_w, layer->shape.in_c);
}
static const char *y_text(StrBuf *out, const MatrixLayer *layer) {
  return image_text(out, layer->shape.out_h, layer->shape.out_w, layer->shape.out_c);
}
static const char *weight_text(StrBuf *out, const MatrixLayer *layer, int in, int of) {
  if (layer->shape.kernel_h * layer->shape.kernel_w == 1) return arena_printf(out->arena, "[%d, %d]", in, of);
  return arena_printf(out->arena, "[%d, %d, %d, %d]", layer->shape.kernel_h, layer->shape.kernel_w, in, of);
}

static void open_kernel(StrBuf *out, const char *symbol, int threads, int n_buffers) {
  strbuf_printf(out,
                "extern \"C\" __global__ void __launch_bounds__(%d) %s(const MlaBuffers<%d> buf, const int "
                "batch) {\n",
                threads, symbol, n_buffers);
}

static void put_buffer(StrBuf *out, int at, bool is_result, const char *name, const char *shape) {
  writer_line(out, 1, "%sreal *%s = (%sreal *)buf.at[%d]; // %s", is_result ? "" : "const ", name,
              is_result ? "" : "const ", at, shape);
}

// The result, which may be stored only as what the product takes in makes of it.
static void put_result(StrBuf *out, const MatrixLayer *layer, int alone, const char *name,
                       const char *shape) {
  const Around *around = layer->around;
  if (around) strbuf_put(out, around->buffers);
  int at = around ? around->result_buffer : alone;
  if (at >= 0) put_buffer(out, at, true, name, shape);
}

static void put_layer(StrBuf *out, const MatrixLayer *layer) {
  if (matrix_is_plain(layer)) {
    writer_line(out, 1, "constexpr int OUT_PIXELS = %d, IN_C = %d, OUT_C = %d;",
                layer->shape.out_h * layer->shape.out_w, layer->shape.in_c, layer->shape.out_c);
  } else {
    writer_line(out, 1, "constexpr int IN_H = %d, IN_W = %d, IN_C = %d, OUT_H = %d, OUT_W = %d, OUT_C = %d;",
                layer->shape.in_h, layer->shape.in_w, layer->shape.in_c, layer->shape.out_h,
                layer->shape.out_w, layer->shape.out_c);
    writer_line(out, 1, "constexpr int KERNEL_H = %d, KERNEL_W = %d, STRIDE = %d, PAD = %d;",
                layer->shape.kernel_h, layer->shape.kernel_w, layer->shape.stride, layer->shape.pad);
  }
  writer_line(out, 1, "constexpr int GROUPS = %d, GROUP_IN = IN_C / GROUPS, GROUP_OUT = OUT_C / GROUPS;",
              layer->shape.groups);
}

// Taps times the channels of x, as text.
static const char *taps_in(const MatrixLayer *layer) {
  return matrix_is_plain(layer) ? "GROUP_IN" : "KERNEL_H * KERNEL_W * GROUP_IN";
}

// ---- launches ----

// Blocks for batch * pixels rows, and `beside` blocks for each BLOCK_M of them.
static MlaGrid grid_of_rows(const Tile *tile, int64_t pixels, int64_t beside) {
  return (MlaGrid){
      .per_image = pixels * beside, .fixed = (tile->block_m - 1) * beside, .per_block = tile->block_m};
}

static bool has_sums(const Around *around) {
  return around && around->n_sums > 0;
}

static MatrixKernel finish(StrBuf *out, const char *symbol, const char *head, const Product *product,
                           int n_buffers, MlaGrid grid) {
  int threads = tile_threads(&product->tile);
  open_kernel(out, symbol, threads, product->around ? product->around->n_buffers : n_buffers);
  strbuf_put(out, head);
  product_write(out, product);
  int n_tickets = has_sums(product->around) ? (int)(grid.fixed / product->around->parts) : 0;
  return (MatrixKernel){.threads = threads, .grid = grid, .n_tickets = n_tickets, .use = product->use + 1};
}

// What the product takes in is told to its parts, its tile, and what follows from it. `lanes`: columns of the result that
// an access can store.
static void choose_tile(Product *product, const MatrixLayer *layer, TileSize size, int lanes) {
  const Around *around = layer->around;
  if (around && lanes > around->most_lanes) lanes = around->most_lanes;
  if (around && product->left.lanes > around->most_lanes) product->left.lanes = around->most_lanes;
  product->around = product->left.around = around;
  if (around && around->result_buffer < 0) product->result = NULL;
  size.has_sums = has_sums(layer->around);
  int64_t n_values = around && around->before.channel && !product->left.has_fixed_channel
                         ? around->before.n_kept * product->left.most_channels
                         : 0;
  product->left.keeps_channels = n_values > 0 && n_values * layer->elem_bytes <= MOST_CHANNEL_BYTES;
  if (product->left.keeps_channels) size.n_channel_values = n_values;
  size.elem_bytes = layer->elem_bytes;
  size.math = layer->math;
  size.left_lanes = product->left.lanes;
  size.right_lanes = product->right.lanes;
  size.left_along_terms = product->left.along_terms;
  size.right_along_terms = product->right.along_terms;
  product->elem_bytes = layer->elem_bytes;
  product->tile = tile_choice(layer->choices, &size, &product->use);
  product->stores_vectors = lanes >= tile_column_lanes(&product->tile, layer->elem_bytes);
}

// ---- forward ----

// Blocks that share their rows stand side by side, so that x is read from the second-level cache. A part of a reduction
// behind the product has a turn of row tiles.
static const char place_of_columns[] =
    "constexpr int COLUMN_BLOCKS = (GROUP_COLUMNS + BLOCK_N - 1) / BLOCK_N, BESIDE = COLUMN_BLOCKS * "
    "GROUPS;\n"
    "const int beside = blockIdx.x % BESIDE, group = beside / COLUMN_BLOCKS;\n"
    "const int first_column = beside % COLUMN_BLOCKS * BLOCK_N;\n";

static const char rows_of_block[] =
    "const int first_row = (int)(blockIdx.x / BESIDE) * BLOCK_M;\nif (first_row >= n_rows) return;\n";
static const char rows_of_tile[] = "const int first_row = tile * BLOCK_M;\n";
static const char all_tiles[] = "(n_rows + BLOCK_M - 1) / BLOCK_M";

static const char *place_of_part(StrBuf *out, const MatrixLayer *layer) {
  if (!has_sums(layer->around)) return "";
  return arena_printf(out->arena, "constexpr int PARTS = %d;\nconst int part = blockIdx.x / BESIDE;\n",
                      layer->around->parts);
}

// A launch of `beside` blocks for each row tile, or for each part.
static MlaGrid grid_of(const Product *product, int64_t pixels, int64_t beside) {
  if (product->around && product->around->n_sums)
    return (MlaGrid){.fixed = product->around->parts * beside, .per_block = 1};
  return grid_of_rows(&product->tile, pixels, beside);
}

static Fetch forward_left(StrBuf *out, const MatrixLayer *layer) {
  Fetch fetch = {.along_terms = true,
                 .lanes = lanes_of(layer, layer->shape.in_c, layer->shape.in_c / layer->shape.groups),
                 .each = "",
                 .channel = "(unsigned)(next + left_term) % GROUP_IN",
                 .n_channels = "GROUP_IN",
                 .most_channels = layer->shape.in_c / layer->shape.groups};
  (void)out;
  if (matrix_is_plain(layer)) {
    fetch.prepare =
        "const long left_at = (long)(first_row + left_row) * IN_C + group * GROUP_IN + left_term;\n";
    fetch.locate = "const int term = next + left_term;\n";
    fetch.inside = "term < n_terms && first_row + left_row + i * LEFT_APART < n_rows";
    fetch.tensor = "x";
    fetch.at = "left_at + (long)i * LEFT_APART * IN_C + next";
    return fetch;
  }
  fetch.prepare =
      "// The pixel of x under the kernel's corner for each row; a row behind the last is outside for "
      "every "
      "tap.\n"
      "long left_at[LEFT_FETCHES];\n"
      "int left_y[LEFT_FETCHES], left_x[LEFT_FETCHES];\n"
      "#pragma unroll\n"
      "for (int i = 0; i < LEFT_FETCHES; i++) {\n"
      "const int row = first_row + left_row + i * LEFT_APART, pixel = row % OUT_PIXELS;\n"
      "left_y[i] = row < n_rows ? pixel / OUT_W * STRIDE - PAD : -IN_H - KERNEL_H;\n"
      "left_x[i] = pixel % OUT_W * STRIDE - PAD;\n"
      "left_at[i] = (((long)(row / OUT_PIXELS) * IN_H + left_y[i]) * IN_W + left_x[i]) * IN_C + group * "
      "GROUP_IN;\n"
      "}\n";
  fetch.locate = "// Terms are taps of the kernel, row by row, and within a tap the channels of x.\n"
                 "const unsigned term = next + left_term, tap = term / GROUP_IN;\n"
                 "const int ky = tap / KERNEL_W, kx = tap % KERNEL_W, to_tap = (ky * IN_W + kx) * IN_C + "
                 "term % GROUP_IN;\n";
  fetch.each = "const int iy = left_y[i] + ky, ix = left_x[i] + kx;\n";
  fetch.inside = "term < n_terms && iy >= 0 && iy < IN_H && ix >= 0 && ix < IN_W";
  fetch.tensor = "x";
  fetch.at = "left_at[i] + to_tap";
  return fetch;
}

// Rows of a weight, whose columns stand side by side.
static Fetch weight_right(const MatrixLayer *layer, int columns, const char *row, const char *inside,
                          const char *tensor, const char *at) {
  return (Fetch){.along_terms = false,
                 .lanes = lanes_of(layer, columns, columns / layer->shape.groups),
                 .prepare = "const int right_at = group * GROUP_COLUMNS + first_column + right_column;\n"
                            "const bool is_column = first_column + right_column < GROUP_COLUMNS;\n",
                 .locate = "",
                 .each = row,
                 .inside = inside,
                 .tensor = tensor,
                 .at = at};
}

MatrixKernel matrix_forward(StrBuf *out, const char *symbol, const MatrixLayer *layer) {
  int group_in = layer->shape.in_c / layer->shape.groups,
      group_out = layer->shape.out_c / layer->shape.groups;
  int64_t pixels = (int64_t)layer->shape.out_h * layer->shape.out_w;
  StrBuf head = strbuf_new(out->arena);
  put_buffer(&head, 0, false, "x", x_text(out, layer));
  put_buffer(&head, 1, false, "weight", weight_text(out, layer, group_in, layer->shape.out_c));
  put_result(&head, layer, 2, "y", y_text(out, layer));
  put_layer(&head, layer);
  writer_line(
      &head, 1,
      "// Rows are pixels of y, columns its channels (of one group), terms of a sum taps x channels of x.");
  if (!matrix_is_plain(layer)) writer_line(&head, 1, "constexpr int OUT_PIXELS = OUT_H * OUT_W;");
  writer_line(&head, 1, "constexpr int GROUP_COLUMNS = GROUP_OUT, n_terms = %s;", taps_in(layer));
  Product product = {.left = forward_left(out, layer),
                     .right = weight_right(
                         layer, layer->shape.out_c, "const int term = next + right_term + i * RIGHT_APART;\n",
                         "is_column && term < n_terms", "weight", "term * OUT_C + right_at"),
                     .result = "y",
                     .target = "const long to = (long)row * OUT_C + group * GROUP_OUT + first_column;\n",
                     .n_columns = "GROUP_OUT",
                     .place = arena_printf(out->arena, "%s%sconst int n_rows = batch * OUT_PIXELS;\n",
                                           place_of_columns, place_of_part(out, layer)),
                     .rows = has_sums(layer->around) ? rows_of_tile : rows_of_block,
                     .n_tiles = all_tiles,
                     .has_first_row = true};
  choose_tile(&product, layer,
              (TileSize){.rows = layer->batch * pixels,
                         .columns = group_out,
                         .terms = (int64_t)layer->shape.kernel_h * layer->shape.kernel_w * group_in,
                         .copies = layer->shape.groups},
              lanes_of(layer, layer->shape.out_c, group_out));
  return finish(out, symbol, head.text, &product, 3,
                grid_of(&product, pixels, div_up(group_out, product.tile.block_n) * layer->shape.groups));
}

// ---- the gradient of x ----

// The taps that a pixel of x took part in: for stride 1 all of them; else the pixels fall into stride x stride phases,
// each with taps of its own, and a block computes pixels of one phase.
static const char *grad_input_place(StrBuf *out, const MatrixLayer *layer) {
  if (matrix_is_plain(layer))
    return arena_printf(out->arena,
                        "%s%sconst int n_rows = batch * OUT_PIXELS;\nconstexpr int n_terms = GROUP_OUT;\n",
                        place_of_columns, place_of_part(out, layer));
  const char *phases = layer->shape.stride == 1 || has_sums(layer->around) ? "" : " * STRIDE * STRIDE";
  return arena_printf(
      out->arena,
      "constexpr int COLUMN_BLOCKS = (GROUP_IN + BLOCK_N - 1) / BLOCK_N, BESIDE = COLUMN_BLOCKS * "
      "GROUPS%s;\n"
      "constexpr int PHASE_H = (IN_H + STRIDE - 1) / STRIDE, PHASE_W = (IN_W + STRIDE - 1) / STRIDE;\n"
      "const int beside = blockIdx.x %% BESIDE, group = beside / COLUMN_BLOCKS %% GROUPS;\n"
      "const int first_column = beside %% COLUMN_BLOCKS * BLOCK_N;\n"
      "%sconst int n_rows = batch * (PHASE_H * PHASE_W);\n",
      phases, place_of_part(out, layer));
}

static const char *grad_input_rows(StrBuf *out, const MatrixLayer *layer) {
  if (matrix_is_plain(layer)) return has_sums(layer->around) ? rows_of_tile : rows_of_block;
  const char *first = has_sums(layer->around) ? rows_of_tile : rows_of_block;
  const char *phase = "constexpr int phase_y = 0, phase_x = 0;\n";
  if (layer->shape.stride > 1) {
    phase = arena_printf(
        out->arena,
        "// Pixels of x with the same rest modulo the stride saw the same taps: one phase a %s.\n"
        "const int phase = %s, phase_y = phase / STRIDE, phase_x = phase %% STRIDE;\n",
        has_sums(layer->around) ? "tile" : "block",
        has_sums(layer->around) ? "tile % (STRIDE * STRIDE)" : "beside / (COLUMN_BLOCKS * GROUPS)");
    if (has_sums(layer->around)) first = "const int first_row = tile / (STRIDE * STRIDE) * BLOCK_M;\n";
  }
  return arena_printf(
      out->arena,
      "%s%s"
      "// Its taps: every STRIDE-th from first_ky (first_kx) on; pixel 0 of the phase meets g at first_oy "
      "(first_ox) there.\n"
      "const int first_ky = (phase_y + PAD) %% STRIDE, first_kx = (phase_x + PAD) %% STRIDE;\n"
      "const int first_oy = (phase_y + PAD) / STRIDE, first_ox = (phase_x + PAD) / STRIDE;\n"
      "const int taps_h = (KERNEL_H - first_ky + STRIDE - 1) / STRIDE, taps_w = (KERNEL_W - first_kx + "
      "STRIDE - 1) / STRIDE;\n"
      "const int n_terms = taps_h * taps_w * GROUP_OUT;\n",
      first, phase);
}

static Fetch grad_input_left(const MatrixLayer *layer) {
  Fetch fetch = {.along_terms = true,
                 .lanes = lanes_of(layer, layer->shape.out_c, layer->shape.out_c / layer->shape.groups),
                 .each = "",
                 .channel = "(unsigned)(next + left_term) % GROUP_OUT",
                 .n_channels = "GROUP_OUT",
                 .most_channels = layer->shape.out_c / layer->shape.groups};
  if (matrix_is_plain(layer)) {
    fetch.prepare =
        "const long left_at = (long)(first_row + left_row) * OUT_C + group * GROUP_OUT + left_term;\n";
    fetch.locate = "const int term = next + left_term;\n";
    fetch.inside = "term < n_terms && first_row + left_row + i * LEFT_APART < n_rows";
    fetch.tensor = "g";
    fetch.at = "left_at + (long)i * LEFT_APART * OUT_C + next";
    return fetch;
  }
  fetch.prepare =
      "// The pixel of g under the first tap for each row; a row behind the last is outside for every "
      "tap.\n"
      "long left_at[LEFT_FETCHES];\n"
      "int left_y[LEFT_FETCHES], left_x[LEFT_FETCHES];\n"
      "#pragma unroll\n"
      "for (int i = 0; i < LEFT_FETCHES; i++) {\n"
      "const int row = first_row + left_row + i * LEFT_APART, pixel = row % (PHASE_H * PHASE_W);\n"
      "left_y[i] = row < n_rows ? pixel / PHASE_W + first_oy : -1;\n"
      "left_x[i] = pixel % PHASE_W + first_ox;\n"
      "left_at[i] = (((long)(row / (PHASE_H * PHASE_W)) * OUT_H + left_y[i]) * OUT_W + left_x[i]) * OUT_C "
      "+ group * GROUP_OUT;\n"
      "}\n";
  fetch.locate = "// Terms are taps, against which g runs backwards, and within a tap the channels of y.\n"
                 "const unsigned term = next + left_term, tap = term / GROUP_OUT;\n"
                 "const int ty = tap / taps_w, tx = tap % taps_w, to_tap = (ty * OUT_W + tx) * OUT_C - "
                 "(int)(term % GROUP_OUT);\n";
  fetch.each = "const int oy = left_y[i] - ty, ox = left_x[i] - tx;\n";
  fetch.inside = "term < n_terms && oy >= 0 && oy < OUT_H && ox >= 0 && ox < OUT_W";
  fetch.tensor = "g";
  fetch.at = "left_at[i] - to_tap";
  return fetch;
}

static const char grad_input_row[] =
    "const unsigned term = next + right_term + i * RIGHT_APART, tap = term / GROUP_OUT;\n"
    "const int ky = first_ky + tap / taps_w * STRIDE, kx = first_kx + tap % taps_w * STRIDE;\n"
    "const int weight_row = (ky * KERNEL_W + kx) * GROUP_OUT + term % GROUP_OUT;\n";

static const char *grad_input_target(const MatrixLayer *layer) {
  if (layer->shape.stride == 1)
    return "const long to = (long)row * IN_C + group * GROUP_IN + first_column;\n";
  return "const int pixel = row % (PHASE_H * PHASE_W), iy = pixel / PHASE_W * STRIDE + phase_y, ix = pixel "
         "% "
         "PHASE_W * "
         "STRIDE + phase_x;\n"
         "if (iy >= IN_H || ix >= IN_W) continue; // phases are of one size: the last pixels of some are "
         "not "
         "there\n"
         "const long to = (((long)(row / (PHASE_H * PHASE_W)) * IN_H + iy) * IN_W + ix) * IN_C + group * "
         "GROUP_IN + "
         "first_column;\n";
}

// The right factor from the weight [taps, in, out] itself, where the terms of a tap stand side by side.
static Fetch grad_input_weight(const MatrixLayer *layer) {
  return (Fetch){
      .along_terms = true,
      .lanes = lanes_of(layer, layer->shape.out_c, layer->shape.out_c / layer->shape.groups),
      .prepare = "",
      .locate =
          matrix_is_plain(layer)
              ? "const int term = next + right_term, to_term = group * GROUP_OUT + term;\n"
              : "const unsigned term = next + right_term, tap = term / GROUP_OUT;\n"
                "const int ky = first_ky + tap / taps_w * STRIDE, kx = first_kx + tap % taps_w * STRIDE;\n"
                "const int to_term = (ky * KERNEL_W + kx) * GROUP_IN * OUT_C + group * GROUP_OUT + term % "
                "GROUP_OUT;\n",
      .each = "const int column = first_column + right_column + i * RIGHT_APART;\n",
      .inside = "term < n_terms && column < GROUP_COLUMNS",
      .tensor = "weight",
      .at = "column * OUT_C + to_term"};
}

// The right factor from the transposed weight [taps, out, in], where the columns stand side by side.
static Fetch grad_input_transposed(const MatrixLayer *layer) {
  return weight_right(layer, layer->shape.in_c,
                      matrix_is_plain(layer)
                          ? "const int term = next + right_term + i * RIGHT_APART, weight_row = term;\n"
                          : grad_input_row,
                      "is_column && term < n_terms", "transposed", "weight_row * IN_C + right_at");
}

static MatrixKernel write_grad_input(StrBuf *out, const char *symbol, const MatrixLayer *layer,
                                     bool is_transposed) {
  int group_in = layer->shape.in_c / layer->shape.groups,
      group_out = layer->shape.out_c / layer->shape.groups, s = layer->shape.stride;
  int64_t pixels = div_up(layer->shape.in_h, s) * div_up(layer->shape.in_w, s), phases = (int64_t)s * s;
  StrBuf head = strbuf_new(out->arena);
  put_buffer(&head, 0, false, "g", y_text(out, layer));
  put_buffer(&head, 1, false, is_transposed ? "transposed" : "weight",
             is_transposed ? weight_text(out, layer, group_out, layer->shape.in_c)
                           : weight_text(out, layer, group_in, layer->shape.out_c));
  put_result(&head, layer, 2, "dx", x_text(out, layer));
  put_layer(&head, layer);
  writer_line(
      &head, 1,
      "// Rows are pixels of x, columns its channels (of one group), terms of a sum taps x channels of y.");
  writer_line(&head, 1, "constexpr int GROUP_COLUMNS = GROUP_IN;");
  Product product = {.left = grad_input_left(layer),
                     .right = is_transposed ? grad_input_transposed(layer) : grad_input_weight(layer),
                     .result = "dx",
                     .target = grad_input_target(layer),
                     .n_columns = "GROUP_COLUMNS",
                     .place = grad_input_place(out, layer),
                     .rows = grad_input_rows(out, layer),
                     .n_tiles = layer->shape.stride == 1
                                    ? all_tiles
                                    : "(n_rows + BLOCK_M - 1) / BLOCK_M * (STRIDE * STRIDE)",
                     .has_first_row = layer->shape.stride == 1};
  choose_tile(
      &product, layer,
      (TileSize){.rows = layer->batch * pixels,
                 .columns = group_in,
                 .terms = div_up((int64_t)layer->shape.kernel_h * layer->shape.kernel_w, phases) * group_out,
                 .copies = layer->shape.groups * phases},
      lanes_of(layer, layer->shape.in_c, group_in));
  return finish(out, symbol, head.text, &product, 3,
                grid_of(&product, pixels,
                        div_up(group_in, product.tile.block_n) * layer->shape.groups *
                            (has_sums(layer->around) ? 1 : phases)));
}

MatrixKernel matrix_grad_input(StrBuf *out, const char *symbol, const MatrixLayer *layer) {
  return write_grad_input(out, symbol, layer, true);
}

MatrixKernel matrix_plain_grad_input(StrBuf *out, const char *symbol, const MatrixLayer *layer) {
  return write_grad_input(out, symbol, layer, false);
}

// ---- the gradient of the weight ----

static const char *grad_weight_place(StrBuf *out, int parts) {
  return arena_printf(out->arena,
                      "// Blocks of one part of the batch stand side by side: they read the same pixels.\n"
                      "constexpr int PARTS = %d, ROW_BLOCKS = (n_rows + BLOCK_M - 1) / BLOCK_M;\n"
                      "constexpr int COLUMN_BLOCKS = (GROUP_OUT + BLOCK_N - 1) / BLOCK_N, BESIDE = "
                      "ROW_BLOCKS * COLUMN_BLOCKS * GROUPS;\n"
                      "const int part = blockIdx.x / BESIDE, beside = blockIdx.x %% BESIDE, group = beside / "
                      "(ROW_BLOCKS * COLUMN_BLOCKS);\n"
                      "const int first_row = beside / COLUMN_BLOCKS %% ROW_BLOCKS * BLOCK_M, first_column = "
                      "beside %% COLUMN_BLOCKS * BLOCK_N;\n"
                      "const int first_image = (long)batch * part / PARTS, n_images = (int)((long)batch * "
                      "(part + 1) / PARTS) - first_image;\n"
                      "const int n_terms = n_images * OUT_PIXELS;\n",
                      parts);
}

static Fetch grad_weight_left(const MatrixLayer *layer) {
  Fetch fetch = {.along_terms = false,
                 .lanes = lanes_of(layer, layer->shape.in_c, layer->shape.in_c / layer->shape.groups),
                 .locate = "",
                 .channel = "(first_row + left_row) % GROUP_IN",
                 .n_channels = "GROUP_IN",
                 .has_fixed_channel = true};
  fetch.prepare =
      matrix_is_plain(layer)
          ? "const bool is_row = first_row + left_row < n_rows;\n"
            "const long left_at = (long)first_image * OUT_PIXELS * IN_C + group * GROUP_IN + first_row + "
            "left_row;\n"
          : "// The tap and channel of x of this thread's rows.\n"
            "const bool is_row = first_row + left_row < n_rows;\n"
            "const int left_tap = (first_row + left_row) / GROUP_IN;\n"
            "const int left_ky = left_tap / KERNEL_W - PAD, left_kx = left_tap % KERNEL_W - PAD;\n"
            "const int left_channel = group * GROUP_IN + (first_row + left_row) % GROUP_IN;\n";
  if (matrix_is_plain(layer)) {
    fetch.each = "const int term = next + left_term + i * LEFT_APART;\n";
    fetch.inside = "is_row && term < n_terms";
    fetch.tensor = "x";
    fetch.at = "left_at + (long)term * IN_C";
    return fetch;
  }
  fetch.each = "const unsigned term = next + left_term + i * LEFT_APART, pixel = term % OUT_PIXELS;\n"
               "const int iy = (int)(pixel / OUT_W) * STRIDE + left_ky, ix = (int)(pixel % OUT_W) * STRIDE + "
               "left_kx;\n";
  fetch.inside = "is_row && term < n_terms && iy >= 0 && iy < IN_H && ix >= 0 && ix < IN_W";
  fetch.tensor = "x";
  fetch.at = "(((long)(first_image + term / OUT_PIXELS) * IN_H + iy) * IN_W + ix) * IN_C + left_channel";
  return fetch;
}

static Fetch grad_weight_right(const MatrixLayer *layer) {
  return (Fetch){.along_terms = false,
                 .lanes = lanes_of(layer, layer->shape.out_c, layer->shape.out_c / layer->shape.groups),
                 .prepare =
                     "const bool is_column = first_column + right_column < GROUP_OUT;\n"
                     "const long right_at = (long)first_image * OUT_PIXELS * OUT_C + group * GROUP_OUT + "
                     "first_column + right_column;\n",
                 .locate = "",
                 .each = "const int term = next + right_term + i * RIGHT_APART;\n",
                 .inside = "is_column && term < n_terms",
                 .tensor = "g",
                 .at = "right_at + (long)term * OUT_C"};
}

// A tile's blocks, one for each part, meet at its ticket; the last one adds what all of them stored.
static const char *join_parts(StrBuf *out, const MatrixLayer *layer) {
  return arena_printf(out->arena,
                      "\n// The block of this tile that comes last adds its parts, in their order.\n"
                      "__shared__ unsigned taken;\n"
                      "if (!mla_is_last_block(tickets + beside, PARTS, &taken)) return;\n"
                      "constexpr int LANES = %d, ACROSS = BLOCK_N / LANES, WEIGHT = n_rows * OUT_C;\n"
                      "for (int i = thread; i < BLOCK_M * ACROSS; i += THREADS) {\n"
                      "MLA_USE(LANES)\n"
                      "const int row = first_row + i / ACROSS, column = first_column + i %% ACROSS * LANES;\n"
                      "if (row >= n_rows || column >= GROUP_OUT) continue;\n"
                      "const int at = row * OUT_C + group * GROUP_OUT + column;\n"
                      "vec total = mla_load(partial + at);\n"
                      "#pragma unroll 8\n"
                      "for (int p = 1; p < PARTS; p++) total += mla_load(partial + (long)p * WEIGHT + at);\n"
                      "mla_store(dw + at, total);\n"
                      "}\n",
                      lanes_of(layer, layer->shape.out_c, layer->shape.out_c / layer->shape.groups));
}

MatrixKernel matrix_grad_weight(StrBuf *out, const char *symbol, const MatrixLayer *layer, int parts) {
  int group_in = layer->shape.in_c / layer->shape.groups,
      group_out = layer->shape.out_c / layer->shape.groups;
  int64_t rows = (int64_t)layer->shape.kernel_h * layer->shape.kernel_w * group_in;
  StrBuf head = strbuf_new(out->arena);
  const char *shape = weight_text(out, layer, group_in, layer->shape.out_c);
  put_buffer(&head, 0, false, "x", x_text(out, layer));
  put_buffer(&head, 1, false, "g", y_text(out, layer));
  int at = layer->around ? layer->around->result_buffer - 2 : 2;
  if (parts > 1) {
    put_buffer(&head, at, true, "partial", arena_printf(out->arena, "%d sums of %s", parts, shape));
    writer_line(&head, 1, "unsigned *tickets = (unsigned *)buf.at[%d]; // of each tile", at + 1);
  }
  put_result(&head, layer, parts > 1 ? 4 : 2, "dw", shape);
  put_layer(&head, layer);
  writer_line(&head, 1,
              "// Rows are taps x channels of x, columns channels of y (of one group), terms of a sum "
              "pixels of y.");
  if (!matrix_is_plain(layer)) writer_line(&head, 1, "constexpr int OUT_PIXELS = OUT_H * OUT_W;");
  writer_line(&head, 1, "constexpr int n_rows = %s;", taps_in(layer));
  Product product = {
      .left = grad_weight_left(layer),
      .right = grad_weight_right(layer),
      .result = parts > 1 ? "partial" : "dw",
      .target = "const long to = ((long)part * n_rows + row) * OUT_C + group * GROUP_OUT + first_column;\n",
      .behind = parts > 1 ? join_parts(out, layer) : NULL,
      .n_columns = "GROUP_OUT",
      .place = grad_weight_place(out, parts),
      .rows = ""};
  choose_tile(&product, layer,
              (TileSize){.rows = rows,
                         .columns = group_out,
                         .terms = div_up(layer->batch, parts) * layer->shape.out_h * layer->shape.out_w,
                         .copies = (int64_t)layer->shape.groups * parts,
                         .joined = parts > 1 ? parts : 0},
              lanes_of(layer, layer->shape.out_c, group_out));
  int64_t blocks = div_up(rows, product.tile.block_m) * div_up(group_out, product.tile.block_n) *
                   layer->shape.groups * parts;
  MatrixKernel kernel =
      finish(out, symbol, head.text, &product, parts > 1 ? 5 : 3, (MlaGrid){.fixed = blocks, .per_block = 1});
  kernel.n_tickets = parts > 1 ? (int)(blocks / parts) : 0;
  return kernel;
}
