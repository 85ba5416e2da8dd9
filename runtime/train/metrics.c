// See metrics.h. Numbers are written with 17 digits, so that the sums of a resumed epoch, taken from the
// file, are the sums of the unbroken run.
#include "runtime/train/metrics.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool allocate(MlaMetrics *metrics, const char *run_dir) {
  const MlaProgram *program = metrics->program;
  metrics->keys = calloc((size_t)program->n_losses + 1, sizeof *metrics->keys);
  metrics->term_sums = calloc((size_t)program->n_losses + 1, sizeof *metrics->term_sums);
  metrics->module_sums = calloc((size_t)program->n_modules + 1, sizeof *metrics->module_sums);
  if (!metrics->keys || !metrics->term_sums || !metrics->module_sums) return false;
  for (int i = 0; i < program->n_losses; i++)
    if (asprintf(&metrics->keys[i], "%d.%s", program->losses[i].module, program->losses[i].name) < 0) {
      metrics->keys[i] = NULL;
      return false;
    }
  return !run_dir || asprintf(&metrics->path, "%s/metrics.jsonl", run_dir) >= 0;
}

static void add_to_sums(MlaMetrics *metrics, int64_t n_images, const double *terms, const double *modules) {
  metrics->n_images += n_images;
  for (int i = 0; i < metrics->program->n_losses; i++) metrics->term_sums[i] += (double)n_images * terms[i];
  for (int i = 0; i < metrics->program->n_modules; i++)
    metrics->module_sums[i] += (double)n_images * modules[i];
}

// Adds a step's line as mla_metrics_step did when it wrote it.
static void add_line(MlaMetrics *metrics, const json_t *line) {
  const json_t *losses = json_object_get(line, "losses"), *modules = json_object_get(line, "modules");
  double n = (double)json_integer_value(json_object_get(line, "images"));
  metrics->n_images += (int64_t)n;
  for (int i = 0; i < metrics->program->n_losses; i++)
    metrics->term_sums[i] += n * json_number_value(json_object_get(losses, metrics->keys[i]));
  for (int i = 0; i < metrics->program->n_modules; i++)
    metrics->module_sums[i] += n * json_number_value(json_array_get(modules, (size_t)i));
}

// Whether the line was written before the checkpoint at `resumed`.
static bool is_before(const json_t *line, const MlaProgress *resumed) {
  const char *type = json_string_value(json_object_get(line, "type"));
  if (type && strcmp(type, "step") == 0)
    return json_integer_value(json_object_get(line, "step")) <= resumed->step;
  return type && strcmp(type, "epoch") == 0 &&
         json_integer_value(json_object_get(line, "epoch")) < resumed->epoch;
}

// Reads the lines to keep; returns where they end.
static long read_kept(MlaMetrics *metrics, const MlaProgress *resumed) {
  long end = 0;
  char *text = NULL;
  size_t capacity = 0;
  ssize_t length;
  while ((length = getline(&text, &capacity, metrics->file)) > 0 && text[length - 1] == '\n') {
    json_t *line = json_loadb(text, (size_t)length, 0, NULL);
    bool kept = is_before(line, resumed);
    if (kept && json_integer_value(json_object_get(line, "epoch")) == resumed->epoch) add_line(metrics, line);
    json_decref(line);
    if (!kept) break;
    end += length;
  }
  free(text);
  return end;
}

static bool open_file(MlaMetrics *metrics, const MlaProgress *resumed, MlaError *error) {
  // "a+": a resumed run without the file gets a new one.
  metrics->file = fopen(metrics->path, resumed ? "a+" : "w");
  if (!metrics->file)
    return mla_fail(error, MLA_ERROR_SYSTEM, "cannot write %s: %s", metrics->path, strerror(errno));
  if (!resumed) return true;
  rewind(metrics->file);
  long end = read_kept(metrics, resumed);
  if (ftruncate(fileno(metrics->file), end) == 0 && fseek(metrics->file, 0, SEEK_END) == 0) return true;
  return mla_fail(error, MLA_ERROR_SYSTEM, "cannot shorten %s: %s", metrics->path, strerror(errno));
}

bool mla_metrics_open(MlaMetrics *metrics, const MlaProgram *program, const char *run_dir, bool to_stdout,
                      const MlaProgress *resumed, MlaError *error) {
  *metrics = (MlaMetrics){.program = program, .to_stdout = to_stdout};
  bool good = allocate(metrics, run_dir) || mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  if (good && run_dir) good = open_file(metrics, resumed, error);
  if (!good) mla_metrics_close(metrics);
  return good;
}

static bool write_line(FILE *stream, const char *text, const char *path, MlaError *error) {
  if (fprintf(stream, "%s\n", text) >= 0 && fflush(stream) == 0) return true;
  return mla_fail(error, MLA_ERROR_SYSTEM, "cannot write %s: %s", path, strerror(errno));
}

static bool write_record(MlaMetrics *metrics, json_t *line, MlaError *error) {
  char *text = json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(17));
  json_decref(line);
  if (!text) return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory for a line of metrics");
  bool good = (!metrics->file || write_line(metrics->file, text, metrics->path, error)) &&
              (!metrics->to_stdout || write_line(stdout, text, "standard output", error));
  free(text);
  return good;
}

static json_t *loss_object(const MlaMetrics *metrics, const double *terms, double divisor) {
  json_t *object = json_object();
  for (int i = 0; i < metrics->program->n_losses; i++)
    json_object_set_new(object, metrics->keys[i], json_real(terms[i] / divisor));
  return object;
}

static json_t *module_array(const MlaMetrics *metrics, const double *modules, double divisor) {
  json_t *array = json_array();
  for (int i = 0; i < metrics->program->n_modules; i++)
    json_array_append_new(array, json_real(modules[i] / divisor));
  return array;
}

static double rate(int64_t n_images, double seconds) {
  return seconds > 0 ? (double)n_images / seconds : 0;
}

bool mla_metrics_step(MlaMetrics *metrics, const MlaStepRecord *record, MlaError *error) {
  add_to_sums(metrics, record->n_images, record->terms, record->modules);
  if (!metrics->file && !metrics->to_stdout) return true;
  json_t *line =
      json_pack("{s:s, s:i, s:I, s:I, s:f, s:I, s:o, s:o, s:I, s:f, s:f}", "type", "step", "epoch",
                record->progress.epoch, "batch", (json_int_t)record->progress.batch, "step",
                (json_int_t)record->progress.step, "lr", record->lr, "images", (json_int_t)record->n_images,
                "losses", loss_object(metrics, record->terms, 1), "modules",
                module_array(metrics, record->modules, 1), "bytes", (json_int_t)record->n_bytes, "seconds",
                record->seconds, "images_per_second", rate(record->n_images, record->seconds));
  return write_record(metrics, line, error);
}

static void clear_sums(MlaMetrics *metrics) {
  metrics->n_images = 0;
  for (int i = 0; i < metrics->program->n_losses; i++) metrics->term_sums[i] = 0;
  for (int i = 0; i < metrics->program->n_modules; i++) metrics->module_sums[i] = 0;
}

bool mla_metrics_epoch(MlaMetrics *metrics, const MlaEpochRecord *record, MlaError *error) {
  double divisor = metrics->n_images > 0 ? (double)metrics->n_images : 1;
  bool good = true;
  if (metrics->file || metrics->to_stdout) {
    json_t *line = json_pack(
        "{s:s, s:i, s:I, s:f, s:I, s:o, s:o, s:f, s:f, s:f, s:I, s:f, s:f}", "type", "epoch", "epoch",
        record->epoch, "step", (json_int_t)record->step, "lr", record->lr, "images",
        (json_int_t)metrics->n_images, "losses", loss_object(metrics, metrics->term_sums, divisor), "modules",
        module_array(metrics, metrics->module_sums, divisor), "test_loss", record->test_loss, "test_accuracy",
        record->test_accuracy, "best_accuracy", record->best_accuracy, "bytes", (json_int_t)record->n_bytes,
        "seconds", record->seconds, "images_per_second", rate(record->n_timed_images, record->seconds));
    good = write_record(metrics, line, error);
  }
  clear_sums(metrics);
  return good;
}

bool mla_metrics_sync(MlaMetrics *metrics, MlaError *error) {
  if (!metrics->file || fsync(fileno(metrics->file)) == 0) return true;
  return mla_fail(error, MLA_ERROR_SYSTEM, "cannot write %s: %s", metrics->path, strerror(errno));
}

void mla_metrics_close(MlaMetrics *metrics) {
  if (metrics->file) fclose(metrics->file); // every line was flushed and checked when written
  for (int i = 0; metrics->keys && i < metrics->program->n_losses; i++) free(metrics->keys[i]);
  free(metrics->keys);
  free(metrics->term_sums);
  free(metrics->module_sums);
  free(metrics->path);
  *metrics = (MlaMetrics){0};
}
