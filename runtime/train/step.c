// See step.h.
#include "runtime/train/step.h"
#include "runtime/data/rng.h"
#include "runtime/train/train.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

static int64_t elem_bytes_of(const MlaProgram *program) {
  return program->elem == MLA_F64 ? 8 : 4;
}

static bool check_buffer(const MlaProgram *program, int buffer, int64_t n_bytes, const char *what,
                         MlaError *error) {
  if (buffer < 0 || (buffer < program->n_buffers && program->buffers[buffer].n_bytes == n_bytes)) return true;
  return mla_fail(error, MLA_ERROR_INPUT,
                  "the plan's %s buffer does not have the %" PRId64 " bytes of a batch", what, n_bytes);
}

static int64_t image_bytes(const MlaProgram *program) {
  return (int64_t)program->data.height * program->data.width * program->data.channels *
         elem_bytes_of(program);
}

bool mla_step_check(const MlaProgram *program, const MlaStep *step, MlaError *error) {
  int64_t batch = program->recipe.batch, elem_bytes = elem_bytes_of(program);
  if (batch < 1) return mla_fail(error, MLA_ERROR_INPUT, "the plan's batch is %" PRId64, batch);
  return check_buffer(program, step->image, batch * image_bytes(program), "image", error) &&
         check_buffer(program, step->label, batch * (int64_t)sizeof(int32_t), "label", error) &&
         check_buffer(program, step->learning_rate, mla_n_rates(&program->recipe) * elem_bytes,
                      "learning rate", error) &&
         check_buffer(program, step->output, batch * program->data.classes * elem_bytes, "output", error);
}

static bool upload(MlaLoaded *loaded, int buffer, const void *from, int64_t n_bytes, MlaError *error) {
  return buffer < 0 || loaded->device->ops->upload(loaded, mla_buffer(loaded, buffer), from, n_bytes, error);
}

// Rates as the step takes them. With Adam's bias corrections, a function of the step's number: nothing to save, nothing
// to resume.
static void fill_rates(const MlaProgram *program, double learning_rate, int64_t number, void *to) {
  const MlaRecipe *recipe = &program->recipe;
  double t = (double)(number + 1);
  double rates[MLA_MAX_RATES] = {learning_rate, 1 - pow(recipe->beta1, t), 1 - pow(recipe->beta2, t)};
  for (int i = 0; i < mla_n_rates(recipe); i++)
    if (program->elem == MLA_F64)
      ((double *)to)[i] = rates[i];
    else
      ((float *)to)[i] = (float)rates[i];
}

// Word i is random number i of the step's stream: a resumed run, or another device, has the same.
static void fill_keys(const MlaProgram *program, int64_t n_words, int64_t number, uint32_t *words) {
  MlaRng rng = mla_rng_stream(program->recipe.seed, 'K', (uint64_t)number);
  for (int64_t i = 0; i < n_words; i++) words[i] = (uint32_t)(mla_rng_bits(rng, (uint64_t)i) >> 32);
}

bool mla_upload_rates(MlaLoaded *loaded, const MlaStep *step, double learning_rate, int64_t number,
                      MlaError *error) {
  const MlaProgram *program = loaded->program;
  union {
    double doubles[MLA_MAX_RATES];
    float floats[MLA_MAX_RATES];
  } rates;
  fill_rates(program, learning_rate, number, &rates);
  return upload(loaded, step->learning_rate, &rates, mla_n_rates(&program->recipe) * elem_bytes_of(program),
                error);
}

bool mla_upload_keys(MlaLoaded *loaded, const MlaStep *step, int64_t number, MlaError *error) {
  const MlaProgram *program = loaded->program;
  if (step->keys < 0) return true;
  int64_t n_bytes = program->buffers[step->keys].n_bytes;
  uint32_t *words = calloc((size_t)n_bytes / 4 + 1, 4);
  if (!words) return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  fill_keys(program, n_bytes / 4, number, words);
  bool good = upload(loaded, step->keys, words, n_bytes, error);
  free(words);
  return good;
}

// Everything that is new in a step goes with the packet.
static bool feed(MlaLoaded *loaded, const MlaStep *step, const MlaBatch *batch, double learning_rate,
                 int64_t number, MlaError *error) {
  const MlaProgram *program = loaded->program;
  uint32_t *keys = (uint32_t *)(void *)(batch->packet + program->packet.keys);
  if (step->learning_rate >= 0) fill_rates(program, learning_rate, number, batch->packet);
  if (step->keys >= 0) fill_keys(program, program->buffers[step->keys].n_bytes / 4, number, keys);
  return loaded->device->ops->feed(loaded, step, (int)(batch->index % MLA_N_PACKETS), batch->n, error);
}

static bool upload_batch(MlaLoaded *loaded, const MlaStep *step, const MlaBatch *batch, double learning_rate,
                         int64_t number, MlaError *error) {
  const MlaProgram *program = loaded->program;
  return upload(loaded, step->image, batch->images, batch->n * image_bytes(program), error) &&
         upload(loaded, step->label, batch->labels, batch->n * (int64_t)sizeof(int32_t), error) &&
         mla_upload_rates(loaded, step, learning_rate, number, error) &&
         mla_upload_keys(loaded, step, number, error);
}

bool mla_step_run(MlaLoaded *loaded, const MlaStep *step, const MlaBatch *batch, double learning_rate,
                  int64_t number, MlaError *error) {
  return (batch->packet ? feed : upload_batch)(loaded, step, batch, learning_rate, number, error) &&
         loaded->device->ops->run(loaded, step, batch->n, error);
}

bool mla_read_number(MlaLoaded *loaded, int buffer, double *value, MlaError *error) {
  float single = 0;
  bool is_double = loaded->program->elem == MLA_F64;
  void *to = is_double ? (void *)value : &single;
  if (!loaded->device->ops->download(loaded, to, mla_buffer(loaded, buffer), elem_bytes_of(loaded->program),
                                     error))
    return false;
  if (!is_double) *value = single;
  return true;
}
