// From a path to a model: files and their imports, the items they define, and the order in which the parts of
// the model are elaborated.
#include "compiler/sema/internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { MAX_FILE_BYTES = 4 << 20, MAX_IMPORTS = 64 };

typedef struct FileEntry {
  const char *real_path; // identity of the file
  bool is_running;       // its imports are being read
  Span import;           // where it was first imported
  struct FileEntry *next;
} FileEntry;

// ---- messages
// -----------------------------------------------------------------------------------------------------

void sema_error(Sema *sema, Span span, const char *format, ...) {
  va_list args;
  va_start(args, format);
  char text[1024];
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  diag_error(sema->diag, span, "%s", text);
  const Frame *frame = sema->frame;
  for (int i = 0; frame && i < 4; i++, frame = frame->outer)
    diag_note(sema->diag, frame->span, "%s", frame->text);
}

const char *suggestion(Sema *sema, const char *name, const char *const *candidates, int n) {
  const char *nearest = diag_nearest(name, candidates, n);
  return nearest ? arena_printf(sema->arena, "; did you mean `%s`?", nearest) : "";
}

const char *word_list(Sema *sema, const char *const *words, int n) {
  StrBuf text = strbuf_new(sema->arena);
  for (int i = 0; i < n; i++)
    strbuf_printf(&text, "%s%s", i == 0 ? "" : i == n - 1 ? " and " : ", ", words[i]);
  return text.text;
}

// ---- items
// --------------------------------------------------------------------------------------------------------

static const Ast *item_name(const Ast *ast) {
  bool has_name = ast->kind == AST_PARAM || ast->kind == AST_LET || ast->kind == AST_DATA ||
                  ast->kind == AST_BLOCK || ast->kind == AST_MODEL || ast->kind == AST_AUXILIARY ||
                  ast->kind == AST_ENTRY;
  return has_name ? ast->kids[0] : NULL;
}

// A `param` of a file replaces that of a file it imports, as --set does.
static bool replaces(Item *known, const Ast *ast, int depth) {
  if (known->kind != AST_PARAM || ast->kind != AST_PARAM || known->depth == depth) return false;
  if (depth < known->depth) {
    known->ast = ast;
    known->depth = depth;
  }
  return true;
}

static void add_item(Sema *sema, const Ast *ast, int depth) {
  const Ast *name = item_name(ast);
  for (Item *known = sema->items; known && name; known = known->next) {
    if (strcmp(known->name, name->text) != 0) continue;
    if (replaces(known, ast, depth)) return;
    sema_error(sema, name->span, "%s is defined twice", name->text);
    sema_note(sema, known->ast->kids[0]->span, "the other definition");
    return;
  }
  Item *item = ARENA_NEW(sema->arena, Item);
  *item = (Item){.kind = ast->kind, .name = name ? name->text : "", .ast = ast, .depth = depth};
  if (sema->last_item)
    sema->last_item->next = item;
  else
    sema->items = item;
  sema->last_item = item;
}

Item *item_find(Sema *sema, AstKind kind, const char *name) {
  for (Item *item = sema->items; item; item = item->next)
    if (item->kind == kind && !strcmp(item->name, name)) return item;
  return NULL;
}

Item *item_only(Sema *sema, AstKind kind, const char *how, bool *is_failed) {
  for (int imported = 0; imported < 2; imported++) {
    Item *found = NULL;
    for (Item *item = sema->items; item; item = item->next) {
      if (item->kind != kind || (item->depth == 0) == imported) continue;
      if (found) {
        sema_error(sema,
                   item->ast->span.end > item->ast->span.begin && item_name(item->ast)
                       ? item_name(item->ast)->span
                       : item->ast->span,
                   "there is more than one %s; %s", ast_kind_word(kind), how);
        sema_note(sema, item_name(found->ast) ? item_name(found->ast)->span : found->ast->span,
                  "another one");
        *is_failed = true;
        return NULL;
      }
      found = item;
    }
    if (found) return found;
  }
  return NULL;
}

static void evaluate_item(Sema *sema, Item *item) {
  Sema saved = *sema;
  const Ast *override = item->kind == AST_PARAM ? override_take(sema, item->name) : NULL;
  item->state = ITEM_RUNNING;
  sema->build = NULL;
  sema->scope = NULL;
  item->value = eval(sema, NULL, override ? override : item->ast->kids[1]);
  item->state = ITEM_DONE;
  sema->build = saved.build;
  sema->scope = saved.scope;
  if (item->kind == AST_PARAM) parameter_note(sema, item->name, item->value, item->ast->kids[0]->span);
}

bool item_value(Sema *sema, const char *name, Value *out) {
  for (Item *item = sema->items; item; item = item->next) {
    if (strcmp(item->name, name) != 0) continue;
    if (item->kind == AST_BLOCK) {
      *out = (Value){.kind = VAL_BLOCK, .block = item};
      return true;
    }
    if (item->kind != AST_LET && item->kind != AST_PARAM) continue;
    item->is_used = true;
    if (item->state == ITEM_RUNNING) {
      sema_error(sema, item->ast->kids[0]->span, "%s is defined by itself", name);
      item->value = value_error(item->ast->span);
    }
    if (item->state == ITEM_NEW) evaluate_item(sema, item);
    *out = item->value;
    return true;
  }
  if (strcmp(name, "classes") != 0 || !sema->has_data) return false;
  *out = value_number(sema->data.classes, NO_SPAN);
  return true;
}

// ---- files
// --------------------------------------------------------------------------------------------------------

// The text of a file, or NULL with the reason.
static char *read_file(Sema *sema, const char *path, size_t *n_bytes, const char **why) {
  struct stat info;
  *why = NULL;
  if (stat(path, &info) != 0)
    *why = strerror(errno);
  else if (!S_ISREG(info.st_mode))
    *why = "it is not a file";
  else if (info.st_size > MAX_FILE_BYTES)
    *why = "it is larger than 4 MiB";
  FILE *file = *why ? NULL : fopen(path, "rb");
  if (!file) {
    if (!*why) *why = strerror(errno);
    return NULL;
  }
  char *text = arena_alloc(sema->arena, (size_t)info.st_size + 1);
  *n_bytes = fread(text, 1, (size_t)info.st_size, file);
  if (ferror(file)) *why = "it cannot be read";
  fclose(file);
  return *why ? NULL : text;
}

static const char *real_path(Sema *sema, const char *path) {
  char *real = realpath(path, NULL);
  if (!real) return path;
  const char *copy = arena_strdup(sema->arena, real);
  free(real);
  return copy;
}

static const char *beside(Sema *sema, uint32_t file, const char *path) {
  const char *importer = sema->map->files[file].path, *slash = strrchr(importer, '/');
  if (!slash || *path == '/') return path;
  return arena_printf(sema->arena, "%.*s/%s", (int)(slash - importer), importer, path);
}

static bool exists(const char *path) {
  struct stat info;
  return stat(path, &info) == 0;
}

static void load_file(Sema *sema, const char *path, Span import, int depth);

static void load_import(Sema *sema, const Ast *import, int depth) {
  const char *wanted = import->kids[0]->text;
  const char *path = beside(sema, import->span.file, wanted), *library = sema->options->library_dir;
  const char *in_library = library ? arena_printf(sema->arena, "%s/%s", library, wanted) : NULL;
  if (!exists(path) && in_library && exists(in_library)) path = in_library;
  if (!exists(path)) {
    sema_error(sema, import->kids[0]->span, "there is no file \"%s\"", wanted);
    sema_note(sema, NO_SPAN, "looked for it beside the importing file%s",
              in_library ? " and in the library" : "");
    return;
  }
  load_file(sema, path, import->kids[0]->span, depth + 1);
}

static void load_text(Sema *sema, const char *path, const char *text, size_t n_bytes, int depth) {
  uint32_t file = source_add(sema->map, path, text, n_bytes);
  Ast *ast = ast_parse(sema->arena, sema->map, sema->diag, file);
  for (int i = 0; i < ast->n_kids; i++)
    if (ast->kids[i]->kind == AST_IMPORT) load_import(sema, ast->kids[i], depth);
  for (int i = 0; i < ast->n_kids; i++)
    if (ast->kids[i]->kind != AST_IMPORT && ast->kids[i]->kind != AST_MISTAKE)
      add_item(sema, ast->kids[i], depth);
}

static void report_circle(Sema *sema, const FileEntry *entry, Span import) {
  sema_error(sema, import, "this import closes a circle");
  for (const FileEntry *e = sema->files; e != entry; e = e->next)
    if (e->is_running) sema_note(sema, e->import, "by way of this import");
}

static void load_file(Sema *sema, const char *path, Span import, int depth) {
  const char *real = real_path(sema, path), *why;
  for (FileEntry *entry = sema->files; entry; entry = entry->next) {
    if (strcmp(entry->real_path, real) != 0) continue;
    if (entry->is_running) report_circle(sema, entry, import);
    return;
  }
  if (depth > MAX_IMPORTS) {
    sema_error(sema, import, "imports are nested more than %d deep", MAX_IMPORTS);
    return;
  }
  size_t n_bytes;
  char *text = read_file(sema, path, &n_bytes, &why);
  if (!text) {
    sema_error(sema, import, "cannot read %s: %s", path, why);
    return;
  }
  FileEntry *entry = ARENA_NEW(sema->arena, FileEntry);
  *entry = (FileEntry){.real_path = real, .is_running = true, .import = import, .next = sema->files};
  sema->files = entry;
  load_text(sema, path, text, n_bytes, depth);
  entry->is_running = false;
}

// ---- elaboration
// --------------------------------------------------------------------------------------------------

static bool has_errors(const Sema *sema) {
  return diag_error_count(sema->diag) > 0;
}

static bool choose_split(Sema *sema) {
  bool is_failed = false;
  sema->split = item_only(sema, AST_SPLIT, "a program trains one model", &is_failed);
  return !is_failed;
}

// Lets and params that nothing asked for are evaluated too, for their mistakes.
static void evaluate_rest(Sema *sema) {
  for (Item *item = sema->items; item; item = item->next)
    if ((item->kind == AST_LET || item->kind == AST_PARAM) && item->state == ITEM_NEW)
      evaluate_item(sema, item);
}

static bool build_evaluation(Sema *sema, Model *model, const Item *item, const Args *args) {
  Build *eval_build = model_elaborate(sema, item, args, model->states, false, true, sema->backbone);
  if (!eval_build) return false;
  split_apply(sema, eval_build, sema->backbone, item->ast->kids[0]->span);
  model->eval = eval_build->graph;
  return true;
}

static bool build_end_to_end(Sema *sema, Model *model, const Item *item, const Args *args) {
  Build *whole = model_elaborate(sema, item, args, state_table_new(sema->arena), true, false, NULL);
  if (!whole) return false;
  split_apply(sema, whole, NULL, item->ast->kids[0]->span);
  auxiliary_default_loss(sema, whole, item->ast->kids[0]->span);
  whole->graph->losses = whole->losses;
  whole->graph->n_losses = whole->n_losses;
  model->end_to_end = whole->graph;
  return true;
}

static bool build_training(Sema *sema, Model *model, const Item *item, const Args *args) {
  model->states = state_table_new(sema->arena);
  sema->backbone = model_elaborate(sema, item, args, model->states, true, false, NULL);
  if (!sema->backbone || !split_resolve(sema)) return false;
  const Ast *cut = sema->split ? sema->split->ast->kids[1] : item->ast->kids[0];
  split_apply(sema, sema->backbone, sema->backbone, cut->span);
  if (!entry_insert(sema, item, args, &model->states)) return false;
  if (!split_check_borders(sema, sema->backbone) || !auxiliary_elaborate(sema, item)) return false;
  model->train = sema->backbone->graph;
  return check_training(sema);
}

static bool elaborate(Sema *sema, Model *model) {
  bool ok = settings_train(sema);
  if (!settings_data(sema) || !ok || !choose_split(sema) || !model_choose(sema)) return false;
  const Item *item = sema->model->item;
  const Args *args = reference_args(sema, sema->model);
  model->name = item->name;
  if (!build_training(sema, model, item, args)) return false;
  if (!build_evaluation(sema, model, item, args) || !build_end_to_end(sema, model, item, args)) return false;
  state_table_sort(model->states, (Graph *[]){model->train, model->eval}, 2);
  state_table_sort(model->end_to_end->states, (Graph *[]){model->end_to_end}, 1);
  model->data = sema->data;
  model->recipe = sema->recipe;
  model->precision_span = sema->precision_span;
  model->recompute = sema->recompute;
  split_places(sema, model);
  return true;
}

// What `sema_print_parameters` needs beside the model.
typedef struct LoadedModel {
  Model model; // first: a Model * is cast back
  const Parameter *parameters;
} LoadedModel;

static Model *finish(Sema *sema) {
  LoadedModel *loaded = ARENA_NEW(sema->arena, LoadedModel);
  if (has_errors(sema)) return NULL;
  bool ok = elaborate(sema, &loaded->model);
  sema->build = NULL;
  sema->scope = NULL;
  sema->frame = NULL;
  evaluate_rest(sema);
  if (ok) check_unused(sema);
  if (ok) override_report_unknown(sema);
  loaded->parameters = sema->parameters;
  return has_errors(sema) ? NULL : &loaded->model;
}

static Sema *sema_new(Arena *arena, SourceMap *map, Diag *diag, const SemaOptions *options) {
  static const SemaOptions none = {0};
  Sema *sema = ARENA_NEW(arena, Sema);
  *sema = (Sema){.arena = arena, .map = map, .diag = diag, .options = options ? options : &none};
  sema->override_used = ARENA_ARRAY(arena, bool, sema->options->n_overrides + 1);
  return sema;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

Model *sema_load(Arena *arena, SourceMap *map, Diag *diag, const char *path, const SemaOptions *options) {
  Sema *sema = sema_new(arena, map, diag, options);
  double start = now();
  load_file(sema, path, NO_SPAN, 0);
  double parse_seconds = now() - start;
  Model *model = finish(sema);
  if (model) model->parse_seconds = parse_seconds;
  return model;
}

Model *sema_load_text(Arena *arena, SourceMap *map, Diag *diag, const char *name, const char *text,
                      const SemaOptions *options) {
  Sema *sema = sema_new(arena, map, diag, options);
  load_text(sema, name, text, strlen(text), 0);
  return finish(sema);
}

void sema_print_parameters(const Model *model, FILE *out) {
  const Parameter *parameter = ((const LoadedModel *)model)->parameters;
  for (; parameter; parameter = parameter->next)
    fprintf(out, "%s = %s%s\n", parameter->name, parameter->value, parameter->where);
}
