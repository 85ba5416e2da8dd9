// Files and links of the kernel cache; see the header for what lies where.
#include "runtime/device/jit_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *setting(const char *name) {
  const char *value = getenv(name);
  return value && *value ? value : NULL;
}

bool mla_cache_open(MlaCache *cache, const char *chosen, const char *ending, MlaError *error) {
  *cache = (MlaCache){.ending = ending};
  const char *own = chosen ? chosen : setting("MLAANC_CACHE"), *xdg = setting("XDG_CACHE_HOME"),
             *home = setting("HOME");
  int n = 0;
  if (own)
    n = asprintf(&cache->dir, "%s", own);
  else if (xdg)
    n = asprintf(&cache->dir, "%s/mlaanc", xdg);
  else if (home)
    n = asprintf(&cache->dir, "%s/.cache/mlaanc", home);
  else
    n = asprintf(&cache->problem, "neither $MLAANC_CACHE nor $HOME is set");
  if (n >= 0) return true;
  *cache = (MlaCache){0};
  return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
}

void mla_cache_close(MlaCache *cache) {
  free(cache->dir);
  free(cache->problem);
  *cache = (MlaCache){0};
}

// The first problem stays. Always false.
static bool set_problem(MlaCache *cache, const char *what, int code) {
  if (!cache->problem && asprintf(&cache->problem, "%s: %s", what, strerror(code)) < 0) cache->problem = NULL;
  return false;
}

// A path in the cache; PATH_MAX is enough for whatever the system can open.
typedef struct Path {
  char text[PATH_MAX];
} Path;

static Path path_of(const char *dir, const char *format, ...) __attribute__((format(printf, 2, 3)));
static Path path_of(const char *dir, const char *format, ...) {
  Path path;
  int n = snprintf(path.text, sizeof path.text, "%s/", dir);
  if (n < 0 || n >= (int)sizeof path.text) n = 0;
  va_list args;
  va_start(args, format);
  vsnprintf(path.text + n, sizeof path.text - (size_t)n, format, args);
  va_end(args);
  return path;
}

bool mla_cache_find(const MlaCache *cache, const Digest *key, Digest *unit) {
  if (!cache->dir) return false;
  enum { PREFIX = 5, HEX = 64, DOT = PREFIX + HEX }; // unit-<hex>.so
  char target[DOT + 16];
  Path link = path_of(cache->dir, "k-%s", key->hex);
  ssize_t length = readlink(link.text, target, sizeof target - 1);
  if (length <= DOT) return false;
  target[length] = 0;
  if (memcmp(target, "unit-", PREFIX) != 0 || strspn(target + PREFIX, "0123456789abcdef") != HEX)
    return false;
  if (target[DOT] != '.' || strcmp(target + DOT + 1, cache->ending) != 0) return false;
  memcpy(unit->hex, target + PREFIX, HEX);
  unit->hex[HEX] = 0;
  return true;
}

void mla_cache_forget(const MlaCache *cache, const Digest *key) {
  if (cache->dir) unlink(path_of(cache->dir, "k-%s", key->hex).text);
}

bool mla_hash_file(const char *path, Digest *digest) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  Sha256 hash;
  mla_sha256_begin(&hash);
  unsigned char bytes[1 << 15];
  ssize_t n;
  while ((n = read(fd, bytes, sizeof bytes)) > 0) mla_sha256_add(&hash, bytes, (size_t)n);
  close(fd);
  *digest = mla_sha256_end(&hash);
  return n == 0;
}

void mla_cache_drop(const MlaCache *cache, const Digest *unit) {
  unlink(path_of(cache->dir, "unit-%s.%s", unit->hex, cache->ending).text);
}

char *mla_cache_unit(const MlaCache *cache, const Digest *unit) {
  Path path = path_of(cache->dir, "unit-%s.%s", unit->hex, cache->ending);
  Digest found;
  if (!mla_hash_file(path.text, &found) || strcmp(found.hex, unit->hex) != 0) {
    mla_cache_drop(cache, unit);
    return NULL;
  }
  utimensat(AT_FDCWD, path.text, NULL, 0); // where that is not allowed, it ages as if unused
  return strdup(path.text);
}

static bool make_dirs(const char *dir) {
  char *path = strdup(dir);
  if (!path) return false;
  int failed = 0;
  for (char *at = path + 1; *at && !failed; at++) {
    if (*at != '/') continue;
    *at = 0;
    failed = mkdir(path, 0700) != 0 && errno != EEXIST;
    *at = '/';
  }
  failed = failed || (mkdir(path, 0700) != 0 && errno != EEXIST);
  free(path);
  return !failed;
}

// A new directory named after the template, in which n_bytes can be written. NULL: errno says why not.
static char *make_build_dir(const char *parent, const char *name, int64_t n_bytes) {
  char *dir;
  if (asprintf(&dir, "%s/%s-XXXXXX", parent, name) < 0) return NULL;
  if (!mkdtemp(dir)) {
    int code = errno;
    free(dir);
    errno = code;
    return NULL;
  }
  Path probe = path_of(dir, "space");
  int fd = open(probe.text, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  int code = fd < 0 ? errno : posix_fallocate(fd, 0, n_bytes);
  if (fd >= 0) close(fd);
  unlink(probe.text);
  if (!code) return dir;
  rmdir(dir);
  free(dir);
  errno = code;
  return NULL;
}

char *mla_cache_build_dir(MlaCache *cache, int64_t n_bytes) {
  if (!cache->dir) return NULL;
  char *dir = make_dirs(cache->dir) ? make_build_dir(cache->dir, "build", n_bytes) : NULL;
  if (!dir) set_problem(cache, cache->dir, errno);
  return dir;
}

char *mla_private_build_dir(int64_t n_bytes, MlaError *error) {
  const char *parent = setting("TMPDIR") ? setting("TMPDIR") : "/tmp";
  char *dir = make_build_dir(parent, "mlaanc", n_bytes);
  if (!dir) mla_fail(error, MLA_ERROR_SYSTEM, "cannot compile kernels in %s: %s", parent, strerror(errno));
  return dir;
}

bool mla_cache_keep(MlaCache *cache, const char *path, const Digest *unit) {
  if (rename(path, path_of(cache->dir, "unit-%s.%s", unit->hex, cache->ending).text) == 0) return true;
  return set_problem(cache, cache->dir, errno);
}

bool mla_cache_link(MlaCache *cache, const char *build_dir, const Digest *key, const Digest *unit) {
  char target[sizeof *unit + 32];
  snprintf(target, sizeof target, "unit-%s.%s", unit->hex, cache->ending);
  Path made = path_of(build_dir, "link");
  unlink(made.text);
  if (symlink(target, made.text) == 0 && rename(made.text, path_of(cache->dir, "k-%s", key->hex).text) == 0)
    return true;
  return set_problem(cache, cache->dir, errno);
}

void mla_remove_dir(const char *dir, bool keep_sources) {
  DIR *entries = opendir(dir);
  if (!entries) return;
  for (struct dirent *entry; (entry = readdir(entries));) {
    const char *ending = strrchr(entry->d_name, '.');
    if (keep_sources && ending && (!strcmp(ending, ".c") || !strcmp(ending, ".cu") || !strcmp(ending, ".cc")))
      continue;
    unlink(path_of(dir, "%s", entry->d_name).text);
  }
  closedir(entries);
  rmdir(dir);
}
