// Reads what program_save.c writes. The tables say what must be there; anything else is an error that names
// the file and the key. Then mla_program_check looks at the meaning.
#include "runtime/program_check.h"
#include "runtime/program_json.h"
#include "runtime/program_schema.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_TEXT = 64 << 20 };

typedef struct Block {
  struct Block *next;
  alignas(max_align_t) unsigned char bytes[];
} Block;

// What mla_program_load returns: the program first, then the memory it points into.
typedef struct LoadedProgram {
  MlaProgram program;
  Block *blocks;
} LoadedProgram;

typedef struct Reader {
  LoadedProgram *loaded;
  const char *dir;
  MlaError *error;
  char key[256]; // of the value being read: "train.launches[3].parts"
} Reader;

static void *take_memory(Reader *reader, size_t n_bytes) {
  Block *block = calloc(1, sizeof *block + n_bytes);
  if (!block) return mla_fail(reader->error, MLA_ERROR_SYSTEM, "out of memory"), NULL;
  block->next = reader->loaded->blocks;
  reader->loaded->blocks = block;
  return block->bytes;
}

static bool fail_at(Reader *reader, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool fail_at(Reader *reader, const char *format, ...) {
  char text[512];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  return mla_fail(reader->error, MLA_ERROR_INPUT, "%s/plan.json: %s%s%s", reader->dir, reader->key,
                  reader->key[0] ? ": " : "", text);
}

// Goes down to a key or an element; the returned length brings the reader back with leave().
static size_t enter_key(Reader *reader, const char *key) {
  size_t n = strlen(reader->key);
  snprintf(reader->key + n, sizeof reader->key - n, "%s%s", n ? "." : "", key);
  return n;
}

static size_t enter_element(Reader *reader, size_t index) {
  size_t n = strlen(reader->key);
  snprintf(reader->key + n, sizeof reader->key - n, "[%zu]", index);
  return n;
}

static void leave(Reader *reader, size_t length) {
  reader->key[length] = 0;
}

// ---- values
// --------------------------------------------------------------------------------------------------------

static bool read_record(Reader *reader, const Schema *schema, const json_t *json, char *record, int n_extra);

static bool read_text(Reader *reader, const Field *field, const json_t *json, void *to) {
  char *text = NULL;
  if (!json_is_null(json) || field->kind != FIELD_OPTIONAL_TEXT) {
    if (!json_is_string(json)) return fail_at(reader, "expected a text");
    text = take_memory(reader, json_string_length(json) + 1);
    if (!text) return false;
    memcpy(text, json_string_value(json), json_string_length(json));
  }
  memcpy(to, &text, sizeof text);
  return true;
}

static bool read_name(Reader *reader, const Field *field, const json_t *json, void *to) {
  for (int32_t i = 0; json_is_string(json) && field->names[i]; i++) {
    if (strcmp(field->names[i], json_string_value(json)) != 0) continue;
    memcpy(to, &i, sizeof i);
    return true;
  }
  char known[128] = "";
  for (int i = 0; field->names[i]; i++) {
    if (i) strncat(known, ", ", sizeof known - strlen(known) - 1);
    strncat(known, field->names[i], sizeof known - strlen(known) - 1);
  }
  return fail_at(reader, "expected one of %s", known);
}

static bool read_integer(Reader *reader, const Field *field, const json_t *json, void *to) {
  if (!json_is_integer(json)) return fail_at(reader, "expected a whole number");
  int64_t value = json_integer_value(json);
  if (field->kind == FIELD_INT64 || field->kind == FIELD_UINT64) {
    memcpy(to, &value, sizeof value);
    return true;
  }
  if (value < INT32_MIN || value > INT32_MAX) return fail_at(reader, "%" PRId64 " is too large", value);
  int32_t narrow = (int32_t)value;
  memcpy(to, &narrow, sizeof narrow);
  return true;
}

static bool read_value(Reader *reader, const Field *field, const json_t *json, void *to) {
  double real = json_number_value(json);
  bool truth = json_is_true(json);
  switch (field->kind) {
  case FIELD_TEXT:
  case FIELD_OPTIONAL_TEXT: return read_text(reader, field, json, to);
  case FIELD_NAME: return read_name(reader, field, json, to);
  case FIELD_INT:
  case FIELD_INT32:
  case FIELD_INT64:
  case FIELD_UINT64: return read_integer(reader, field, json, to);
  case FIELD_RECORD: return read_record(reader, field->schema, json, to, 0);
  case FIELD_BOOL:
    if (!json_is_boolean(json)) return fail_at(reader, "expected true or false");
    memcpy(to, &truth, sizeof truth);
    return true;
  case FIELD_REAL:
    if (!json_is_number(json)) return fail_at(reader, "expected a number");
    memcpy(to, &real, sizeof real);
    return true;
  }
  return false;
}

// Where a list's elements go, with its length checked or stored; NULL after an error.
static char *make_list(Reader *reader, const Field *field, size_t n, char *record) {
  if (field->count && field->count(record) != (int64_t)n)
    return fail_at(reader, "%zu values; the rest of the record implies %lld", n,
                   (long long)field->count(record)),
           NULL;
  if (field->list == LIST_INLINE ? n > (size_t)field->capacity : n > INT_MAX)
    return fail_at(reader, "%zu values are too many", n), NULL;
  int narrow = (int)n;
  if (!field->count) memcpy(record + field->count_offset, &narrow, sizeof narrow);
  if (field->list == LIST_INLINE) return record + field->offset;
  char *list = take_memory(reader, n * mla_field_bytes(field));
  if (list && n) memcpy(record + field->offset, &list, sizeof list);
  return list;
}

static bool read_list(Reader *reader, const Field *field, const json_t *json, char *record) {
  if (!json_is_array(json)) return fail_at(reader, "expected a list");
  size_t n = json_array_size(json);
  char *at = make_list(reader, field, n, record);
  if (!at) return false;
  for (size_t i = 0; i < n; i++) {
    size_t here = enter_element(reader, i);
    if (!read_value(reader, field, json_array_get(json, i), at + i * mla_field_bytes(field))) return false;
    leave(reader, here);
  }
  return true;
}

// Nothing may be there that no table knows: it would be a plan of another version, or a spelling mistake.
static bool fail_unknown_key(Reader *reader, const Schema *schema, const json_t *json) {
  const char *key;
  json_t *value;
  json_object_foreach((json_t *)(uintptr_t)json, key, value) {
    const Field *field = schema->fields;
    while (field->key && strcmp(field->key, key) != 0) field++;
    if (!field->key && strcmp(key, "format") != 0 && strcmp(key, "version") != 0)
      return fail_at(reader, "unknown key \"%s\"", key);
  }
  return fail_at(reader, "unknown keys");
}

static bool read_record(Reader *reader, const Schema *schema, const json_t *json, char *record, int n_extra) {
  if (!json_is_object(json)) return fail_at(reader, "expected a record");
  size_t n_fields = (size_t)n_extra;
  for (const Field *field = schema->fields; field->key; field++, n_fields++) {
    size_t here = enter_key(reader, field->key);
    const json_t *value = json_object_get(json, field->key);
    if (!value) return fail_at(reader, "missing");
    bool good = field->list ? read_list(reader, field, value, record)
                            : read_value(reader, field, value, record + field->offset);
    if (!good) return false;
    leave(reader, here);
  }
  return json_object_size(json) == n_fields || fail_unknown_key(reader, schema, json);
}

// ---- files
// ---------------------------------------------------------------------------------------------------------

static bool read_stream(Reader *reader, FILE *file, const char *path, char **text) {
  struct stat about;
  if (fstat(fileno(file), &about) != 0 || !S_ISREG(about.st_mode) || about.st_size > MAX_TEXT)
    return mla_fail(reader->error, MLA_ERROR_INPUT, "%s: no plain file of a sensible size", path);
  size_t n = (size_t)about.st_size;
  *text = take_memory(reader, n + 1);
  if (!*text) return false;
  if (fread(*text, 1, n, file) != n)
    return mla_fail(reader->error, MLA_ERROR_INPUT, "%s: cannot be read", path);
  return strlen(*text) == n ||
         mla_fail(reader->error, MLA_ERROR_INPUT, "%s: holds zero bytes: it is damaged", path);
}

static bool read_file(Reader *reader, const char *name, char **text) {
  char *path;
  if (asprintf(&path, "%s/%s", reader->dir, name) < 0)
    return mla_fail(reader->error, MLA_ERROR_SYSTEM, "out of memory");
  FILE *file = fopen(path, "r");
  bool good = file ? read_stream(reader, file, path, text)
                   : mla_fail(reader->error, MLA_ERROR_INPUT, "cannot read %s: %s", path, strerror(errno));
  if (file) fclose(file);
  free(path);
  return good;
}

// Files of kernels, each read once.
typedef struct KernelFile {
  char name[MLA_KERNEL_FILE_BYTES];
  char *text;
} KernelFile;

static const char *read_kernel_file(Reader *reader, KernelFile *files, const MlaKernel *kernel) {
  char name[MLA_KERNEL_FILE_BYTES];
  mla_kernel_file(&reader->loaded->program, kernel, name);
  while (files->text && strcmp(files->name, name) != 0) files++;
  if (files->text) return files->text;
  memcpy(files->name, name, sizeof name);
  return read_file(reader, name, &files->text) ? files->text : NULL;
}

// From behind the kernel's mark to the next one.
static char *cut_kernel(Reader *reader, const char *file, const MlaKernel *kernel) {
  char mark[MLA_KERNEL_FILE_BYTES];
  int length = snprintf(mark, sizeof mark, "\n" MLA_KERNEL_MARK "%s\n", kernel->symbol);
  const char *begin = strstr(file, mark);
  if (!begin) {
    char name[MLA_KERNEL_FILE_BYTES];
    mla_kernel_file(&reader->loaded->program, kernel, name);
    return mla_fail(reader->error, MLA_ERROR_INPUT, "%s/%s: there is no line `%.*s`", reader->dir, name,
                    length - 2, mark + 1),
           NULL;
  }
  begin += length;
  const char *end = strstr(begin, "\n" MLA_KERNEL_MARK);
  size_t n = end ? (size_t)(end - begin) : strlen(begin);
  char *text = take_memory(reader, n + 1);
  return text ? memcpy(text, begin, n) : NULL;
}

static bool read_kernels(Reader *reader) {
  MlaProgram *program = &reader->loaded->program;
  MlaKernel *kernels = (MlaKernel *)(uintptr_t)program->kernels; // ours: made by read_list
  KernelFile *files = take_memory(reader, ((size_t)program->n_kernels + 1) * sizeof *files);
  for (int i = 0; i < program->n_kernels && files; i++) {
    leave(reader, 0);
    if (!mla_is_symbol(kernels[i].symbol))
      return fail_at(reader, "kernels[%d].symbol: not a C identifier", i);
    if (kernels[i].file && !mla_is_symbol(kernels[i].file))
      return fail_at(reader, "kernels[%d].file: not a C identifier", i);
    const char *file = read_kernel_file(reader, files, &kernels[i]);
    if (!file || !(kernels[i].text = cut_kernel(reader, file, &kernels[i]))) return false;
  }
  if (!files) return false;
  char *prelude;
  if (!read_file(reader, mla_prelude_file(program->target), &prelude)) return false;
  program->prelude = prelude;
  return true;
}

static bool read_head(Reader *reader, const json_t *plan) {
  const char *format = json_string_value(json_object_get(plan, "format"));
  const json_t *version = json_object_get(plan, "version");
  if (!format || strcmp(format, MLA_PLAN_FORMAT) != 0)
    return fail_at(reader, "the key \"format\" does not say \"%s\"", MLA_PLAN_FORMAT);
  if (!json_is_integer(version)) return fail_at(reader, "version: expected a whole number");
  if (json_integer_value(version) == MLA_PLAN_VERSION) return true;
  return fail_at(reader,
                 "version: the plan has version %" JSON_INTEGER_FORMAT "; this program reads version %d",
                 json_integer_value(version), MLA_PLAN_VERSION);
}

static json_t *parse_plan(Reader *reader) {
  char *text;
  json_error_t place;
  if (!read_file(reader, "plan.json", &text)) return NULL;
  json_t *plan = json_loads(text, JSON_REJECT_DUPLICATES, &place);
  if (!plan)
    mla_fail(reader->error, MLA_ERROR_INPUT, "%s/plan.json:%d:%d: %s", reader->dir, place.line, place.column,
             place.text);
  return plan;
}

static bool check_plan(Reader *reader) {
  MlaError inner = {0};
  leave(reader, 0);
  if (mla_program_check(&reader->loaded->program, &inner)) return true;
  return inner.kind == MLA_ERROR_INPUT ? fail_at(reader, "%s", inner.text)
                                       : mla_fail(reader->error, inner.kind, "%s", inner.text);
}

MlaProgram *mla_program_load(const char *dir, MlaError *error) {
  LoadedProgram *loaded = calloc(1, sizeof *loaded);
  if (!loaded) return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory"), NULL;
  Reader reader = {.loaded = loaded, .dir = dir, .error = error};
  json_t *plan = parse_plan(&reader);
  enum { FORMAT_AND_VERSION = 2 };
  bool good = plan && read_head(&reader, plan) &&
              read_record(&reader, &mla_program_schema, plan, (char *)&loaded->program, FORMAT_AND_VERSION) &&
              read_kernels(&reader) && check_plan(&reader);
  json_decref(plan);
  if (good) return &loaded->program;
  mla_program_free(&loaded->program);
  return NULL;
}

void mla_program_free(MlaProgram *program) {
  LoadedProgram *loaded = (LoadedProgram *)program;
  for (Block *block = loaded ? loaded->blocks : NULL, *next; block; block = next) {
    next = block->next;
    free(block);
  }
  free(loaded);
}
