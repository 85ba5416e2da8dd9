#include "runtime/error.h"

#include <stdarg.h>
#include <stdio.h>

bool mla_fail(MlaError *error, MlaErrorKind kind, const char *format, ...) {
  if (error->kind != MLA_OK) return false;
  error->kind = kind;
  va_list args;
  va_start(args, format);
  vsnprintf(error->text, sizeof error->text, format, args);
  va_end(args);
  return false;
}
