// Padding, cropping, flipping and normalising in one pass over the output: each output pixel asks where it
// comes from.
#include "runtime/data/augment.h"

#include <stdio.h>
#include <stdlib.h>

// What `augment { }` would have to say for images of `have` pixels to fit `want`.
static void suggest(char *text, size_t size, const MlaDataset *set, const MlaData *data) {
  int missing_h = data->height - set->height, missing_w = data->width - set->width;
  int missing = missing_h > missing_w ? missing_h : missing_w;
  int pad = missing > 0 ? (missing + 1) / 2 : 0;
  bool exact = set->height + 2 * pad == data->height && set->width + 2 * pad == data->width;
  if (exact && pad > 0)
    snprintf(text, size, "`pad %d` without a crop would mend it", pad);
  else if (exact && data->pad > 0 && data->height == data->width)
    snprintf(text, size,
             "`crop %d`, a random window of the padded image, or leaving out pad and crop would mend it",
             data->height);
  else if (exact)
    snprintf(text, size, "leaving out pad and crop would mend it");
  else if (data->height == data->width && pad > 0)
    snprintf(text, size, "`pad %d` with `crop %d` would mend it", pad, data->height);
  else if (data->height == data->width)
    snprintf(text, size, "`crop %d` would mend it", data->height);
  else
    snprintf(text, size, "an input of [%d, %d, %d] would mend it", set->height, set->width, set->channels);
}

static bool window_fits(const MlaDataset *set, const MlaData *data) {
  int height = set->height + 2 * data->pad, width = set->width + 2 * data->pad;
  if (data->crop > 0)
    return data->height == data->crop && data->width == data->crop && height >= data->crop &&
           width >= data->crop;
  return height == data->height && width == data->width;
}

bool mla_augment_check(const MlaDataset *set, const MlaData *data, const char *what, MlaError *error) {
  if (set->channels != data->channels || data->channels > MLA_MAX_CHANNELS)
    return mla_fail(error, MLA_ERROR_INPUT,
                    "%s are %d x %d x %d (height, width, channels), the model's input is %d x %d x %d", what,
                    set->height, set->width, set->channels, data->height, data->width, data->channels);
  int smaller = set->height < set->width ? set->height : set->width;
  if (data->pad_mode == MLA_PAD_REFLECT && data->pad >= smaller)
    return mla_fail(error, MLA_ERROR_INPUT,
                    "%s are %d x %d pixels: too small to be padded by %d reflected pixels", what, set->height,
                    set->width, data->pad);
  if (window_fits(set, data)) return true;
  char mend[128], crop[32] = "no crop";
  suggest(mend, sizeof mend, set, data);
  if (data->crop > 0) snprintf(crop, sizeof crop, "crop %d", data->crop);
  return mla_fail(
      error, MLA_ERROR_INPUT,
      "%s are %d x %d x %d (height, width, channels), with pad %d and %s; the model's input is %d x %d x %d\n"
      "%s",
      what, set->height, set->width, set->channels, data->pad, crop, data->height, data->width,
      data->channels, mend);
}

// float32 arithmetic for float32 programs: the same numbers as the usual frameworks' (x / 255 - mean) / std.
static void fill_tables(MlaAugment *augment) {
  const MlaData *data = augment->data;
  for (int c = 0; c < data->channels; c++) {
    double mean = augment->mean[c] = data->n_mean ? data->mean[c] : 0;
    double std = augment->std[c] = data->n_mean ? data->std[c] : 1;
    for (int x = 0; x < 256; x++) {
      augment->table_f32[c][x] = ((float)x / 255.0f - (float)mean) / (float)std;
      augment->table_f64[c][x] = (x / 255.0 - mean) / std;
    }
  }
}

bool mla_augment_init(MlaAugment *augment, const MlaDataset *set, const MlaData *data, MlaElem elem,
                      bool train, MlaError *error) {
  if (!mla_augment_check(set, data, "the data set's images", error)) return false;
  *augment = (MlaAugment){.data = data,
                          .height = set->height,
                          .width = set->width,
                          .random = train,
                          .is_real = set->numbers != NULL,
                          .elem = elem};
  augment->columns = calloc((size_t)data->width, sizeof *augment->columns);
  if (!augment->columns) return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  fill_tables(augment);
  return true;
}

void mla_augment_close(MlaAugment *augment) {
  free(augment->columns);
  augment->columns = NULL;
}

// Where line `i` of the padded image comes from; -1: a padding of zeros. Reflection leaves the border line
// single.
static int source_line(const MlaData *data, int i, int n) {
  i -= data->pad;
  if (i >= 0 && i < n) return i;
  if (data->pad_mode == MLA_PAD_ZERO) return -1;
  return i < 0 ? -i : 2 * n - 2 - i;
}

// Channel c of the pixel whose first element is line[at]; at < 0: a pixel of padding.
static float value_f32(const MlaAugment *augment, const void *line, int at, int c) {
  if (!augment->is_real) return augment->table_f32[c][at < 0 ? 0 : ((const uint8_t *)line)[at + c]];
  float value = at < 0 ? 0.0f : ((const float *)line)[at + c];
  return (value - (float)augment->mean[c]) / (float)augment->std[c];
}

static double value_f64(const MlaAugment *augment, const void *line, int at, int c) {
  if (!augment->is_real) return augment->table_f64[c][at < 0 ? 0 : ((const uint8_t *)line)[at + c]];
  double value = at < 0 ? 0.0 : ((const float *)line)[at + c];
  return (value - augment->mean[c]) / augment->std[c];
}

static void write_line_f32(const MlaAugment *augment, const void *line, float *to) {
  int channels = augment->data->channels;
  for (int x = 0; x < augment->data->width; x++) {
    int at = line ? augment->columns[x] * channels : -1;
    for (int c = 0; c < channels; c++) *to++ = value_f32(augment, line, at, c);
  }
}

static void write_line_f64(const MlaAugment *augment, const void *line, double *to) {
  int channels = augment->data->channels;
  for (int x = 0; x < augment->data->width; x++) {
    int at = line ? augment->columns[x] * channels : -1;
    for (int c = 0; c < channels; c++) *to++ = value_f64(augment, line, at, c);
  }
}

static int pick_offset(const MlaAugment *augment, int slack, MlaRng rng, uint64_t counter) {
  if (!augment->random || augment->data->crop == 0) return slack / 2;
  return (int)mla_rng_below(rng, counter, (uint64_t)slack + 1);
}

void mla_augment_image(MlaAugment *augment, const void *image, void *to, MlaRng rng, int64_t position) {
  const MlaData *data = augment->data;
  uint64_t counter = (uint64_t)position * 4; // room for four draws an image
  int top = pick_offset(augment, augment->height + 2 * data->pad - data->height, rng, counter);
  int left = pick_offset(augment, augment->width + 2 * data->pad - data->width, rng, counter + 1);
  bool mirror = augment->random && data->flip && mla_rng_bits(rng, counter + 2) & 1;
  for (int x = 0; x < data->width; x++)
    augment->columns[x] = source_line(data, left + (mirror ? data->width - 1 - x : x), augment->width);
  int64_t line_elems = (int64_t)data->width * data->channels;
  int64_t line_bytes = (int64_t)augment->width * data->channels * (augment->is_real ? (int)sizeof(float) : 1);
  for (int y = 0; y < data->height; y++) {
    int row = source_line(data, top + y, augment->height);
    const void *line = row < 0 ? NULL : (const char *)image + row * line_bytes;
    if (augment->elem == MLA_F64)
      write_line_f64(augment, line, (double *)to + y * line_elems);
    else
      write_line_f32(augment, line, (float *)to + y * line_elems);
  }
}
