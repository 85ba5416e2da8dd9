// Source texts and places in them. A Span is three small numbers; it becomes file:line:col only when printed.
#pragma once
#include "compiler/support/arena.h"
#include <stdint.h>

typedef struct Span {
  uint32_t file;       // index into SourceMap; 0 is "no place"
  uint32_t begin, end; // byte offsets, end exclusive
} Span;

#define NO_SPAN ((Span){0, 0, 0})

typedef struct SourceFile {
  const char *path; // as shown to the user
  const char *text; // NUL-terminated
  size_t n_bytes;
} SourceFile;

typedef struct SourceMap {
  Arena *arena;
  SourceFile *files; // files[0] is unused
  uint32_t n_files, capacity;
} SourceMap;

typedef struct LineCol {
  unsigned line, col; // both from 1; col counts bytes
} LineCol;

SourceMap *source_map_new(Arena *arena);
// Registers a text under a name; returns its file number. The text is copied.
uint32_t source_add(SourceMap *map, const char *path, const char *text, size_t n_bytes);
LineCol source_line_col(const SourceMap *map, uint32_t file, uint32_t offset);
// The line that holds `offset`, without its newline, copied into the arena.
const char *source_line_text(const SourceMap *map, Arena *arena, uint32_t file, uint32_t offset);
// "path:line:col" for a span, in the arena; "" for NO_SPAN.
const char *source_where(const SourceMap *map, Arena *arena, Span span);
// From the begin of `a` to the end of `b`.
Span span_join(Span a, Span b);
