// Files keep an image's channels as planes; here they are the last axis.
#include "runtime/data/format.h"

void mla_planes_to_image(const uint8_t *planes, int height, int width, int channels, bool by_columns,
                         uint8_t *image) {
  int64_t n_pixels = (int64_t)height * width;
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++) {
      int64_t from = by_columns ? (int64_t)x * height + y : (int64_t)y * width + x;
      for (int c = 0; c < channels; c++) *image++ = planes[c * n_pixels + from];
    }
}
