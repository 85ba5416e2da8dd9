// Products by tensor cores. A warp multiplies fragments of 16 rows and of 8 columns, FRAGMENT_K terms at a time; operands
// are rounded when they are put into their tiles, sums are float32. In a warp, g = lane / 4 and t = lane % 4: of a
// fragment's sums a thread has rows g and g + 8 and columns 2t and 2t + 1, so over all fragments every eighth row and two
// neighbours of every eight columns.
//
// Tiles stand as their factors lie in memory, so that vectors are put away whole. Where the terms are inside, 16 bytes of
// a row are half a fragment's terms, and ldmatrix hands them out as mma wants them; where the terms are outside, it
// transposes 16-bit elements, but TF32 is read word by word.
#include "compiler/emit/cuda/product_parts.h"

static void put_tile(StrBuf *out, const Product *product, const char *type, const char *block,
                     const Fetch *fetch) {
  int padding = tile_padding(product->tile.math, fetch->along_terms, product->elem_bytes);
  const char *outside = fetch->along_terms ? block : "BLOCK_K",
             *inside = fetch->along_terms ? "BLOCK_K" : block;
  writer_line(out, 1, "struct alignas(16) %sTile { Rounded at[%s][%s + %d]; };", type, outside, inside,
              padding);
  writer_line(out, 1, "struct alignas(%d * sizeof(Rounded)) %sRounded { Rounded at[%d]; };", fetch->lanes,
              type, fetch->lanes);
}

void tensor_tiles(StrBuf *out, const Product *product) {
  bool is_bf16 = product->tile.math == TILE_BF16;
  writer_line(out, 1, "// Of a warp's sums a thread has every eighth row, and two columns of every eight.");
  writer_line(out, 1,
              "constexpr int WARP_M = 8 * THREAD_M, WARP_N = 4 * THREAD_N, WARPS_N = BLOCK_N / WARP_N;");
  writer_line(out, 1, "constexpr int ROW_LANES = 1, ROW_SPREAD = 8, COLUMN_LANES = 2, COLUMN_SPREAD = 8;");
  writer_line(out, 1,
              "const int warp_lane = thread %% 32, warp_row = thread / 32 / WARPS_N * WARP_M, "
              "warp_column = thread / 32 %% WARPS_N * WARP_N;");
  writer_line(out, 1,
              "const int my_row = warp_row + warp_lane / 4, my_column = warp_column + warp_lane %% 4 * 2;");
  if (store_has_sums(product))
    writer_line(out, 1, "const int thread_row = warp_row / THREAD_M + warp_lane / 4;");
  writer_line(out, 1, "// Tiles of both factors, rounded to %s, padded against bank conflicts.",
              is_bf16 ? "bf16" : "TF32");
  writer_line(out, 1, "typedef %s Rounded;", is_bf16 ? "unsigned short" : "unsigned");
  writer_line(out, 1, "constexpr int FRAGMENT_K = %d, HALF = FRAGMENT_K / 2;",
              tile_fragment_terms(product->tile.math));
  put_tile(out, product, "Left", "BLOCK_M", &product->left);
  put_tile(out, product, "Right", "BLOCK_N", &product->right);
  writer_line(out, 1, "__shared__ LeftTile left_tile[2];");
  writer_line(out, 1, "__shared__ RightTile right_tile[2];");
}

void tensor_stash(StrBuf *out, const Side *side) {
  const char *term = arena_printf(out->arena, "%s_term", side->name),
             *item = arena_printf(out->arena, "%s_%s", side->name, side->item);
  bool along_terms = side->fetch->along_terms;
  writer_line(out, 4, "%sRounded rounded;", side->type);
  writer_line(out, 4, "mla_round(%s[i].at, rounded.at);", side->name);
  writer_line(out, 4, "*(%sRounded *)&%s_tile[!now].at[%s + i * %s_APART][%s] = rounded;", side->type,
              side->name, along_terms ? item : term, side->capital, along_terms ? term : item);
}

// Fragment m of the left factor: rows g, g + 8 at terms t (of each half).
static void put_left(StrBuf *out, bool along_terms, bool is_bf16) {
  strbuf_put(out, "#pragma unroll\n");
  writer_line(out, 4, "for (int m = 0; m < THREAD_M / 2; m++)");
  if (along_terms) {
    writer_line(out, 5,
                "mla_ldmatrix(a[m], &left_tile[now].at[warp_row + m * 16 + warp_lane %% 16]"
                "[k + warp_lane / 16 * HALF]);");
  } else if (is_bf16) {
    writer_line(out, 5,
                "mla_ldmatrix_transposed(a[m], &left_tile[now].at[k + warp_lane / 16 * 8 + "
                "warp_lane %% 8][warp_row + m * 16 + warp_lane / 8 %% 2 * 8]);");
  } else {
    strbuf_put(out, "#pragma unroll\n");
    writer_line(out, 5, "for (int i = 0; i < 4; i++)");
    writer_line(out, 6,
                "a[m][i] = left_tile[now].at[k + warp_lane %% 4 + i / 2 * 4]"
                "[my_row + m * 16 + i %% 2 * 8];");
  }
}

// Fragments 2n and 2n + 1 of the right factor: column g, terms t of each half.
static void put_right(StrBuf *out, bool along_terms, bool is_bf16) {
  strbuf_put(out, "#pragma unroll\n");
  writer_line(out, 4, "for (int n = 0; n < THREAD_N / 4; n++)");
  if (along_terms) {
    writer_line(out, 5,
                "mla_ldmatrix(b[n], &right_tile[now].at[warp_column + n * 16 + warp_lane / 16 "
                "* 8 + warp_lane %% 8][k + warp_lane / 8 %% 2 * HALF]);");
  } else if (is_bf16) {
    writer_line(out, 5,
                "mla_ldmatrix_transposed(b[n], &right_tile[now].at[k + warp_lane %% 16]"
                "[warp_column + n * 16 + warp_lane / 16 * 8]);");
  } else {
    strbuf_put(out, "#pragma unroll\n");
    writer_line(out, 5, "for (int i = 0; i < 4; i++)");
    writer_line(out, 6,
                "b[n][i] = right_tile[now].at[k + warp_lane %% 4 + i %% 2 * 4]"
                "[warp_column + n * 16 + i / 2 * 8 + warp_lane / 4];");
  }
}

void tensor_multiply(StrBuf *out, const Product *product) {
  bool is_bf16 = product->tile.math == TILE_BF16;
  writer_line(
      out, 2,
      "// The tiles at hand: each fragment of this warp's rows with each of its columns (these in twos).");
  writer_line(out, 2, "if (step >= 0) {");
  strbuf_put(out, "#pragma unroll\n");
  writer_line(out, 3, "for (int k = 0; k < BLOCK_K; k += FRAGMENT_K) {");
  writer_line(out, 4, "unsigned a[THREAD_M / 2][4], b[THREAD_N / 4][4];");
  put_left(out, product->left.along_terms, is_bf16);
  put_right(out, product->right.along_terms, is_bf16);
  strbuf_put(out, "#pragma unroll\n");
  writer_line(out, 4, "for (int n = 0; n < THREAD_N / 2; n++) {");
  writer_line(out, 5, "const unsigned pair[2] = {b[n / 2][n %% 2 * 2], b[n / 2][n %% 2 * 2 + 1]};");
  strbuf_put(out, "#pragma unroll\n");
  writer_line(out, 5, "for (int m = 0; m < THREAD_M / 2; m++)");
  writer_line(out, 6, "%s(fragment[m][n], a[m], pair);",
              is_bf16 ? "mla_mma_bf16_16x8x16" : "mla_mma_tf32_16x8x8");
  writer_line(out, 4, "}");
  writer_line(out, 3, "}");
  writer_line(out, 2, "}");
}

void tensor_sums(StrBuf *out) {
  strbuf_put(out, "\n");
  writer_line(out, 1, "// The fragments' sums by rows and columns.");
  writer_line(out, 1, "real sum[THREAD_M][THREAD_N];");
  strbuf_put(out, "#pragma unroll\n");
  writer_line(out, 1, "for (int m = 0; m < THREAD_M; m++)");
  strbuf_put(out, "#pragma unroll\n");
  writer_line(out, 2,
              "for (int n = 0; n < THREAD_N; n++) sum[m][n] = fragment[m / 2][n / 2][m %% 2 * 2 + n %% 2];");
}
