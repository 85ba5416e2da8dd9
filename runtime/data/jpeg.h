// JPEG images from memory, whole or in part. Colour images become RGB, grey ones too if the set has 3 channels; with
// 1 channel the brightness alone is decoded; CMYK becomes RGB by multiplying with black, as Pillow does. Nothing is
// turned by EXIF. A part is decoded to exactly the bytes it has in the whole image.
// Private to this folder.
#pragma once
#include "runtime/data/source.h"

typedef struct MlaJpeg MlaJpeg;

// Whether this build can decode; the message says what to install.
bool mla_jpeg_check(const MlaData *data, MlaError *error);
MlaJpeg *mla_jpeg_open(const MlaDataset *set, MlaError *error);
void mla_jpeg_close(MlaJpeg *jpeg);
// `bytes` must stay as long as the image is read. Messages name the record by set->source.
bool mla_jpeg_begin(MlaJpeg *jpeg, int64_t record, const uint8_t *bytes, size_t n_bytes, int *height,
                    int *width, MlaError *error);
// Once after each begin.
bool mla_jpeg_read(MlaJpeg *jpeg, const MlaWindow *window, MlaView *view, MlaError *error);

// What the formats of JPEG files share: .jpeg and .jpg in any case; a set of as many channels as the model takes.
bool mla_is_jpeg_name(const char *name);
bool mla_jpeg_set(MlaDataset *set, const MlaData *data, MlaError *error);
