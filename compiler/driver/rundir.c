// Names of run directories and the record of the model that is kept there.
#include "compiler/driver/rundir.h"
#include "compiler/support/strbuf.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

// "models/man.mlaan" -> "man", "out/plan/" -> "plan".
static const char *stem(Arena *arena, const char *path) {
  char *text = arena_strdup(arena, path);
  for (size_t n = strlen(text); n > 1 && text[n - 1] == '/'; n--) text[n - 1] = '\0';
  char *slash = strrchr(text, '/');
  char *name = slash && slash[1] ? slash + 1 : text;
  char *dot = strrchr(name, '.');
  if (dot && dot != name) *dot = '\0';
  return name;
}

// Directories that `run` made hold the plan in a folder of their own; those that `emit` made are the plan.
static bool is_run_dir(Arena *arena, const char *input) {
  const char *dir = plan_dir(arena, input);
  return dir && strcmp(dir, input) != 0;
}

const char *rundir_path(Arena *arena, const Options *options, bool exists) {
  if (options->run_dir) return options->run_dir;
  if (options->name) return arena_printf(arena, "runs/%s", options->name);
  if (is_run_dir(arena, options->input)) return options->input;
  const char *first = arena_printf(arena, "runs/%s", stem(arena, options->input));
  const char *newest = first, *next = first;
  for (int number = 2; access(arena_printf(arena, "%s/run.json", next), F_OK) == 0; number++) {
    newest = next;
    next = arena_printf(arena, "%s-%d", first, number);
  }
  return exists ? newest : next;
}

// The file number of the import that this line names, or 0. Files are known by the ending of their path.
static uint32_t imported_file(const SourceMap *map, const char *line) {
  line += strspn(line, " \t");
  if (strncmp(line, "import", 6) != 0) return 0;
  const char *open = strchr(line, '"'), *newline = strchr(line, '\n');
  const char *close = open ? strchr(open + 1, '"') : NULL;
  if (!close || (newline && close > newline)) return 0;
  size_t length = (size_t)(close - open - 1);
  for (uint32_t i = 1; i < map->n_files; i++) {
    size_t n = strlen(map->files[i].path);
    if (n >= length && memcmp(map->files[i].path + n - length, open + 1, length) == 0) return i;
  }
  return 0;
}

static void put_file(StrBuf *out, const SourceMap *map, uint32_t file, bool *is_written) {
  is_written[file] = true;
  for (const char *line = map->files[file].text; *line;) {
    const char *end = strchr(line, '\n');
    size_t n = end ? (size_t)(end - line) + 1 : strlen(line);
    uint32_t other = imported_file(map, line);
    if (other) strbuf_printf(out, "# %.*s", (int)n, line);
    if (!other) strbuf_printf(out, "%.*s", (int)n, line);
    if (!end) strbuf_put(out, "\n");
    if (other && !is_written[other]) put_file(out, map, other, is_written);
    line += n;
  }
}

const char *rundir_model_text(const Compilation *c, const Options *options) {
  if (!c->model || c->map->n_files < 2) return NULL;
  StrBuf out = strbuf_new(c->arena);
  const MlaRecipe *recipe = &c->model->recipe;
  strbuf_printf(&out, "# %s, batch %" PRId64 ", seed %" PRIu64 ", %s\n", options->input, recipe->batch,
                recipe->seed, mla_precision_name(recipe->precision));
  for (int i = 0; i < options->sets.n; i++) strbuf_printf(&out, "# --set %s\n", options->sets.items[i]);
  if (c->split.text) strbuf_printf(&out, "# --set split=%s\n", c->split.text);
  put_file(&out, c->map, 1, ARENA_ARRAY(c->arena, bool, c->map->n_files + 1));
  return out.text;
}
