#include "compiler/ast/ast.h"

#include <stdarg.h>
#include <string.h>

static const char *const kind_words[] = {
#define AST(kind, word, children) [AST_##kind] = word,
#include "compiler/ast/ast.def"
#undef AST
};

const char *ast_kind_word(AstKind kind) {
  return kind_words[kind];
}

Ast *ast_leaf(Arena *arena, AstKind kind, Span span, const char *text, double number) {
  Ast *ast = ARENA_NEW(arena, Ast);
  ast->kind = kind;
  ast->span = span;
  ast->text = text;
  ast->number = number;
  return ast;
}

static void push(Arena *arena, Ast *ast, Ast *kid) {
  if (ast->n_kids == ast->capacity) {
    ast->capacity = ast->capacity ? 2 * ast->capacity : 4;
    Ast **kids = ARENA_ARRAY(arena, Ast *, ast->capacity);
    if (ast->n_kids) memcpy(kids, ast->kids, sizeof *kids * (size_t)ast->n_kids);
    ast->kids = kids;
  }
  ast->kids[ast->n_kids++] = kid;
}

Ast *ast_node(Arena *arena, AstKind kind, Span span, int n_kids, ...) {
  Ast *ast = ast_leaf(arena, kind, span, NULL, 0);
  va_list kids;
  va_start(kids, n_kids);
  for (int i = 0; i < n_kids; i++) push(arena, ast, va_arg(kids, Ast *));
  va_end(kids);
  return ast;
}

Ast *ast_operator(Arena *arena, AstKind kind, Span span, const char *text, Ast *left, Ast *right) {
  Ast *ast = ast_leaf(arena, kind, span, text, 0);
  push(arena, ast, left);
  if (right) push(arena, ast, right);
  return ast;
}

Ast *ast_append(Arena *arena, Ast *list, Ast *kid) {
  list->span = list->n_kids ? span_join(list->span, kid->span) : kid->span;
  push(arena, list, kid);
  return list;
}

Ast *ast_with_span(Ast *ast, Span span) {
  ast->span = span;
  return ast;
}

static void print(const Ast *ast, const SourceMap *map, FILE *out, int depth) {
  fprintf(out, "%*s", 2 * depth, "");
  if (!ast) {
    fputs("-\n", out);
    return;
  }
  LineCol place = source_line_col(map, ast->span.file, ast->span.begin);
  fputs(kind_words[ast->kind], out);
  if (ast->kind == AST_NUMBER || ast->kind == AST_TRUTH) fprintf(out, " %g", ast->number);
  if (ast->text) fprintf(out, ast->kind == AST_STRING ? " \"%s\"" : " %s", ast->text);
  fprintf(out, "  %u:%u\n", place.line, place.col);
  for (int i = 0; i < ast->n_kids; i++) print(ast->kids[i], map, out, depth + 1);
}

void ast_print(const Ast *ast, const SourceMap *map, FILE *out) {
  print(ast, map, out, 0);
}
