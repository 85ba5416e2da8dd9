// How a product of matrices is cut: blocks of BLOCK_M rows x BLOCK_N columns, each summed BLOCK_K terms at a time; a
// thread keeps THREAD_M x THREAD_N sums in registers. The order of a sum is that of its terms whatever the tile.
#pragma once
#include <stdbool.h>
#include <stdint.h>

typedef struct Tile {
  int block_m, block_n, block_k, thread_m, thread_n;
} Tile;

// A product, or `copies` equal ones side by side (groups, phases, shares of the batch).
typedef struct TileSize {
  int64_t rows, columns, terms, copies;
  int elem_bytes;
  int left_lanes, right_lanes;              // elements that one access to memory fetches
  bool left_along_terms, right_along_terms; // which lie side by side along a sum, else along rows or columns
} TileSize;

enum { TILE_VECTOR_BYTES = 16 };

int tile_threads(const Tile *tile);
// Bytes of shared memory: two tiles of each factor, one being filled while the other is multiplied.
int64_t tile_shared_bytes(const Tile *tile, int elem_bytes);
Tile tile_choose(const TileSize *size);
