// Writes a program as DIR/plan.json, DIR/prelude.h and DIR/kernels/<file>.c (CUDA: prelude.cuh and .cu). Each file
// appears by rename, plan.json last: a plan that is there is whole. Records of a list stand on one line each, so that a plan can
// be read and compared by line.
#include "runtime/program_check.h"
#include "runtime/program_json.h"
#include "runtime/program_schema.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// ---- structures to JSON; NULL: no memory, or text that is not UTF-8, or a number that is not finite
// ----------------

static json_t *record_to_json(const Schema *schema, const char *record);

static json_t *value_to_json(const Field *field, const void *value) {
  const char *text;
  int32_t i32;
  int64_t i64;
  double real;
  bool truth;
  switch (field->kind) {
  case FIELD_TEXT:
  case FIELD_OPTIONAL_TEXT:
    memcpy(&text, value, sizeof text);
    return text ? json_string(text) : field->kind == FIELD_TEXT ? json_string("") : json_null();
  case FIELD_BOOL: memcpy(&truth, value, sizeof truth); return json_boolean(truth);
  case FIELD_INT:
  case FIELD_INT32: memcpy(&i32, value, sizeof i32); return json_integer(i32);
  case FIELD_INT64:
  case FIELD_UINT64: memcpy(&i64, value, sizeof i64); return json_integer(i64);
  case FIELD_REAL: memcpy(&real, value, sizeof real); return json_real(real);
  case FIELD_NAME: memcpy(&i32, value, sizeof i32); return json_string(field->names[i32]);
  case FIELD_RECORD: return record_to_json(field->schema, value);
  }
  return NULL;
}

static json_t *list_to_json(const Field *field, const char *record) {
  const char *at = record + field->offset;
  int64_t n = mla_field_count(field, record);
  if (field->list == LIST_POINTER) memcpy(&at, record + field->offset, sizeof at);
  json_t *list = json_array();
  for (int64_t i = 0; i < n && list; i++)
    if (json_array_append_new(list, value_to_json(field, at + (size_t)i * mla_field_bytes(field))) != 0) {
      json_decref(list);
      return NULL;
    }
  return list;
}

static json_t *record_to_json(const Schema *schema, const char *record) {
  json_t *object = json_object();
  for (const Field *field = schema->fields; field->key && object; field++) {
    json_t *value = field->list ? list_to_json(field, record) : value_to_json(field, record + field->offset);
    if (json_object_set_new(object, field->key, value) != 0) {
      json_decref(object);
      return NULL;
    }
  }
  return object;
}

// ---- JSON to text
// --------------------------------------------------------------------------------------------------

static bool is_records(const json_t *value) {
  return json_is_object(json_array_get(value, 0));
}

// Whether the value is broken into lines: the program, its steps, and lists of records.
static bool is_broken(const json_t *value) {
  return json_object_get(value, "version") || json_object_get(value, "launches") || is_records(value);
}

static void print_value(FILE *file, const json_t *value, int indent);

static void print_lines(FILE *file, const json_t *value, int indent) {
  const char *key, *separator = "";
  json_t *item;
  size_t i;
  fputc(json_is_array(value) ? '[' : '{', file);
  json_array_foreach(value, i, item) {
    fprintf(file, "%s\n%*s", separator, indent + 1, "");
    print_value(file, item, indent + 1);
    separator = ",";
  }
  json_object_foreach((json_t *)(uintptr_t)value, key, item) {
    fprintf(file, "%s\n%*s\"%s\": ", separator, indent + 1, "", key);
    print_value(file, item, indent + 1);
    separator = ",";
  }
  fprintf(file, "\n%*s%c", indent, "", json_is_array(value) ? ']' : '}');
}

static void print_value(FILE *file, const json_t *value, int indent) {
  if (is_broken(value))
    print_lines(file, value, indent);
  else
    json_dumpf(value, file, JSON_ENCODE_ANY | JSON_REAL_PRECISION(17)); // failures stay in ferror
}

// ---- files
// ---------------------------------------------------------------------------------------------------------

static bool fail_write(MlaError *error, const char *path) {
  return mla_fail(error, MLA_ERROR_SYSTEM, "cannot write %s: %s", path, strerror(errno));
}

static bool make_dir(const char *dir, MlaError *error) {
  return mkdir(dir, 0777) == 0 || errno == EEXIST || fail_write(error, dir);
}

// Makes dir and what is above it.
static bool make_dirs(const char *dir, MlaError *error) {
  char *path = strdup(dir);
  if (!path) return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  bool good = true;
  for (char *at = path + (*path != 0); *at && good; at++) {
    if (*at != '/') continue;
    *at = 0;
    good = make_dir(path, error);
    *at = '/';
  }
  good = good && make_dir(path, error);
  free(path);
  return good;
}

// Text or, where `json` is not NULL, a plan, to DIR/name.
static bool write_file(const char *dir, const char *name, const char *text, const json_t *json,
                       MlaError *error) {
  char *path = NULL, *temp = NULL;
  if (asprintf(&path, "%s/%s", dir, name) < 0 || asprintf(&temp, "%s/%s.tmp", dir, name) < 0) {
    free(path);
    return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  }
  FILE *file = fopen(temp, "w");
  if (file && json) {
    print_value(file, json, 0);
    fputc('\n', file);
  } else if (file) {
    fputs(text, file);
  }
  bool good = file && fflush(file) == 0 && !ferror(file);
  if (!good) fail_write(error, path);
  if (file && fclose(file) != 0 && good) good = fail_write(error, path);
  if (good && rename(temp, path) != 0) good = fail_write(error, path);
  if (file && !good) unlink(temp);
  free(path);
  free(temp);
  return good;
}

bool mla_write_text(const char *dir, const char *name, const char *text, MlaError *error) {
  const char *slash = strrchr(name, '/');
  char *folder = NULL;
  if (asprintf(&folder, "%s/%.*s", dir, slash ? (int)(slash - name) : 0, name) < 0)
    return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  bool good = make_dirs(folder, error) && write_file(dir, name, text, NULL, error);
  free(folder);
  return good;
}

static bool is_in_file(const MlaProgram *program, int kernel, const char *name) {
  char other[MLA_KERNEL_FILE_BYTES];
  mla_kernel_file(program, &program->kernels[kernel], other);
  return strcmp(other, name) == 0;
}

static void print_kernels(FILE *text, const MlaProgram *program, const char *name, int first) {
  int n = 0;
  for (int i = first; i < program->n_kernels; i++) n += is_in_file(program, i, name);
  fprintf(text, "// %s of `%s`: %d kernel%s, in the order in which a step first comes to them.\n", name,
          program->model, n, n == 1 ? "" : "s");
  fprintf(text, "#include \"../%s\"\n", mla_prelude_file(program->target));
  for (int i = first; i < program->n_kernels; i++) {
    if (!is_in_file(program, i, name)) continue;
    const MlaKernel *kernel = &program->kernels[i];
    fprintf(text, "\n" MLA_KERNEL_MARK "%s\n%s", kernel->symbol, kernel->text);
  }
}

static bool write_kernel_file(const MlaProgram *program, const char *dir, const char *name, int first,
                              MlaError *error) {
  char *text = NULL;
  size_t n_bytes = 0;
  FILE *memory = open_memstream(&text, &n_bytes);
  if (memory) print_kernels(memory, program, name, first);
  bool good = (memory && fclose(memory) == 0) || mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  good = good && write_file(dir, name, text, NULL, error);
  free(text);
  return good;
}

static bool write_kernels(const MlaProgram *program, const char *dir, MlaError *error) {
  for (int i = 0; i < program->n_kernels; i++) {
    char name[MLA_KERNEL_FILE_BYTES];
    if (mla_kernel_is_first(program, i, name) && !write_kernel_file(program, dir, name, i, error))
      return false;
  }
  return true;
}

static bool check_no_host(const MlaStep *step, MlaError *error) {
  for (int i = 0; i < step->n_launches; i++)
    if (step->launches[i].kernel < 0)
      return mla_fail(error, MLA_ERROR_INPUT,
                      "launch `%s` has no kernel: a program of the reference device cannot be saved",
                      step->launches[i].name);
  return true;
}

static json_t *plan_to_json(const MlaProgram *program, MlaError *error) {
  json_t *plan = json_object(), *rest = record_to_json(&mla_program_schema, (const char *)program);
  bool good = plan && rest && json_object_set_new(plan, "format", json_string(MLA_PLAN_FORMAT)) == 0 &&
              json_object_set_new(plan, "version", json_integer(MLA_PLAN_VERSION)) == 0 &&
              json_object_update(plan, rest) == 0;
  json_decref(rest);
  if (good) return plan;
  json_decref(plan);
  mla_fail(error, MLA_ERROR_INPUT,
           "the program cannot be written as JSON: a name is not UTF-8 text, a number is not "
           "finite, or memory is short");
  return NULL;
}

bool mla_program_save(const MlaProgram *program, const char *dir, MlaError *error) {
  if (!mla_program_check(program, error) || !check_no_host(&program->train, error) ||
      !check_no_host(&program->eval, error))
    return false;
  json_t *plan = plan_to_json(program, error);
  char *kernels = NULL;
  if (plan && asprintf(&kernels, "%s/kernels", dir) < 0) mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  bool good = plan && kernels && make_dirs(kernels, error) && write_kernels(program, dir, error) &&
              write_file(dir, mla_prelude_file(program->target), program->prelude ? program->prelude : "",
                         NULL, error) &&
              write_file(dir, "plan.json", NULL, plan, error);
  free(kernels);
  json_decref(plan);
  return good;
}
