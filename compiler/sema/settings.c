// Words and values read against a table of what there is to set.
#include "compiler/sema/settings.h"

#include <string.h>

static int count(const Setting *settings) {
  int n = 0;
  while (settings[n].key) n++;
  return n;
}

static const Setting *find(Sema *sema, const Setting *settings, const char *where, const Ast *word) {
  const char *names[32] = {NULL};
  int n = count(settings);
  for (int i = 0; i < n; i++) {
    if (!strcmp(settings[i].key, word->text)) return &settings[i];
    names[i] = settings[i].key;
  }
  sema_error(sema, word->span, "%s has no setting %s%s", where, word->text,
             suggestion(sema, word->text, names, n));
  sema_note(sema, NO_SPAN, "there %s %s", n == 1 ? "is" : "are", word_list(sema, names, n));
  return NULL;
}

static bool read_number(Sema *sema, const Setting *s, const Ast *atom, double *out) {
  Value value = eval(sema, NULL, atom);
  int64_t whole;
  if (s->kind == SET_REAL) {
    if (!expect_number(sema, value, s->key, out)) return false;
    if (*out >= s->least && *out <= s->most) return true;
    sema_error(sema, value.span, "%s must be from %g to %g, this is %g", s->key, s->least, s->most, *out);
    return false;
  }
  if (!expect_whole(sema, value, s->key, (int64_t)s->least, (int64_t)s->most, &whole)) return false;
  *out = (double)whole;
  return true;
}

// Words are no values, but which word it is may be computed.
static const Ast *chosen(Sema *sema, const Ast *atom) {
  bool truth;
  while (atom->kind == AST_CONDITION) {
    if (!expect_truth(sema, eval(sema, NULL, atom->kids[0]), "the condition of `if`", &truth)) return NULL;
    atom = atom->kids[truth ? 1 : 2];
  }
  return atom;
}

static bool read_atom(Sema *sema, const Setting *s, const Ast *atom, void *target) {
  char *place = (char *)target + s->offset;
  double number = 0;
  bool truth;
  switch (s->kind) {
  case SET_WORD: *(int *)place = (int)s->least; return true;
  case SET_INT:
  case SET_INT64:
  case SET_REAL:
    if (!read_number(sema, s, atom, &number)) return false;
    if (s->kind == SET_INT)
      *(int *)place = (int)number;
    else if (s->kind == SET_INT64)
      *(int64_t *)place = (int64_t)number;
    else
      *(double *)place = number;
    return true;
  case SET_FLAG:
  case SET_TRUTH:
    if (!expect_truth(sema, eval(sema, NULL, atom), s->key, &truth)) return false;
    *(bool *)place = truth;
    return true;
  case SET_STRING: return expect_string(sema, eval(sema, NULL, atom), s->key, (const char **)place);
  case SET_GROUP:
    if (atom->kind == AST_SETTINGS) return settings_read(sema, s->group, s->key, atom, target);
    sema_error(sema, atom->span, "%s is followed by settings in braces", s->key);
    return false;
  case SET_OTHER: atom = chosen(sema, atom); return atom && s->read(sema, s, atom, target);
  }
  return false;
}

static bool is_word(const Ast *atom) {
  return atom->kind == AST_NAME || atom->kind == AST_CALL;
}
static const Ast *word_of(const Ast *atom) {
  return atom->kind == AST_CALL ? atom->kids[0] : atom;
}

static bool report_twice(Sema *sema, const Ast *word, const Ast *first) {
  if (!first) return false;
  sema_error(sema, word->span, "%s is set twice", word->text);
  sema_note(sema, first->span, "here before");
  return true;
}

// `epochs (2 * n)`: the value of a setting, in parentheses.
static const Ast *computed_value(const Ast *atom) {
  if (atom->kind != AST_CALL || atom->kids[1]->n_kids != 1) return NULL;
  const Ast *argument = atom->kids[1]->kids[0];
  return argument->kind == AST_NAMED ? NULL : argument;
}

// `value` is NULL for a word alone.
static bool read_value(Sema *sema, const Setting *setting, const Ast *value, void *target) {
  if (!value && setting->kind == SET_FLAG) return *(bool *)((char *)target + setting->offset) = true;
  if (!value || setting->kind != SET_WORD) return read_atom(sema, setting, value, target);
  sema_error(sema, value->span, "%s takes no value", setting->key);
  return false;
}

bool settings_read(Sema *sema, const Setting *settings, const char *where, const Ast *atoms, void *target) {
  const Ast **seen = ARENA_ARRAY(sema->arena, const Ast *, count(settings) + 1);
  bool ok = true;
  for (int i = 0; i < atoms->n_kids; i++) {
    const Ast *atom = atoms->kids[i], *word = word_of(atom), *value = computed_value(atom);
    if (atom->kind == AST_MISTAKE) return false;
    if (!is_word(atom) || (atom->kind == AST_CALL && !value)) {
      sema_error(sema, atom->span, "a setting of %s begins with its name", where);
      return false;
    }
    const Setting *setting = find(sema, settings, where, word);
    if (!setting) return false;
    ok &= !report_twice(sema, word, seen[setting - settings]);
    seen[setting - settings] = word;
    bool is_alone = setting->kind == SET_FLAG || setting->kind == SET_WORD;
    if (!value && !is_alone) {
      if (i + 1 == atoms->n_kids) {
        sema_error(sema, atom->span, "%s needs a value", setting->key);
        return false;
      }
      value = atoms->kids[++i];
    }
    bool is_read = read_value(sema, setting, value, target);
    if (!is_read && setting->kind == SET_GROUP) return false;
    ok &= is_read;
  }
  return ok;
}

bool settings_override(Sema *sema, const Setting *settings, void *target) {
  bool ok = true;
  for (const Setting *s = settings; s->key; s++) {
    if (s->kind == SET_GROUP) ok &= settings_override(sema, s->group, target);
    if (!s->path) continue;
    const Ast *override = override_take(sema, s->path);
    if (override) ok &= read_atom(sema, s, override, target);
  }
  return ok;
}

// ---- lists and choices
// ----------------------------------------------------------------------------------------------

bool settings_list(Sema *sema, const char *what, const Ast *atom, int capacity, double *out, int *n) {
  Value list = eval(sema, NULL, atom);
  if (list.kind == VAL_ERROR) return false;
  if (list.kind != VAL_LIST || list.list->n > capacity || list.list->n == 0) {
    sema_error(sema, list.span, "%s must be a list of 1 to %d numbers, this is %s", what, capacity,
               value_describe(sema, list));
    return false;
  }
  *n = list.list->n;
  for (int i = 0; i < *n; i++)
    if (!expect_number(sema, list.list->items[i], what, &out[i])) return false;
  return true;
}

int settings_choice(Sema *sema, const char *what, const Ast *atom, const char *const *names, int n) {
  if (!is_word(atom)) {
    sema_error(sema, atom->span, "%s is one of %s", what, word_list(sema, names, n));
    return -1;
  }
  const Ast *word = word_of(atom);
  for (int i = 0; i < n; i++)
    if (!strcmp(names[i], word->text)) return i;
  sema_error(sema, word->span, "unknown %s %s%s", what, word->text, suggestion(sema, word->text, names, n));
  sema_note(sema, NO_SPAN, "there %s %s", n == 1 ? "is" : "are", word_list(sema, names, n));
  return -1;
}

bool settings_arguments(Sema *sema, const Setting *settings, const Ast *call, void *target) {
  bool ok = true;
  const Ast *args = call->kind == AST_CALL ? call->kids[1] : NULL;
  const Ast **seen = ARENA_ARRAY(sema->arena, const Ast *, count(settings) + 1);
  for (int i = 0; args && i < args->n_kids; i++) {
    const Ast *arg = args->kids[i];
    if (arg->kind != AST_NAMED) {
      sema_error(sema, arg->span, "the arguments of %s are given by name", word_of(call)->text);
      return false;
    }
    const Setting *setting = find(sema, settings, word_of(call)->text, arg->kids[0]);
    if (!setting || report_twice(sema, arg->kids[0], seen[setting - settings])) return false;
    seen[setting - settings] = arg->kids[0];
    ok &= read_atom(sema, setting, arg->kids[1], target);
  }
  return ok;
}
