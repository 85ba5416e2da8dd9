// See order.h. Blocks are runs of neighbouring records.
#include "runtime/data/order.h"
#include "runtime/data/rng.h"

#include <stdlib.h>

// Fisher-Yates; `first_draw` keeps the numbers of several shuffles of one stream apart.
static void shuffle(int64_t *order, int64_t n, MlaRng rng, int64_t first_draw) {
  for (int64_t i = n - 1; i > 0; i--) {
    int64_t j = (int64_t)mla_rng_below(rng, (uint64_t)(first_draw + i), (uint64_t)i + 1), kept = order[i];
    order[i] = order[j];
    order[j] = kept;
  }
}

static bool begins_block(const MlaDataset *set, int64_t record) {
  return record == 0 || set->source->block(set, record) != set->source->block(set, record - 1);
}

static int64_t count_blocks(const MlaDataset *set) {
  int64_t n = 0;
  for (int64_t i = 0; i < set->n; i++) n += begins_block(set, i);
  return n;
}

// `blocks`, `begins`: room for one number a block, one more for the end.
static void fill_by_blocks(int64_t *order, const MlaDataset *set, MlaRng rng, int64_t *blocks,
                           int64_t *begins) {
  int64_t n_blocks = 0, n = 0;
  for (int64_t i = 0; i < set->n; i++)
    if (begins_block(set, i)) begins[n_blocks] = i, blocks[n_blocks] = n_blocks, n_blocks++;
  begins[n_blocks] = set->n;
  shuffle(blocks, n_blocks, rng, set->n);
  for (int64_t b = 0; b < n_blocks; b++) {
    int64_t begin = begins[blocks[b]], end = begins[blocks[b] + 1];
    for (int64_t i = begin; i < end; i++) order[n + i - begin] = i;
    shuffle(order + n, end - begin, rng, n);
    n += end - begin;
  }
}

bool mla_order_fill(int64_t *order, const MlaDataset *set, bool train, uint64_t seed, int epoch,
                    MlaError *error) {
  MlaRng rng = mla_rng_stream(seed, 'S', (uint64_t)epoch);
  for (int64_t i = 0; i < set->n; i++) order[i] = i;
  if (!train) return true;
  if (!set->source || !set->source->block) return shuffle(order, set->n, rng, 0), true;
  size_t n_bytes = ((size_t)count_blocks(set) + 1) * sizeof(int64_t);
  int64_t *blocks = malloc(n_bytes), *begins = malloc(n_bytes);
  if (blocks && begins) fill_by_blocks(order, set, rng, blocks, begins);
  bool good = (blocks && begins) || mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  free(blocks);
  free(begins);
  return good;
}
