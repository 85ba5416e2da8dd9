#include "compiler/driver/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *text_bytes(Arena *arena, int64_t n_bytes) {
  static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = (double)n_bytes;
  int unit = 0;
  while (value >= 1024 && unit < 4) value /= 1024, unit++;
  return arena_printf(arena, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

const char *text_thousands(Arena *arena, int64_t n) {
  char digits[32], out[48];
  int length = snprintf(digits, sizeof digits, "%" PRId64, n), at = 0;
  for (int i = 0; i < length; i++) {
    out[at++] = digits[i];
    int left = length - 1 - i;
    if (left > 0 && left % 3 == 0 && digits[i] != '-') out[at++] = ',';
  }
  out[at] = '\0';
  return arena_strdup(arena, out);
}

const char *text_scaled(Arena *arena, double value) {
  static const char *const units[] = {"", " k", " M", " G", " T"};
  int unit = 0;
  while (value >= 1000 && unit < 4) value /= 1000, unit++;
  return arena_printf(arena, unit ? "%.1f%s" : "%.0f%s", value, units[unit]);
}

bool text_to_bytes(const char *text, int64_t *n_bytes) {
  static const char *const units[] = {"KiB", "MiB", "GiB"};
  char *unit;
  double value = strtod(text, &unit), scale = 1;
  while (*unit == ' ') unit++;
  for (int u = 0; u < 3; u++) {
    scale *= 1024;
    if (strcmp(unit, units[u]) != 0) continue;
    *n_bytes = value > 0 && value * scale < 1e18 ? (int64_t)(value * scale) : 0;
    return *n_bytes > 0;
  }
  return false;
}
