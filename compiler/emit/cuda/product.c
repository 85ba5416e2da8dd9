// One product over blocks. The loop runs one step behind its fetches: while the tiles of a step are multiplied, the next
// ones are on their way from memory to registers, and are put into the other pair of tiles just before the barrier.
//
//   for each BLOCK_K terms
//     fetch the next terms              | memory -> registers
//     multiply the tiles at hand        | shared memory -> registers, THREAD_M x THREAD_N sums
//     stash what was fetched            | registers -> the other tiles, through what comes before the product
//     barrier
//
// Tiles stand with the terms outside: a thread reads its rows and columns of one term as whole vectors.
#include "compiler/emit/cuda/product_parts.h"

static Side left_side(const Product *product) {
  return (Side){"left", "LEFT", "Left", "BLOCK_M", "row", product->tile.block_m, &product->left};
}
static Side right_side(const Product *product) {
  return (Side){"right", "RIGHT", "Right", "BLOCK_N", "column", product->tile.block_n, &product->right};
}

// More threads than there is to fetch: some have nothing to put away.
static bool side_is_small(const Product *product, const Side *side) {
  int block_k = product->tile.block_k, along = side->fetch->along_terms ? block_k : side->extent,
      apart = side->fetch->along_terms ? side->extent : block_k;
  return tile_threads(&product->tile) / (along / side->fetch->lanes) > apart;
}

static void put_exact_tiles(StrBuf *out, const Product *product) {
  const Tile *tile = &product->tile;
  int vector = TILE_VECTOR_BYTES / product->elem_bytes,
      padding = tile_padding(TILE_EXACT, false, product->elem_bytes);
  int row_lanes = tile->thread_m < vector ? tile->thread_m : vector,
      column_lanes = tile_column_lanes(tile, product->elem_bytes);
  writer_line(out, 1, "// A thread's rows (columns) are groups of neighbours, spread over the block's.");
  writer_line(out, 1, "constexpr int THREADS_N = BLOCK_N / THREAD_N;");
  writer_line(out, 1, "constexpr int ROW_LANES = %d, ROW_SPREAD = BLOCK_M / (THREAD_M / ROW_LANES);",
              row_lanes);
  writer_line(out, 1, "constexpr int COLUMN_LANES = %d, COLUMN_SPREAD = BLOCK_N / (THREAD_N / COLUMN_LANES);",
              column_lanes);
  writer_line(out, 1, "struct alignas(ROW_LANES * sizeof(real)) RowVector { real at[ROW_LANES]; };");
  writer_line(out, 1, "struct alignas(COLUMN_LANES * sizeof(real)) ColumnVector { real at[COLUMN_LANES]; };");
  writer_line(
      out, 1,
      "const int my_row = thread / THREADS_N * ROW_LANES, my_column = thread %% THREADS_N * COLUMN_LANES;");
  if (store_has_sums(product)) writer_line(out, 1, "const int thread_row = thread / THREADS_N;");
  writer_line(out, 1,
              "// Tiles of both factors, [terms][rows] and [terms][columns], padded against bank conflicts.");
  writer_line(out, 1, "struct alignas(16) LeftTile { real at[BLOCK_K][BLOCK_M + %d]; };", padding);
  writer_line(out, 1, "struct alignas(16) RightTile { real at[BLOCK_K][BLOCK_N + %d]; };", padding);
  writer_line(out, 1, "__shared__ LeftTile left_tile[2];");
  writer_line(out, 1, "__shared__ RightTile right_tile[2];");
}

// ---- what comes before the product ----

static bool takes_in(const Fetch *fetch) {
  return fetch->around && fetch->around->before.element;
}

static bool has_channels(const Fetch *fetch) {
  return takes_in(fetch) && fetch->around->before.channel;
}

// The values per channel of all channels, for threads that meet another channel in each step.
static void put_channels(StrBuf *out, const Product *product) {
  const Fetch *fetch = &product->left;
  if (!has_channels(fetch) || !fetch->keeps_channels) return;
  const AroundLines *lines = &fetch->around->before;
  strbuf_put(out, "\n");
  writer_line(out, 1, "// Values of each channel for what comes before the product.");
  writer_line(out, 1, "struct alignas(16) ChannelValues { real at[%d][%s]; };", lines->n_kept,
              fetch->n_channels);
  writer_line(out, 1, "__shared__ ChannelValues channel_values;");
  writer_line(out, 1, "for (int i = thread; i < %s; i += THREADS) {", fetch->n_channels);
  writer_line(out, 2, "MLA_USE(1)");
  writer_line(out, 2, "const int c = group * %s + i;", fetch->n_channels);
  writer_indent(out, 2, lines->channel);
  for (int k = 0; k < lines->n_kept; k++)
    writer_line(out, 2, "channel_values.at[%d][i] = %s;", k, lines->kept[k]);
  writer_line(out, 1, "}");
  writer_line(out, 1, "__syncthreads();");
}

// The same for a thread whose channels stay.
static void put_fixed_channels(StrBuf *out, const Fetch *fetch) {
  if (!has_channels(fetch) || !fetch->has_fixed_channel) return;
  const AroundLines *lines = &fetch->around->before;
  writer_line(out, 1, "LeftVector channel_values[%d]; // of this thread's channels", lines->n_kept);
  writer_line(out, 1, "{");
  writer_line(out, 2, "MLA_USE(LEFT_LANES)");
  writer_line(out, 2, "const int c = is_row ? group * %s + %s : 0;", fetch->n_channels, fetch->channel);
  writer_indent(out, 2, lines->channel);
  for (int k = 0; k < lines->n_kept; k++)
    writer_line(out, 2, "mla_store(channel_values[%d].at, %s);", k, lines->kept[k]);
  writer_line(out, 1, "}");
}

static void put_channel_loads(StrBuf *out, const Fetch *fetch) {
  const AroundLines *lines = &fetch->around->before;
  writer_line(out, 3, "MLA_USE(LEFT_LANES)");
  if (!has_channels(fetch)) return;
  if (!fetch->has_fixed_channel && !fetch->keeps_channels) {
    writer_line(out, 3, "const int c = group * %s + %s;", fetch->n_channels, fetch->channel);
    writer_indent(out, 3, lines->channel);
    return;
  }
  for (int k = 0; k < lines->n_kept; k++) {
    if (fetch->has_fixed_channel)
      writer_line(out, 3, "const vec %s = mla_load(channel_values[%d].at);", lines->kept[k], k);
    else
      writer_line(out, 3, "const vec %s = mla_load(&channel_values.at[%d][%s]);", lines->kept[k], k,
                  fetch->channel);
  }
}

// What was fetched, on its way into the tile: by now it has come, and nothing waits for it. Padding stays zero: it is no
// value of the tensor.
static void put_before(StrBuf *out, const Side *side) {
  const Fetch *fetch = side->fetch;
  const char *lines = fetch->around->before.element;
  writer_line(out, 4, "if (%s_inside[i]) {", side->name);
  if (writer_uses(lines, "e")) {
    writer_indent(out, 5, fetch->locate);
    writer_indent(out, 5, fetch->each);
    writer_line(out, 5, "const long e = %s;", fetch->at);
  }
  writer_line(out, 5, "const vec fetched = mla_load(%s[i].at);", side->name);
  writer_indent(out, 5, lines);
  writer_line(out, 5, "mla_store(%s[i].at, %s);", side->name, fetch->around->operand);
  writer_line(out, 4, "}");
}

// ---- the factors ----

static void put_side(StrBuf *out, const Side *side) {
  const Fetch *fetch = side->fetch;
  const char *items = arena_printf(out->arena, "%ss", side->item);
  const char *along = fetch->along_terms ? "terms" : items, *apart = fetch->along_terms ? items : "terms";
  const char *extent = fetch->along_terms ? "BLOCK_K" : side->block,
             *rest = fetch->along_terms ? side->block : "BLOCK_K";
  strbuf_printf(out,
                "\n  // Of the %s factor this thread fetches %s_FETCHES times %s_LANES neighbouring %s, "
                "%s_APART %s apart.\n",
                side->name, side->capital, side->capital, along, side->capital, apart);
  writer_line(
      out, 1, "constexpr int %s_LANES = %d, %s_ACROSS = %s / %s_LANES, %s_APART = THREADS / %s_ACROSS;",
      side->capital, fetch->lanes, side->capital, extent, side->capital, side->capital, side->capital);
  writer_line(out, 1, "constexpr int %s_FETCHES = (%s + %s_APART - 1) / %s_APART;", side->capital, rest,
              side->capital, side->capital);
  writer_line(out, 1, "struct alignas(%s_LANES * sizeof(real)) %sVector { real at[%s_LANES]; };",
              side->capital, side->type, side->capital);
  writer_line(out, 1, "const int %s_%s = thread %% %s_ACROSS * %s_LANES, %s_%s = thread / %s_ACROSS;",
              side->name, fetch->along_terms ? "term" : side->item, side->capital, side->capital, side->name,
              fetch->along_terms ? side->item : "term", side->capital);
  writer_indent(out, 1, fetch->prepare);
  put_fixed_channels(out, fetch);
  writer_line(out, 1, "%sVector %s[%s_FETCHES];", side->type, side->name, side->capital);
  if (takes_in(fetch)) writer_line(out, 1, "bool %s_inside[%s_FETCHES];", side->name, side->capital);
}

static void put_fetch(StrBuf *out, const Side *side) {
  const Fetch *fetch = side->fetch;
  writer_line(out, 3, "{");
  writer_indent(out, 4, fetch->locate);
  strbuf_put(out, "#pragma unroll\n");
  writer_line(out, 4, "for (int i = 0; i < %s_FETCHES; i++) {", side->capital);
  writer_indent(out, 5, fetch->each);
  writer_line(out, 5, "%s[i] = %sVector{};", side->name, side->type);
  const char *inside = fetch->inside;
  if (takes_in(fetch)) {
    writer_line(out, 5, "%s_inside[i] = %s;", side->name, inside);
    inside = arena_printf(out->arena, "%s_inside[i]", side->name);
  }
  writer_line(out, 5, "if (%s) %s[i] = *(const %sVector *)(%s + %s);", inside, side->name, side->type,
              fetch->tensor, fetch->at);
  writer_line(out, 4, "}");
  writer_line(out, 3, "}");
}

static void put_exact_stash(StrBuf *out, const Side *side) {
  if (side->fetch->along_terms) {
    strbuf_put(out, "#pragma unroll\n");
    writer_line(out, 4, "for (int lane = 0; lane < %s_LANES; lane++)", side->capital);
    writer_line(out, 5, "%s_tile[!now].at[%s_term + lane][%s_%s + i * %s_APART] = %s[i].at[lane];",
                side->name, side->name, side->name, side->item, side->capital, side->name);
  } else {
    writer_line(out, 4, "*(%sVector *)&%s_tile[!now].at[%s_term + i * %s_APART][%s_%s] = %s[i];", side->type,
                side->name, side->name, side->capital, side->name, side->item, side->name);
  }
}

static void put_stash(StrBuf *out, const Product *product, const Side *side) {
  const Fetch *fetch = side->fetch;
  if (takes_in(fetch)) put_channel_loads(out, fetch);
  strbuf_put(out, "#pragma unroll\n");
  writer_line(out, 3, "for (int i = 0; i < %s_FETCHES; i++) {", side->capital);
  if (side_is_small(product, side))
    writer_line(out, 4, "if (%s_%s >= %s) continue;", side->name, fetch->along_terms ? side->item : "term",
                fetch->along_terms ? side->block : "BLOCK_K");
  if (takes_in(fetch)) put_before(out, side);
  (product->tile.math == TILE_EXACT ? put_exact_stash : tensor_stash)(out, side);
  writer_line(out, 3, "}");
}

static void put_exact_multiply(StrBuf *out) {
  writer_line(out, 2, "// The tiles at hand: each term of this thread's rows with each of its columns.");
  writer_line(out, 2, "if (step >= 0) {");
  strbuf_put(out, "#pragma unroll 8\n");
  writer_line(out, 3, "for (int k = 0; k < BLOCK_K; k++) {");
  writer_line(out, 4, "RowVector a[THREAD_M / ROW_LANES];");
  writer_line(out, 4, "ColumnVector b[THREAD_N / COLUMN_LANES];");
  strbuf_put(out, "#pragma unroll\n");
  writer_line(out, 4, "for (int m = 0; m < THREAD_M / ROW_LANES; m++)");
  writer_line(out, 5, "a[m] = *(const RowVector *)&left_tile[now].at[k][my_row + m * ROW_SPREAD];");
  strbuf_put(out, "#pragma unroll\n");
  writer_line(out, 4, "for (int n = 0; n < THREAD_N / COLUMN_LANES; n++)");
  writer_line(out, 5, "b[n] = *(const ColumnVector *)&right_tile[now].at[k][my_column + n * COLUMN_SPREAD];");
  strbuf_put(out, "#pragma unroll\n");
  writer_line(out, 4, "for (int m = 0; m < THREAD_M; m++)");
  strbuf_put(out, "#pragma unroll\n");
  writer_line(out, 5, "for (int n = 0; n < THREAD_N; n++)");
  writer_line(
      out, 6,
      "sum[m][n] += a[m / ROW_LANES].at[m %% ROW_LANES] * b[n / COLUMN_LANES].at[n %% COLUMN_LANES];");
  writer_line(out, 3, "}");
  writer_line(out, 2, "}");
}

static void put_loop(StrBuf *out, const Product *product) {
  Side left = left_side(product), right = right_side(product);
  bool is_exact = product->tile.math == TILE_EXACT;
  strbuf_put(out, "\n");
  writer_line(out, 1,
              is_exact ? "real sum[THREAD_M][THREAD_N] = {};"
                       : "float fragment[THREAD_M / 2][THREAD_N / 2][4] = {};");
  writer_line(out, 1, "// One step behind the fetches; the first only fetches. `now` are the tiles at hand.");
  writer_line(out, 1, "for (int step = -BLOCK_K, now = 1; step < n_terms; step += BLOCK_K, now = !now) {");
  writer_line(out, 2, "const int next = step + BLOCK_K;");
  writer_line(out, 2, "if (next < n_terms) {");
  put_fetch(out, &left);
  put_fetch(out, &right);
  writer_line(out, 2, "}");
  if (is_exact)
    put_exact_multiply(out);
  else
    tensor_multiply(out, product);
  writer_line(out, 2, "if (next < n_terms) {");
  put_stash(out, product, &left);
  put_stash(out, product, &right);
  writer_line(out, 2, "}");
  writer_line(out, 2, "__syncthreads();");
  writer_line(out, 1, "}");
  if (!is_exact) tensor_sums(out);
}

// Everything between the choice of the rows and the end of their store.
static void put_tile(StrBuf *out, const Product *product) {
  Side left = left_side(product), right = right_side(product);
  put_side(out, &left);
  put_side(out, &right);
  put_loop(out, product);
  store_put(out, product);
}

// The row tiles of this block's part, one after another.
static void put_tiles_of_part(StrBuf *out, const Product *product) {
  StrBuf body = strbuf_new(out->arena);
  writer_indent(&body, 1, product->rows);
  put_tile(&body, product);
  store_open_sums(out, product);
  writer_line(out, 1, "for (int tile = part; tile < %s; tile += PARTS) {", product->n_tiles);
  store_deeper(out, body.text);
  writer_line(out, 1, "}");
  store_close_sums(out, product);
}

void product_write(StrBuf *out, const Product *product) {
  const Tile *tile = &product->tile;
  writer_line(out, 1,
              "// A block computes BLOCK_M rows x BLOCK_N columns, BLOCK_K terms at a time; a thread "
              "THREAD_M x THREAD_N.");
  writer_line(
      out, 1,
      "constexpr int BLOCK_M = %d, BLOCK_N = %d, BLOCK_K = %d, THREAD_M = %d, THREAD_N = %d, THREADS = %d;",
      tile->block_m, tile->block_n, tile->block_k, tile->thread_m, tile->thread_n, tile_threads(tile));
  writer_line(out, 1, "const int thread = threadIdx.x;");
  writer_indent(out, 1, product->place);
  if (!store_has_sums(product)) writer_indent(out, 1, product->rows);
  (product->tile.math == TILE_EXACT ? put_exact_tiles : tensor_tiles)(out, product);
  store_lanes(out, product);
  put_channels(out, product);
  if (store_has_sums(product))
    put_tiles_of_part(out, product);
  else
    put_tile(out, product);
  if (product->behind) writer_indent(out, 1, product->behind);
  strbuf_put(out, "}\n");
}
