// The order of an epoch's records. Private to this folder.
#pragma once
#include "runtime/data/source.h"

// `order` [set->n]: in evaluation as they are; in training shuffled by (seed, epoch). Where records come in blocks that
// are best read together, the blocks are shuffled, and the records within each.
bool mla_order_fill(int64_t *order, const MlaDataset *set, bool train, uint64_t seed, int epoch,
                    MlaError *error);
