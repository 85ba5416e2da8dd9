#include "compiler/support/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 1 << 16, ALIGNMENT = 16 };

typedef struct Chunk {
  struct Chunk *next;
  size_t n_bytes, used;
  _Alignas(ALIGNMENT) unsigned char data[];
} Chunk;

struct Arena {
  Chunk *first, *current;
};

static void out_of_memory(size_t n_bytes) {
  fprintf(stderr, "mlaanc: out of memory (%zu bytes asked for)\n", n_bytes);
  exit(3);
}

static Chunk *chunk_new(size_t n_bytes) {
  Chunk *chunk = malloc(sizeof(Chunk) + n_bytes);
  if (!chunk) out_of_memory(n_bytes);
  chunk->next = NULL;
  chunk->n_bytes = n_bytes;
  chunk->used = 0;
  return chunk;
}

Arena *arena_new(void) {
  Arena *arena = malloc(sizeof *arena);
  if (!arena) out_of_memory(sizeof *arena);
  arena->first = arena->current = chunk_new(CHUNK_BYTES);
  return arena;
}

void *arena_alloc(Arena *arena, size_t n_bytes) {
  size_t size = (n_bytes + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
  Chunk *chunk = arena->current;
  while (chunk->used + size > chunk->n_bytes) {
    if (!chunk->next || chunk->next->n_bytes < size) {
      Chunk *fresh = chunk_new(size > CHUNK_BYTES ? size : CHUNK_BYTES);
      fresh->next = chunk->next;
      chunk->next = fresh;
    }
    chunk = arena->current = chunk->next;
    chunk->used = 0;
  }
  void *memory = chunk->data + chunk->used;
  chunk->used += size;
  return memset(memory, 0, size);
}

void arena_reset(Arena *arena) {
  arena->current = arena->first;
  arena->first->used = 0;
}

void arena_free(Arena *arena) {
  if (!arena) return;
  for (Chunk *chunk = arena->first, *next; chunk; chunk = next) {
    next = chunk->next;
    free(chunk);
  }
  free(arena);
}

void *arena_copy(Arena *arena, const void *data, size_t n_bytes) {
  void *memory = arena_alloc(arena, n_bytes);
  if (n_bytes) memcpy(memory, data, n_bytes);
  return memory;
}

char *arena_strndup(Arena *arena, const char *text, size_t n) {
  char *copy = arena_alloc(arena, n + 1);
  memcpy(copy, text, n);
  return copy;
}

char *arena_strdup(Arena *arena, const char *text) {
  return arena_strndup(arena, text, strlen(text));
}

char *arena_vprintf(Arena *arena, const char *format, va_list args) {
  char near[256]; // nearly every text fits
  va_list again;
  va_copy(again, args);
  int n = vsnprintf(near, sizeof near, format, args);
  char *text = arena_alloc(arena, (size_t)n + 1);
  if ((size_t)n < sizeof near)
    memcpy(text, near, (size_t)n + 1);
  else
    vsnprintf(text, (size_t)n + 1, format, again);
  va_end(again);
  return text;
}

char *arena_printf(Arena *arena, const char *format, ...) {
  va_list args;
  va_start(args, format);
  char *text = arena_vprintf(arena, format, args);
  va_end(args);
  return text;
}
