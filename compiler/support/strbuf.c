#include "compiler/support/strbuf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void reserve(StrBuf *buf, size_t more) {
  size_t needed = buf->length + more + 1;
  if (needed <= buf->capacity) return;
  size_t capacity = buf->capacity * 2 > needed ? buf->capacity * 2 : needed;
  char *text = arena_alloc(buf->arena, capacity);
  memcpy(text, buf->text, buf->length + 1);
  buf->text = text;
  buf->capacity = capacity;
}

StrBuf strbuf_new(Arena *arena) {
  StrBuf buf = {arena, arena_alloc(arena, 256), 0, 256};
  return buf;
}

void strbuf_put(StrBuf *buf, const char *text) {
  size_t n = strlen(text);
  reserve(buf, n);
  memcpy(buf->text + buf->length, text, n + 1);
  buf->length += n;
}

void strbuf_printf(StrBuf *buf, const char *format, ...) {
  va_list args, again;
  va_start(args, format);
  va_copy(again, args);
  size_t room = buf->capacity - buf->length;
  int n = vsnprintf(buf->text + buf->length, room, format, args);
  if ((size_t)n >= room) {
    reserve(buf, (size_t)n);
    vsnprintf(buf->text + buf->length, (size_t)n + 1, format, again);
  }
  buf->length += (size_t)n;
  va_end(again);
  va_end(args);
}
