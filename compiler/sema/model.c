// The backbone: named stages, the units they consist of, and the graph. The same definition is elaborated for
// the training graph, for the evaluation graph and for end-to-end training.
#include "compiler/sema/internal.h"

#include <ctype.h>
#include <string.h>

const char *stage_word(Sema *sema, int stage) {
  return sema->backbone->stages[stage].name;
}

const char *unit_word(Sema *sema, int unit) {
  const Unit *u = &sema->backbone->units[unit];
  const Stage *stage = &sema->backbone->stages[u->stage];
  return stage->has_blocks ? arena_printf(sema->arena, "%s[%d]", stage->name, u->index) : stage->name;
}

int unit_count_splittable(const Build *build) {
  return build->n_units - !build->stages[build->n_stages - 1].has_blocks;
}

int unit_end_of_stage(const Build *build, int stage) {
  return build->stages[stage].first_unit + build->stages[stage].n_units - 1;
}

Value unit_value(int unit, Span span) {
  return (Value){.kind = VAL_UNIT, .span = span, .index = unit};
}

bool model_choose(Sema *sema) {
  bool is_failed = false;
  const Ast *cut = sema->split ? sema->split->ast->kids[0] : NULL;
  const Ast *wanted = sema->wanted_model ? sema->wanted_model : cut;
  sema->model =
      reference_choose(sema, AST_MODEL, wanted,
                       "name the one to train in a `split` or with `train { model NAME }`", &is_failed);
  if (!sema->model && !is_failed) sema_error(sema, (Span){1, 0, 0}, "there is no `model` here to train");
  if (!sema->model || wanted == cut || !cut) return sema->model != NULL;
  const Reference *split = reference_read(sema, AST_MODEL, cut);
  if (!split || reference_equal(split, sema->model)) return split != NULL;
  sema_error(sema, wanted->span, "%s is to be trained, but the split is made in %s",
             reference_text(sema, sema->model), reference_text(sema, split));
  sema_note(sema, cut->span, "the split names it here");
  return false;
}

// ---- stages and units
// ---------------------------------------------------------------------------------------------

static Unit *push_unit(Sema *sema, Build *build, Unit unit) {
  if (build->n_units == build->unit_capacity) {
    build->unit_capacity = build->unit_capacity ? 2 * build->unit_capacity : 32;
    Unit *units = ARENA_ARRAY(sema->arena, Unit, build->unit_capacity);
    if (build->n_units) memcpy(units, build->units, sizeof *units * (size_t)build->n_units);
    build->units = units;
  }
  build->units[build->n_units] = unit;
  build->module = build->n_units;
  return &build->units[build->n_units++];
}

static Stage *push_stage(Sema *sema, Build *build, Stage stage) {
  if (build->n_stages == build->stage_capacity) {
    build->stage_capacity = build->stage_capacity ? 2 * build->stage_capacity : 16;
    Stage *stages = ARENA_ARRAY(sema->arena, Stage, build->stage_capacity);
    if (build->n_stages) memcpy(stages, build->stages, sizeof *stages * (size_t)build->n_stages);
    build->stages = stages;
  }
  build->stages[build->n_stages] = stage;
  return &build->stages[build->n_stages++];
}

Value model_begin_unit(Sema *sema, Network *network, Value input, Span span) {
  Build *build = sema->build;
  Stage *stage = &build->stages[build->n_stages - 1];
  Unit *last = &build->units[build->n_units - 1];
  if (!stage->has_blocks) { // what stands before the first block of a stage belongs to it
    stage->has_blocks = true;
    last->network = network;
    last->input = input.node;
    last->span = span;
    return input;
  }
  last->output = input.node;
  Unit unit = {
      .stage = last->stage, .index = last->index + 1, .network = network, .input = input.node, .span = span};
  Unit *made = push_unit(sema, build, unit);
  stage->n_units++;
  input = entry_pass(sema, input);
  if (input.kind == VAL_TENSOR) made->input = input.node;
  return input;
}

// `stem = image | conv(16, 3) | bn | relu` can be copied as the network conv | bn | relu.
static Network *pipe_network(Sema *sema, Body *body, const Ast *expr, const char *path) {
  int n = 0;
  const Ast *head = expr;
  for (; head->kind == AST_PIPE; head = head->kids[0]) n++;
  Binding *input = head->kind == AST_NAME ? env_find(body->env, head->text) : NULL;
  if (n == 0 || !input || input->value.kind != VAL_TENSOR) return NULL;
  Network *pipe = network_new(sema, NET_PIPE, expr->span);
  if (!pipe) return NULL;
  pipe->elements = ARENA_ARRAY(sema->arena, const Ast *, n);
  pipe->n_members = n;
  for (const Ast *p = expr; p->kind == AST_PIPE; p = p->kids[0]) pipe->elements[--n] = p->kids[1];
  pipe->env = body->env;
  pipe->path = path;
  pipe->n_applied = 1;
  pipe->in_shape = tensor_shape(sema, input->value.node);
  pipe->in_span = expr->span;
  return pipe;
}

static bool is_reserved(const char *name) {
  if (!strcmp(name, "final") || !strcmp(name, "data")) return true;
  size_t word = !strncmp(name, "aux", 3) ? 3 : !strncmp(name, "entry", 5) ? 5 : 0;
  if (!word || !name[word]) return false;
  for (name += word; isdigit((unsigned char)*name); name++) continue;
  return !*name;
}

static bool may_bind(Sema *sema, Body *body, const Ast *name) {
  const Build *build = sema->build;
  for (int s = 0; s < build->n_stages; s++)
    if (!strcmp(build->stages[s].name, name->text)) {
      sema_error(sema, name->span, "the stage %s is bound already", name->text);
      sema_note(sema, build->stages[s].span, "here; a stage of a model is bound once");
      return false;
    }
  if (env_find(body->env, name->text)) {
    sema_error(sema, name->span, "%s is a parameter, an input or a `let` of this model already", name->text);
    return false;
  }
  if (is_reserved(name->text)) {
    sema_error(sema, name->span, "a stage cannot be called %s: auxiliaries and entries name their weights so",
               name->text);
    return false;
  }
  return true;
}

static void end_stage(Sema *sema, Body *body, const Ast *bind, NodeId output) {
  Build *build = sema->build;
  Stage *stage = &build->stages[build->n_stages - 1];
  Unit *last = &build->units[build->n_units - 1];
  last->output = output;
  if (!stage->has_blocks) last->network = pipe_network(sema, body, bind->kids[1], stage->name);
  build->graph->output = output;
}

// If the stage begins a module with an entry, it goes on with what that makes of the output of the one before.
static bool enter_stage(Sema *sema, Body *body) {
  const Build *build = sema->build;
  if (build->n_units < 2) return true;
  const Unit *before = &build->units[build->n_units - 2];
  if (before->output == NO_NODE) return true; // reported
  Value handed = value_tensor(before->output, before->span), entered = entry_pass(sema, handed);
  for (Binding *b = body->env->first; b && entered.kind == VAL_TENSOR; b = b->next)
    if (b->value.kind == VAL_TENSOR && b->value.node == handed.node) b->value.node = entered.node;
  return entered.kind == VAL_TENSOR;
}

void model_bind_stage(Sema *sema, Body *body, const Ast *bind) {
  Build *build = sema->build;
  const Ast *name = bind->kids[0];
  if (!may_bind(sema, body, name)) {
    body->is_failed = true;
    return;
  }
  Stage stage = {.name = name->text, .first_unit = build->n_units, .n_units = 1, .span = name->span};
  push_stage(sema, build, stage);
  push_unit(sema, build, (Unit){.stage = build->n_stages - 1, .span = bind->span});
  if (!enter_stage(sema, body)) {
    body->is_failed = true;
    return;
  }
  Scope *outer = sema->scope;
  sema->scope = scope_new(sema, place_inside(sema, outer->place, name->text));
  sema->scope->is_stage = true;
  build->stage_scope = sema->scope;
  Value value = eval(sema, body->env, bind->kids[1]);
  build->stage_scope = NULL;
  sema->scope = outer;
  NodeId node;
  if (value.kind == VAL_NETWORK) {
    sema_error(sema, name->span,
               "a stage of a model must be a tensor, %s is a network that is applied to nothing", name->text);
    sema_note(sema, NO_SPAN, "`let %s = ...` names a network", name->text);
    value = value_error(value.span);
  }
  if (!expect_tensor(sema, value, arena_printf(sema->arena, "the stage %s", name->text), &node)) {
    body->is_failed = true;
    value = value_error(bind->span);
  } else
    end_stage(sema, body, bind, node);
  env_set(sema, body->env, name->text, value);
}

// ---- input and output
// -----------------------------------------------------------------------------------------------

static NodeId input_node(Sema *sema, int kind, DType dtype, Shape shape, const char *name, Span span) {
  Attr attr = {.i = kind};
  Node node = {.op = OP_input,
               .phase = PHASE_FORWARD,
               .dtype = dtype,
               .shape = shape,
               .state = NO_STATE,
               .name = name,
               .span = span};
  return graph_add(sema->build->graph, node, NULL, 0, &attr, 1);
}

// The shape that is written, or the one that the data gives.
static bool shape_of_input(Sema *sema, Env *env, const Ast *input, Shape *shape) {
  const Ast *name = input->kids[0], *extents = input->kids[1];
  static const char *const words[] = {"the height of the input", "the width of the input",
                                      "the channels of the input"};
  if (!extents) return data_input_shape(sema, shape, name->span) && data_fits_input(sema, *shape, name->span);
  if (extents->n_kids != 3) {
    sema_error(sema, extents->span, "the input of a model is written %s[height, width, channels]",
               name->text);
    return false;
  }
  *shape = (Shape){.rank = 4, .dim = {DIM_BATCH}};
  for (int i = 0; i < 3; i++)
    if (!expect_whole(sema, eval(sema, env, extents->kids[i]), words[i], 1, 65536, &shape->dim[i + 1]))
      return false;
  return data_fits_input(sema, *shape, extents->span);
}

void model_input(Sema *sema, Body *body, const Ast *input) {
  Graph *graph = sema->build->graph;
  const char *name = input->kids[0]->text;
  Shape shape;
  body->is_failed = true;
  if (graph->image != NO_NODE) {
    sema_error(sema, input->span, "a model has one input, and this one has it already");
    sema_note(sema, graph_node(graph, graph->image)->span, "here");
    return;
  }
  env_set(sema, body->env, name, value_error(input->span));
  if (!shape_of_input(sema, body->env, input, &shape)) return;
  graph->image = input_node(sema, 0, DT_REAL, shape, name, input->span);
  graph->label = input_node(sema, 1, DT_INDEX, (Shape){.rank = 1, .dim = {DIM_BATCH}}, "label", input->span);
  env_set(sema, body->env, name, value_tensor(graph->image, input->span));
  body->is_failed = false;
}

static bool check_output(Sema *sema, const Item *model) {
  const Build *build = sema->build;
  const Ast *name = model->ast->kids[0];
  if (build->graph->image == NO_NODE) {
    sema_error(sema, name->span, "model %s has no `input`", model->name);
    return false;
  }
  if (build->n_stages == 0) {
    sema_error(sema, name->span, "model %s binds nothing: its last binding would be its output", model->name);
    return false;
  }
  const Stage *last = &build->stages[build->n_stages - 1];
  Shape shape = tensor_shape(sema, build->graph->output);
  if (shape.rank != 2) {
    sema_error(sema, last->span,
               "the output of a model, its last binding, must be scores [batch, classes]; %s is %s",
               last->name, shape_text(sema->arena, shape));
    return false;
  }
  if (!sema->has_data || shape.dim[1] == sema->data.classes) return true;
  sema_error(sema, last->span, "the model gives %lld scores, data %s has %d classes", (long long)shape.dim[1],
             sema->data.name, sema->data.classes);
  return false;
}

// The names that splits and auxiliaries see: parameters and known values as they are, stages as parts of the
// model.
static Env *outside_names(Sema *sema, const Build *build) {
  Env *env = env_new(sema, NULL);
  for (Binding *b = build->inside->first; b; b = b->next)
    if (b->value.kind != VAL_TENSOR && b->value.kind != VAL_NETWORK && b->value.kind != VAL_ERROR)
      env_set(sema, env, b->name, b->value);
  for (int s = 0; s < build->n_stages; s++)
    env_set(sema, env, build->stages[s].name,
            (Value){.kind = VAL_STAGE, .span = build->stages[s].span, .index = s});
  return env;
}

Build *model_elaborate(Sema *sema, const Item *model, const Args *args, StateTable *states, bool is_training,
                       bool is_replay, const Build *like) {
  Build *build = ARENA_NEW(sema->arena, Build);
  build->like = like;
  build->graph = graph_new(sema->arena, states);
  build->is_training = is_training;
  build->is_replay = is_replay;
  build->inside = env_new(sema, NULL);
  const char *what = arena_printf(sema->arena, "model %s", model->name);
  if (!args_bind_formals(sema, args, what, model->ast->kids[1], model->name, build->inside)) return NULL;
  Body body = {.kind = BODY_MODEL, .env = build->inside};
  sema->build = build;
  sema->scope = scope_new(sema, (Place){.path = "", .is_replay = is_replay});
  body_run(sema, &body, model->ast->kids[2]);
  bool ok = !body.is_failed && check_output(sema, model);
  sema->build = NULL;
  sema->scope = NULL;
  if (!ok) return NULL;
  build->outside = outside_names(sema, build);
  return build;
}
