// Walks over the cache's directory; jit_cache.h says what lies there.
#include "runtime/device/kernel_cache.h"
#include "runtime/device/jit_cache.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { ABANDONED = 24 * 60 * 60 }; // seconds after which nobody compiles in a directory any more

typedef struct Path {
  char text[PATH_MAX];
} Path;

static Path path_in(const char *dir, const char *name) {
  Path path;
  if (snprintf(path.text, sizeof path.text, "%s/%s", dir, name) >= (int)sizeof path.text) path.text[0] = 0;
  return path;
}

static bool is_unit(const char *name) {
  const char *ending = strrchr(name, '.');
  if (!ending || strlen(name) >= sizeof((MlaCacheUnit *)0)->name) return false;
  if (strncmp(name, "tiles-", 6) == 0) return strcmp(ending, ".txt") == 0;
  return strncmp(name, "unit-", 5) == 0 && (strcmp(ending, ".so") == 0 || strcmp(ending, ".cubin") == 0);
}

static double age_of(const struct stat *about) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (double)(now.tv_sec - about->st_mtim.tv_sec) + 1e-9 * (double)(now.tv_nsec - about->st_mtim.tv_nsec);
}

static bool add_unit(MlaCacheUnits *list, const char *name, const struct stat *about) {
  MlaCacheUnit *more = realloc(list->units, sizeof *more * (size_t)(list->n + 1));
  if (!more) return false;
  list->units = more;
  MlaCacheUnit *unit = &more[list->n++];
  *unit = (MlaCacheUnit){.n_bytes = about->st_size, .age = age_of(about)};
  snprintf(unit->name, sizeof unit->name, "%s", name);
  return true;
}

static int compare_names(const void *a, const void *b) {
  return strcmp(((const MlaCacheUnit *)a)->name, ((const MlaCacheUnit *)b)->name);
}

static int compare_ages(const void *a, const void *b) {
  double x = ((const MlaCacheUnit *)a)->age, y = ((const MlaCacheUnit *)b)->age;
  return x != y ? (x > y) - (x < y) : compare_names(a, b);
}

// Where a kernel's link leads; the units are in order of their names.
static void count_link(MlaCacheUnits *list, const char *name) {
  MlaCacheUnit wanted = {0};
  ssize_t n = readlink(path_in(list->dir, name).text, wanted.name, sizeof wanted.name - 1);
  if (n <= 0 || !list->n) return;
  MlaCacheUnit *unit = bsearch(&wanted, list->units, (size_t)list->n, sizeof wanted, compare_names);
  if (unit) unit->n_kernels++;
}

static bool read_units(MlaCacheUnits *list, DIR *entries) {
  for (struct dirent *entry; (entry = readdir(entries));) {
    struct stat about;
    if (!is_unit(entry->d_name) || lstat(path_in(list->dir, entry->d_name).text, &about) != 0) continue;
    if (S_ISREG(about.st_mode) && !add_unit(list, entry->d_name, &about)) return false;
  }
  return true;
}

bool mla_cache_list(const char *chosen, MlaCacheUnits *list, MlaError *error) {
  MlaCache cache;
  *list = (MlaCacheUnits){0};
  if (!mla_cache_open(&cache, chosen, "", error)) return false;
  list->dir = cache.dir;
  cache.dir = NULL;
  bool good = list->dir || mla_fail(error, MLA_ERROR_SYSTEM, "there is no kernel cache: %s", cache.problem);
  mla_cache_close(&cache);
  if (!good) return false;
  DIR *entries = opendir(list->dir);
  if (!entries)
    return errno == ENOENT ||
           mla_fail(error, MLA_ERROR_SYSTEM, "cannot read %s: %s", list->dir, strerror(errno));
  good = read_units(list, entries) || mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  if (list->n) qsort(list->units, (size_t)list->n, sizeof *list->units, compare_names);
  rewinddir(entries);
  for (struct dirent *entry; (entry = readdir(entries));)
    if (strncmp(entry->d_name, "k-", 2) == 0) count_link(list, entry->d_name);
  closedir(entries);
  if (list->n) qsort(list->units, (size_t)list->n, sizeof *list->units, compare_ages);
  return good;
}

void mla_cache_units_free(MlaCacheUnits *list) {
  free(list->dir);
  free(list->units);
  *list = (MlaCacheUnits){0};
}

static void remove_leftovers(const char *dir) {
  DIR *entries = opendir(dir);
  for (struct dirent *entry; entries && (entry = readdir(entries));) {
    struct stat about;
    Path path = path_in(dir, entry->d_name);
    bool is_link = strncmp(entry->d_name, "k-", 2) == 0, is_build = strncmp(entry->d_name, "build-", 6) == 0;
    if (is_link && lstat(path.text, &about) == 0 && S_ISLNK(about.st_mode) && access(path.text, F_OK) != 0)
      unlink(path.text);
    if (is_build && stat(path.text, &about) == 0 && S_ISDIR(about.st_mode) && age_of(&about) > ABANDONED)
      mla_remove_dir(path.text, false);
  }
  if (entries) closedir(entries);
}

void mla_cache_trim(MlaCacheUnits *list, int64_t limit, int *n_removed, int64_t *bytes_removed) {
  int64_t sum = 0;
  *n_removed = 0, *bytes_removed = 0;
  for (int i = 0; i < list->n; i++) sum += list->units[i].n_bytes;
  for (int i = list->n - 1; i >= 0 && sum > limit; i--) {
    if (unlink(path_in(list->dir, list->units[i].name).text) != 0 && errno != ENOENT) continue;
    sum -= list->units[i].n_bytes;
    *bytes_removed += list->units[i].n_bytes;
    *n_removed += 1;
  }
  remove_leftovers(list->dir);
}
