// Relative to /proc/self/exe, so that an installed tree can be moved anywhere.
#include "compiler/driver/locate.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

const char *locate_library(Arena *arena) {
  char path[PATH_MAX];
  ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
  if (n <= 0) return "models";
  path[n] = '\0';
  for (int up = 0; up < 2; up++) {
    char *slash = strrchr(path, '/');
    if (slash) *slash = '\0';
  }
  return arena_printf(arena, "%s/share/mlaanc/models", path);
}
