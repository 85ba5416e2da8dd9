// What the user wrote. One kind of node for everything: a kind, a place, a text or a number, children. No
// types, no graph. The kinds and their children are listed in ast.def.
#pragma once
#include "compiler/support/diag.h"

typedef enum AstKind {
#define AST(kind, word, children) AST_##kind,
#include "compiler/ast/ast.def"
#undef AST
  N_AST_KINDS
} AstKind;

typedef struct Ast {
  AstKind kind;
  Span span;
  const char *text;
  double number;
  struct Ast **kids; // optional ones may be NULL
  int n_kids, capacity;
} Ast;

// A whole file (AST_FILE_), or one expression alone. Mistakes go to diag; the result is what could be read,
// never NULL for a file, NULL for an expression with mistakes.
Ast *ast_parse(Arena *arena, SourceMap *map, Diag *diag, uint32_t file);
Ast *ast_parse_expr(Arena *arena, SourceMap *map, Diag *diag, uint32_t file);

// Indented, one node a line: `bind  3:3` with texts and numbers.
void ast_print(const Ast *ast, const SourceMap *map, FILE *out);
const char *ast_kind_word(AstKind kind);

// ---- for the parser ----
Ast *ast_leaf(Arena *arena, AstKind kind, Span span, const char *text, double number);
Ast *ast_node(Arena *arena, AstKind kind, Span span, int n_kids, ...);
Ast *ast_operator(Arena *arena, AstKind kind, Span span, const char *text, Ast *left, Ast *right);
Ast *ast_append(Arena *arena, Ast *list, Ast *kid); // returns the list, its span widened
Ast *ast_with_span(Ast *ast, Span span);
