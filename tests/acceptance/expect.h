// What an acceptance test in C expects: mistakes are counted, the first twenty are told.
#pragma once
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

static int n_wrong;

__attribute__((format(printf, 2, 3))) static void expect(bool is_right, const char *format, ...) {
  if (is_right || n_wrong++ >= 20) return;
  va_list args;
  va_start(args, format);
  vprintf(format, args);
  va_end(args);
  putchar('\n');
}
