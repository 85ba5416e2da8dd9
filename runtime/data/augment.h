// From one stored image to what the model takes: a window is placed (window.h), read, resampled if it must be
// (resample.h), mirrored in training for every second image with `flip`, and normalised. Bytes become numbers through a
// table; images stored as numbers are normalised one by one. Private to this folder.
#pragma once
#include "runtime/data/resample.h"
#include "runtime/data/rng.h"
#include "runtime/data/source.h"

// What all threads share.
typedef struct MlaAugment {
  const MlaDataset *set;
  const MlaData *data;
  const MlaSource *source;
  bool train;
  MlaElem elem;
  float table_f32[MLA_MAX_CHANNELS][256];
  double table_f64[MLA_MAX_CHANNELS][256];
  double mean[MLA_MAX_CHANNELS], std[MLA_MAX_CHANNELS]; // 0 and 1 without `normalize`
} MlaAugment;

// What one thread works with.
typedef struct MlaCanvas {
  const MlaAugment *augment;
  void *reader;
  int *columns; // [data->width] source column of each output column, -1: zero
  MlaAxis rows, across;
  uint8_t *image; // [data->height, data->width, channels] after resampling
  uint8_t *lines; // between the two passes
  size_t lines_bytes;
} MlaCanvas;

// Whether the settings and the images go together; the message says what would mend it. `what` names the images.
bool mla_augment_check(const MlaDataset *set, const MlaData *data, bool train, const char *what,
                       MlaError *error);
bool mla_augment_init(MlaAugment *augment, const MlaDataset *set, const MlaData *data, MlaElem elem,
                      bool train, MlaError *error);
bool mla_canvas_open(MlaCanvas *canvas, const MlaAugment *augment, MlaError *error);
void mla_canvas_close(MlaCanvas *canvas);
// A record to `to` [data->height, data->width, channels].
bool mla_augment_record(MlaCanvas *canvas, int64_t record, MlaRng rng, void *to, MlaError *error);
// The same record for a device that does the rest: the bytes its window looks at, in the first lines and columns of `to`
// [data->height, data->width, channels], and what is to be done with them.
bool mla_augment_bytes(MlaCanvas *canvas, int64_t record, MlaRng rng, uint8_t *to, MlaImageRow *row,
                       MlaError *error);
