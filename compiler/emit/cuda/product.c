// One product over blocks. The loop runs one step behind its fetches: while the tiles of a step are multiplied, the next
// ones are on their way from memory to registers, and are put into the other pair of tiles just before the barrier.
//
//   for each BLOCK_K terms
//     fetch the next terms              | memory -> registers
//     multiply the tiles at hand        | shared memory -> registers, THREAD_M x THREAD_N sums
//     stash what was fetched            | registers -> the other tiles
//     barrier
//
// Tiles stand with the terms outside: a thread reads its rows and columns of one term as whole vectors.
#include "compiler/emit/cuda/product.h"

// Names of one factor's side.
typedef struct Side {
  const char *name, *capital, *type; // left LEFT LeftVector
  const char *block, *item;          // BLOCK_M row
  const Fetch *fetch;
} Side;

static Side left_side(const Product *product) {
  return (Side){"left", "LEFT", "LeftVector", "BLOCK_M", "row", &product->left};
}
static Side right_side(const Product *product) {
  return (Side){"right", "RIGHT", "RightVector", "BLOCK_N", "column", &product->right};
}

static int side_across(const Product *product, const Side *side, bool is_left) {
  const Tile *tile = &product->tile;
  int extent = side->fetch->along_terms ? tile->block_k : is_left ? tile->block_m : tile->block_n;
  return extent / side->fetch->lanes;
}

// More threads than there is to fetch: some have nothing to put away.
static bool side_is_small(const Product *product, const Side *side, bool is_left) {
  const Tile *tile = &product->tile;
  int extent = !side->fetch->along_terms ? tile->block_k : is_left ? tile->block_m : tile->block_n;
  return tile_threads(tile) / side_across(product, side, is_left) > extent;
}

static void put_tiles(StrBuf *out, const Product *product) {
  const Tile *tile = &product->tile;
  int vector = TILE_VECTOR_BYTES / product->elem_bytes;
  int row_lanes = tile->thread_m < vector ? tile->thread_m : vector,
      column_lanes = tile->thread_n < vector ? tile->thread_n : vector;
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
  writer_line(out, 1,
              "// Tiles of both factors, [terms][rows] and [terms][columns], padded against bank conflicts.");
  writer_line(out, 1, "struct alignas(16) LeftTile { real at[BLOCK_K][BLOCK_M + %d]; };", vector);
  writer_line(out, 1, "struct alignas(16) RightTile { real at[BLOCK_K][BLOCK_N + %d]; };", vector);
  writer_line(out, 1, "__shared__ LeftTile left_tile[2];");
  writer_line(out, 1, "__shared__ RightTile right_tile[2];");
}

static void put_side(StrBuf *out, const Product *product, const Side *side, bool is_left) {
  const Fetch *fetch = side->fetch;
  const char *along = fetch->along_terms ? "terms" : is_left ? "rows" : "columns";
  const char *apart = !fetch->along_terms ? "terms" : is_left ? "rows" : "columns";
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
  writer_line(out, 1, "struct alignas(%s_LANES * sizeof(real)) %s { real at[%s_LANES]; };", side->capital,
              side->type, side->capital);
  writer_line(out, 1, "const int %s_%s = thread %% %s_ACROSS * %s_LANES, %s_%s = thread / %s_ACROSS;",
              side->name, fetch->along_terms ? "term" : side->item, side->capital, side->capital, side->name,
              fetch->along_terms ? side->item : "term", side->capital);
  writer_indent(out, 1, fetch->prepare);
  writer_line(out, 1, "%s %s[%s_FETCHES];", side->type, side->name, side->capital);
  (void)product;
}

static void put_fetch(StrBuf *out, const Side *side) {
  const Fetch *fetch = side->fetch;
  writer_line(out, 3, "{");
  writer_indent(out, 4, fetch->locate);
  strbuf_put(out, "#pragma unroll\n");
  writer_line(out, 4, "for (int i = 0; i < %s_FETCHES; i++) {", side->capital);
  writer_indent(out, 5, fetch->each);
  writer_line(out, 5, "%s[i] = %s{};", side->name, side->type);
  writer_line(out, 5, "if (%s) %s[i] = *(const %s *)(%s);", fetch->inside, side->name, side->type,
              fetch->address);
  writer_line(out, 4, "}");
  writer_line(out, 3, "}");
}

static void put_stash(StrBuf *out, const Product *product, const Side *side, bool is_left) {
  const Fetch *fetch = side->fetch;
  strbuf_put(out, "#pragma unroll\n");
  writer_line(out, 3, "for (int i = 0; i < %s_FETCHES; i++) {", side->capital);
  const char *across = fetch->along_terms ? side->item : "term";
  if (side_is_small(product, side, is_left))
    writer_line(out, 4, "if (%s_%s >= %s) continue;", side->name, across,
                fetch->along_terms ? side->block : "BLOCK_K");
  if (fetch->along_terms) {
    strbuf_put(out, "#pragma unroll\n");
    writer_line(out, 4, "for (int lane = 0; lane < %s_LANES; lane++)", side->capital);
    writer_line(out, 5, "%s_tile[!now].at[%s_term + lane][%s_%s + i * %s_APART] = %s[i].at[lane];",
                side->name, side->name, side->name, side->item, side->capital, side->name);
  } else {
    writer_line(out, 4, "*(%s *)&%s_tile[!now].at[%s_term + i * %s_APART][%s_%s] = %s[i];", side->type,
                side->name, side->name, side->capital, side->name, side->item, side->name);
  }
  writer_line(out, 3, "}");
}

static void put_multiply(StrBuf *out) {
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
  strbuf_put(out, "\n");
  writer_line(out, 1, "real sum[THREAD_M][THREAD_N] = {};");
  writer_line(out, 1, "// One step behind the fetches; the first only fetches. `now` are the tiles at hand.");
  writer_line(out, 1, "for (int step = -BLOCK_K, now = 1; step < n_terms; step += BLOCK_K, now = !now) {");
  writer_line(out, 2, "const int next = step + BLOCK_K;");
  writer_line(out, 2, "if (next < n_terms) {");
  put_fetch(out, &left);
  put_fetch(out, &right);
  writer_line(out, 2, "}");
  put_multiply(out);
  writer_line(out, 2, "if (next < n_terms) {");
  put_stash(out, product, &left, true);
  put_stash(out, product, &right, false);
  writer_line(out, 2, "}");
  writer_line(out, 2, "__syncthreads();");
  writer_line(out, 1, "}");
}

static void put_store(StrBuf *out, const Product *product) {
  strbuf_put(out, "\n#pragma unroll\n");
  writer_line(out, 1, "for (int m = 0; m < THREAD_M; m++) {");
  writer_line(out, 2, "const int row = first_row + my_row + m / ROW_LANES * ROW_SPREAD + m %% ROW_LANES;");
  writer_line(out, 2, "if (row >= n_rows) continue;");
  writer_indent(out, 2, product->target);
  strbuf_put(out, "#pragma unroll\n");
  if (product->stores_vectors) {
    writer_line(out, 2, "for (int n = 0; n < THREAD_N; n += COLUMN_LANES) {");
    writer_line(out, 3, "const int column = my_column + n / COLUMN_LANES * COLUMN_SPREAD;");
    writer_line(out, 3, "ColumnVector result;");
    strbuf_put(out, "#pragma unroll\n");
    writer_line(out, 3,
                "for (int lane = 0; lane < COLUMN_LANES; lane++) result.at[lane] = sum[m][n + lane];");
    writer_line(out, 3, "if (first_column + column < %s) *(ColumnVector *)(to + column) = result;",
                product->n_columns);
  } else {
    writer_line(out, 2, "for (int n = 0; n < THREAD_N; n++) {");
    writer_line(out, 3,
                "const int column = my_column + n / COLUMN_LANES * COLUMN_SPREAD + n %% COLUMN_LANES;");
    writer_line(out, 3, "if (first_column + column < %s) to[column] = sum[m][n];", product->n_columns);
  }
  strbuf_put(out, "    }\n  }\n}\n");
}

void product_write(StrBuf *out, const Product *product) {
  const Tile *tile = &product->tile;
  Side left = left_side(product), right = right_side(product);
  writer_line(out, 1,
              "// A block computes BLOCK_M rows x BLOCK_N columns, BLOCK_K terms at a time; a thread "
              "THREAD_M x THREAD_N.");
  writer_line(
      out, 1,
      "constexpr int BLOCK_M = %d, BLOCK_N = %d, BLOCK_K = %d, THREAD_M = %d, THREAD_N = %d, THREADS = %d;",
      tile->block_m, tile->block_n, tile->block_k, tile->thread_m, tile->thread_n, tile_threads(tile));
  writer_line(out, 1, "const int thread = threadIdx.x;");
  writer_indent(out, 1, product->place);
  put_tiles(out, product);
  put_side(out, product, &left, true);
  put_side(out, product, &right, false);
  put_loop(out, product);
  put_store(out, product);
}
