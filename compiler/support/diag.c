// Collects what is to be said about a model and prints it: place, message, source line, caret under the whole
// span, notes. Nothing is printed before the end, so that JSON and human text come from the same records.
#include "compiler/support/diag.h"

#include <stdarg.h>
#include <string.h>

typedef enum Severity { SEVERITY_ERROR, SEVERITY_WARNING, SEVERITY_NOTE } Severity;

typedef struct Message {
  Severity severity;
  Span span;
  const char *text;
  struct Message *notes; // of an error or a warning
  struct Message *next;
} Message;

struct Diag {
  Arena *arena;
  SourceMap *map;
  Message *first, *last; // errors and warnings in the order they were found
  Message *newest;       // where a note goes; NULL: the newest message was dropped, and its notes with it
  int n_errors, n_warnings, n_hidden;
};

static const char *const severity_words[] = {"error", "warning", "note"};
static const char *const severity_colors[] = {"\033[1;31m", "\033[1;35m", "\033[1;36m"};

Diag *diag_new(Arena *arena, SourceMap *map) {
  Diag *diag = ARENA_NEW(arena, Diag);
  diag->arena = arena;
  diag->map = map;
  return diag;
}

static const char *format_text(Arena *arena, const char *format, va_list args) {
  va_list again;
  va_copy(again, args);
  int n = vsnprintf(NULL, 0, format, again);
  va_end(again);
  char *text = arena_alloc(arena, (size_t)n + 1);
  vsnprintf(text, (size_t)n + 1, format, args);
  return text;
}

static Message *message_new(Diag *diag, Severity severity, Span span, const char *text) {
  Message *message = ARENA_NEW(diag->arena, Message);
  message->severity = severity;
  message->span = span;
  message->text = text;
  return message;
}

static bool same_span(Span a, Span b) {
  return a.file == b.file && a.begin == b.begin && a.end == b.end;
}

static bool is_known(const Diag *diag, Span span, const char *text) {
  for (const Message *m = diag->first; m; m = m->next)
    if (same_span(m->span, span) && strcmp(m->text, text) == 0) return true;
  return false;
}

static void record(Diag *diag, Severity severity, Span span, const char *text) {
  diag->newest = NULL;
  if (is_known(diag, span, text)) return;
  if (severity == SEVERITY_ERROR && diag->n_errors++ >= DIAG_MAX_ERRORS) {
    diag->n_hidden++;
    return;
  }
  if (severity == SEVERITY_WARNING) diag->n_warnings++;
  diag->newest = message_new(diag, severity, span, text);
  if (diag->last)
    diag->last->next = diag->newest;
  else
    diag->first = diag->newest;
  diag->last = diag->newest;
}

void diag_error(Diag *diag, Span span, const char *format, ...) {
  va_list args;
  va_start(args, format);
  record(diag, SEVERITY_ERROR, span, format_text(diag->arena, format, args));
  va_end(args);
}

void diag_warning(Diag *diag, Span span, const char *format, ...) {
  va_list args;
  va_start(args, format);
  record(diag, SEVERITY_WARNING, span, format_text(diag->arena, format, args));
  va_end(args);
}

void diag_note(Diag *diag, Span span, const char *format, ...) {
  if (!diag->newest) return;
  va_list args;
  va_start(args, format);
  Message *note = message_new(diag, SEVERITY_NOTE, span, format_text(diag->arena, format, args));
  va_end(args);
  Message **end = &diag->newest->notes;
  while (*end) end = &(*end)->next;
  *end = note;
}

int diag_error_count(const Diag *diag) {
  return diag->n_errors;
}

// ---- for people
// -----------------------------------------------------------------------------------------------

// Columns as a terminal shows them: the continuation bytes of UTF-8 take none.
static bool takes_column(char c) {
  return ((unsigned char)c & 0xC0) != 0x80;
}

static void print_caret(const Message *m, const char *line, LineCol place, FILE *out) {
  fputs("       | ", out);
  for (unsigned i = 0; i + 1 < place.col && line[i]; i++)
    if (takes_column(line[i])) fputc(line[i] == '\t' ? '\t' : ' ', out);
  size_t rest = strlen(line) - (place.col - 1 < strlen(line) ? place.col - 1 : strlen(line));
  size_t n = m->span.end > m->span.begin ? m->span.end - m->span.begin : 1;
  if (n > rest) n = rest; // a span of several lines is shown to the end of its first
  fputc('^', out);
  for (size_t i = 1; i < n; i++)
    if (takes_column(line[place.col - 1 + i])) fputc('~', out);
  fputc('\n', out);
}

static void print_message(const Diag *diag, const Message *m, FILE *out, bool color) {
  const char *where = source_where(diag->map, diag->arena, m->span);
  const char *bold = color ? "\033[1m" : "", *off = color ? "\033[0m" : "";
  const char *tint = color ? severity_colors[m->severity] : "";
  fprintf(out, "%s%s%s%s%s%s:%s %s%s%s\n", bold, where, *where ? ": " : "", off, tint,
          severity_words[m->severity], off, m->severity == SEVERITY_NOTE ? "" : bold, m->text,
          m->severity == SEVERITY_NOTE ? "" : off);
  if (m->span.file) {
    LineCol place = source_line_col(diag->map, m->span.file, m->span.begin);
    const char *line = source_line_text(diag->map, diag->arena, m->span.file, m->span.begin);
    fprintf(out, "  %4u | %s\n", place.line, line);
    print_caret(m, line, place, out);
  }
  for (const Message *note = m->notes; note; note = note->next) print_message(diag, note, out, color);
}

static void print_count(FILE *out, int n, const char *word) {
  fprintf(out, "%d %s%s", n, word, n == 1 ? "" : "s");
}

void diag_print(const Diag *diag, FILE *out, bool color) {
  for (const Message *m = diag->first; m; m = m->next) print_message(diag, m, out, color);
  if (diag->n_errors) print_count(out, diag->n_errors, "error");
  if (diag->n_hidden) fprintf(out, " (the first %d are shown)", DIAG_MAX_ERRORS);
  if (diag->n_errors && diag->n_warnings) fputs(", ", out);
  if (diag->n_warnings) print_count(out, diag->n_warnings, "warning");
  if (diag->n_errors || diag->n_warnings) fputc('\n', out);
}

// ---- for programs
// ---------------------------------------------------------------------------------------------

static void print_json_string(FILE *out, const char *text) {
  fputc('"', out);
  for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
    if (*c == '"' || *c == '\\')
      fprintf(out, "\\%c", *c);
    else if (*c < 0x20)
      fprintf(out, "\\u%04x", *c);
    else
      fputc(*c, out);
  }
  fputc('"', out);
}

static void print_json_message(const Diag *diag, const Message *m, FILE *out) {
  fputs("{\"severity\":", out);
  print_json_string(out, severity_words[m->severity]);
  if (m->span.file) {
    LineCol begin = source_line_col(diag->map, m->span.file, m->span.begin);
    LineCol end = source_line_col(diag->map, m->span.file, m->span.end);
    fputs(",\"file\":", out);
    print_json_string(out, diag->map->files[m->span.file].path);
    fprintf(out, ",\"line\":%u,\"col\":%u,\"end_line\":%u,\"end_col\":%u", begin.line, begin.col, end.line,
            end.col);
  }
  fputs(",\"message\":", out);
  print_json_string(out, m->text);
  if (m->severity != SEVERITY_NOTE) {
    fputs(",\"notes\":[", out);
    for (const Message *note = m->notes; note; note = note->next) {
      print_json_message(diag, note, out);
      if (note->next) fputc(',', out);
    }
    fputc(']', out);
  }
  fputc('}', out);
}

static void print_json_list(const Diag *diag, FILE *out, const char *key, Severity severity) {
  fprintf(out, "\"%s\":[", key);
  bool is_first = true;
  for (const Message *m = diag->first; m; m = m->next) {
    if (m->severity != severity) continue;
    if (!is_first) fputc(',', out);
    is_first = false;
    print_json_message(diag, m, out);
  }
  fputc(']', out);
}

void diag_print_json(const Diag *diag, FILE *out) {
  fputc('{', out);
  print_json_list(diag, out, "errors", SEVERITY_ERROR);
  fputc(',', out);
  print_json_list(diag, out, "warnings", SEVERITY_WARNING);
  fprintf(out, ",\"n_errors\":%d}\n", diag->n_errors);
}

// ---- spelling
// -------------------------------------------------------------------------------------------------

enum { MAX_SPELLING = 48 };

static int min3(int a, int b, int c) {
  int ab = a < b ? a : b;
  return ab < c ? ab : c;
}

// Edit distance with swaps of neighbours (optimal string alignment).
static int spelling_distance(const char *a, const char *b) {
  int n = (int)strlen(a), m = (int)strlen(b);
  int d[MAX_SPELLING + 1][MAX_SPELLING + 1];
  for (int i = 0; i <= n; i++) d[i][0] = i;
  for (int j = 0; j <= m; j++) d[0][j] = j;
  for (int i = 1; i <= n; i++)
    for (int j = 1; j <= m; j++) {
      d[i][j] = min3(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
      bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped && d[i - 2][j - 2] + 1 < d[i][j]) d[i][j] = d[i - 2][j - 2] + 1;
    }
  return d[n][m];
}

const char *diag_nearest(const char *name, const char *const *candidates, int n_candidates) {
  size_t length = strlen(name);
  if (length == 0 || length > MAX_SPELLING) return NULL;
  int limit = (int)length / 3 > 1 ? (int)length / 3 : 1;
  const char *nearest = NULL;
  for (int i = 0; i < n_candidates; i++) {
    if (strlen(candidates[i]) > MAX_SPELLING) continue;
    int distance = spelling_distance(name, candidates[i]);
    if (distance > limit || distance == 0) continue;
    if ((size_t)distance >= length) continue; // nothing of the name would be left
    limit = distance - 1;
    nearest = candidates[i];
  }
  return nearest;
}
