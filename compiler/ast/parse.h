// What the scanner and the parser share: the state of one parse, and the actions that are more than building
// a node.
#pragma once
#include "compiler/ast/ast.h"

typedef struct Parse {
  Arena *arena;
  Diag *diag;
  uint32_t file;
  const char *text; // of the file
  uint32_t at;      // byte offset behind the last token
  int start_token;  // handed out first: chooses between a file and an expression. 0: done
  Ast *result;
} Parse;

// Tokens. `text` need not end in NUL.
Ast *parse_name(Parse *parse, Span span, const char *text, size_t n);
Ast *parse_number(Parse *parse, Span span, const char *text, size_t n);
Ast *parse_string(Parse *parse, Span span, const char *text, size_t n); // with its quotes
void parse_bad_character(Parse *parse, Span span, const char *text);
// "unexpected `X`, expected A, B or C"; an empty span is the end of the file.
void parse_unexpected(Parse *parse, Span span, const char *const *expected, int n_expected);
Span parse_join(const Span *rhs, int n); // the location of a production
