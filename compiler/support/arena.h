// Arena: memory that dies all at once. The compiler has two: one that lives as long as the compilation and a
// scratch arena that is reset when a pass returns. Nothing in the compiler is freed by hand.
#pragma once
#include <stdarg.h>
#include <stddef.h>

typedef struct Arena Arena;

Arena *arena_new(void);
// Zeroed memory, aligned for any type. Never returns NULL: out of memory ends the process with a message.
void *arena_alloc(Arena *arena, size_t n_bytes);
// Forgets every allocation and keeps the memory for the next use.
void arena_reset(Arena *arena);
void arena_free(Arena *arena);
// A copy of the text; `n` bytes of it in the second form.
char *arena_strdup(Arena *arena, const char *text);
char *arena_strndup(Arena *arena, const char *text, size_t n);
char *arena_printf(Arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(Arena *arena, const char *format, va_list args) __attribute__((format(printf, 2, 0)));
void *arena_copy(Arena *arena, const void *data, size_t n_bytes);

#define ARENA_NEW(arena, Type)      ((Type *)arena_alloc((arena), sizeof(Type)))
#define ARENA_ARRAY(arena, Type, n) ((Type *)arena_alloc((arena), sizeof(Type) * (size_t)(n)))
