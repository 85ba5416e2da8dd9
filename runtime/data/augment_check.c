// Images of one known size are compared with the model's input before training begins.
#include "runtime/data/augment.h"
#include "runtime/data/window.h"

#include <stdio.h>

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

static bool is_other_side(int side, const MlaData *data) {
  return side && (side != data->height || side != data->width);
}

// The settings beside the model's input, whatever the images.
static bool check_settings(const MlaDataset *set, const MlaData *data, const char *what, MlaError *error) {
  const int sides[] = {data->center, data->random_resized_crop};
  static const char *const names[] = {"center", "random_resized_crop"};
  for (int i = 0; i < 2; i++)
    if (is_other_side(sides[i], data))
      return mla_fail(error, MLA_ERROR_INPUT, "%s are cut by %s %d; the model's input is %d x %d", what,
                      names[i], sides[i], data->height, data->width);
  if (set->numbers && (data->resize || data->random_resized_crop))
    return mla_fail(error, MLA_ERROR_INPUT, "%s are stored as numbers: only images of bytes can be resized",
                    what);
  return true;
}

bool mla_augment_check(const MlaDataset *set, const MlaData *data, bool train, const char *what,
                       MlaError *error) {
  if (set->channels != data->channels || data->channels > MLA_MAX_CHANNELS)
    return mla_fail(error, MLA_ERROR_INPUT,
                    "%s are %d x %d x %d (height, width, channels), the model's input is %d x %d x %d", what,
                    set->height, set->width, set->channels, data->height, data->width, data->channels);
  if (!check_settings(set, data, what, error)) return false;
  if (set->height == 0) return true; // sizes of their own: seen one by one
  int smaller = set->height < set->width ? set->height : set->width;
  if (data->pad_mode == MLA_PAD_REFLECT && data->pad >= smaller)
    return mla_fail(error, MLA_ERROR_INPUT,
                    "%s are %d x %d pixels: too small to be padded by %d reflected pixels", what, set->height,
                    set->width, data->pad);
  MlaPlacement place;
  if (mla_place(&place, data, set->height, set->width, train, (MlaRng){0}, 0)) return true;
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
