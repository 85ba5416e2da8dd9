// From one stored image to what the model takes. The image is padded by `pad`; the model sees a window of its
// input's size: the centre one, or in training with `crop` a random one, mirrored for every second image with
// `flip`. So evaluation of a padded and cropped training set sees the plain image. Bytes become numbers
// through a table; images stored as numbers are normalised one by one. Private to this folder.
#pragma once
#include "runtime/data/data.h"
#include "runtime/data/rng.h"

typedef struct MlaAugment {
  const MlaData *data;
  int height, width; // of the stored images
  bool random;
  bool is_real; // images are float, not uint8
  MlaElem elem;
  float table_f32[MLA_MAX_CHANNELS][256];
  double table_f64[MLA_MAX_CHANNELS][256];
  double mean[MLA_MAX_CHANNELS], std[MLA_MAX_CHANNELS]; // 0 and 1 without `normalize`
  int *columns; // [data->width] source column of each output column, -1: zero
} MlaAugment;

// Whether the window exists; the message says what would mend it. `what` names the images.
bool mla_augment_check(const MlaDataset *set, const MlaData *data, const char *what, MlaError *error);
bool mla_augment_init(MlaAugment *augment, const MlaDataset *set, const MlaData *data, MlaElem elem,
                      bool train, MlaError *error);
void mla_augment_close(MlaAugment *augment);
// `image` [height, width, channels], bytes or floats, to `to` [data->height, data->width, channels]; `position` in
// the epoch picks the random numbers.
void mla_augment_image(MlaAugment *augment, const void *image, void *to, MlaRng rng, int64_t position);
