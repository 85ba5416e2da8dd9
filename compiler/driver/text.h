// Numbers as people read and write them.
#pragma once
#include "compiler/support/arena.h"

#include <stdbool.h>
#include <stdint.h>

// "123.4 MiB", "466,906", "69.1 M", in the arena.
const char *text_bytes(Arena *arena, int64_t n_bytes);
const char *text_thousands(Arena *arena, int64_t n);
const char *text_scaled(Arena *arena, double value);
// "512MiB", "1.5 GiB". False: it is no number of bytes.
bool text_to_bytes(const char *text, int64_t *n_bytes);
