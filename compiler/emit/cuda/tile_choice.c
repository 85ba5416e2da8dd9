// A product's key is its size, how its factors lie and the arithmetic; a tile's name its numbers.
#include "compiler/emit/cuda/tile_choice.h"

#include <stdio.h>

typedef struct Name {
  char text[64];
} Name;

static Name tile_name(const Tile *tile) {
  static const char *const maths[] = {"", "-tf32", "-bf16"};
  Name name;
  snprintf(name.text, sizeof name.text, "%dx%dx%d/%dx%d%s", tile->block_m, tile->block_n, tile->block_k,
           tile->thread_m, tile->thread_n, maths[tile->math]);
  return name;
}

static void put_key(char *key, size_t n_bytes, const TileSize *size) {
  static const char *const maths[] = {"exact", "tf32", "bf16"};
  snprintf(key, n_bytes, "%lldx%lldx%lld*%lld,%s%d,left%d%s,right%d%s%s,values%lld", (long long)size->rows,
           (long long)size->columns, (long long)size->terms, (long long)size->copies, maths[size->math],
           8 * size->elem_bytes, size->left_lanes, size->left_along_terms ? "t" : "", size->right_lanes,
           size->right_along_terms ? "t" : "", size->has_sums ? ",sums" : "",
           (long long)size->n_channel_values);
}

// Sums of rows behind the product are added as the tile deals the rows to threads.
static bool is_same_sum(const Tile *a, const Tile *b, const TileSize *size) {
  return !size->has_sums || (a->block_m == b->block_m && a->thread_m == b->thread_m);
}

Tile tile_choice(EmitChoices *choices, const TileSize *size, int *use) {
  Tile tiles[TILE_CANDIDATES];
  Name names[TILE_CANDIDATES];
  const char *values[TILE_CANDIDATES];
  char key[160];
  *use = -1;
  if (!choices) return tile_candidate(size, 0);
  int n = 0;
  for (int i = 0; i < tile_candidate_count(size); i++) {
    Tile tile = tile_candidate(size, i);
    if (!is_same_sum(&tile, &tiles[0], size) && n > 0) continue;
    tiles[n] = tile;
    names[n] = tile_name(&tile);
    values[n] = names[n].text;
    n++;
  }
  put_key(key, sizeof key, size);
  return tiles[choices_pick(choices, key, values, n, use)];
}
