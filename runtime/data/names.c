// See names.h.
#include "runtime/data/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void mla_names_free(MlaNames *names) {
  for (int64_t i = 0; i < names->n; i++) free(names->items[i]);
  free(names->items);
  *names = (MlaNames){0};
}

static bool add_name(MlaNames *names, const char *name) {
  if (names->n == names->capacity) {
    int64_t capacity = names->capacity ? 2 * names->capacity : 64;
    char **items = realloc(names->items, (size_t)capacity * sizeof *items);
    if (!items) return false;
    names->items = items;
    names->capacity = capacity;
  }
  char *copy = strdup(name);
  if (copy) names->items[names->n++] = copy;
  return copy != NULL;
}

static int compare_names(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

bool mla_names_list(MlaNames *names, const char *path, MlaKeep *keep, const void *what, MlaError *error) {
  *names = (MlaNames){0};
  DIR *folder = opendir(path);
  if (!folder) return mla_fail(error, MLA_ERROR_INPUT, "the folder %s: %s", path, strerror(errno));
  bool good = true;
  const struct dirent *entry;
  for (errno = 0; good && (entry = readdir(folder)); errno = 0) {
    if (entry->d_name[0] == '.') continue;
    if (!keep(path, entry, what))
      names->n_others++;
    else if (!add_name(names, entry->d_name))
      good = mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  }
  if (good && errno) good = mla_fail(error, MLA_ERROR_INPUT, "the folder %s: %s", path, strerror(errno));
  closedir(folder);
  if (names->n) qsort(names->items, (size_t)names->n, sizeof *names->items, compare_names);
  return good;
}
