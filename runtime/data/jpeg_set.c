// What the formats of JPEG files share.
#include "runtime/data/jpeg.h"

#include <string.h>
#include <strings.h>

bool mla_is_jpeg_name(const char *name) {
  const char *dot = strrchr(name, '.');
  return dot && (strcasecmp(dot, ".jpeg") == 0 || strcasecmp(dot, ".jpg") == 0);
}

bool mla_jpeg_set(MlaDataset *set, const MlaData *data, MlaError *error) {
  if (!mla_jpeg_check(data, error)) return false;
  set->channels = data->channels;
  return data->channels == 1 || data->channels == 3 ||
         mla_fail(error, MLA_ERROR_INPUT,
                  "data set %s: JPEG images have 1 or 3 channels, the model's input has %d", data->name,
                  data->channels);
}
