// StrBuf: a growing text in an arena. Always ends in NUL; `text` may move when it grows.
#pragma once
#include "compiler/support/arena.h"

typedef struct StrBuf {
  Arena *arena;
  char *text;
  size_t length, capacity;
} StrBuf;

StrBuf strbuf_new(Arena *arena);
void strbuf_put(StrBuf *buf, const char *text);
void strbuf_printf(StrBuf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
