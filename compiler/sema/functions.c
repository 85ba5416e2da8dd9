// The functions of functions.def.
#include "compiler/sema/internal.h"

#include <math.h>
#include <string.h>

enum { MAX_RANGE = 100000 };

static Value len_call(FunctionCall *call) {
  Value list = call->arg[0];
  if (list.kind == VAL_LIST) return value_number(list.list->n, call->span);
  if (list.kind == VAL_STAGE)
    return value_number(call->sema->backbone->stages[list.index].n_units, call->span);
  if (list.kind == VAL_TABLE) return value_number(list.table->ast->n_kids, call->span);
  sema_error(call->sema, list.span, "len needs a list, a table or a stage, this is %s",
             value_describe(call->sema, list));
  return value_error(call->span);
}

// The elements of a list, or the units of a stage.
static bool elements(FunctionCall *call, const char *what, Value value, Value *list) {
  Sema *sema = call->sema;
  *list = value;
  if (value.kind == VAL_STAGE) {
    const Stage *stage = &sema->backbone->stages[value.index];
    *list = value_list(sema, value.span);
    for (int i = 0; i < stage->n_units; i++)
      value_list_add(sema, list->list, unit_value(stage->first_unit + i, value.span));
  }
  if (list->kind == VAL_LIST) return true;
  sema_error(sema, value.span, "%s needs a list or a stage, this is %s", what, value_describe(sema, value));
  return false;
}

static Value take_call(FunctionCall *call) {
  Value from;
  int64_t n;
  if (!elements(call, "take", call->arg[0], &from) ||
      !expect_whole(call->sema, call->arg[1], "the number of elements to take", -MAX_RANGE, MAX_RANGE, &n))
    return value_error(call->span);
  Value taken = value_list(call->sema, call->span);
  if (n < 0) n += from.list->n;
  for (int i = 0; i < n && i < from.list->n; i++) value_list_add(call->sema, taken.list, from.list->items[i]);
  return taken;
}

static Value get_call(FunctionCall *call) {
  Value from = call->arg[0], key = call->arg[1], found;
  const ValueTable *otherwise = call->arg[2].table;
  if (from.kind == VAL_TABLE && table_find(call->sema, from.table, key, &found)) return found;
  if (from.kind == VAL_LIST) {
    int64_t i;
    if (!expect_whole(call->sema, key, "the index of the list", -MAX_RANGE, MAX_RANGE, &i))
      return value_error(call->span);
    if (i < 0) i += from.list->n;
    if (i >= 0 && i < from.list->n) return from.list->items[i];
  }
  if (from.kind == VAL_TABLE || from.kind == VAL_LIST)
    return eval(call->sema, otherwise->env, otherwise->ast);
  sema_error(call->sema, from.span, "get needs a table or a list, this is %s",
             value_describe(call->sema, from));
  return value_error(call->span);
}

static Value range_call(FunctionCall *call) {
  int64_t first = 0, end;
  bool has_first = call->given[1];
  Sema *sema = call->sema;
  if (has_first && !expect_whole(sema, call->arg[0], "the begin of a range", -MAX_RANGE, MAX_RANGE, &first))
    return value_error(call->span);
  if (!expect_whole(sema, call->arg[has_first], "the end of a range", -MAX_RANGE, MAX_RANGE, &end))
    return value_error(call->span);
  Value list = value_list(sema, call->span);
  for (int64_t i = first; i < end; i++) value_list_add(sema, list.list, value_number((double)i, call->span));
  return list;
}

static Value of_number(FunctionCall *call, double (*function)(double), const char *what) {
  double number;
  if (!expect_number(call->sema, call->arg[0], what, &number)) return value_error(call->span);
  double result = function(number);
  if (!isfinite(result)) {
    sema_error(call->sema, call->span, "%s %g is not a number", what, number);
    return value_error(call->span);
  }
  return value_number(result, call->span);
}

static Value round_call(FunctionCall *call) {
  return of_number(call, rint, "the argument of round");
}
static Value floor_call(FunctionCall *call) {
  return of_number(call, floor, "the argument of floor");
}
static Value ceil_call(FunctionCall *call) {
  return of_number(call, ceil, "the argument of ceil");
}
static Value abs_call(FunctionCall *call) {
  return of_number(call, fabs, "the argument of abs");
}
static Value sqrt_call(FunctionCall *call) {
  return of_number(call, sqrt, "the square root of");
}
static Value log2_call(FunctionCall *call) {
  return of_number(call, log2, "the logarithm of");
}

static Value extreme(FunctionCall *call, const char *what, double sign) {
  Value *values = call->arg;
  int n = call->given[1] ? 2 : 1;
  if (n == 1 && call->arg[0].kind == VAL_LIST) {
    n = call->arg[0].list->n;
    values = call->arg[0].list->items;
  }
  double best = 0, number;
  for (int i = 0; i < n; i++) {
    if (!expect_number(call->sema, values[i], what, &number)) return value_error(call->span);
    if (i == 0 || sign * number > sign * best) best = number;
  }
  if (n == 0) sema_error(call->sema, call->span, "an empty list has no extreme");
  return n == 0 ? value_error(call->span) : value_number(best, call->span);
}

static Value min_call(FunctionCall *call) {
  return extreme(call, "an argument of min", -1);
}
static Value max_call(FunctionCall *call) {
  return extreme(call, "an argument of max", 1);
}

static Value repeat_call(FunctionCall *call) {
  int64_t n;
  if (!expect_whole(call->sema, call->arg[1], "how often to repeat", 0, MAX_RANGE, &n))
    return value_error(call->span);
  Value list = value_list(call->sema, call->span);
  for (int64_t i = 0; i < n; i++) value_list_add(call->sema, list.list, call->arg[0]);
  return list;
}

// ---- shapes
// -------------------------------------------------------------------------------------------------------

static bool shape_of_value(FunctionCall *call, const char *what, Shape *shape) {
  Sema *sema = call->sema;
  Value value = call->arg[0];
  const Build *backbone = sema->backbone;
  NodeId node;
  if (value.kind == VAL_UNIT || value.kind == VAL_STAGE) {
    int unit = value.index;
    if (value.kind == VAL_STAGE) unit = unit_end_of_stage(backbone, value.index);
    *shape = graph_node(backbone->graph, backbone->units[unit].output)->shape;
    return true;
  }
  if (!expect_tensor(sema, value, what, &node)) return false;
  *shape = tensor_shape(sema, node);
  return true;
}

static Value extent(FunctionCall *call, const char *what, int axis) {
  Shape shape;
  if (!shape_of_value(call, what, &shape)) return value_error(call->span);
  if (shape.rank != 4) {
    sema_error(call->sema, call->span, "%s must be an image tensor, this is %s", what,
               shape_text(call->sema->arena, shape));
    return value_error(call->span);
  }
  return value_number((double)shape.dim[axis], call->span);
}

static Value height_call(FunctionCall *call) {
  return extent(call, "the argument of height", 1);
}
static Value width_call(FunctionCall *call) {
  return extent(call, "the argument of width", 2);
}

static Value channels_call(FunctionCall *call) {
  Shape shape;
  if (!shape_of_value(call, "the argument of channels", &shape)) return value_error(call->span);
  return value_number((double)shape_channels(shape), call->span);
}

static Value is_image_call(FunctionCall *call) {
  Shape shape;
  if (!shape_of_value(call, "the argument of is_image", &shape)) return value_error(call->span);
  return value_truth(shape.rank == 4, call->span);
}

// ---- the backbone, seen from splits and auxiliaries
// -------------------------------------------------------------------------

static bool has_backbone(FunctionCall *call, const char *name) {
  if (call->sema->backbone) return true;
  sema_error(call->sema, call->span, "%s is known in splits and auxiliaries, when the model is there", name);
  return false;
}

static Value units_call(FunctionCall *call) {
  if (!has_backbone(call, "units")) return value_error(call->span);
  Value list = value_list(call->sema, call->span);
  for (int u = 0; u < unit_count_splittable(call->sema->backbone); u++)
    value_list_add(call->sema, list.list, unit_value(u, call->span));
  return list;
}

static Value even_call(FunctionCall *call) {
  if (!has_backbone(call, "even")) return value_error(call->span);
  return split_even(call->sema, call->arg[0], call->span);
}

static int last_unit_of_module(const Build *backbone, int module) {
  int last = 0;
  for (int u = 0; u < backbone->n_units; u++)
    if (backbone->units[u].module <= module) last = u;
  return last;
}

static Value here_call(FunctionCall *call) {
  const Build *backbone = call->sema->backbone;
  int here = last_unit_of_module(backbone, call->sema->build->module), n = unit_count_splittable(backbone);
  return value_number(here < n ? here : n - 1, call->span);
}

static Value next_call(FunctionCall *call) {
  Sema *sema = call->sema;
  const Build *backbone = sema->backbone;
  int64_t n = 1;
  int last = last_unit_of_module(backbone, sema->build->module), behind = backbone->n_units - 1 - last;
  if (sema->build->is_final) {
    sema_error(sema, call->span, "nothing follows the last module");
    return value_error(call->span);
  }
  const char *what = arena_printf(sema->arena, "the argument of next behind %s", unit_word(sema, last));
  if (call->given[0] && !expect_whole(sema, call->arg[0], what, 1, behind, &n))
    return value_error(call->span);
  return unit_value(last + (int)n, call->span);
}

static Value previous_call(FunctionCall *call) {
  return entry_previous(call->sema, call->arg[0], call->given[0], call->span);
}

static Value last_call(FunctionCall *call) {
  Sema *sema = call->sema;
  int64_t n = 1;
  int n_units = unit_count_splittable(sema->backbone);
  if (call->given[0] && !expect_whole(sema, call->arg[0], "the argument of last", 1, n_units, &n))
    return value_error(call->span);
  return unit_value(n_units - (int)n, call->span);
}

static Value cascade_call(FunctionCall *call) {
  Sema *sema = call->sema;
  int64_t reach;
  int module = sema->build->module;
  if (!expect_whole(sema, call->arg[0], "the reach of a cascade", 1, 100000, &reach))
    return value_error(call->span);
  if (reach > module + 1) {
    sema_error(sema, call->span,
               "cascade(%lld) reaches further back than there are modules: module %d has %s before it",
               (long long)reach, module, module ? arena_printf(sema->arena, "%d", module) : "none");
    sema_note(sema, NO_SPAN, "cascade(min(%lld, index + 1)) reaches as far as there are", (long long)reach);
    return value_error(call->span);
  }
  return value_tensor(auxiliary_tap(sema, (int)reach, call->span), call->span);
}

// ---- copies
// -------------------------------------------------------------------------------------------------------

static bool read_init(FunctionCall *call, int i, bool *is_fresh) {
  const char *text;
  *is_fresh = false;
  if (!call->given[i]) return true;
  if (!expect_string(call->sema, call->arg[i], "init", &text)) return false;
  *is_fresh = !strcmp(text, "fresh");
  if (*is_fresh || !strcmp(text, "source")) return true;
  sema_error(call->sema, call->arg[i].span, "init is source or fresh, not \"%s\"", text);
  return false;
}

static const Network *trained_root(const Network *network) {
  while (network->kind == NET_COPY && network->place.role == ROLE_SHARE) network = network->source;
  return network;
}

static Value make_copy(FunctionCall *call, Role role, double momentum, bool is_fresh) {
  Network *source = network_of(call->sema, call->arg[0]);
  if (!source) return value_error(call->span);
  const Network *root = trained_root(source);
  if (root->kind == NET_OPERATOR || (root->kind == NET_LAYER && !root->layer->has_params)) {
    sema_error(call->sema, call->arg[0].span, "%s has no weights to copy", network_word(call->sema, root));
    return value_error(call->span);
  }
  if (role == ROLE_EMA && root->kind == NET_COPY && root->place.role == ROLE_EMA) {
    sema_error(call->sema, call->span,
               "an EMA copy follows weights that are trained; these follow others already");
    sema_note(call->sema, root->span, "the followed network is made here");
    return value_error(call->span);
  }
  Network *copy = network_new(call->sema, NET_COPY, call->span);
  if (!copy) return value_error(call->span);
  copy->source = (Network *)root;
  copy->place = (Place){.role = role, .momentum = momentum, .is_fresh = is_fresh};
  return value_network(copy, call->span);
}

static Value copy_call(FunctionCall *call) {
  bool is_fresh;
  return read_init(call, 1, &is_fresh) ? make_copy(call, ROLE_COPY, 0, is_fresh) : value_error(call->span);
}

static Value ema_call(FunctionCall *call) {
  double momentum;
  bool is_fresh;
  if (!expect_number(call->sema, call->arg[1], "the momentum of ema", &momentum) ||
      !read_init(call, 2, &is_fresh))
    return value_error(call->span);
  if (momentum < 0 || momentum > 1) {
    sema_error(call->sema, call->arg[1].span, "the momentum of ema must be from 0 to 1, this is %g",
               momentum);
    return value_error(call->span);
  }
  return make_copy(call, ROLE_EMA, momentum, is_fresh);
}

static Value share_call(FunctionCall *call) {
  return make_copy(call, ROLE_SHARE, 0, false);
}

enum { ANY_, AUX, LATE };
#define FUNCTION(name, signature, where, doc)                                                                \
  {#name, signature, doc, where == AUX, where == LATE, name##_call},
const FunctionInfo function_table[] = {
#include "compiler/sema/functions.def"
};
const int n_functions = sizeof function_table / sizeof *function_table;
