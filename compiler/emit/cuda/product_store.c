// What a product does with its sums: stores them, or hands each vec of them to the lines of the operators behind it, and
// adds up what these say for each channel.
//
//   for each vec of this thread's columns          the values per channel stay in registers
//     for each of its rows
//       the operators' lines, stores, `s0 += ..`
//   ...                                             when all tiles of the block are done:
//   add the sums of the threads that have the same columns, in order; partial[part] = sums
//   the block of these columns that comes last: add the parts, in their order
#include "compiler/emit/cuda/product_parts.h"
#include <string.h>

bool store_has_sums(const Product *product) {
  return product->around && product->around->n_sums > 0;
}

static bool has_pivot(const Product *product) {
  return store_has_sums(product) && product->around->pivot && product->has_first_row;
}

// Lines of a loop's body, written as if there was no loop.
void store_deeper(StrBuf *out, const char *text) {
  while (*text) {
    const char *end = strchr(text, '\n');
    int n = (int)(end - text);
    strbuf_printf(out, "%s%.*s\n", n == 0 || text[0] == '#' ? "" : "  ", n, text);
    text = end + 1;
  }
}

void store_lanes(StrBuf *out, const Product *product) {
  writer_line(out, 1, "constexpr int STORE_LANES = %s;", product->stores_vectors ? "COLUMN_LANES" : "1");
  writer_line(out, 1, "MLA_USE(STORE_LANES)");
}

void store_open_sums(StrBuf *out, const Product *product) {
  const Around *around = product->around;
  strbuf_put(out, "\n");
  writer_line(out, 1, "// Sums of this thread's columns over the rows of all its tiles.");
  for (int k = 0; k < around->n_sums; k++) writer_line(out, 1, "vec sums%d[THREAD_N / STORE_LANES] = {};", k);
  writer_line(out, 1, "struct alignas(16) ColumnSums { real at[BLOCK_M / THREAD_M][BLOCK_N]; };");
  writer_line(out, 1, "__shared__ ColumnSums column_sums;");
  if (!around->pivot) return;
  writer_line(out, 1, "// What is summed is taken relative to a pivot: the first row of the part.");
  writer_line(out, 1, "struct alignas(16) Pivot { real at[BLOCK_N]; };");
  writer_line(out, 1, "__shared__ Pivot pivot;");
  writer_line(out, 1, "for (int i = thread; i < BLOCK_N; i += THREADS) pivot.at[i] = 0;");
  writer_line(out, 1, "__syncthreads();");
}

static void open_columns(StrBuf *out, const Product *product) {
  const char *lane = product->stores_vectors ? "" : " + n % COLUMN_LANES";
  strbuf_put(out, "#pragma unroll\n");
  writer_line(out, 1, "for (int n = 0; n < THREAD_N; n += STORE_LANES) {");
  writer_line(out, 2, "const int column = my_column + n / COLUMN_LANES * COLUMN_SPREAD%s;", lane);
  writer_line(out, 2, "if (first_column + column >= %s) continue;", product->n_columns);
  if (!product->around || !product->around->behind.channel) return;
  writer_line(out, 2, "const int c = group * GROUP_COLUMNS + first_column + column;");
  writer_indent(out, 2, product->around->behind.channel);
}

static void put_element(StrBuf *out, int depth, const char *lines, bool stores) {
  writer_line(out, depth, "const vec product = mla_lanes<vec>(&sum[m][n]);");
  if (stores || writer_uses(lines, "e")) writer_line(out, depth, "const long e = to + column;");
  writer_indent(out, depth, lines);
}

static void put_first_row(StrBuf *out, const Product *product) {
  const Around *around = product->around;
  open_columns(out, product);
  writer_line(out, 2, "const int m = 0, row = first_row;");
  writer_indent(out, 2, product->target);
  put_element(out, 2, around->pivot_lines, false);
  writer_line(out, 2, "mla_store(&pivot.at[column], mla_vec(%s));", around->pivot);
  writer_line(out, 1, "}");
}

// By the threads that have the first row of the part's first tile.
static void put_pivot(StrBuf *out, const Product *product) {
  writer_line(out, 1, "if (tile == part && my_row == 0) {");
  StrBuf first = strbuf_new(out->arena);
  put_first_row(&first, product);
  store_deeper(out, first.text);
  writer_line(out, 1, "}");
  writer_line(out, 1, "if (tile == part) __syncthreads();");
}
static void put_rows(StrBuf *out, const Product *product) {
  const Around *around = product->around;
  strbuf_put(out, "#pragma unroll\n");
  writer_line(out, 2, "for (int m = 0; m < THREAD_M; m++) {");
  writer_line(out, 3, "const int row = first_row + my_row + m / ROW_LANES * ROW_SPREAD + m %% ROW_LANES;");
  writer_line(out, 3, "if (row >= n_rows) continue;");
  writer_indent(out, 3, product->target);
  if (around && around->behind.element) {
    put_element(out, 3, around->behind.element, product->result != NULL);
    if (product->result) writer_line(out, 3, "mla_store(%s + e, product);", product->result);
  } else {
    writer_line(out, 3, "mla_store(%s + to + column, mla_lanes<vec>(&sum[m][n]));", product->result);
  }
  writer_line(out, 2, "}");
}

void store_put(StrBuf *out, const Product *product) {
  strbuf_put(out, "\n");
  if (has_pivot(product)) put_pivot(out, product);
  open_columns(out, product);
  for (int k = 0; store_has_sums(product) && k < product->around->n_sums; k++)
    writer_line(out, 2, "vec &s%d = sums%d[n / STORE_LANES];", k, k);
  if (store_has_sums(product) && product->around->pivot)
    writer_line(out, 2, "const vec p0 = mla_load(&pivot.at[column]);");
  put_rows(out, product);
  writer_line(out, 1, "}");
}

static void put_results(StrBuf *out, const Product *product) {
  const Around *around = product->around;
  strbuf_put(out, "\n");
  writer_line(out, 1, "// The block of these columns that comes last adds the parts, in their order.");
  writer_line(out, 1, "__shared__ unsigned taken;");
  writer_line(out, 1, "__shared__ MlaSlot<1> shared[THREADS];");
  writer_line(out, 1, "if (!mla_is_last_block(tickets + beside, PARTS, &taken)) return;");
  writer_line(out, 1, "constexpr int COLUMNS = BLOCK_N < THREADS ? BLOCK_N : THREADS;");
  writer_line(out, 1, "for (int first = first_column; first < first_column + BLOCK_N; first += COLUMNS) {");
  writer_line(out, 2, "MLA_USE(1)");
  writer_line(out, 2, "const bool is_there = first + thread %% COLUMNS < %s;", product->n_columns);
  writer_line(out, 2,
              "const int c = group * GROUP_COLUMNS + (is_there ? first + thread %% COLUMNS : first_column);");
  writer_indent(out, 2, around->totals);
  writer_line(out, 2, "if (thread >= COLUMNS || !is_there) continue;");
  writer_indent(out, 2, around->results);
  writer_line(out, 1, "}");
}

void store_close_sums(StrBuf *out, const Product *product) {
  const Around *around = product->around;
  strbuf_put(out, "\n");
  writer_line(out, 1, "// The block's sums: of the threads that have the same columns, in order.");
  writer_line(out, 1, "real *to_part = partial + (long)part * %lld + group * GROUP_COLUMNS + first_column;",
              (long long)around->row);
  for (int k = 0; k < around->n_sums; k++) {
    strbuf_put(out, "#pragma unroll\n");
    writer_line(out, 1, "for (int n = 0; n < THREAD_N; n += STORE_LANES)");
    writer_line(out, 2,
                "mla_store(&column_sums.at[thread_row][my_column + n / COLUMN_LANES * COLUMN_SPREAD%s], "
                "sums%d[n / STORE_LANES]);",
                product->stores_vectors ? "" : " + n % COLUMN_LANES", k);
    writer_line(out, 1, "__syncthreads();");
    writer_line(
        out, 1,
        "for (int column = thread; column < BLOCK_N && first_column + column < %s; column += THREADS) {",
        product->n_columns);
    writer_line(out, 2, "real total = 0;");
    writer_line(out, 2, "for (int i = 0; i < BLOCK_M / THREAD_M; i++) total += column_sums.at[i][column];");
    writer_line(out, 2, "to_part[%lld + column] = total;", (long long)(k * around->channels));
    if (k == 0 && around->pivot)
      writer_line(out, 2, "to_part[%lld + column] = pivot.at[column];",
                  (long long)(around->n_sums * around->channels));
    writer_line(out, 1, "}");
    if (k + 1 < around->n_sums) writer_line(out, 1, "__syncthreads();");
  }
  put_results(out, product);
}
