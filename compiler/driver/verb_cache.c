// mlaanc cache: the compiled kernels on disk.
#include "compiler/driver/compile.h"
#include "compiler/driver/text.h"
#include "runtime/device/kernel_cache.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

// By the end of the file's name, which the compilers choose.
static const char *unit_device(const MlaCacheUnit *unit) {
  const char *ending = strchr(unit->name, '.');
  if (strcmp(ending, ".cubin") == 0) return "cuda";
  if (strcmp(ending, ".txt") == 0) return "tune";
  return strcmp(ending, ".so") == 0 ? "cpu" : "emulated-cuda";
}

static const char *age_text(Arena *arena, double seconds) {
  if (seconds < 120) return arena_printf(arena, "%.0f s", seconds > 0 ? seconds : 0);
  if (seconds < 7200) return arena_printf(arena, "%.0f min", seconds / 60);
  return seconds < 2 * 86400 ? arena_printf(arena, "%.0f h", seconds / 3600)
                             : arena_printf(arena, "%.0f days", seconds / 86400);
}

static int64_t total_bytes(const MlaCacheUnits *list) {
  int64_t sum = 0;
  for (int i = 0; i < list->n; i++) sum += list->units[i].n_bytes;
  return sum;
}

static void print_table(const MlaCacheUnits *list) {
  Arena *arena = arena_new();
  int n_kernels = 0;
  for (int i = 0; i < list->n; i++) {
    const MlaCacheUnit *unit = &list->units[i];
    if (i == 0) printf("%-13s %8s %10s %10s  %s\n", "for", "kernels", "size", "used", "file");
    printf("%-13s %8d %10s %10s  %.21s\n", unit_device(unit), unit->n_kernels,
           text_bytes(arena, unit->n_bytes), age_text(arena, unit->age), unit->name);
    n_kernels += unit->n_kernels;
  }
  printf("%s: %d kernels in %d files, %s; beyond %s the oldest go\n", list->dir, n_kernels, list->n,
         text_bytes(arena, total_bytes(list)), text_bytes(arena, mla_cache_limit));
  arena_free(arena);
}

static json_t *unit_json(const MlaCacheUnit *unit) {
  return json_pack("{s:s,s:s,s:i,s:I,s:f}", "file", unit->name, "device", unit_device(unit), "kernels",
                   unit->n_kernels, "bytes", (json_int_t)unit->n_bytes, "age", unit->age);
}

static void print_json(const MlaCacheUnits *list, int n_removed, int64_t bytes_removed) {
  json_t *units = json_array();
  for (int i = 0; i < list->n; i++) json_array_append_new(units, unit_json(&list->units[i]));
  json_t *json = json_pack("{s:s,s:o,s:I,s:I,s:i,s:I}", "dir", list->dir, "units", units, "bytes",
                           (json_int_t)total_bytes(list), "limit", (json_int_t)mla_cache_limit, "removed",
                           n_removed, "bytes_removed", (json_int_t)bytes_removed);
  if (json) json_dumpf(json, stdout, JSON_COMPACT);
  putchar('\n');
  json_decref(json);
}

// Removes, then lists again: another process may have put something there meanwhile.
static bool trim(MlaCacheUnits *list, const Options *options, int *n_removed, int64_t *bytes_removed,
                 MlaError *error) {
  mla_cache_trim(list, options->clear ? 0 : options->limit << 20, n_removed, bytes_removed);
  mla_cache_units_free(list);
  return mla_cache_list(NULL, list, error);
}

int verb_cache(const Options *options) {
  if (options->input) return usage_error("cache takes no model");
  MlaCacheUnits list;
  MlaError error = {0};
  int n_removed = 0;
  int64_t bytes_removed = 0;
  bool is_trimmed = options->clear || options->limit >= 0;
  bool good = mla_cache_list(NULL, &list, &error);
  if (good && is_trimmed) good = trim(&list, options, &n_removed, &bytes_removed, &error);
  if (good && options->json)
    print_json(&list, n_removed, bytes_removed);
  else if (good && is_trimmed)
    printf("%s: %d files removed, %d left\n", list.dir, n_removed, list.n);
  else if (good)
    print_table(&list);
  mla_cache_units_free(&list);
  return good ? STATUS_OK : report_error(options, &error);
}
