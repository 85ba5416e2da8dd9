// Arguments: by position, by name, with defaults; for the calls of everything that can be called.
#include "compiler/sema/internal.h"

#include <string.h>

Args *args_none(Sema *sema, Span span) {
  Args *args = ARENA_NEW(sema->arena, Args);
  args->span = span;
  return args;
}

static Value later(Sema *sema, Env *env, const Ast *ast) {
  ValueTable *later = ARENA_NEW(sema->arena, ValueTable);
  *later = (ValueTable){ast, env};
  return (Value){.kind = VAL_LATER, .span = ast->span, .table = later};
}

Args *args_evaluate(Sema *sema, Env *env, const Ast *call_args) {
  return args_evaluate_but(sema, env, call_args, -1, NULL);
}

Args *args_evaluate_but(Sema *sema, Env *env, const Ast *call_args, int late, const char *late_name) {
  Args *args = args_none(sema, call_args ? call_args->span : NO_SPAN);
  int n = call_args ? call_args->n_kids : 0;
  args->positional = ARENA_ARRAY(sema->arena, Value, n + 1);
  args->named = ARENA_ARRAY(sema->arena, Value, n + 1);
  args->names = ARENA_ARRAY(sema->arena, const Ast *, n + 1);
  for (int i = 0; i < n; i++) {
    const Ast *arg = call_args->kids[i];
    if (arg->kind == AST_NAMED) {
      args->names[args->n_named] = arg->kids[0];
      bool is_late = late_name && !strcmp(arg->kids[0]->text, late_name);
      args->named[args->n_named++] = is_late ? later(sema, env, arg->kids[1]) : eval(sema, env, arg->kids[1]);
    } else if (args->n_named > 0) {
      sema_error(sema, arg->span, "an argument without a name cannot follow one with a name");
    } else {
      bool is_late = args->n_positional == late;
      args->positional[args->n_positional++] = is_late ? later(sema, env, arg) : eval(sema, env, arg);
    }
  }
  return args;
}

// "name, name: default, ..." The default's text is for the reader.
int signature_parse(Sema *sema, const char *signature, const char **names, bool *required) {
  int n = 0;
  while (*signature) {
    size_t length = strcspn(signature, ":,");
    names[n] = arena_strndup(sema->arena, signature, length);
    required[n++] = signature[length] != ':';
    signature += length;
    // A default may hold commas only inside brackets, of which there are none.
    signature += strcspn(signature, ",");
    signature += strspn(signature, ", ");
  }
  return n;
}

static int find(const char *const *names, int n, const char *name) {
  for (int i = 0; i < n; i++)
    if (!strcmp(names[i], name)) return i;
  return -1;
}

static bool bind_named(Sema *sema, const Args *args, const char *what, const char *const *names, int n,
                       Value *out, bool *given) {
  bool ok = true;
  for (int i = 0; i < args->n_named; i++) {
    const Ast *name = args->names[i];
    int k = find(names, n, name->text);
    if (k >= 0 && !given[k]) {
      given[k] = true;
      out[k] = args->named[i];
      continue;
    }
    ok = false;
    if (k >= 0) {
      sema_error(sema, name->span, "%s gets its argument %s twice", what, name->text);
      continue;
    }
    sema_error(sema, name->span, "%s has no argument %s%s", what, name->text,
               suggestion(sema, name->text, names, n));
    if (n)
      sema_note(sema, NO_SPAN, "%s takes %s", what, word_list(sema, names, n));
    else
      sema_note(sema, NO_SPAN, "%s takes no arguments", what);
  }
  return ok;
}

bool args_bind(Sema *sema, const Args *args, const char *what, const char *const *names, const bool *required,
               int n, Value *out, bool *given) {
  bool ok = true;
  if (args->n_positional > n) {
    if (n == 0)
      sema_error(sema, args->positional[0].span, "%s takes no arguments", what);
    else
      sema_error(sema, args->positional[n].span, "%s takes %d argument%s (%s), not %d", what, n,
                 n == 1 ? "" : "s", word_list(sema, names, n), args->n_positional);
    ok = false;
  }
  for (int i = 0; i < n; i++) {
    given[i] = i < args->n_positional;
    if (given[i]) out[i] = args->positional[i];
  }
  ok &= bind_named(sema, args, what, names, n, out, given);
  for (int i = 0; i < n && ok; i++) {
    if (given[i] || !required[i]) continue;
    sema_error(sema, args->span, "%s needs its argument %s", what, names[i]);
    ok = false;
  }
  for (int i = 0; i < n; i++) ok &= !given[i] || out[i].kind != VAL_ERROR;
  return ok;
}

static Value formal_default(Sema *sema, const char *what, const Ast *formal, const char *scope, Env *env) {
  const Ast *name = formal->kids[0], *fallback = formal->kids[1];
  const char *full = scope ? arena_printf(sema->arena, "%s.%s", scope, name->text) : NULL;
  const Ast *override = full ? override_take(sema, full) : NULL;
  if (!fallback && !override) {
    sema_error(sema, name->span, "%s needs a value for %s", what, name->text);
    return value_error(name->span);
  }
  Value value = eval(sema, env, override ? override : fallback);
  if (full) parameter_note(sema, full, value, name->span);
  return value;
}

bool args_bind_formals(Sema *sema, const Args *args, const char *what, const Ast *params,
                       const char *override_scope, Env *env) {
  int n = params->n_kids;
  const char **names = ARENA_ARRAY(sema->arena, const char *, n + 1);
  bool *required = ARENA_ARRAY(sema->arena, bool, n + 1), *given = ARENA_ARRAY(sema->arena, bool, n + 1);
  Value *values = ARENA_ARRAY(sema->arena, Value, n + 1);
  for (int i = 0; i < n; i++) {
    names[i] = params->kids[i]->kids[0]->text;
    required[i] = !params->kids[i]->kids[1] && !override_scope;
    for (int k = 0; k < i; k++)
      if (!strcmp(names[k], names[i])) {
        sema_error(sema, params->kids[i]->span, "%s has two parameters %s", what, names[i]);
        return false;
      }
  }
  if (!args_bind(sema, args, what, names, required, n, values, given)) return false;
  bool ok = true;
  for (int i = 0; i < n; i++) {
    const Ast *formal = params->kids[i];
    // --set wins over an argument, an argument over the default.
    const char *full = override_scope ? arena_printf(sema->arena, "%s.%s", override_scope, names[i]) : NULL;
    const Ast *override = given[i] && full ? override_take(sema, full) : NULL;
    if (override)
      values[i] = eval(sema, env, override);
    else if (!given[i])
      values[i] = formal_default(sema, what, formal, override_scope, env);
    if (given[i] && full) parameter_note(sema, full, values[i], formal->kids[0]->span);
    ok &= values[i].kind != VAL_ERROR;
    env_set(sema, env, names[i], values[i]);
  }
  return ok;
}
