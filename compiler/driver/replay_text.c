// See replay_text.h. A pattern is matched by trying every length for each {name}, shortest first; names are short.
#include "compiler/driver/replay_text.h"
#include "compiler/support/strbuf.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// ---- patterns ----

bool replay_match(Arena *arena, const char *pattern, const char *text, Captures *captures) {
  while (*pattern && *pattern != '{' && *pattern != '*') {
    if (*pattern++ != *text++) return false;
  }
  if (*pattern == '*') {
    captures->rest = text;
    return *text && !pattern[1];
  }
  if (!*pattern) return !*text;
  const char *close = strchr(pattern, '}');
  if (!close || captures->n == REPLAY_MAX_CAPTURES) return false;
  int slot = captures->n++;
  bool takes_dots = close - pattern > 2 && close[-1] == '.' && close[-2] == '.';
  captures->name[slot] = arena_strndup(arena, pattern + 1, (size_t)(close - pattern - 1));
  for (const char *end = text; *end && (takes_dots || *end != '.');) {
    end++;
    captures->text[slot] = arena_strndup(arena, text, (size_t)(end - text));
    if (replay_match(arena, close + 1, end, captures)) return true;
    captures->n = slot + 1;
  }
  captures->n = slot;
  return false;
}

static const char *captured(const Captures *captures, const char *name, size_t length) {
  for (int i = 0; captures && i < captures->n; i++)
    if (strlen(captures->name[i]) == length && memcmp(captures->name[i], name, length) == 0)
      return captures->text[i];
  return NULL;
}

// ---- values ----

static size_t name_length(const char *text) {
  size_t n = 0;
  while (isalnum((unsigned char)text[n]) || text[n] == '_') n++;
  return n;
}

// `i`, `-1`, `j-1` up to the closing bracket.
static bool read_index(const Captures *captures, const char **at, size_t *index, size_t n_items) {
  size_t length = isalpha((unsigned char)**at) ? name_length(*at) : 0;
  const char *text = length ? captured(captures, *at, length) : "0";
  if (!text) return false;
  char *end;
  long value = strtol(text, &end, 10);
  if (*end) return false;
  *at += length;
  if (**at != ']') {
    value += strtol(*at, &end, 10);
    if (end == *at) return false;
    *at = end;
  }
  if (*(*at)++ != ']') return false;
  if (!length && value < 0) value += (long)n_items;
  *index = (size_t)value;
  return value >= 0 && (size_t)value < n_items;
}

typedef enum Form { FORM_PLAIN, FORM_SINGLE, FORM_OURS } Form;

// A number, or one by another; rounded to float32.
static bool put_single(StrBuf *out, const json_t *value) {
  double number = json_number_value(value);
  const char *text = json_string_value(value);
  if (text) {
    char *end;
    number = strtod(text, &end);
    if (*end == '/') number /= strtod(end + 1, &end);
    if (*end || end == text) return false;
  }
  strbuf_printf(out, "%.17g", (double)(float)number);
  return text || json_is_number(value);
}

// A recorded block as the map's "blocks" translates it.
static bool put_ours(const ReplayText *text, StrBuf *out, const json_t *value) {
  const char *block = json_string_value(value), *pattern;
  json_t *ours;
  json_object_foreach((json_t *)(uintptr_t)text->blocks, pattern, ours) {
    Captures captures = {0};
    MlaError none = {0};
    if (!block || !replay_match(text->arena, pattern, block, &captures)) continue;
    const char *name = replay_expand(text, "", json_string_value(ours), &captures, &none);
    if (name) strbuf_put(out, name);
    return name;
  }
  return false;
}

typedef struct Writer {
  const ReplayText *text;
  const Captures *captures;
  StrBuf *out;
  Form form;
  int depth;      // lists within lists stand in brackets
  bool is_failed; // something is there but cannot be written in this form
} Writer;

static bool put_one(Writer *writer, const json_t *value) {
  StrBuf *out = writer->out;
  if (writer->form == FORM_SINGLE) return put_single(out, value);
  if (writer->form == FORM_OURS) return put_ours(writer->text, out, value);
  if (json_is_string(value)) strbuf_put(out, json_string_value(value));
  if (json_is_integer(value)) strbuf_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
  if (json_is_real(value)) strbuf_printf(out, "%.17g", json_real_value(value));
  if (json_is_boolean(value)) strbuf_put(out, json_is_true(value) ? "true" : "false");
  return json_is_string(value) || json_is_number(value) || json_is_boolean(value);
}

static bool put_list(Writer *writer, const json_t *list);

static bool put_value(Writer *writer, const json_t *value) {
  if (json_is_array(value)) return put_list(writer, value);
  bool good = put_one(writer, value);
  writer->is_failed = writer->is_failed || !good;
  return good;
}

static bool put_list(Writer *writer, const json_t *list) {
  if (writer->depth++) strbuf_put(writer->out, "[");
  bool good = true;
  for (size_t i = 0; i < json_array_size(list) && good; i++) {
    if (i) strbuf_put(writer->out, ", ");
    good = put_value(writer, json_array_get(list, i));
  }
  if (--writer->depth) strbuf_put(writer->out, "]");
  return good;
}

static bool put_path(Writer *writer, const json_t *value, const char *path);

// The rest of the path for every item but the last `n_less`; an item that has no such part gives [].
static bool put_items(Writer *writer, const json_t *list, size_t n_less, const char *path) {
  StrBuf *out = writer->out;
  writer->depth++;
  for (size_t i = 0; i + n_less < json_array_size(list); i++) {
    StrBuf item = strbuf_new(writer->text->arena);
    writer->out = &item;
    bool has = put_path(writer, json_array_get(list, i), path);
    strbuf_printf(out, "%s%s", i ? ", " : "", has ? item.text : "[]");
  }
  writer->depth--;
  writer->out = out;
  return json_is_array(list) && !writer->is_failed;
}

// Follows a path like modules[i].aux from `value` on.
static bool put_path(Writer *writer, const json_t *value, const char *path) {
  for (const char *at = path; value && *at;) {
    if (strncmp(at, "[:]", 3) == 0) return put_items(writer, value, 0, at + 3);
    if (strncmp(at, "[:-1]", 5) == 0) return put_items(writer, value, 1, at + 5);
    if (*at == '[') {
      size_t index;
      at++;
      if (!read_index(writer->captures, &at, &index, json_array_size(value))) return false;
      value = json_array_get(value, index);
      continue;
    }
    if (*at == '.') at++;
    size_t length = name_length(at);
    if (length == 0) return false;
    value = json_object_get(value, arena_strndup(writer->text->arena, at, length));
    at += length;
  }
  return value && put_value(writer, value);
}

// ---- templates ----

static bool put_place(const ReplayText *text, StrBuf *out, const char *place, const Captures *captures) {
  const char *taken = captured(captures, place, strlen(place)), *bar = strchr(place, '|');
  if (taken) {
    strbuf_put(out, taken);
    return true;
  }
  Form form = !bar                        ? FORM_PLAIN
              : strcmp(bar, "|f32") == 0  ? FORM_SINGLE
              : strcmp(bar, "|ours") == 0 ? FORM_OURS
                                          : (Form)-1;
  const char *path = bar ? arena_strndup(text->arena, place, (size_t)(bar - place)) : place;
  Writer writer = {.text = text, .captures = captures, .out = out, .form = form};
  return form != (Form)-1 && *path && put_path(&writer, text->sidecar, path);
}

const char *replay_expand(const ReplayText *text, const char *where, const char *template,
                          const Captures *captures, MlaError *error) {
  StrBuf out = strbuf_new(text->arena);
  strbuf_put(&out, "");
  for (const char *at = template; *at; at++) {
    const char *close = *at == '{' ? strchr(at, '}') : NULL;
    if ((at[0] == '{' || at[0] == '}') && at[0] == at[1]) {
      strbuf_put(&out, *at++ == '{' ? "{" : "}");
    } else if (close) {
      const char *place = arena_strndup(text->arena, at + 1, (size_t)(close - at - 1));
      if (!put_place(text, &out, place, captures)) {
        mla_fail(error, MLA_ERROR_INPUT, "%s: `%s` asks for {%s}, which %s does not have", where, template,
                 place, text->sidecar_path);
        return NULL;
      }
      at = close;
    } else if (*at == '*' && captures && captures->rest) {
      strbuf_put(&out, captures->rest);
    } else {
      strbuf_printf(&out, "%c", *at);
    }
  }
  return out.text;
}
