#include "runtime/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool mla_fail(MlaError *error, MlaErrorKind kind, const char *format, ...) {
  if (error->kind != MLA_OK) return false;
  error->kind = kind;
  va_list args;
  va_start(args, format);
  vsnprintf(error->text, sizeof error->text, format, args);
  va_end(args);
  return false;
}

void mla_explain(MlaError *error, const char *format, ...) {
  size_t used = strlen(error->text);
  if (used + 2 >= sizeof error->text) return;
  error->text[used++] = '\n';
  va_list args;
  va_start(args, format);
  vsnprintf(error->text + used, sizeof error->text - used, format, args);
  va_end(args);
}
