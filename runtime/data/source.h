// How the loader's threads read records. Reading has two steps, so that the window to be cut out can depend on
// the image's size, and a source that decodes need not decode what nobody looks at. Private to this folder.
#pragma once
#include "runtime/data/data.h"

#include <stddef.h>

typedef struct MlaWindow {
  int top, left, height, width; // pixels of the stored image
} MlaWindow;

// Pixels that are there, channels last, in the set's kind of element; lines may stand apart. Valid until the reader's
// next call.
typedef struct MlaView {
  const void *pixels; // of the window's first pixel
  int64_t stride;     // bytes from line to line
} MlaView;

struct MlaSource {
  // What one thread reads with: decoder, buffers, open files.
  void *(*open)(const MlaDataset *set, MlaError *error);
  void (*close)(void *reader);
  // Turns to a record: its size.
  bool (*begin)(void *reader, int64_t record, int *height, int *width, MlaError *error);
  // A window of the record that was turned to.
  bool (*read)(void *reader, const MlaWindow *window, MlaView *view, MlaError *error);
  // The image's file and record, for messages.
  void (*name)(const MlaDataset *set, int64_t record, char *text, size_t size);
  // Frees set->state.
  void (*release)(MlaDataset *set);
  // Records of one block are best read together (they share a compressed file): the block of a record. NULL: any
  // order is as good.
  int64_t (*block)(const MlaDataset *set, int64_t record);
  bool is_slow; // worth a thread for every core
};

extern const MlaSource mla_memory_source;

// Counts a record that was left out, and keeps what was said of it.
bool mla_dataset_note_bad(MlaDataset *set, int64_t record, const char *text, MlaError *error);
