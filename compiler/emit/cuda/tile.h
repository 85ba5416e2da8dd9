// How a product of matrices is cut: blocks of BLOCK_M rows x BLOCK_N columns, each summed BLOCK_K terms at a time; a
// thread keeps THREAD_M x THREAD_N sums in registers. The order of a sum is that of its terms whatever the tile.
#pragma once
#include <stdbool.h>
#include <stdint.h>

// Exact: a thread multiplies its own rows and columns. Else a warp does, by tensor cores: operands rounded, sums float32.
typedef enum TileMath { TILE_EXACT, TILE_TF32, TILE_BF16 } TileMath;

typedef struct Tile {
  int block_m, block_n, block_k, thread_m, thread_n;
  TileMath math;
} Tile;

// A product, or `copies` equal ones side by side (groups, phases, shares of the batch).
typedef struct TileSize {
  int64_t rows, columns, terms, copies;
  int64_t joined; // parts of a tile that its last block adds up; 0: none
  int elem_bytes;
  int left_lanes, right_lanes;              // elements that one access to memory fetches
  bool left_along_terms, right_along_terms; // which lie side by side along a sum, else along rows or columns
  TileMath math;                            // what is wanted; a product that is too small for it is exact
  bool has_sums;                            // of columns, behind the product
  int64_t n_channel_values;                 // kept in shared memory for what comes before it
} TileSize;

enum { TILE_VECTOR_BYTES = 16, TILE_CANDIDATES = 16 };

int tile_threads(const Tile *tile);
// Neighbouring columns that a thread stores at once.
int tile_column_lanes(const Tile *tile, int elem_bytes);
// Terms of one fragment of tensor cores.
int tile_fragment_terms(TileMath math);
// Bytes of an element in shared memory, and elements that pad each row of a factor's tile there.
int tile_elem_bytes(TileMath math, int elem_bytes);
int tile_padding(TileMath math, bool along_terms, int elem_bytes);
// The k-th best tile by estimated time, k < tile_candidate_count (at least 1, at most TILE_CANDIDATES). All compute the
// same numbers.
int tile_candidate_count(const TileSize *size);
Tile tile_candidate(const TileSize *size, int k);
