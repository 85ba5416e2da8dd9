// mlaanc graph: any stage of the road, as text or as a drawing.
#include "compiler/ast/ast.h"
#include "compiler/driver/choose.h"
#include "compiler/driver/draw.h"
#include "compiler/driver/graphviz.h"

#include <errno.h>
#include <string.h>

typedef enum StageKind { STAGE_AST, STAGE_GRAPH, STAGE_PASS, STAGE_KERNELS, STAGE_UNKNOWN } StageKind;
typedef enum FormatKind { FORMAT_TEXT, FORMAT_DOT, FORMAT_SVG, FORMAT_UNKNOWN } FormatKind;

static StageKind find_stage(const char *name) {
  static const char *const fixed[] = {"ast", "graph", "kernels"};
  static const StageKind kinds[] = {STAGE_AST, STAGE_GRAPH, STAGE_KERNELS};
  const char *known[64];
  int n = 0;
  if (!name) return STAGE_KERNELS;
  for (int i = 0; i < 3; i++) {
    if (strcmp(name, fixed[i]) == 0) return kinds[i];
    known[n++] = fixed[i];
  }
  for (int i = 0; i < pipeline_n_passes() && n < 64; i++) {
    if (strcmp(name, pipeline_pass_name(i)) == 0) return STAGE_PASS;
    known[n++] = pipeline_pass_name(i);
  }
  unknown_name("stage", name, known, n);
  return STAGE_UNKNOWN;
}

static bool ends_with(const char *text, const char *end) {
  size_t n = strlen(text), m = strlen(end);
  return n >= m && strcmp(text + n - m, end) == 0;
}

static FormatKind find_format(const Options *options) {
  static const char *const known[] = {"text", "dot", "svg"};
  const char *name = options->format;
  if (!name && options->out && ends_with(options->out, ".svg")) return FORMAT_SVG;
  if (!name && options->out && ends_with(options->out, ".dot")) return FORMAT_DOT;
  if (!name && options->out && (ends_with(options->out, ".png") || ends_with(options->out, ".pdf"))) {
    usage_error("%s: graph draws .svg and .dot (dot -Tpng or -Tpdf makes others of it)", options->out);
    return FORMAT_UNKNOWN;
  }
  if (!name) return FORMAT_TEXT;
  for (int i = 0; i < 3; i++) {
    if (strcmp(name, known[i]) == 0) return (FormatKind)i;
  }
  unknown_name("format", name, known, 3);
  return FORMAT_UNKNOWN;
}

static void draw(const Graph *graph, FILE *out) {
  (graph->n_groups > 0 ? draw_kernels : draw_graph)(graph, out);
}

static bool write_svg(const Graph *graph, FILE *out, MlaError *error) {
  FILE *dot = tmpfile();
  if (!dot) return mla_fail(error, MLA_ERROR_SYSTEM, "cannot make a temporary file: %s", strerror(errno));
  draw(graph, dot);
  bool ok = graphviz_svg(dot, out, error);
  fclose(dot);
  return ok;
}

static bool write_stage(const Graph *graph, FormatKind format, FILE *out, MlaError *error) {
  if (format == FORMAT_SVG) return write_svg(graph, out, error);
  if (format == FORMAT_DOT) draw(graph, out);
  if (format == FORMAT_TEXT) graph_print(graph, out);
  return true;
}

static int write_output(const Compilation *c, const Options *options, FormatKind format) {
  MlaError error = {0};
  FILE *out = options->out ? fopen(options->out, "w") : stdout;
  if (!out) {
    mla_fail(&error, MLA_ERROR_SYSTEM, "cannot write %s: %s", options->out, strerror(errno));
    return report_error(options, &error);
  }
  bool ok = write_stage(c->model->train, format, out, &error);
  if (fflush(out) != 0 && ok) ok = mla_fail(&error, MLA_ERROR_SYSTEM, "cannot write: %s", strerror(errno));
  if (out != stdout && fclose(out) != 0 && ok) {
    ok = mla_fail(&error, MLA_ERROR_SYSTEM, "cannot write %s: %s", options->out, strerror(errno));
  }
  return ok ? STATUS_OK : report_error(options, &error);
}

static char *read_text(Arena *arena, const char *path, size_t *n_bytes) {
  FILE *file = fopen(path, "r");
  if (!file) return NULL;
  size_t capacity = 4096;
  char *text = arena_alloc(arena, capacity);
  for (*n_bytes = 0;;) {
    size_t n = fread(text + *n_bytes, 1, capacity - *n_bytes, file);
    if (n == 0) break;
    *n_bytes += n;
    if (*n_bytes < capacity) continue;
    char *larger = arena_alloc(arena, 2 * capacity);
    memcpy(larger, text, *n_bytes);
    text = larger;
    capacity *= 2;
  }
  bool ok = !ferror(file);
  fclose(file);
  return ok ? text : NULL;
}

// The syntax tree of the main file alone, printed even if the model is wrong further on.
static int print_ast(const Options *options) {
  Arena *arena = arena_new();
  SourceMap *map = source_map_new(arena);
  Diag *diag = diag_new(arena, map);
  MlaError error = {0};
  size_t n_bytes = 0;
  int status = STATUS_OK;
  char *text = read_text(arena, options->input, &n_bytes);
  if (text) {
    const Ast *ast = ast_parse(arena, map, diag, source_add(map, options->input, text, n_bytes));
    diag_print(diag, stderr, false);
    ast_print(ast, map, stdout);
    if (diag_error_count(diag) > 0) status = STATUS_MODEL;
  } else {
    mla_fail(&error, MLA_ERROR_INPUT, "cannot read %s: %s", options->input, strerror(errno));
    status = report_error(options, &error);
  }
  arena_free(arena);
  return status;
}

int verb_graph(const Options *options) {
  StageKind stage = find_stage(options->stage);
  FormatKind format = find_format(options);
  if (stage == STAGE_UNKNOWN || format == FORMAT_UNKNOWN) return STATUS_USAGE;
  if (stage == STAGE_AST && format != FORMAT_TEXT) return usage_error("the stage `ast` is text");
  if (stage == STAGE_AST) return print_ast(options);
  Compilation c;
  int status = choose_load(&c, options);
  if (status == STATUS_OK && (stage == STAGE_PASS || stage == STAGE_KERNELS)) {
    status = compile_passes(&c, options, stage == STAGE_PASS ? options->stage : NULL);
  }
  if (status == STATUS_OK) status = write_output(&c, options, format);
  compile_end(&c);
  return status;
}
