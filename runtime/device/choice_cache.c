// See the header. A file of another device, or one that is damaged, holds nothing.
#include "runtime/device/choice_cache.h"
#include "runtime/device/jit_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char opening[] = "mlaanc tiles 1: ";

bool mla_choices_add(MlaChoices *choices, const MlaChoice *choice) {
  MlaChoice copy = {strdup(choice->key), strdup(choice->value), choice->usual, choice->chosen};
  MlaChoice *more = realloc(choices->items, sizeof *more * (size_t)(choices->n + 1));
  if (more) choices->items = more;
  if (more && copy.key && copy.value) {
    choices->items[choices->n++] = copy;
    return true;
  }
  free(copy.key);
  free(copy.value);
  return false;
}

void mla_choices_free(MlaChoices *choices) {
  for (int i = 0; i < choices->n; i++) {
    free(choices->items[i].key);
    free(choices->items[i].value);
  }
  free(choices->items);
  *choices = (MlaChoices){0};
}

// False: there is no place for a cache.
static bool find_file(const char *cache_dir, const char *device, char *dir, char *path, MlaError *error) {
  MlaCache cache;
  Sha256 hash;
  if (!mla_cache_open(&cache, cache_dir, "", error)) return false;
  mla_sha256_begin(&hash);
  mla_sha256_add_text(&hash, opening);
  mla_sha256_add_text(&hash, device);
  Digest digest = mla_sha256_end(&hash);
  int n = cache.dir ? snprintf(path, PATH_MAX, "%s/tiles-%s.txt", cache.dir, digest.hex) : PATH_MAX;
  if (cache.dir && n < PATH_MAX) snprintf(dir, PATH_MAX, "%s", cache.dir);
  if (n >= PATH_MAX)
    mla_fail(error, MLA_ERROR_SYSTEM, "there is no kernel cache: %s", cache.problem ? cache.problem : path);
  mla_cache_close(&cache);
  return n < PATH_MAX;
}

static bool read_line(MlaChoices *choices, char *line) {
  char *at[4] = {line};
  for (int i = 1; i < 4; i++) {
    char *tab = strchr(at[i - 1], '\t');
    if (!tab) return true; // damaged: left out
    *tab = 0;
    at[i] = tab + 1;
  }
  return mla_choices_add(choices, &(MlaChoice){at[0], at[1], strtod(at[2], NULL), strtod(at[3], NULL)});
}

static bool is_of(const char *line, const char *device) {
  size_t n = strlen(device);
  return strncmp(line, opening, strlen(opening)) == 0 && strncmp(line + strlen(opening), device, n) == 0 &&
         line[strlen(opening) + n] == '\n';
}

static bool read_file(FILE *file, const char *device, MlaChoices *choices, MlaError *error) {
  char *line = NULL;
  size_t capacity = 0;
  bool good = true;
  if (getline(&line, &capacity, file) > 0 && is_of(line, device))
    while (good && getline(&line, &capacity, file) > 0) good = read_line(choices, line);
  free(line);
  return good || mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
}

bool mla_choices_read(const char *cache_dir, const char *device, MlaChoices *choices, MlaError *error) {
  char dir[PATH_MAX], path[PATH_MAX];
  MlaError ignored = {0};
  *choices = (MlaChoices){0};
  if (!find_file(cache_dir, device, dir, path, &ignored)) return true;
  FILE *file = fopen(path, "r");
  if (!file) return true;
  utimensat(AT_FDCWD, path, NULL, 0); // used now: the cache lets go what was not
  bool good = read_file(file, device, choices, error);
  fclose(file);
  return good;
}

static void put(const MlaChoice *choice, FILE *file) {
  fprintf(file, "%s\t%s\t%.3f\t%.3f\n", choice->key, choice->value, choice->usual, choice->chosen);
}

static bool has_key(const MlaChoices *choices, const char *key) {
  for (int i = 0; i < choices->n; i++)
    if (!strcmp(choices->items[i].key, key)) return true;
  return false;
}

// Written beside its place under a name of its own, then renamed, so that processes may race.
static bool write_file(const char *dir, const char *path, const char *device, const MlaChoices *kept,
                       const MlaChoices *more, MlaError *error) {
  char temp[PATH_MAX];
  int fd = snprintf(temp, sizeof temp, "%s/build-XXXXXX", dir) < PATH_MAX ? mkstemp(temp) : -1;
  FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
  if (!file) {
    if (fd >= 0) close(fd);
    return mla_fail(error, MLA_ERROR_SYSTEM, "cannot write into %s: %s", dir, strerror(errno));
  }
  fprintf(file, "%s%s\n", opening, device);
  for (int i = 0; i < kept->n; i++)
    if (!has_key(more, kept->items[i].key)) put(&kept->items[i], file);
  for (int i = 0; i < more->n; i++) put(&more->items[i], file);
  bool good = !ferror(file);
  good = fclose(file) == 0 && good && rename(temp, path) == 0;
  if (good) return true;
  unlink(temp);
  return mla_fail(error, MLA_ERROR_SYSTEM, "cannot write %s: %s", path, strerror(errno));
}

bool mla_choices_keep(const char *cache_dir, const char *device, const MlaChoices *choices, MlaError *error) {
  char dir[PATH_MAX], path[PATH_MAX];
  MlaChoices kept;
  if (!find_file(cache_dir, device, dir, path, error)) return false;
  if (!mla_choices_read(cache_dir, device, &kept, error)) return mla_choices_free(&kept), false;
  mkdir(dir, 0700); // where it cannot be made, opening the file says so
  bool good = write_file(dir, path, device, &kept, choices, error);
  mla_choices_free(&kept);
  return good;
}
