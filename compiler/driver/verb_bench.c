// mlaanc bench: the step's time on made-up images. The program's own buffers are filled once with noise, so
// nothing but the device is measured, from its being idle to its being idle again; the median of the steps is reported, since other programs only ever
// make a step longer.
#include "compiler/driver/profile.h"
#include "compiler/driver/session.h"
#include "runtime/train/train.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { WARM_UP_STEPS = 3 };

typedef struct BenchResult {
  double median, least, most; // seconds
  double flops, n_bytes;      // of a step
} BenchResult;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

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

static int compare_doubles(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

// Until everything that was asked of the device has been done.
static bool wait_for(MlaLoaded *loaded, MlaError *error) {
  unsigned char bytes[4];
  return loaded->device->ops->download(loaded, bytes, loaded->base, sizeof bytes, error);
}

static bool time_steps(MlaLoaded *loaded, int64_t n_steps, double *seconds, MlaError *error) {
  const MlaProgram *program = loaded->program;
  for (int64_t i = -WARM_UP_STEPS; i < n_steps; i++) {
    // Inputs live in the work arena, whose bytes a step may use again once they have been read.
    uint64_t random = 1;
    if (!upload_images(loaded, &random, error) || !upload_labels(loaded, &random, error)) return false;
    // A small learning rate, so that the weights stay ordinary numbers.
    if (!mla_upload_rates(loaded, &program->train, 1e-4, i + WARM_UP_STEPS, error)) return false;
    if (!mla_upload_keys(loaded, &program->train, i + WARM_UP_STEPS, error)) return false;
    if (!wait_for(loaded, error)) return false;
    double start = now();
    if (!loaded->device->ops->run(loaded, &program->train, program->recipe.batch, error)) return false;
    if (!wait_for(loaded, error)) return false;
    if (i >= 0) seconds[i] = now() - start;
  }
  qsort(seconds, (size_t)n_steps, sizeof *seconds, compare_doubles);
  return true;
}

static bool measure(MlaLoaded *loaded, int64_t n_steps, BenchResult *result, MlaError *error) {
  const MlaProgram *program = loaded->program;
  double *seconds = malloc(sizeof *seconds * (size_t)n_steps);
  if (!seconds) return mla_fail(error, MLA_ERROR_SYSTEM, "no memory for %" PRId64 " times", n_steps);
  bool ok =
      mla_init_states(loaded, program->recipe.seed, error) && time_steps(loaded, n_steps, seconds, error);
  if (ok)
    *result =
        (BenchResult){.median = seconds[n_steps / 2], .least = seconds[0], .most = seconds[n_steps - 1]};
  for (int i = 0; i < program->train.n_launches; i++) {
    result->flops += (double)program->train.launches[i].flops;
    result->n_bytes += (double)program->train.launches[i].n_bytes;
  }
  free(seconds);
  return ok;
}

static void print_json(Arena *arena, const MlaLoaded *loaded, const BenchResult *r, bool with_profile) {
  const MlaProgram *program = loaded->program;
  json_t *json =
      json_pack("{s:s,s:s,s:s,s:I,s:f,s:f,s:f,s:f,s:f,s:f,s:I,s:i}", "model", program->model, "device",
                loaded->device->ops->name, "precision", mla_precision_name(program->recipe.precision),
                "batch", (json_int_t)program->recipe.batch, "step_seconds", r->median, "least_seconds",
                r->least, "most_seconds", r->most, "images_per_second",
                (double)program->recipe.batch / r->median, "step_flops", r->flops, "moved_bytes", r->n_bytes,
                "allocated_bytes", (json_int_t)loaded->n_bytes, "launches", program->train.n_launches);
  if (with_profile) json_object_set_new(json, "kernels", profile_json(arena, loaded));
  json_dumpf(json, stdout, JSON_COMPACT);
  putchar('\n');
  json_decref(json);
}

static void print_text(Arena *arena, const MlaLoaded *loaded, const BenchResult *r, bool with_profile) {
  const MlaProgram *program = loaded->program;
  printf("%s on %s, %s, batch %" PRId64 ": step %.2f ms (least %.2f, most %.2f), %.0f images/s\n",
         program->model, loaded->device->ops->name, mla_precision_name(program->recipe.precision),
         program->recipe.batch, 1e3 * r->median, 1e3 * r->least, 1e3 * r->most,
         (double)program->recipe.batch / r->median);
  printf("%d launches, %.2f GFLOP and %.1f MiB moved a step: %.1f GFLOP/s, %.1f GB/s; %.1f MiB allocated\n",
         program->train.n_launches, r->flops / 1e9, r->n_bytes / (1 << 20), r->flops / r->median / 1e9,
         r->n_bytes / r->median / 1e9, (double)loaded->n_bytes / (1 << 20));
  if (with_profile) profile_print(arena, loaded, stdout);
}

int verb_bench(const Options *options) {
  Session session;
  int status = session_begin(&session, options);
  if (status == STATUS_OK && session.loaded) {
    MlaError error = {0};
    BenchResult result = {0};
    int64_t n_steps = options->steps > 0 ? options->steps : 20;
    if (!options->json) session_print_device(&session);
    if (!measure(session.loaded, n_steps, &result, &error)) {
      status = report_error(options, &error);
    } else {
      (options->json ? print_json : print_text)(session.compilation.arena, session.loaded, &result,
                                                options->profile);
    }
  }
  session_end(&session);
  return status;
}
