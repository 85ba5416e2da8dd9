// Which tile: the one with the least estimated time among all that fit. In cycles of a multiprocessor,
//
//   step  = max(issue, shared, tensor, fetch) + BARRIER     of one block, BLOCK_K terms
//     issue  = warps / 4 * (instructions of a warp for BLOCK_K terms + fetched * FETCH_SLOTS)
//     shared = warps * what a warp reads of shared memory for BLOCK_K terms / 128 bytes
//     tensor = warps * fragments * FRAGMENT_CYCLES          if a warp multiplies by tensor cores
//     fetch  = bytes of both tiles / L2_BYTES
//   turns = ceil(blocks / MULTIPROCESSORS)                  blocks = those of the padded product: waste is paid for
//   time  = turns * steps * step / min(1, warps at a time / WARPS_HIDE) + bytes that the last block of a tile adds / L2_BYTES
//
// warps at a time: those of the blocks that a multiprocessor holds (registers, shared memory, threads), at most those of
// its turns: few blocks leave latency unhidden, many small ones pay in fetches. The chip's numbers are of the size of
// any since sm_80; another chip would be served a little worse, but with the same results.
//
// Tensor cores multiply fragments of 16 rows x 8 columns; a warp covers 8 THREAD_M rows x 4 THREAD_N columns, so that a
// thread has THREAD_M x THREAD_N of its sums. Whether a product goes there follows from its shape alone.
#include "compiler/emit/cuda/tile.h"

enum {
  MULTIPROCESSORS = 108,
  WARPS_HIDE = 8,
  BARRIER = 40,
  FETCH_SLOTS = 12,
  L2_BYTES = 24,
  FRAGMENT_CYCLES = 2, // of a multiprocessor, for 16 x 8 sums of a fragment's terms
  FRAGMENT_M = 16,
  FRAGMENT_N = 8,
  LEAST_TERMS = 16, // of a product for tensor cores: rows and columns fill half a fragment
  STATIC_SHARED = 48 << 10,
  CHIP_SHARED = 96 << 10,
  CHIP_REGISTERS = 64 << 10,
  CHIP_THREADS = 2048,
  MOST_REGISTERS = 200
};

int tile_threads(const Tile *tile) {
  return tile->block_m / tile->thread_m * (tile->block_n / tile->thread_n);
}

int tile_column_lanes(const Tile *tile, int elem_bytes) {
  int vector = TILE_VECTOR_BYTES / elem_bytes;
  if (tile->math != TILE_EXACT) return 2;
  return tile->thread_n < vector ? tile->thread_n : vector;
}

int tile_fragment_terms(TileMath math) {
  return math == TILE_BF16 ? 16 : 8;
}

int tile_elem_bytes(TileMath math, int elem_bytes) {
  return math == TILE_BF16 ? 2 : elem_bytes;
}

// Exact: rows start in different banks. A fragment is read as 8 rows of 16 bytes (ldmatrix), which one vector of padding
// spreads over all banks; or, of TF32 with the terms outside, as 4 rows of 8 words, for which it takes two.
int tile_padding(TileMath math, bool along_terms, int elem_bytes) {
  int vector = TILE_VECTOR_BYTES / tile_elem_bytes(math, elem_bytes);
  return math == TILE_TF32 && !along_terms ? 2 * vector : vector;
}

static int64_t div_up(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

static double max_of(double a, double b) {
  return a > b ? a : b;
}

// ---- what a tile takes ----

// Exact tiles stand with the terms outside, the others as the factor lies in memory.
static int64_t factor_elems(const Tile *tile, int extent, bool along_terms, int elem_bytes) {
  int padding = tile_padding(tile->math, along_terms, elem_bytes);
  if (tile->math == TILE_EXACT || !along_terms) return (int64_t)tile->block_k * (extent + padding);
  return (int64_t)extent * (tile->block_k + padding);
}

// Values per channel before the product; behind it a pivot and the sums of the threads that share a column.
static int64_t beside_elems(const Tile *tile, const TileSize *size) {
  int64_t sums = size->has_sums ? (tile->block_m / tile->thread_m + 1) * tile->block_n : 0;
  return size->n_channel_values + sums;
}

// Two tiles of each factor: one is filled while the other is multiplied.
static int64_t shared_bytes(const Tile *tile, const TileSize *size) {
  return 2 *
             (factor_elems(tile, tile->block_m, size->left_along_terms, size->elem_bytes) +
              factor_elems(tile, tile->block_n, size->right_along_terms, size->elem_bytes)) *
             tile_elem_bytes(tile->math, size->elem_bytes) +
         beside_elems(tile, size) * size->elem_bytes;
}

static int fetches(const Tile *tile, const TileSize *size) {
  int threads = tile_threads(tile);
  return (int)(div_up((int64_t)tile->block_m * tile->block_k, (int64_t)threads * size->left_lanes) +
               div_up((int64_t)tile->block_n * tile->block_k, (int64_t)threads * size->right_lanes));
}

// Sums, the factors of one term (of one fragment), what is on its way from memory, addresses.
static int registers(const Tile *tile, const TileSize *size) {
  int words = size->elem_bytes / 4,
      lanes = size->left_lanes > size->right_lanes ? size->left_lanes : size->right_lanes;
  int factors =
      tile->math == TILE_EXACT ? 2 * (tile->thread_m + tile->thread_n) : 2 * tile->thread_m + tile->thread_n;
  int sums = size->has_sums ? 2 * tile->thread_n : 0;
  return words * (tile->thread_m * tile->thread_n + factors + sums) +
         fetches(tile, size) * (words * lanes + 4) + 40;
}

// ---- what a step costs ----

// Of one warp, for BLOCK_K terms.
typedef struct StepWork {
  double instructions, shared_cycles, tensor_cycles;
} StepWork;

static StepWork exact_work(const Tile *tile, const TileSize *size) {
  double products = tile->thread_m * tile->thread_n,
         vectors = div_up((int64_t)tile->thread_m * size->elem_bytes, TILE_VECTOR_BYTES) +
                   div_up((int64_t)tile->thread_n * size->elem_bytes, TILE_VECTOR_BYTES);
  return (StepWork){tile->block_k * (products + vectors), tile->block_k * vectors * 2, 0};
}

// A fragment of the left factor is 4 words a thread, one of the right factor 2: 4 words by one ldmatrix, or one by one.
static StepWork tensor_work(const Tile *tile, const TileSize *size) {
  double fragments = tile->thread_m / 2.0 * (tile->thread_n / 2.0), left = 2 * tile->thread_m,
         right = tile->thread_n, times = tile->block_k / tile_fragment_terms(tile->math);
  bool is_tf32 = tile->math == TILE_TF32;
  double loads = (is_tf32 && !size->left_along_terms ? left : left / 4) +
                 (is_tf32 && !size->right_along_terms ? right : right / 4);
  return (StepWork){times * (fragments + loads), times * (left + right), times * fragments * FRAGMENT_CYCLES};
}

static double step_cycles(const Tile *tile, const TileSize *size) {
  double warps = div_up(tile_threads(tile), 32);
  StepWork work = tile->math == TILE_EXACT ? exact_work(tile, size) : tensor_work(tile, size);
  double issue = warps / 4 * (work.instructions + fetches(tile, size) * FETCH_SLOTS),
         multiply = warps * max_of(work.shared_cycles, work.tensor_cycles),
         fetch = (double)(tile->block_m + tile->block_n) * tile->block_k * size->elem_bytes / L2_BYTES;
  return max_of(max_of(issue, multiply), fetch) + BARRIER;
}

static double warps_at_a_time(const Tile *tile, const TileSize *size, int64_t turns) {
  int threads = tile_threads(tile);
  int64_t blocks = CHIP_REGISTERS / (registers(tile, size) * threads),
          by_shared = CHIP_SHARED / shared_bytes(tile, size), by_threads = CHIP_THREADS / threads;
  if (by_shared < blocks) blocks = by_shared;
  if (by_threads < blocks) blocks = by_threads;
  if (turns < blocks) blocks = turns;
  return (double)(blocks * div_up(threads, 32));
}

static double tile_cycles(const Tile *tile, const TileSize *size) {
  int64_t blocks = div_up(size->rows, tile->block_m) * div_up(size->columns, tile->block_n) * size->copies,
          turns = div_up(blocks, MULTIPROCESSORS), steps = div_up(size->terms, tile->block_k);
  double hidden = warps_at_a_time(tile, size, turns) / WARPS_HIDE;
  double join = (double)(size->joined * tile->block_m * tile->block_n * size->elem_bytes) / L2_BYTES;
  return (double)(turns * steps) * step_cycles(tile, size) / (hidden < 1 ? hidden : 1) + join;
}

// Threads that one row of a factor's tile keeps busy.
static int64_t across(const Tile *tile, int extent, bool along_terms, int lanes) {
  return (along_terms ? tile->block_k : extent) / lanes;
}

static bool tile_fits(const Tile *tile, const TileSize *size) {
  int threads = tile_threads(tile);
  if (tile->thread_m > tile->block_m || tile->thread_n > tile->block_n) return false;
  if (across(tile, tile->block_m, size->left_along_terms, size->left_lanes) > threads ||
      across(tile, tile->block_n, size->right_along_terms, size->right_lanes) > threads)
    return false;
  return threads >= 32 && threads <= 256 && shared_bytes(tile, size) <= STATIC_SHARED &&
         registers(tile, size) <= MOST_REGISTERS && fetches(tile, size) <= 16;
}

// ---- all tiles in order of their cost ----

typedef struct Ranking {
  const TileSize *size;
  Tile tiles[TILE_CANDIDATES];
  double cycles[TILE_CANDIDATES];
  int n;
} Ranking;

// Of equal ones the first stays before.
static void rank(Ranking *ranking, Tile tile) {
  if (!tile_fits(&tile, ranking->size)) return;
  double cycles = tile_cycles(&tile, ranking->size);
  int at = ranking->n;
  while (at > 0 && ranking->cycles[at - 1] > cycles) at--;
  if (at == TILE_CANDIDATES) return;
  if (ranking->n < TILE_CANDIDATES) ranking->n++;
  for (int i = ranking->n - 1; i > at; i--) {
    ranking->tiles[i] = ranking->tiles[i - 1];
    ranking->cycles[i] = ranking->cycles[i - 1];
  }
  ranking->tiles[at] = tile;
  ranking->cycles[at] = cycles;
}

static void rank_exact(Ranking *ranking) {
  for (int m = 16; m <= 256; m *= 2)
    for (int n = 4; n <= 128; n *= 2)
      for (int k = 8; k <= 32; k *= 2)
        for (int rows = 1; rows <= 8; rows *= 2)
          for (int columns = 1; columns <= 8; columns *= 2)
            rank(ranking, (Tile){m, n, k, rows, columns, TILE_EXACT});
}

// Warps of 1, 2, 4 fragments of rows x 2, 4, 8 of columns (columns in twos: one ldmatrix).
static void rank_tensor(Ranking *ranking) {
  for (int m = 16; m <= 256; m *= 2)
    for (int n = 16; n <= 128; n *= 2)
      for (int k = 16; k <= 64; k *= 2)
        for (int rows = FRAGMENT_M; rows <= 4 * FRAGMENT_M && rows <= m; rows *= 2)
          for (int columns = 2 * FRAGMENT_N; columns <= 8 * FRAGMENT_N && columns <= n; columns *= 2)
            rank(ranking, (Tile){m, n, k, rows / 8, columns / 4, ranking->size->math});
}

static bool fills_fragments(const TileSize *size) {
  return size->terms >= LEAST_TERMS && 2 * size->rows >= FRAGMENT_M && size->columns >= FRAGMENT_N;
}

static Ranking rank_tiles(const TileSize *size) {
  Ranking ranking = {.size = size};
  if (size->math != TILE_EXACT && fills_fragments(size)) rank_tensor(&ranking);
  if (!ranking.n) rank_exact(&ranking);
  return ranking;
}

int tile_candidate_count(const TileSize *size) {
  return rank_tiles(size).n;
}

Tile tile_candidate(const TileSize *size, int k) {
  return rank_tiles(size).tiles[k];
}
