// Reads .case files: small graphs written line by line, with what is expected of them.
//
//   case TITLE                            begins a case; the last value is its result
//   batch N                               images, 3 if not given
//   NAME = param EXTENTS [DATA]           a differentiable input; extents as batch,5,5,3 or scalar
//   NAME = const EXTENTS [DATA]           an input without a gradient
//   NAME = label CLASSES [values V...]    class labels of the batch
//   NAME = key WORD WORD                  the key of a dropout
//   NAME = OP INPUT... [ATTR VALUE]... [writes STATE...]
//   fails TEXT                            the last line's shape rule fails and its message contains TEXT
//   expect NAME V...                      what the host references compute for a value (or leave in a state)
//   gradient NAME V...                    the gradient of the sum of the result's elements with respect to an
//   input
//                                         (then it is not compared with differences: there may be a kink)
//   rough X                               tolerance of float kernels, relative to the largest value (1e-5)
//
// DATA is `values V...` or `range LOW HIGH` (distinct numbers in a fixed order; -1 1 if not given).
#pragma once
#include "compiler/ir/op.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NAMES = 32, MAX_EXPECTED = 16, MAX_WORDS = 128 };

typedef struct Named {
  const char *name;
  NodeId node;
  double *data;   // of a leaf, batch filled in
  int32_t *index; // of labels
} Named;

typedef struct Expected {
  const char *name;
  bool is_gradient;
  double *values;
  int n_values;
} Expected;

typedef struct Case {
  const char *file, *title;
  int line;
  Arena *arena, *scratch; // scratch: for one run of the graph
  Graph *graph;
  int64_t batch;
  Named names[MAX_NAMES];
  int n_names;
  const char *error; // of the last shape rule
  const char *fails; // what it must contain
  Expected expected[MAX_EXPECTED];
  int n_expected;
  double rough;
} Case;

typedef struct Words {
  char *word[MAX_WORDS];
  int n;
} Words;

_Noreturn static void case_error(const Case *c, const char *what, const char *detail) {
  fprintf(stderr, "%s:%d: %s: %s\n", c->file, c->line, what, detail);
  exit(1);
}

static Named *case_find(Case *c, const char *name) {
  for (int i = 0; i < c->n_names; i++)
    if (!strcmp(c->names[i].name, name)) return &c->names[i];
  return NULL;
}

static Named *case_need(Case *c, const char *name) {
  Named *named = case_find(c, name);
  if (!named) case_error(c, "unknown name", name);
  return named;
}

static Named *case_add(Case *c, const char *name, NodeId node) {
  if (c->n_names == MAX_NAMES) case_error(c, "too many names", name);
  Named *named = &c->names[c->n_names++];
  *named = (Named){.name = arena_strdup(c->arena, name), .node = node};
  return named;
}

static double *case_numbers(Case *c, const Words *words, int first, int *n) {
  *n = words->n - first;
  double *values = ARENA_ARRAY(c->arena, double, *n + 1);
  for (int i = 0; i < *n; i++) values[i] = strtod(words->word[first + i], NULL);
  return values;
}

// ---- leaves ----

static Shape case_shape(Case *c, char *text) {
  Shape shape = {0};
  if (!strcmp(text, "scalar")) return shape;
  for (char *rest = text, *word; (word = strtok_r(rest, ",", &rest));) {
    if (shape.rank == MAX_RANK) case_error(c, "too many extents", text);
    shape.dim[shape.rank++] = strcmp(word, "batch") ? atoll(word) : DIM_BATCH;
  }
  return shape;
}

// Distinct for 1008 elements, never in the middle of the range: no ties in a pooling window, no kink of relu.
// The inverse modulo 1009 has no pattern, so that no gradient vanishes by symmetry.
static double case_datum(int64_t i, int seed, double low, double high) {
  int64_t inverse = 1, n = (i * 605 + seed * 211) % 1008 + 1;
  for (int power = 1007; power > 0; power /= 2, n = n * n % 1009)
    if (power % 2) inverse = inverse * n % 1009;
  return (float)(low + (high - low) * ((double)inverse - 0.5) / 1008); // exact in float kernels too
}

static double *case_data(Case *c, const Words *words, int first, int64_t n) {
  double low = -1, high = 1, *data;
  if (words->n > first && !strcmp(words->word[first], "values")) {
    int n_values;
    data = case_numbers(c, words, first + 1, &n_values);
    if (n_values != n) case_error(c, "wrong number of values", words->word[0]);
    return data;
  }
  if (words->n == first + 3 && !strcmp(words->word[first], "range")) {
    low = strtod(words->word[first + 1], NULL);
    high = strtod(words->word[first + 2], NULL);
  } else if (words->n > first) {
    case_error(c, "expected `values` or `range`", words->word[first]);
  }
  data = ARENA_ARRAY(c->arena, double, n + 1);
  for (int64_t i = 0; i < n; i++) data[i] = case_datum(i, c->n_names, low, high);
  return data;
}

static void case_tensor(Case *c, const Words *words, StateKind kind) {
  if (words->n < 4) case_error(c, "extents are missing", words->word[0]);
  Shape shape = case_shape(c, words->word[3]);
  State state = {.name = words->word[0], .kind = kind, .shape = shape, .source = NO_STATE};
  Node node = {.op = OP_state, .shape = shape, .state = state_add(c->graph->states, state), .name = ""};
  double *data = case_data(c, words, 4, shape_elems(shape, c->batch));
  case_add(c, words->word[0], graph_add(c->graph, node, NULL, 0, NULL, 0))->data = data;
}

static void case_label(Case *c, const Words *words) {
  Shape shape = {.rank = 1, .dim = {DIM_BATCH}};
  Node node = {.op = OP_input, .dtype = DT_INDEX, .shape = shape, .state = NO_STATE, .name = "label"};
  Attr kind = {.i = 1};
  int n = 0, classes = atoi(words->word[3]);
  double *values = words->n > 5 ? case_numbers(c, words, 5, &n) : NULL;
  int32_t *index = ARENA_ARRAY(c->arena, int32_t, c->batch);
  for (int i = 0; i < c->batch; i++) index[i] = i < n ? (int32_t)values[i] : (i * 7 + 2) % classes;
  case_add(c, words->word[0], graph_add(c->graph, node, NULL, 0, &kind, 1))->index = index;
}

static void case_key(Case *c, const Words *words) {
  Node node = {.op = OP_input, .dtype = DT_INDEX, .shape = {.rank = 1, .dim = {2}}, .state = NO_STATE};
  Attr kind = {.i = 3};
  int n = 0;
  double *values = case_numbers(c, words, 3, &n);
  if (n != 2) case_error(c, "a key has two words", words->word[0]);
  int32_t *index = ARENA_ARRAY(c->arena, int32_t, 2);
  for (int i = 0; i < 2; i++) index[i] = (int32_t)values[i];
  node.name = "key";
  case_add(c, words->word[0], graph_add(c->graph, node, NULL, 0, &kind, 1))->index = index;
}

// ---- operators ----

static Attr case_attr(Case *c, const AttrDef *def, const char *text) {
  Named *named = case_find(c, text); // a state's number: momentum_state
  if (named) return (Attr){.i = graph_node(c->graph, named->node)->state};
  return def->kind == ATTR_REAL ? (Attr){.r = strtod(text, NULL)} : (Attr){.i = atoll(text)};
}

static int case_attrs(Case *c, OpKind op, const Words *words, int at, Attr *attrs) {
  const AttrDef *defs = op_info(op)->attrs;
  for (int i = 0; defs[i].name; i++)
    attrs[i] =
        defs[i].kind == ATTR_REAL ? (Attr){.r = defs[i].fallback} : (Attr){.i = (int64_t)defs[i].fallback};
  for (; at + 1 < words->n && strcmp(words->word[at], "writes"); at += 2) {
    int i = 0;
    while (defs[i].name && strcmp(defs[i].name, words->word[at])) i++;
    if (!defs[i].name) case_error(c, "neither a value nor an attribute", words->word[at]);
    attrs[i] = case_attr(c, &defs[i], words->word[at + 1]);
  }
  return at;
}

static void case_writes(Case *c, NodeId id, const Words *words, int at) {
  Node *node = graph_node(c->graph, id);
  if (at >= words->n) return;
  node->state = graph_node(c->graph, case_need(c, words->word[at + 1])->node)->state;
  node->n_states = words->n - at - 1;
}

static void case_operator(Case *c, const Words *words) {
  OpKind op = op_find(words->word[2]);
  if (op == OP_none) case_error(c, "no such operator", words->word[2]);
  NodeId in[MAX_WORDS];
  Shape shapes[MAX_WORDS];
  Attr attrs[MAX_WORDS];
  int n_in = 0, at = 3;
  for (; at < words->n && case_find(c, words->word[at]); at++, n_in++) {
    in[n_in] = case_find(c, words->word[at])->node;
    shapes[n_in] = graph_node(c->graph, in[n_in])->shape;
  }
  at = case_attrs(c, op, words, at, attrs);
  ShapeQuery query = {.in = shapes, .n_in = n_in, .attr = attrs, .arena = c->arena, .culprit = -1};
  c->error = NULL;
  if (!op_info(op)->shape(&query)) {
    c->error = query.error;
    return;
  }
  Node like = {.name = words->word[0], .state = NO_STATE};
  NodeId id = op_build(c->graph, &like, op, in, n_in, attrs);
  graph_node(c->graph, id)->name = arena_strdup(c->arena, words->word[0]);
  case_writes(c, id, words, at);
  case_add(c, words->word[0], id);
}

// ---- lines ----

static void case_expect(Case *c, const Words *words) {
  if (c->n_expected == MAX_EXPECTED) case_error(c, "too many expectations", words->word[1]);
  Expected *expected = &c->expected[c->n_expected++];
  expected->name = arena_strdup(c->arena, words->word[1]);
  expected->is_gradient = !strcmp(words->word[0], "gradient");
  expected->values = case_numbers(c, words, 2, &expected->n_values);
}

static void case_definition(Case *c, const Words *words) {
  if (!strcmp(words->word[2], "param"))
    case_tensor(c, words, STATE_PARAM);
  else if (!strcmp(words->word[2], "const"))
    case_tensor(c, words, STATE_CONST);
  else if (!strcmp(words->word[2], "label"))
    case_label(c, words);
  else if (!strcmp(words->word[2], "key"))
    case_key(c, words);
  else
    case_operator(c, words);
}

static void case_line(Case *c, char *line) {
  Words words = {.n = 0};
  char *comment = strchr(line, '#');
  if (comment) *comment = 0;
  char *whole = arena_strdup(c->arena, line);
  for (char *rest = line, *word; (word = strtok_r(rest, " \t\r\n", &rest));)
    if (words.n < MAX_WORDS) words.word[words.n++] = word;
  if (words.n == 0) return;
  if (words.n >= 3 && !strcmp(words.word[1], "="))
    case_definition(c, &words);
  else if (!strcmp(words.word[0], "batch"))
    c->batch = atoll(words.word[1]);
  else if (!strcmp(words.word[0], "fails"))
    c->fails = strtok(strstr(whole, "fails") + 6, "\n");
  else if (!strcmp(words.word[0], "rough"))
    c->rough = strtod(words.word[1], NULL);
  else if (!strcmp(words.word[0], "expect") || !strcmp(words.word[0], "gradient"))
    case_expect(c, &words);
  else
    case_error(c, "cannot be read", whole);
}

// Begins a case; lines of a file before its first case may only be comments.
static Case *case_new(Arena *arena, Arena *scratch, const char *path, int line, const char *title) {
  Case *c = ARENA_NEW(arena, Case);
  *c = (Case){.file = arena_strdup(arena, path),
              .line = line,
              .arena = arena,
              .scratch = scratch,
              .batch = 3,
              .rough = 1e-5};
  c->title = arena_strndup(arena, title, strcspn(title, "\n"));
  c->graph = graph_new(arena, state_table_new(arena));
  return c;
}

// Reads a file and calls `visit` with each of its cases.
static void case_file_read(const char *path, Arena *arena, Arena *scratch, void (*visit)(void *data, Case *c),
                           void *data) {
  char text[4096];
  Case *c = NULL;
  FILE *file = fopen(path, "r");
  if (!file) {
    perror(path);
    exit(1);
  }
  for (int line = 1; fgets(text, sizeof text, file); line++) {
    if (c) c->line = line;
    if (!strncmp(text, "case ", 5)) {
      if (c) visit(data, c);
      c = case_new(arena, scratch, path, line, text + 5);
    } else if (c) {
      case_line(c, text);
    }
  }
  fclose(file);
  if (c) visit(data, c);
}
