/* The productions of the language. LALR(1) without conflicts; an action is one call that builds a node. */
%require "3.7"
%expect 0
%define api.pure full
%define api.prefix {mlaan_}
%define api.token.prefix {TOK_}
%define api.value.type {Ast *}
%define api.location.type {Span}
%define parse.error custom
%define parse.lac full
%locations
%param { void *scanner }
%parse-param { Parse *parse }

%code requires {
#include "compiler/ast/parse.h"
}

%code {
#define YYMAXDEPTH                      2000
#define YYLLOC_DEFAULT(Current, Rhs, N) ((Current) = parse_join(&(Rhs)[0], (N)))
#define NODE(kind, place, n, ...)       ast_node(parse->arena, AST_##kind, place, n, __VA_ARGS__)
#define EMPTY(kind, place)              ast_leaf(parse->arena, AST_##kind, place, NULL, 0)
#define BINARY(place, text, l, r)       ast_operator(parse->arena, AST_BINARY, place, text, l, r)
#define APPEND(list, item)              ast_append(parse->arena, list, item)

int mlaan_lex(Ast **value, Span *place, void *scanner);
static void mlaan_error(Span *place, void *scanner, Parse *parse, const char *message);
}

%code provides {
int mlaan_lex_init_extra(Parse *parse, void **scanner);
int mlaan_lex_destroy(void *scanner);
struct yy_buffer_state *mlaan__scan_bytes(const char *bytes, int n, void *scanner);
}

%token START_FILE START_EXPR
%token NAME "a name" NUMBER "a number" STRING "a string"
%token IMPORT "`import`" PARAM "`param`" LET "`let`" DATA "`data`" BLOCK "`block`" MODEL "`model`"
%token AUXILIARY "`auxiliary`" FINAL "`final`" ENTRY "`entry`" SPLIT "`split`" INTO "`into`" AT "`at`" WITHIN "`within`" TRAIN "`train`"
%token INPUT "`input`" LOSS "`loss`" AS "`as`" RETURN "`return`" IF "`if`" THEN "`then`" ELSE "`else`"
%token STATISTICS "`statistics`" OF "`of`" FOR "`for`" IN "`in`" CHAIN "`chain`" TRUE "`true`" FALSE "`false`" AND "`and`" OR "`or`" NOT "`not`"
%token EQUAL "`==`" UNEQUAL "`!=`" AT_MOST "`<=`" AT_LEAST "`>=`"
%token '=' "`=`" '<' "`<`" '>' "`>`" '+' "`+`" '-' "`-`" '*' "`*`" '/' "`/`" '%' "`%`" '|' "`|`"
%token '(' "`(`" ')' "`)`" '{' "`{`" '}' "`}`" '[' "`[`" ']' "`]`" ',' "`,`" ':' "`:`"
%token YYEOF 0 "the end of the file"

%start start

%%

start:
  START_FILE file                          { parse->result = $file; }
| START_EXPR expr                          { parse->result = $expr; }
;

/* ---- items ---- */

file:
  %empty                                   { $$ = EMPTY(FILE_, @$); }
| file item                                { $$ = APPEND($1, $item); }
;

item:
  IMPORT STRING                            { $$ = NODE(IMPORT, @$, 1, $STRING); }
| PARAM NAME '=' expr                      { $$ = NODE(PARAM, @$, 2, $NAME, $expr); }
| LET NAME '=' expr                        { $$ = NODE(LET, @$, 2, $NAME, $expr); }
| DATA NAME settings                       { $$ = NODE(DATA, @$, 2, $NAME, $settings); }
| BLOCK NAME params body                   { $$ = NODE(BLOCK, @$, 3, $NAME, $params, $body); }
| MODEL NAME params body                   { $$ = NODE(MODEL, @$, 3, $NAME, $params, $body); }
| AUXILIARY NAME params body               { $$ = NODE(AUXILIARY, @$, 3, $NAME, $params, $body); }
| FINAL body                               { $$ = NODE(FINAL, @$, 1, $body); }
| ENTRY NAME params body                   { $$ = NODE(ENTRY, @$, 3, $NAME, $params, $body); }
| SPLIT reference rule                     { $$ = NODE(SPLIT, @$, 2, $reference, $rule); }
| TRAIN settings                           { $$ = NODE(TRAIN, @$, 1, $settings); }
| error                                    { $$ = EMPTY(MISTAKE, @$); }
;

reference:
  NAME
| NAME args                                { $$ = NODE(CALL, @$, 2, $NAME, $args); }
;

rule:
  INTO expr                                { $$ = NODE(INTO, @$, 2, $expr, NULL); }
| INTO expr[n] AT expr[table]              { $$ = NODE(INTO, @$, 2, $n, $table); }
| INTO expr[n] NAME[how] NAME[by] NAME[measure]
                                           { $$ = NODE(BALANCED, @$, 4, $n, $how, $by, $measure); }
| AT places                                { $$ = ast_with_span($places, @$); }
| WITHIN expr NAME                         { $$ = NODE(WITHIN, @$, 2, $expr, $NAME); }
;

places:
  expr                                     { $$ = NODE(AT, @$, 1, $expr); }
| places ',' expr                          { $$ = APPEND($1, $expr); }
;

params:
  %empty                                   { $$ = EMPTY(PARAMS, @$); }
| '(' ')'                                  { $$ = EMPTY(PARAMS, @$); }
| '(' formals ')'                          { $$ = ast_with_span($formals, @$); }
;

formals:
  formal                                   { $$ = NODE(PARAMS, @$, 1, $formal); }
| formals ',' formal                       { $$ = APPEND($1, $formal); }
;

formal:
  NAME                                     { $$ = NODE(FORMAL, @$, 2, $NAME, NULL); }
| NAME '=' expr                            { $$ = NODE(FORMAL, @$, 2, $NAME, $expr); }
;

/* ---- settings ---- */

settings:
  '{' atoms '}'                            { $$ = ast_with_span($atoms, @$); }
;

atoms:
  %empty                                   { $$ = EMPTY(SETTINGS, @$); }
| atoms atom                               { $$ = APPEND($1, $atom); }
;

atom:
  key
| NUMBER
| '-' NUMBER                               { $$ = ast_operator(parse->arena, AST_UNARY, @$, "-", $NUMBER, NULL); }
| STRING
| TRUE                                     { $$ = ast_leaf(parse->arena, AST_TRUTH, @$, NULL, 1); }
| FALSE                                    { $$ = ast_leaf(parse->arena, AST_TRUTH, @$, NULL, 0); }
| list
| key args                                 { $$ = NODE(CALL, @$, 2, $key, $args); }
| settings
| error                                    { $$ = EMPTY(MISTAKE, @$); }
;

key:
  NAME
| DATA
| MODEL
| AUXILIARY
| ENTRY
| AT
;

/* ---- statements ---- */

body:
  '{' statements '}'                       { $$ = ast_with_span($statements, @$); }
;

statements:
  %empty                                   { $$ = EMPTY(BODY, @$); }
| statements statement                     { $$ = APPEND($1, $statement); }
;

statement:
  NAME '=' expr                            { $$ = NODE(BIND, @$, 2, $NAME, $expr); }
| LET NAME '=' expr                        { $$ = NODE(LET, @$, 2, $NAME, $expr); }
| INPUT NAME                               { $$ = NODE(INPUT, @$, 2, $NAME, NULL); }
| INPUT NAME list                          { $$ = NODE(INPUT, @$, 2, $NAME, $list); }
| LOSS expr                                { $$ = NODE(LOSS, @$, 2, $expr, NULL); }
| LOSS expr AS NAME                        { $$ = NODE(LOSS, @$, 2, $expr, $NAME); }
| RETURN expr                              { $$ = NODE(RETURN, @$, 1, $expr); }
| STATISTICS expr                          { $$ = NODE(STATISTICS, @$, 2, $expr, NULL); }
| STATISTICS expr[n] OF expr[units]        { $$ = NODE(STATISTICS, @$, 2, $n, $units); }
| FOR NAME IN expr body                    { $$ = NODE(FOR, @$, 3, $NAME, $expr, $body); }
| if
| error                                    { $$ = EMPTY(MISTAKE, @$); }
;

if:
  IF expr body                             { $$ = NODE(IF, @$, 3, $expr, $body, NULL); }
| IF expr body ELSE body                   { $$ = NODE(IF, @$, 3, $expr, $3, $5); }
| IF expr[test] body ELSE if[other]        { $$ = NODE(IF, @$, 3, $test, $body, $other); }
;

/* ---- expressions, loosest first ---- */

expr:
  pipeline
| IF expr[test] THEN expr[yes] ELSE expr[no] { $$ = NODE(CONDITION, @$, 3, $test, $yes, $no); }
;

pipeline:
  disjunction
| pipeline '|' disjunction                 { $$ = NODE(PIPE, @$, 2, $1, $3); }
;

disjunction:
  conjunction
| disjunction OR conjunction               { $$ = BINARY(@$, "or", $1, $3); }
;

conjunction:
  negation
| conjunction AND negation                 { $$ = BINARY(@$, "and", $1, $3); }
;

negation:
  comparison
| NOT negation                             { $$ = ast_operator(parse->arena, AST_UNARY, @$, "not", $2, NULL); }
;

comparison:
  sum
| sum EQUAL sum                            { $$ = BINARY(@$, "==", $1, $3); }
| sum UNEQUAL sum                          { $$ = BINARY(@$, "!=", $1, $3); }
| sum '<' sum                              { $$ = BINARY(@$, "<", $1, $3); }
| sum AT_MOST sum                          { $$ = BINARY(@$, "<=", $1, $3); }
| sum '>' sum                              { $$ = BINARY(@$, ">", $1, $3); }
| sum AT_LEAST sum                         { $$ = BINARY(@$, ">=", $1, $3); }
;

sum:
  product
| sum '+' product                          { $$ = BINARY(@$, "+", $1, $3); }
| sum '-' product                          { $$ = BINARY(@$, "-", $1, $3); }
;

product:
  unary
| product '*' unary                        { $$ = BINARY(@$, "*", $1, $3); }
| product '/' unary                        { $$ = BINARY(@$, "/", $1, $3); }
| product '%' unary                        { $$ = BINARY(@$, "%", $1, $3); }
;

unary:
  postfix
| '-' unary                                { $$ = ast_operator(parse->arena, AST_UNARY, @$, "-", $2, NULL); }
;

postfix:
  primary
| postfix args                             { $$ = NODE(CALL, @$, 2, $1, $args); }
| postfix '[' expr ']'                     { $$ = NODE(INDEX, @$, 2, $1, $expr); }
;

primary:
  NAME
| NUMBER
| STRING
| TRUE                                     { $$ = ast_leaf(parse->arena, AST_TRUTH, @$, NULL, 1); }
| FALSE                                    { $$ = ast_leaf(parse->arena, AST_TRUTH, @$, NULL, 0); }
| list
| table
| '(' expr ')'                             { $$ = ast_with_span($expr, @$); }
| CHAIN sum '{' expr '}'                   { $$ = NODE(CHAIN, @$, 2, $sum, $expr); }
;

args:
  '(' ')'                                  { $$ = EMPTY(ARGS, @$); }
| '(' arguments ')'                        { $$ = ast_with_span($arguments, @$); }
;

arguments:
  argument                                 { $$ = NODE(ARGS, @$, 1, $argument); }
| arguments ',' argument                   { $$ = APPEND($1, $argument); }
;

argument:
  expr
| NAME ':' expr                            { $$ = NODE(NAMED, @$, 2, $NAME, $expr); }
| AT ':' expr                              { $$ = NODE(NAMED, @$, 2, $AT, $expr); }
;

list:
  '[' ']'                                  { $$ = EMPTY(LIST, @$); }
| '[' elements ']'                         { $$ = ast_with_span($elements, @$); }
| '[' elements ',' ']'                     { $$ = ast_with_span($elements, @$); }
;

elements:
  expr                                     { $$ = NODE(LIST, @$, 1, $expr); }
| elements ',' expr                        { $$ = APPEND($1, $expr); }
;

table:
  '{' '}'                                  { $$ = EMPTY(TABLE, @$); }
| '{' entries '}'                          { $$ = ast_with_span($entries, @$); }
| '{' entries ',' '}'                      { $$ = ast_with_span($entries, @$); }
;

entries:
  pair                                     { $$ = NODE(TABLE, @$, 1, $pair); }
| entries ',' pair                         { $$ = APPEND($1, $pair); }
;

pair:
  expr[key] ':' expr[value]                { $$ = NODE(PAIR, @$, 2, $key, $value); }
;

%%

static int yyreport_syntax_error(const yypcontext_t *context, void *scanner, Parse *parse) {
  (void)scanner;
  enum { MAX_EXPECTED = 60 };
  yysymbol_kind_t kinds[MAX_EXPECTED];
  const char *names[MAX_EXPECTED];
  int n = yypcontext_expected_tokens(context, kinds, MAX_EXPECTED);
  if (n < 0) n = 0;
  for (int i = 0; i < n; i++) names[i] = yysymbol_name(kinds[i]);
  parse_unexpected(parse, *yypcontext_location(context), names, n);
  return 0;
}

/* Only for what is no mistake of the text: memory of the parser's stack. */
static void mlaan_error(Span *place, void *scanner, Parse *parse, const char *message) {
  (void)scanner;
  (void)message;
  diag_error(parse->diag, *place, "the text is nested too deeply");
}

static Ast *run_parser(Arena *arena, SourceMap *map, Diag *diag, uint32_t file, int start_token) {
  const SourceFile *source = &map->files[file];
  Parse parse = {.arena = arena, .diag = diag, .file = file, .text = source->text, .start_token = start_token};
  void *scanner = NULL;
  if (mlaan_lex_init_extra(&parse, &scanner) != 0) return NULL;
  mlaan__scan_bytes(source->text, (int)source->n_bytes, scanner);
  mlaan_parse(scanner, &parse);
  mlaan_lex_destroy(scanner);
  return parse.result;
}

Ast *ast_parse(Arena *arena, SourceMap *map, Diag *diag, uint32_t file) {
  Ast *ast = run_parser(arena, map, diag, file, TOK_START_FILE);
  return ast ? ast : ast_leaf(arena, AST_FILE_, (Span){file, 0, 0}, NULL, 0);
}

Ast *ast_parse_expr(Arena *arena, SourceMap *map, Diag *diag, uint32_t file) {
  int n_errors = diag_error_count(diag);
  Ast *ast = run_parser(arena, map, diag, file, TOK_START_EXPR);
  return diag_error_count(diag) == n_errors ? ast : NULL;
}
