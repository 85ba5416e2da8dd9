// Which part of an image the model sees, and at which size. The image is resized so that its shorter side is `resize`
// (the longer one rounded down) or padded by `pad`; then comes a window of the model's input's size: in training with
// `crop` a random one, otherwise the centre (its offset rounded to the nearest, halves to the even number). In training
// `random_resized_crop` replaces all of this: a rectangle of 8 to 100 % of the area and with a ratio of width to height
// of 3/4 to 4/3, evenly on the logarithmic scale; if ten draws do not fit into the image, its largest centre part
// within these ratios; resized to the window as if the rest of the image were not there.
// Private to this folder.
#pragma once
#include "runtime/data/rng.h"
#include "runtime/data/source.h"

typedef struct MlaPlacement {
  MlaWindow box;     // of the stored image; what is resized
  int height, width; // of the box after resizing, padding included
  int top, left;     // of the model's window in that
  bool is_resized, is_mirror;
} MlaPlacement;

// `height`, `width`: the stored image's. False: the window does not fit; nothing is said.
bool mla_place(MlaPlacement *place, const MlaData *data, int height, int width, bool train, MlaRng rng,
               int64_t record);
