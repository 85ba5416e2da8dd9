// Data sets: from the files that the world distributes to normalised batches. A format is one file and a row in
// formats.def. The same seed gives the same bytes whatever the number and the timing of the loader's threads.
#pragma once
#include "runtime/error.h"
#include "runtime/program.h"

typedef struct MlaSource MlaSource;

// A split. Its records are held in memory as bytes or as numbers, or read one by one when they are needed. Bytes are
// divided by 255 before they are normalised, numbers are taken as they are.
typedef struct MlaDataset {
  int64_t n;
  int height, width, channels; // height, width 0: every image has its own size
  uint8_t *images;             // [n, height, width, channels]; NULL: `numbers`, or `source` reads them
  float *numbers;
  int32_t *labels;         // [n]
  const MlaSource *source; // NULL: the images in memory
  void *state;             // the source's
  char **classes;          // [n_classes] names, if the files name them; in the order of the labels
  int n_classes;
  // Records that could not be read and were left out (`on_bad skip`): how many; which, a byte each; what was said
  // of them, until somebody asks.
  int64_t n_bad;
  uint8_t *is_bad;
  char *notes;
} MlaDataset;

// `root` NULL: the specification's. Missing, truncated or wrong files: an error naming the file and the record.
bool mla_dataset_open(MlaDataset *set, const MlaData *data, const char *root, bool train, MlaError *error);
void mla_dataset_close(MlaDataset *set);
// Whether two splits mean the same classes by the same labels.
bool mla_dataset_agree(const MlaDataset *train, const MlaDataset *test, MlaError *error);
// What was said of records left out since the last call, one a line; NULL: nothing. The caller frees it.
char *mla_dataset_take_notes(MlaDataset *set);

// One batch as the program takes it: images NHWC in the program's element type, labels int32. Or as the device takes it
// that augments images itself: a packet, of which the images' rows and bytes are written.
typedef struct MlaBatch {
  int64_t index, n; // number of the batch in its epoch; images in it: 0 if all of its records were left out
  void *images;     // numbers; of a packet: its bytes
  int32_t *labels;
  unsigned char *packet; // NULL: numbers
  MlaImageRow *rows;     // of the packet
} MlaBatch;

// Where packets are made: batch i of an epoch in memory[i % MLA_N_PACKETS].
typedef struct MlaPackets {
  MlaPacket layout;
  unsigned char *memory[MLA_N_PACKETS];
} MlaPackets;

// Walks a split in batches. Threads prepare the next batch while the caller computes; the order (train: shuffled)
// depends on (seed, epoch), augmentation on (seed, epoch, record) alone. The last partial batch is kept. Two batches of
// memory, whatever the number of threads.
typedef struct MlaLoader MlaLoader;
MlaLoader *mla_loader_start(MlaDataset *set, const MlaData *data, MlaElem elem, int64_t batch, bool train,
                            uint64_t seed, int epoch, int64_t first_batch, MlaError *error);
// The same for packets; only for images stored as bytes. The memory must stay until the loader stops; that of a batch is
// written again from the call of mla_loader_next after the one that handed it out.
MlaLoader *mla_loader_start_packets(MlaDataset *set, const MlaData *data, const MlaPackets *packets,
                                    int64_t batch, bool train, uint64_t seed, int epoch, int64_t first_batch,
                                    MlaError *error);
// The next batch, valid until the following call; NULL at the end of the epoch. False: a record cannot be read.
bool mla_loader_next(MlaLoader *loader, const MlaBatch **batch, MlaError *error);
void mla_loader_stop(MlaLoader *loader);
int64_t mla_n_batches(int64_t n_images, int64_t batch);
