// --set NAME=VALUE: values given on the command line, parsed as expressions.
#include "compiler/sema/internal.h"

#include <string.h>

enum { MAX_KNOWN = 256 };

const Ast *override_take(Sema *sema, const char *name) {
  const SemaOptions *options = sema->options;
  const Ast *found = NULL;
  for (int i = 0; i < options->n_overrides; i++) {
    if (strcmp(options->overrides[i].name, name) != 0) continue;
    const char *text = options->overrides[i].value;
    sema->override_used[i] = true;
    uint32_t file = source_add(sema->map, arena_printf(sema->arena, "--set %s", name), text, strlen(text));
    found = ast_parse_expr(sema->arena, sema->map, sema->diag, file);
    if (!found) found = ast_leaf(sema->arena, AST_MISTAKE, (Span){file, 0, 0}, NULL, 0);
  }
  return found;
}

const char *value_text(Sema *sema, Value value) {
  if (value.kind == VAL_NUMBER) return arena_printf(sema->arena, "%.12g", value.number);
  if (value.kind == VAL_TRUTH) return value.number != 0 ? "true" : "false";
  if (value.kind == VAL_STRING) return arena_printf(sema->arena, "\"%s\"", value.text);
  if (value.kind == VAL_ITEM) return reference_text(sema, value.reference);
  if (value.kind == VAL_BLOCK) return value.block->name;
  if (value.kind == VAL_UNIT) return unit_word(sema, value.index);
  if (value.kind != VAL_LIST) return value_describe(sema, value);
  StrBuf text = strbuf_new(sema->arena);
  strbuf_put(&text, "[");
  for (int i = 0; i < value.list->n; i++)
    strbuf_printf(&text, "%s%s", i ? ", " : "", value_text(sema, value.list->items[i]));
  strbuf_put(&text, "]");
  return text.text;
}

void parameter_note(Sema *sema, const char *name, Value value, Span span) {
  for (Parameter *known = sema->parameters; known; known = known->next)
    if (!strcmp(known->name, name)) return;
  Parameter *parameter = ARENA_NEW(sema->arena, Parameter);
  const char *where = source_where(sema->map, sema->arena, span);
  *parameter = (Parameter){.name = name,
                           .value = value_text(sema, value),
                           .where = *where ? arena_printf(sema->arena, "  # %s", where) : ""};
  if (sema->last_parameter)
    sema->last_parameter->next = parameter;
  else
    sema->parameters = parameter;
  sema->last_parameter = parameter;
}

static bool is_recipe(const char *name) {
  return !strncmp(name, "train.", 6) || !strncmp(name, "data.", 5);
}

// The settings of the same group, or the program's own names.
static const char *similar_names(Sema *sema, const char *name, const char *const *names, int n) {
  const char *similar[MAX_KNOWN];
  int n_similar = 0;
  size_t prefix = is_recipe(name) ? strcspn(name, ".") : 0;
  for (int i = 0; i < n; i++)
    if (prefix ? !strncmp(names[i], name, prefix) : !is_recipe(names[i])) similar[n_similar++] = names[i];
  if (!prefix) similar[n_similar++] = "the settings of train and data";
  return word_list(sema, similar, n_similar);
}

static bool has_parameter(const Item *item, const char *name) {
  const Ast *params = item->kind == AST_MODEL || item->kind == AST_AUXILIARY || item->kind == AST_ENTRY
                          ? item->ast->kids[1]
                          : NULL;
  for (int i = 0; params && i < params->n_kids; i++)
    if (!strcmp(params->kids[i]->kids[0]->text, name)) return true;
  return false;
}

// A parameter of something that this program defines but does not use, as an auxiliary when there is one module.
static const Item *unused_owner(Sema *sema, const char *name) {
  const char *dot = strchr(name, '.');
  size_t n = dot ? (size_t)(dot - name) : 0;
  for (const Item *item = sema->items; item && dot; item = item->next)
    if (strlen(item->name) == n && !strncmp(item->name, name, n) && has_parameter(item, dot + 1)) return item;
  return NULL;
}

void override_report_unknown(Sema *sema) {
  const SemaOptions *options = sema->options;
  const char *names[MAX_KNOWN - 1] = {NULL};
  int n = 0;
  for (const Parameter *p = sema->parameters; p && n < MAX_KNOWN - 1; p = p->next) names[n++] = p->name;
  for (int i = 0; i < options->n_overrides; i++) {
    if (sema->override_used[i]) continue;
    const char *name = options->overrides[i].name;
    uint32_t file = source_add(sema->map, "--set", name, strlen(name));
    Span span = {file, 0, (uint32_t)strlen(name)};
    const Item *owner = unused_owner(sema, name);
    if (owner) {
      diag_warning(sema->diag, span, "%s changes nothing: %s %s is not used", name,
                   ast_kind_word(owner->kind), owner->name);
      continue;
    }
    sema_error(sema, span, "nothing is called %s%s", name, suggestion(sema, name, names, n));
    sema_note(sema, NO_SPAN, "there are %s", similar_names(sema, name, names, n));
  }
}
