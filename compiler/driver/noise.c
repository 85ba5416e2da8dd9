// See the header.
#include "compiler/driver/noise.h"
#include "runtime/train/train.h"

#include <inttypes.h>
#include <stdlib.h>

static double noise(uint64_t *state) { // in [-1, 1)
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (double)(int32_t)(*state >> 32) / 2147483648.0;
}

static bool upload_images(MlaLoaded *loaded, uint64_t *random, MlaError *error) {
  const MlaProgram *program = loaded->program;
  const MlaBuffer *image = &program->buffers[program->train.image];
  bool is_double = image->elem == MLA_F64;
  int64_t n = image->n_bytes / (is_double ? 8 : 4);
  void *images = malloc((size_t)image->n_bytes);
  if (!images)
    return mla_fail(error, MLA_ERROR_SYSTEM, "no memory for %" PRId64 " bytes of images", image->n_bytes);
  for (int64_t i = 0; i < n; i++) {
    double value = noise(random);
    if (is_double) ((double *)images)[i] = value;
    if (!is_double) ((float *)images)[i] = (float)value;
  }
  bool ok = loaded->device->ops->upload(loaded, mla_buffer(loaded, program->train.image), images,
                                        image->n_bytes, error);
  free(images);
  return ok;
}

static bool upload_labels(MlaLoaded *loaded, uint64_t *random, MlaError *error) {
  const MlaProgram *program = loaded->program;
  if (program->train.label < 0) return true;
  const MlaBuffer *label = &program->buffers[program->train.label];
  int32_t *labels = malloc((size_t)label->n_bytes);
  if (!labels)
    return mla_fail(error, MLA_ERROR_SYSTEM, "no memory for %" PRId64 " bytes of labels", label->n_bytes);
  for (int64_t i = 0; i < label->n_bytes / 4; i++) {
    labels[i] = (int32_t)((noise(random) + 1) / 2 * program->data.classes);
  }
  bool ok = loaded->device->ops->upload(loaded, mla_buffer(loaded, program->train.label), labels,
                                        label->n_bytes, error);
  free(labels);
  return ok;
}

bool noise_wait(MlaLoaded *loaded, MlaError *error) {
  unsigned char bytes[4];
  return loaded->device->ops->download(loaded, bytes, loaded->base, sizeof bytes, error);
}

// Inputs live in the work arena, whose bytes a step may use again once they have been read. A small learning rate, so that
// the weights stay ordinary numbers.
bool noise_prepare(MlaLoaded *loaded, int64_t index, MlaError *error) {
  const MlaStep *step = &loaded->program->train;
  uint64_t random = 1;
  return upload_images(loaded, &random, error) && upload_labels(loaded, &random, error) &&
         mla_upload_rates(loaded, step, 1e-4, index, error) && mla_upload_keys(loaded, step, index, error) &&
         noise_wait(loaded, error);
}
