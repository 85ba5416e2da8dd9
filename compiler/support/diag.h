// Diagnostics: what is said to the user about the model. Errors are collected, so that one run shows many; they
// are printed with the source line, a caret under the span, and notes ("the other side of the conflict").
#pragma once
#include "compiler/support/source.h"
#include <stdbool.h>
#include <stdio.h>

enum { DIAG_MAX_ERRORS = 20 };

typedef struct Diag Diag;

Diag *diag_new(Arena *arena, SourceMap *map);
// Records an error (after DIAG_MAX_ERRORS only counted). An identical message at an identical span is dropped.
void diag_error(Diag *diag, Span span, const char *format, ...) __attribute__((format(printf, 3, 4)));
// Adds a note to the newest error.
void diag_note(Diag *diag, Span span, const char *format, ...) __attribute__((format(printf, 3, 4)));
void diag_warning(Diag *diag, Span span, const char *format, ...) __attribute__((format(printf, 3, 4)));
int diag_error_count(const Diag *diag);
// Human form: "file:line:col: error: text", the line, the caret.  `color` for terminals.
void diag_print(const Diag *diag, FILE *out, bool color);
// {"errors":[{"file","line","col","end_line","end_col","severity","message","notes":[...]}]}
void diag_print_json(const Diag *diag, FILE *out);
// The candidate nearest to `name` in spelling, or NULL if none is near (distance <= 1/3 of its length, at least 1).
const char *diag_nearest(const char *name, const char *const *candidates, int n_candidates);
