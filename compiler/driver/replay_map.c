// See replay_map.h.
#include "compiler/driver/replay_map.h"
#include "compiler/driver/locate.h"
#include "compiler/support/diag.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_MAPS = 256, MAX_DEPTH = 8 };

// ---- reading ----

static const char *beside(Arena *arena, const char *path, const char *name) {
  const char *slash = strrchr(path, '/');
  return slash ? arena_printf(arena, "%.*s/%s", (int)(slash - path), path, name) : name;
}

// Adds what `to` does not have; objects in both are joined.
static void join(json_t *to, json_t *from) {
  const char *key;
  json_t *value;
  json_object_foreach(from, key, value) {
    json_t *here = json_object_get(to, key);
    if (!here)
      json_object_set(to, key, value);
    else if (json_is_object(here) && json_is_object(value))
      join(here, value);
  }
}

// Entries are texts; `or_null`: or nothing.
static bool check_texts(json_t *section, bool or_null, const char *path, const char *name, MlaError *error) {
  const char *key;
  json_t *value;
  json_object_foreach(section, key, value) {
    if (json_is_string(value) || strcmp(key, "about") == 0 || (or_null && json_is_null(value))) continue;
    return mla_fail(error, MLA_ERROR_INPUT, "%s, %s: the entry `%s` must be a text", path, name, key);
  }
  return true;
}

static bool check_sections(const json_t *json, const char *path, MlaError *error) {
  static const char *const known[] = {"about",  "use",   "fixture",  "model",  "set",
                                      "blocks", "names", "left_out", "losses", "limits"};
  enum { N_KNOWN = sizeof known / sizeof *known };
  const char *key;
  json_t *value;
  json_object_foreach((json_t *)(uintptr_t)json, key, value) {
    int k = 0;
    while (k < N_KNOWN && strcmp(known[k], key) != 0) k++;
    if (k == N_KNOWN) {
      const char *nearest = diag_nearest(key, known, N_KNOWN);
      return mla_fail(error, MLA_ERROR_INPUT, "%s: a map has no part `%s`%s%s%s", path, key,
                      nearest ? "; did you mean `" : "", nearest ? nearest : "", nearest ? "`?" : "");
    }
    bool fits = k == 0 || (k == 1   ? json_is_array(value)
                           : k == 3 ? json_is_string(value)
                                    : json_is_object(value));
    if (!fits)
      return mla_fail(error, MLA_ERROR_INPUT, "%s: `%s` must be %s", path, key,
                      k == 1   ? "a list of files"
                      : k == 3 ? "a file's name"
                               : "an object");
    bool is_losses = strcmp(key, "losses") == 0;
    bool has_texts = json_is_object(value) && k != 0 && strcmp(key, "limits") != 0;
    if (has_texts && !check_texts(value, is_losses, path, key, error)) return false;
  }
  return true;
}

static json_t *read_map(Arena *arena, const char *path, int depth, MlaError *error) {
  json_error_t problem;
  json_t *json = json_load_file(path, JSON_REJECT_DUPLICATES, &problem), *used;
  if (!json) {
    if (problem.line < 0) mla_fail(error, MLA_ERROR_INPUT, "%s: %s", path, problem.text);
    mla_fail(error, MLA_ERROR_INPUT, "%s:%d:%d: %s", path, problem.line, problem.column, problem.text);
    return NULL;
  }
  bool good = json_is_object(json) || mla_fail(error, MLA_ERROR_INPUT, "%s is not a JSON object", path);
  good = good && check_sections(json, path, error);
  size_t i;
  json_t *uses = good ? json_object_get(json, "use") : NULL;
  json_array_foreach(uses, i, used) {
    const char *name = json_string_value(used);
    json_t *other = NULL;
    if (name && depth < MAX_DEPTH) other = read_map(arena, beside(arena, path, name), depth + 1, error);
    if (!other)
      mla_fail(error, MLA_ERROR_INPUT, "%s: `use` is a list of files that do not use each other", path);
    good = good && other;
    if (good) join(json, other);
    json_decref(other);
  }
  if (good) return json;
  json_decref(json);
  return NULL;
}

bool replay_map_open(Arena *arena, ReplayMap *map, const char *path, MlaError *error) {
  *map = (ReplayMap){.path = path, .json = read_map(arena, path, 0, error)};
  return map->json;
}

void replay_map_close(ReplayMap *map) {
  json_decref(map->json);
  *map = (ReplayMap){0};
}

// ---- choosing ----

static bool applies(Arena *arena, const ReplayMap *map, const MlaFixture *fixture) {
  const ReplayText text = {arena, fixture->sidecar, fixture->sidecar_path, NULL};
  const char *key;
  json_t *wanted;
  const json_t *section = replay_map_section(map, "fixture");
  json_object_foreach((json_t *)(uintptr_t)section, key, wanted) {
    MlaError none = {0};
    const char *has = replay_expand(&text, "", arena_printf(arena, "{%s}", key), NULL, &none);
    const char *wants = json_string_value(wanted);
    if (strcmp(key, "about") != 0 && (!has || !wants || strcmp(has, wants) != 0)) return false;
  }
  return json_object_size(section) > 0; // a part of other maps applies to nothing by itself
}

static int compare_texts(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

// The folder's *.json, sorted.
static bool list_maps(Arena *arena, const char *dir, const char **paths, int *n, MlaError *error) {
  DIR *folder = opendir(dir);
  if (!folder)
    return mla_fail(error, MLA_ERROR_INPUT, "cannot open the maps in %s: %s", dir, strerror(errno));
  *n = 0;
  for (struct dirent *entry; (entry = readdir(folder));) {
    size_t length = strlen(entry->d_name);
    if (length < 6 || strcmp(entry->d_name + length - 5, ".json") != 0 || *n == MAX_MAPS) continue;
    paths[(*n)++] = arena_printf(arena, "%s/%s", dir, entry->d_name);
  }
  closedir(folder);
  qsort(paths, (size_t)*n, sizeof *paths, compare_texts);
  return true;
}

static const char *sidecar_word(const MlaFixture *fixture, const char *key) {
  const char *word = json_string_value(json_object_get(fixture->sidecar, key));
  return word ? word : "(none)";
}

bool replay_map_choose(Arena *arena, ReplayMap *map, const char *dir, const MlaFixture *fixture,
                       MlaError *error) {
  const char **paths = ARENA_ARRAY(arena, const char *, MAX_MAPS);
  int n;
  *map = (ReplayMap){0};
  if (!list_maps(arena, dir, paths, &n, error)) return false;
  for (int i = 0; i < n; i++) {
    ReplayMap candidate;
    bool good = replay_map_open(arena, &candidate, paths[i], error);
    if (good && !applies(arena, &candidate, fixture)) {
      replay_map_close(&candidate);
      continue;
    }
    if (good && !map->json) {
      *map = candidate;
      continue;
    }
    if (good)
      mla_fail(error, MLA_ERROR_INPUT, "%s: two maps apply, %s and %s; choose with --map",
               fixture->sidecar_path, map->path, candidate.path);
    replay_map_close(&candidate);
    replay_map_close(map);
    return false;
  }
  return map->json ||
         mla_fail(error, MLA_ERROR_INPUT,
                  "%s: none of the %d maps in %s applies to method %s, case %s; choose with --map",
                  fixture->sidecar_path, n, dir, sidecar_word(fixture, "method"),
                  sidecar_word(fixture, "case"));
}

// ---- parts ----

const json_t *replay_map_section(const ReplayMap *map, const char *name) {
  return json_object_get(map->json, name);
}

const char *replay_map_where(Arena *arena, const ReplayMap *map, const char *section) {
  return arena_printf(arena, "%s, %s", map->path, section);
}

const char *replay_map_model(Arena *arena, const ReplayMap *map, MlaError *error) {
  const char *name = json_string_value(json_object_get(map->json, "model"));
  if (!name) {
    mla_fail(error, MLA_ERROR_INPUT, "%s names no `model`", map->path);
    return NULL;
  }
  const char *own = beside(arena, map->path, name);
  const char *library = arena_printf(arena, "%s/%s", locate_library(arena), name);
  return access(own, F_OK) != 0 && access(library, F_OK) == 0 ? library : own;
}

bool replay_map_sets(const ReplayText *text, const ReplayMap *map, TextList *sets, MlaError *error) {
  const char *where = replay_map_where(text->arena, map, "set"), *name;
  json_t *value;
  sets->n = 0;
  json_object_foreach((json_t *)(uintptr_t)replay_map_section(map, "set"), name, value) {
    if (strcmp(name, "about") == 0) continue;
    if (sets->n == OPTIONS_MAX_LIST) return mla_fail(error, MLA_ERROR_INPUT, "%s: too many", where);
    const char *expanded = replay_expand(text, where, json_string_value(value), NULL, error);
    if (!expanded) return false;
    sets->items[sets->n++] = arena_printf(text->arena, "%s=%s", name, expanded);
  }
  return true;
}

const json_t *replay_map_match(Arena *arena, const ReplayMap *map, const char *section, const char *name,
                               Captures *captures) {
  const char *pattern;
  json_t *value;
  json_object_foreach((json_t *)(uintptr_t)replay_map_section(map, section), pattern, value) {
    *captures = (Captures){0};
    if (strcmp(pattern, "about") != 0 && replay_match(arena, pattern, name, captures)) return value;
  }
  return NULL;
}

static bool is_check(const char *name) {
  for (int i = 0; i < MLA_N_CHECKS; i++)
    if (strcmp(mla_check_name((MlaCheck)i), name) == 0) return true;
  return strcmp(name, "about") == 0 || strcmp(name, "gradient_noise") == 0;
}

bool replay_map_limits(const ReplayMap *map, MlaTrajectory *trajectory, double *noise, MlaError *error) {
  const json_t *limits = json_object_get(replay_map_section(map, "limits"), trajectory->group);
  const char *name;
  json_t *value;
  if (!limits)
    return mla_fail(error, MLA_ERROR_INPUT, "%s has no limits for %s", map->path, trajectory->group);
  json_object_foreach((json_t *)(uintptr_t)limits, name, value) {
    if (!is_check(name))
      return mla_fail(error, MLA_ERROR_INPUT, "%s, limits, %s: there is no check `%s`", map->path,
                      trajectory->group, name);
  }
  for (int i = 0; i < MLA_N_CHECKS; i++) {
    const json_t *limit = json_object_get(limits, mla_check_name((MlaCheck)i));
    trajectory->limit[i] = json_is_number(limit) ? json_number_value(limit) : INFINITY;
  }
  *noise = json_number_value(json_object_get(limits, "gradient_noise")); // 0 if it is not there
  return true;
}
