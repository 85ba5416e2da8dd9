// Data sets: from the files that the world distributes to normalised batches. A format is one file and a row in
// formats.def. The same seed gives the same bytes whatever the timing of the loader thread.
#pragma once
#include "runtime/error.h"
#include "runtime/program.h"

// A split held in memory: [n, height, width, channels] as bytes or as numbers, and labels [n]. Bytes are divided by
// 255 before they are normalised, numbers are taken as they are.
typedef struct MlaDataset {
  int64_t n;
  int height, width, channels;
  uint8_t *images; // NULL if `numbers` is there
  float *numbers;
  int32_t *labels;
} MlaDataset;

// `root` NULL: the specification's. Missing, truncated or wrong files: an error naming the file and the record.
bool mla_dataset_open(MlaDataset *set, const MlaData *data, const char *root, bool train, MlaError *error);
void mla_dataset_close(MlaDataset *set);

// One batch as the program takes it: images NHWC in the program's element type, labels int32.
typedef struct MlaBatch {
  int64_t index, n; // number of the batch in its epoch; images in it
  void *images;
  int32_t *labels;
} MlaBatch;

// Walks a split in batches. A thread prepares the next batch while the caller computes; shuffling (train) depends on
// (seed, epoch), augmentation on (seed, epoch, position) alone. The last partial batch is kept.
typedef struct MlaLoader MlaLoader;
MlaLoader *mla_loader_start(const MlaDataset *set, const MlaData *data, MlaElem elem, int64_t batch,
                            bool train, uint64_t seed, int epoch, int64_t first_batch, MlaError *error);
// The next batch, valid until the following call; NULL at the end of the epoch.
const MlaBatch *mla_loader_next(MlaLoader *loader);
void mla_loader_stop(MlaLoader *loader);
int64_t mla_n_batches(int64_t n_images, int64_t batch);
