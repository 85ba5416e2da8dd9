// The actions of scanner and parser: texts become values, and a mistake becomes a sentence.
#include "compiler/ast/parse.h"
#include "compiler/support/strbuf.h"

#include <stdlib.h>
#include <string.h>

Ast *parse_name(Parse *parse, Span span, const char *text, size_t n) {
  return ast_leaf(parse->arena, AST_NAME, span, arena_strndup(parse->arena, text, n), 0);
}

Ast *parse_number(Parse *parse, Span span, const char *text, size_t n) {
  const char *copy = arena_strndup(parse->arena, text, n);
  char *end;
  double value = strtod(copy, &end);
  if (*end) {
    diag_error(parse->diag, span, "`%s` is neither a number nor a name", copy);
    diag_note(parse->diag, NO_SPAN, "a number is written 12, 0.5 or 1e-4; a name begins with a letter");
  } else if (value > 1e300) {
    diag_error(parse->diag, span, "`%s` is too large a number", copy);
    value = 0;
  }
  return ast_leaf(parse->arena, AST_NUMBER, span, NULL, value);
}

static char unescape(Parse *parse, Span span, char c) {
  if (c == 'n') return '\n';
  if (c == 't') return '\t';
  if (c != '"' && c != '\\')
    diag_error(parse->diag, span, "unknown escape `\\%c` in a string; there are \\\" \\\\ \\n \\t", c);
  return c;
}

Ast *parse_string(Parse *parse, Span span, const char *text, size_t n) {
  char *value = arena_alloc(parse->arena, n);
  size_t length = 0, end = n - 1;
  if (n < 2 || text[n - 1] != '"') {
    diag_error(parse->diag, span, "this string does not end on its line");
    end = n;
  }
  for (size_t i = 1; i < end; i++) {
    bool escaped = text[i] == '\\' && i + 1 < end;
    value[length++] = escaped ? unescape(parse, span, text[++i]) : text[i];
  }
  return ast_leaf(parse->arena, AST_STRING, span, value, 0);
}

void parse_bad_character(Parse *parse, Span span, const char *text) {
  unsigned char c = (unsigned char)text[0];
  if (c >= 0x80)
    diag_error(parse->diag, span, "`%s` does not belong in a model: names are made of a-z, A-Z, 0-9 and _",
               text);
  else if (c < 0x20 || c == 0x7f)
    diag_error(parse->diag, span, "byte 0x%02x does not belong in a model", c);
  else
    diag_error(parse->diag, span, "`%s` means nothing here", text);
  if (c == ';') diag_note(parse->diag, NO_SPAN, "statements need no separator");
  if (c == '^') diag_note(parse->diag, NO_SPAN, "a power is written as a product");
  if (c == '&') diag_note(parse->diag, NO_SPAN, "`and` joins two conditions");
  if (c == '!') diag_note(parse->diag, NO_SPAN, "`not` negates a condition");
  if (c == '\'') diag_note(parse->diag, NO_SPAN, "strings are written in double quotes");
}

// Tokens that are said in one word when all the others of their kind are expected too.
typedef struct TokenClass {
  const char *word;
  const char *sign; // the class is expected if this token is
  const char *const *tokens;
} TokenClass;

static const char *const items[] = {"`import`",    "`param`", "`let`",   "`data`",  "`block`", "`model`",
                                    "`auxiliary`", "`final`", "`entry`", "`split`", "`train`", NULL};
static const char *const expressions[] = {"a number", "a string", "`true`", "`false`", "`(`",
                                          "`[`",      "`{`",      "`-`",    "`not`",   "`chain`",
                                          "`if`",     "a name",   NULL};
static const char *const operators[] = {"`|`", "`or`", "`and`", "`==`", "`!=`", "`<`", "`<=`", "`>`", "`>=`",
                                        "`+`", "`-`",  "`*`",   "`/`",  "`%`",  "`(`", "`[`",  NULL};
static const TokenClass classes[] = {{"an expression", "`chain`", expressions},
                                     {"an operator", "`*`", operators},
                                     {"an item such as `model` or `split`", "`import`", items}};
enum { N_CLASSES = sizeof classes / sizeof *classes, MAX_WORDS = 64 };

static bool is_among(const char *const *tokens, int n, const char *token) {
  for (int i = 0; n < 0 ? tokens[i] != NULL : i < n; i++)
    if (!strcmp(tokens[i], token)) return true;
  return false;
}

// The expected tokens, those of a class that is expected as a whole replaced by its word.
static int summarize(const char *const *expected, int n_expected, const char **words) {
  int n = 0;
  bool has[N_CLASSES];
  for (int c = 0; c < N_CLASSES; c++)
    if ((has[c] = is_among(expected, n_expected, classes[c].sign))) words[n++] = classes[c].word;
  for (int i = 0; i < n_expected && n < MAX_WORDS; i++) {
    bool is_covered = false;
    for (int c = 0; c < N_CLASSES; c++) is_covered |= has[c] && is_among(classes[c].tokens, -1, expected[i]);
    if (!is_covered) words[n++] = expected[i];
  }
  return n;
}

void parse_unexpected(Parse *parse, Span span, const char *const *expected, int n_expected) {
  StrBuf text = strbuf_new(parse->arena);
  const char *words[MAX_WORDS];
  int n = summarize(expected, n_expected, words);
  if (span.end > span.begin)
    strbuf_printf(&text, "unexpected `%.*s`", (int)(span.end - span.begin), parse->text + span.begin);
  else
    strbuf_put(&text, "unexpected end of the file");
  for (int i = 0; i < n; i++)
    strbuf_printf(&text, "%s%s", i == 0 ? ", expected " : i == n - 1 ? " or " : ", ", words[i]);
  diag_error(parse->diag, span, "%s", text.text);
}

Span parse_join(const Span *rhs, int n) {
  if (n == 0) return (Span){rhs[0].file, rhs[0].end, rhs[0].end};
  return span_join(rhs[1], rhs[n]);
}
