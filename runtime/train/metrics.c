// See metrics.h. Numbers are written with 17 digits, so that the sums of a resumed epoch, taken from the
// file, are the sums of the unbroken run.
#include "runtime/train/metrics.h"
#include "runtime/files/json_text.h"

#include <errno.h>
#include <inttypes.h>
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

static bool open_file(MlaMetrics *metrics, const MlaProgress *resumed, MlaError *error) {
  // "a+": a resumed run without the file gets a new one.
  metrics->file = fopen(metrics->path, resumed ? "a+" : "w");
  if (!metrics->file)
    return mla_fail(error, MLA_ERROR_SYSTEM, "cannot write %s: %s", metrics->path, strerror(errno));
  if (!resumed) return true;
  rewind(metrics->file);
  long end = mla_metrics_read_kept(metrics, resumed);
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

// The line's end is written, and the line where it is wanted.
static bool write_record(MlaMetrics *metrics, FILE *line, char **text, MlaError *error) {
  bool good = (fputc('}', line), fclose(line) == 0) ||
              mla_fail(error, MLA_ERROR_SYSTEM, "out of memory for a line of metrics");
  good = good && (!metrics->file || write_line(metrics->file, *text, metrics->path, error)) &&
         (!metrics->to_stdout || write_line(stdout, *text, "standard output", error));
  free(*text);
  return good;
}

static void put_real(FILE *out, const char *key, double value) {
  fprintf(out, ",\"%s\":", key);
  mla_json_real(out, value);
}

// ,"losses":{"0.cross_entropy":2.3},"modules":[2.3]
static void put_losses(FILE *out, const MlaMetrics *metrics, const double *terms, const double *modules,
                       double divisor) {
  fputs(",\"losses\":{", out);
  for (int i = 0; i < metrics->program->n_losses; i++) {
    fputs(i ? "," : "", out);
    mla_json_text(out, metrics->keys[i]);
    fputc(':', out);
    mla_json_real(out, terms[i] / divisor);
  }
  fputs("},\"modules\":[", out);
  for (int i = 0; i < metrics->program->n_modules; i++) {
    fputs(i ? "," : "", out);
    mla_json_real(out, modules[i] / divisor);
  }
  fputc(']', out);
}

static double rate(int64_t n_images, double seconds) {
  return seconds > 0 ? (double)n_images / seconds : 0;
}

bool mla_metrics_step(MlaMetrics *metrics, const MlaStepRecord *record, MlaError *error) {
  add_to_sums(metrics, record->n_images, record->terms, record->modules);
  if (!metrics->file && !metrics->to_stdout) return true;
  char *text = NULL;
  size_t n_bytes = 0;
  FILE *line = open_memstream(&text, &n_bytes);
  if (!line) return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory for a line of metrics");
  fprintf(line, "{\"type\":\"step\",\"epoch\":%d,\"batch\":%" PRId64 ",\"step\":%" PRId64,
          record->progress.epoch, record->progress.batch, record->progress.step);
  put_real(line, "lr", record->lr);
  fprintf(line, ",\"images\":%" PRId64, record->n_images);
  put_losses(line, metrics, record->terms, record->modules, 1);
  fprintf(line, ",\"bytes\":%" PRId64, record->n_bytes);
  put_real(line, "seconds", record->seconds);
  put_real(line, "images_per_second", rate(record->n_images, record->seconds));
  return write_record(metrics, line, &text, error);
}

static void clear_sums(MlaMetrics *metrics) {
  metrics->n_images = 0;
  for (int i = 0; i < metrics->program->n_losses; i++) metrics->term_sums[i] = 0;
  for (int i = 0; i < metrics->program->n_modules; i++) metrics->module_sums[i] = 0;
}

static bool write_epoch(MlaMetrics *metrics, const MlaEpochRecord *record, MlaError *error) {
  char *text = NULL;
  size_t n_bytes = 0;
  FILE *line = open_memstream(&text, &n_bytes);
  if (!line) return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory for a line of metrics");
  fprintf(line, "{\"type\":\"epoch\",\"epoch\":%d,\"step\":%" PRId64, record->epoch, record->step);
  put_real(line, "lr", record->lr);
  fprintf(line, ",\"images\":%" PRId64, metrics->n_images);
  put_losses(line, metrics, metrics->term_sums, metrics->module_sums,
             metrics->n_images > 0 ? (double)metrics->n_images : 1);
  put_real(line, "test_loss", record->test_loss);
  put_real(line, "test_accuracy", record->test_accuracy);
  put_real(line, "best_accuracy", record->best_accuracy);
  fprintf(line, ",\"bytes\":%" PRId64, record->n_bytes);
  put_real(line, "seconds", record->seconds);
  put_real(line, "images_per_second", rate(record->n_timed_images, record->seconds));
  return write_record(metrics, line, &text, error);
}

bool mla_metrics_epoch(MlaMetrics *metrics, const MlaEpochRecord *record, MlaError *error) {
  bool good = (!metrics->file && !metrics->to_stdout) || write_epoch(metrics, record, error);
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
