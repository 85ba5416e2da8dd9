// Relative to the program's own file, so that an installed tree can be moved anywhere.
#include "compiler/driver/locate.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

// /proc/self/exe; in a chroot without /proc, the path that the program was started with.
static bool own_path(char path[PATH_MAX]) {
  ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
  if (n > 0) {
    path[n] = '\0';
    return true;
  }
  const char *started = (const char *)getauxval(AT_EXECFN);
  return started && realpath(started, path);
}

static const char *share_folder(Arena *arena, const char *name) {
  char path[PATH_MAX];
  if (!own_path(path)) return name;
  for (int up = 0; up < 2; up++) {
    char *slash = strrchr(path, '/');
    if (slash) *slash = '\0';
  }
  return arena_printf(arena, "%s/share/mlaanc/%s", path, name);
}

const char *locate_library(Arena *arena) {
  return share_folder(arena, "models");
}

const char *locate_parity(Arena *arena) {
  return share_folder(arena, "parity");
}
