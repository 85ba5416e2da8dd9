// Which tile: the one with the least estimated time among all that fit. In cycles of a multiprocessor,
//
//   step  = max(issue, shared, fetch) + BARRIER             of one block, BLOCK_K terms
//     issue  = warps / 4 * (BLOCK_K * (products + vectors) + fetched * FETCH_SLOTS)
//     shared = warps * BLOCK_K * vectors * 2                products = THREAD_M * THREAD_N; vectors of 16 bytes that
//     fetch  = bytes of both tiles / L2_BYTES               a thread reads for them: its rows and its columns
//   turns = ceil(blocks / MULTIPROCESSORS)                  blocks = those of the padded product: waste is paid for
//   time  = turns * steps * step / min(1, warps at a time / WARPS_HIDE)
//
// warps at a time: those of the blocks that a multiprocessor holds (registers, shared memory, threads), at most those of
// its turns: few blocks leave latency unhidden, many small ones pay in fetches. The chip's numbers are of the size of
// any since sm_80; another chip would be served a little worse, but with the same results.
#include "compiler/emit/cuda/tile.h"

enum {
  MULTIPROCESSORS = 108,
  WARPS_HIDE = 8,
  BARRIER = 40,
  FETCH_SLOTS = 12,
  L2_BYTES = 24,
  STATIC_SHARED = 48 << 10,
  CHIP_SHARED = 96 << 10,
  CHIP_REGISTERS = 64 << 10,
  CHIP_THREADS = 2048,
  MOST_REGISTERS = 200
};

int tile_threads(const Tile *tile) {
  return tile->block_m / tile->thread_m * (tile->block_n / tile->thread_n);
}

// A row of a tile ends in one vector of padding: rows start in different banks.
int64_t tile_shared_bytes(const Tile *tile, int elem_bytes) {
  int64_t padding = 2 * TILE_VECTOR_BYTES / elem_bytes;
  return 2 * tile->block_k * (tile->block_m + tile->block_n + padding) * elem_bytes;
}

static int64_t div_up(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

static double max_of(double a, double b) {
  return a > b ? a : b;
}

static int fetches(const Tile *tile, const TileSize *size) {
  int threads = tile_threads(tile);
  return (int)(div_up((int64_t)tile->block_m * tile->block_k, (int64_t)threads * size->left_lanes) +
               div_up((int64_t)tile->block_n * tile->block_k, (int64_t)threads * size->right_lanes));
}

// Sums, the factors of one term, what is on its way from memory, addresses.
static int registers(const Tile *tile, const TileSize *size) {
  int words = size->elem_bytes / 4,
      lanes = size->left_lanes > size->right_lanes ? size->left_lanes : size->right_lanes;
  return words * (tile->thread_m * tile->thread_n + 2 * (tile->thread_m + tile->thread_n)) +
         fetches(tile, size) * (words * lanes + 4) + 40;
}

static double step_cycles(const Tile *tile, const TileSize *size) {
  double warps = div_up(tile_threads(tile), 32), products = tile->thread_m * tile->thread_n,
         vectors = div_up((int64_t)tile->thread_m * size->elem_bytes, TILE_VECTOR_BYTES) +
                   div_up((int64_t)tile->thread_n * size->elem_bytes, TILE_VECTOR_BYTES);
  double issue = warps / 4 * (tile->block_k * (products + vectors) + fetches(tile, size) * FETCH_SLOTS);
  double shared = warps * tile->block_k * vectors * 2;
  double fetch = (double)(tile->block_m + tile->block_n) * tile->block_k * size->elem_bytes / L2_BYTES;
  return max_of(max_of(issue, shared), fetch) + BARRIER;
}

static double warps_at_a_time(const Tile *tile, const TileSize *size, int64_t turns) {
  int threads = tile_threads(tile);
  int64_t blocks = CHIP_REGISTERS / (registers(tile, size) * threads),
          by_shared = CHIP_SHARED / tile_shared_bytes(tile, size->elem_bytes),
          by_threads = CHIP_THREADS / threads;
  if (by_shared < blocks) blocks = by_shared;
  if (by_threads < blocks) blocks = by_threads;
  if (turns < blocks) blocks = turns;
  return (double)(blocks * div_up(threads, 32));
}

static double tile_cycles(const Tile *tile, const TileSize *size) {
  int64_t blocks = div_up(size->rows, tile->block_m) * div_up(size->columns, tile->block_n) * size->copies,
          turns = div_up(blocks, MULTIPROCESSORS), steps = div_up(size->terms, tile->block_k);
  double hidden = warps_at_a_time(tile, size, turns) / WARPS_HIDE;
  return (double)(turns * steps) * step_cycles(tile, size) / (hidden < 1 ? hidden : 1);
}

static bool tile_fits(const Tile *tile, const TileSize *size) {
  int threads = tile_threads(tile);
  if (tile->thread_m > tile->block_m || tile->thread_n > tile->block_n) return false;
  if (!size->left_along_terms && tile->block_m / size->left_lanes > threads) return false;
  if (!size->right_along_terms && tile->block_n / size->right_lanes > threads) return false;
  return threads >= 32 && threads <= 256 && tile_shared_bytes(tile, size->elem_bytes) <= STATIC_SHARED &&
         registers(tile, size) <= MOST_REGISTERS && fetches(tile, size) <= 16;
}

Tile tile_choose(const TileSize *size) {
  Tile best = {16, 16, 8, 2, 2};
  double least = tile_cycles(&best, size);
  for (int m = 16; m <= 256; m *= 2)
    for (int n = 4; n <= 128; n *= 2)
      for (int k = 8; k <= 32; k *= 2)
        for (int rows = 1; rows <= 8; rows *= 2)
          for (int columns = 1; columns <= 8; columns *= 2) {
            Tile tile = {m, n, k, rows, columns};
            if (!tile_fits(&tile, size)) continue;
            double cycles = tile_cycles(&tile, size);
            if (cycles < least) best = tile, least = cycles;
          }
  return best;
}
