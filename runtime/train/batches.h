// A split's batches on the road that the device offers: packets, which it prepares itself, where it has them and the
// images are bytes; else numbers. Private to this folder.
#pragma once
#include "runtime/data/data.h"
#include "runtime/device/device.h"

typedef struct MlaEpoch {
  const MlaStep *step; // whom the batches are for
  bool is_train;
  int number; // counted from 1; with the recipe's seed it makes order and augmentation
  int64_t first_batch;
} MlaEpoch;

typedef struct MlaBatches {
  MlaLoaded *loaded;
  MlaLoader *loader;
  const MlaBatch *given;
} MlaBatches;

bool mla_batches_start(MlaBatches *batches, MlaLoaded *loaded, MlaDataset *set, const MlaEpoch *epoch,
                       MlaError *error);
// As mla_loader_next. Waits until the packet handed out before has left for the device.
bool mla_batches_next(MlaBatches *batches, const MlaBatch **batch, MlaError *error);
void mla_batches_stop(MlaBatches *batches);
