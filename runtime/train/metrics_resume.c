// Reading back metrics.jsonl: a resumed epoch's sums are taken up from the lines before the checkpoint.
#include "runtime/train/metrics.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

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

long mla_metrics_read_kept(MlaMetrics *metrics, const MlaProgress *resumed) {
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
