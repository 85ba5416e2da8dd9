#include "compiler/support/source.h"

#include <string.h>

SourceMap *source_map_new(Arena *arena) {
  SourceMap *map = ARENA_NEW(arena, SourceMap);
  map->arena = arena;
  map->capacity = 8;
  map->files = ARENA_ARRAY(arena, SourceFile, map->capacity);
  map->n_files = 1; // file 0 is "no place"
  return map;
}

uint32_t source_add(SourceMap *map, const char *path, const char *text, size_t n_bytes) {
  if (map->n_files == map->capacity) {
    SourceFile *files = ARENA_ARRAY(map->arena, SourceFile, map->capacity * 2);
    memcpy(files, map->files, sizeof *files * map->n_files);
    map->files = files;
    map->capacity *= 2;
  }
  map->files[map->n_files] =
      (SourceFile){arena_strdup(map->arena, path), arena_strndup(map->arena, text, n_bytes), n_bytes};
  return map->n_files++;
}

static uint32_t clamp_offset(const SourceFile *file, uint32_t offset) {
  return offset > file->n_bytes ? (uint32_t)file->n_bytes : offset;
}

static uint32_t line_begin(const SourceFile *file, uint32_t offset) {
  while (offset > 0 && file->text[offset - 1] != '\n') offset--;
  return offset;
}

LineCol source_line_col(const SourceMap *map, uint32_t file, uint32_t offset) {
  if (file == 0 || file >= map->n_files) return (LineCol){0, 0};
  const SourceFile *source = &map->files[file];
  offset = clamp_offset(source, offset);
  LineCol place = {1, offset - line_begin(source, offset) + 1};
  for (uint32_t i = 0; i < offset; i++) place.line += source->text[i] == '\n';
  return place;
}

const char *source_line_text(const SourceMap *map, Arena *arena, uint32_t file, uint32_t offset) {
  if (file == 0 || file >= map->n_files) return "";
  const SourceFile *source = &map->files[file];
  uint32_t begin = line_begin(source, clamp_offset(source, offset));
  uint32_t end = begin;
  while (end < source->n_bytes && source->text[end] != '\n' && source->text[end] != '\r') end++;
  return arena_strndup(arena, source->text + begin, end - begin);
}

const char *source_where(const SourceMap *map, Arena *arena, Span span) {
  if (span.file == 0 || span.file >= map->n_files) return "";
  LineCol place = source_line_col(map, span.file, span.begin);
  return arena_printf(arena, "%s:%u:%u", map->files[span.file].path, place.line, place.col);
}

Span span_join(Span a, Span b) {
  if (a.file == 0) return b;
  if (b.file != a.file) return a;
  return (Span){a.file, a.begin < b.begin ? a.begin : b.begin, a.end > b.end ? a.end : b.end};
}
