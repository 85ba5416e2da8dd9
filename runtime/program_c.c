// A program as a C initialiser of its structures, so that it can be linked instead of loaded. The kernels' texts are left
// out: whoever links the program links the kernels too.
//   const MlaProgram NAME = {
//     .model = "resnet32",
//     .recipe = {.lr = 0.1, .epochs = 100},
//     .buffers = (const MlaBuffer[]){
//       {.name = "stem/conv1", .region = 1 /* param */, .n_bytes = 1728},
#include "runtime/program_json.h"
#include "runtime/program_schema.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

static void print_text(FILE *out, const char *text) {
  if (!text) {
    fputs("NULL", out);
    return;
  }
  fputc('"', out);
  for (; *text; text++) {
    if (*text == '"' || *text == '\\' || *text == '?') // a pair of ? could begin a trigraph
      fprintf(out, "\\%c", *text);
    else if ((unsigned char)*text < ' ')
      fprintf(out, "\\%03o", (unsigned)*text);
    else
      fputc(*text, out);
  }
  fputc('"', out);
}

static void print_real(FILE *out, double value) {
  char digits[40];
  snprintf(digits, sizeof digits, "%.17g", value);
  fprintf(out, strpbrk(digits, ".e") ? "%s" : "%s.0", digits);
}

static void print_record(FILE *out, const Schema *schema, const char *record, int indent);

static void print_value(FILE *out, const Field *field, const void *value, int indent) {
  const char *text;
  int32_t i32;
  int64_t i64;
  double real;
  bool truth;
  switch (field->kind) {
  case FIELD_TEXT:
  case FIELD_OPTIONAL_TEXT: memcpy(&text, value, sizeof text), print_text(out, text); break;
  case FIELD_BOOL: memcpy(&truth, value, sizeof truth), fputs(truth ? "true" : "false", out); break;
  case FIELD_INT:
  case FIELD_INT32: memcpy(&i32, value, sizeof i32), fprintf(out, "%" PRId32, i32); break;
  case FIELD_INT64: memcpy(&i64, value, sizeof i64), fprintf(out, "%" PRId64, i64); break;
  case FIELD_UINT64: memcpy(&i64, value, sizeof i64), fprintf(out, "%" PRIu64 "u", (uint64_t)i64); break;
  case FIELD_REAL: memcpy(&real, value, sizeof real), print_real(out, real); break;
  case FIELD_NAME:
    memcpy(&i32, value, sizeof i32);
    fprintf(out, "%" PRId32 " /* %s */", i32, field->names[i32]);
    break;
  case FIELD_RECORD: print_record(out, field->schema, value, indent); break;
  }
}

static const char *element_type(const Field *field) {
  if (field->kind == FIELD_RECORD) return field->schema->name;
  return field->kind == FIELD_REAL ? "double" : field->kind == FIELD_INT64 ? "int64_t" : "int32_t";
}

// Records of a list stand on a line each.
static void print_list(FILE *out, const Field *field, const char *record, int64_t n, int indent) {
  const char *at = record + field->offset;
  bool is_pointer = field->list == LIST_POINTER, is_broken = is_pointer && field->kind == FIELD_RECORD;
  if (is_pointer) {
    memcpy(&at, record + field->offset, sizeof at);
    fprintf(out, "(const %s[])", element_type(field));
  }
  fputc('{', out);
  for (int64_t i = 0; i < n; i++) {
    if (is_broken) fprintf(out, "\n%*s", indent + 2, "");
    print_value(out, field, at + (size_t)i * mla_field_bytes(field), indent + 2);
    if (i + 1 < n || is_broken) fputs(is_broken ? "," : ", ", out);
  }
  if (is_broken) fprintf(out, "\n%*s", indent, "");
  fputc('}', out);
}

static bool is_absent(const Field *field, const char *record) {
  const char *text;
  if (field->list) return mla_field_count(field, record) == 0;
  if (field->kind != FIELD_OPTIONAL_TEXT) return false;
  memcpy(&text, record + field->offset, sizeof text);
  return !text;
}

// The program and its steps have a line for each field. A kernel's text may not be missing, only empty.
static void print_record(FILE *out, const Schema *schema, const char *record, int indent) {
  bool is_broken = strcmp(schema->name, "MlaProgram") == 0 || strcmp(schema->name, "MlaStep") == 0;
  const char *separator = "";
  fputc('{', out);
  for (const Field *field = schema->fields; field->key; field++) {
    if (is_absent(field, record)) continue;
    fputs(separator, out);
    if (is_broken) fprintf(out, "\n%*s", indent + 2, "");
    fprintf(out, ".%s = ", field->key);
    int64_t n = field->list ? mla_field_count(field, record) : 0;
    if (field->list)
      print_list(out, field, record, n, is_broken ? indent + 2 : indent);
    else
      print_value(out, field, record + field->offset, is_broken ? indent + 2 : indent);
    if (field->count_key) fprintf(out, ", .%s = %" PRId64, field->count_key, n);
    separator = is_broken ? "," : ", ";
  }
  if (strcmp(schema->name, "MlaKernel") == 0) fputs(", .text = \"\"", out);
  if (is_broken) fprintf(out, "\n%*s", indent, "");
  fputc('}', out);
}

void mla_program_print_c(const MlaProgram *program, const char *name, FILE *out) {
  fprintf(out, "const MlaProgram %s = ", name);
  print_record(out, &mla_program_schema, (const char *)program, 0);
  fputs(";\n", out);
}
