// The settings of `train`: the recipe, and which model, auxiliary and data are meant.
#include "compiler/sema/settings.h"

#define RECIPE_AT(field) offsetof(MlaRecipe, field)
// What every optimiser has.
#define LR                                                                                                   \
  { .key = "lr", .path = "train.lr", .kind = SET_REAL, .offset = RECIPE_AT(lr), .most = 1e6 }
#define WEIGHT_DECAY                                                                                         \
  {                                                                                                          \
    .key = "weight_decay", .path = "train.weight_decay", .kind = SET_REAL,                                   \
    .offset = RECIPE_AT(weight_decay), .most = 1e6                                                           \
  }

static const Setting sgd_settings[] = {
    LR,
    {.key = "momentum", .path = "train.momentum", .kind = SET_REAL, .offset = RECIPE_AT(momentum), .most = 1},
    {.key = "nesterov", .path = "train.nesterov", .kind = SET_TRUTH, .offset = RECIPE_AT(nesterov)},
    WEIGHT_DECAY,
    {.key = NULL}};

static const Setting adam_settings[] = {
    LR,
    {.key = "beta1", .path = "train.beta1", .kind = SET_REAL, .offset = RECIPE_AT(beta1), .most = 0.999999},
    {.key = "beta2", .path = "train.beta2", .kind = SET_REAL, .offset = RECIPE_AT(beta2), .most = 0.999999},
    {.key = "eps",
     .path = "train.eps",
     .kind = SET_REAL,
     .offset = RECIPE_AT(eps),
     .least = 1e-30,
     .most = 1},
    WEIGHT_DECAY,
    {.key = NULL}};

enum { N_OPTIMIZERS = MLA_ADAMW + 1 };
static const char *const optimizer_names[N_OPTIMIZERS] = {"sgd", "adam", "adamw"};
static const Setting *const optimizer_settings[N_OPTIMIZERS] = {sgd_settings, adam_settings, adam_settings};

// What an optimiser does unless told otherwise.
static void set_optimizer(MlaRecipe *recipe, MlaOptimizer optimizer) {
  bool is_sgd = optimizer == MLA_SGD;
  recipe->optimizer = optimizer;
  recipe->lr = is_sgd ? 0.1 : 1e-3;
  recipe->weight_decay = optimizer == MLA_ADAMW ? 0.01 : 0;
  recipe->momentum = is_sgd ? 0.9 : 0;
  recipe->nesterov = false;
  recipe->beta1 = is_sgd ? 0 : 0.9;
  recipe->beta2 = is_sgd ? 0 : 0.999;
  recipe->eps = is_sgd ? 0 : 1e-8;
}

// Arguments that are left out stay as another file set them, if it set the same optimiser.
static bool read_optimizer(Sema *sema, const Setting *s, const Ast *atom, void *target) {
  MlaRecipe *recipe = target;
  int i = settings_choice(sema, s->key, atom, optimizer_names, N_OPTIMIZERS);
  if (i < 0) return false;
  if (recipe->optimizer != (MlaOptimizer)i) set_optimizer(recipe, (MlaOptimizer)i);
  return settings_arguments(sema, optimizer_settings[i], atom, target);
}

static bool read_milestones(Sema *sema, const Setting *s, const Ast *atom, void *target) {
  MlaRecipe *recipe = target;
  double epochs[MLA_MAX_MILESTONES];
  (void)s;
  if (!settings_list(sema, "the epochs of a step schedule", atom, MLA_MAX_MILESTONES, epochs,
                     &recipe->n_milestones))
    return false;
  for (int i = 0; i < recipe->n_milestones; i++) {
    recipe->milestones[i] = (int)epochs[i];
    if (epochs[i] >= 1 && epochs[i] == recipe->milestones[i] && (i == 0 || epochs[i] > epochs[i - 1]))
      continue;
    sema_error(sema, atom->span, "the epochs of a step schedule must be whole, from 1 and ascending");
    return false;
  }
  return true;
}

static const Setting cosine_settings[] = {
    {.key = "start", .kind = SET_INT, .offset = RECIPE_AT(start), .most = 1},
    {.key = "warmup", .kind = SET_INT, .offset = RECIPE_AT(warmup), .most = 100000},
    {.key = "warmup_start", .kind = SET_REAL, .offset = RECIPE_AT(warmup_start), .most = 1e6},
    {.key = NULL}};
static const Setting step_settings[] = {
    {.key = "at", .kind = SET_OTHER, .read = read_milestones},
    {.key = "every", .kind = SET_INT, .offset = RECIPE_AT(every), .least = 1, .most = 1000000},
    {.key = "factor", .kind = SET_REAL, .offset = RECIPE_AT(factor), .most = 1},
    {.key = NULL}};
static const Setting constant_settings[] = {{.key = NULL}};

static bool read_schedule(Sema *sema, const Setting *s, const Ast *atom, void *target) {
  static const char *const names[] = {"constant", "cosine", "step"};
  static const Setting *const settings[] = {constant_settings, cosine_settings, step_settings};
  static const MlaScheduleKind kinds[] = {MLA_SCHEDULE_CONSTANT, MLA_SCHEDULE_COSINE, MLA_SCHEDULE_STEP};
  MlaRecipe *recipe = target;
  int i = settings_choice(sema, s->key, atom, names, 3);
  if (i < 0) return false;
  recipe->schedule = kinds[i];
  recipe->start = 1;
  recipe->warmup = recipe->n_milestones = recipe->every = 0;
  if (!settings_arguments(sema, settings[i], atom, target)) return false;
  if (recipe->schedule != MLA_SCHEDULE_STEP || (recipe->n_milestones > 0) != (recipe->every > 0)) return true;
  sema_error(sema, atom->span,
             recipe->every ? "a step schedule steps `at` epochs or `every` so many, not both"
                           : "a step schedule needs its epochs: step(at: [80, 120], factor: 0.1) "
                             "or step(every: 30, factor: 0.1)");
  return false;
}

// The recipe with the names that a `train` can choose.
typedef struct TrainSettings {
  MlaRecipe recipe; // first: the tables' offsets are the recipe's
  Span precision_span;
  bool recompute;
  const Ast *model, *auxiliary, *entry, *data;
} TrainSettings;

static bool read_precision(Sema *sema, const Setting *s, const Ast *atom, void *target) {
  static const char *const names[MLA_N_PRECISIONS] = {MLA_PRECISION_NAMES};
  TrainSettings *train = target;
  int i = settings_choice(sema, s->key, atom, names, MLA_N_PRECISIONS);
  if (i < 0) return false;
  train->recipe.precision = (MlaPrecision)i;
  train->precision_span = atom->span;
  return true;
}

static bool read_recompute(Sema *sema, const Setting *s, const Ast *atom, void *target) {
  static const char *const names[] = {"off", "on"};
  int i = settings_choice(sema, s->key, atom, names, 2);
  if (i < 0) return false;
  ((TrainSettings *)target)->recompute = i == 1;
  return true;
}

// What is named is looked up when it is needed: what another file's `train` names may not exist here.
static bool read_wanted(Sema *sema, const Setting *s, const Ast *atom, void *target) {
  (void)sema;
  *(const Ast **)((char *)target + s->offset) = atom;
  return true;
}
#define WANTED(field)                                                                                        \
  {                                                                                                          \
    .key = #field, .path = "train." #field, .kind = SET_OTHER, .offset = offsetof(TrainSettings, field),     \
    .read = read_wanted                                                                                      \
  }

static const Setting train_settings[] = {
    {.key = "optimizer", .path = "train.optimizer", .kind = SET_OTHER, .read = read_optimizer},
    {.key = "schedule", .path = "train.schedule", .kind = SET_OTHER, .read = read_schedule},
    {.key = "epochs",
     .path = "train.epochs",
     .kind = SET_INT,
     .offset = RECIPE_AT(epochs),
     .least = 1,
     .most = 1000000},
    {.key = "batch",
     .path = "train.batch",
     .kind = SET_INT64,
     .offset = RECIPE_AT(batch),
     .least = 2,
     .most = 1000000},
    {.key = "seed", .path = "train.seed", .kind = SET_INT64, .offset = RECIPE_AT(seed), .most = 9e15},
    {.key = "precision", .path = "train.precision", .kind = SET_OTHER, .read = read_precision},
    {.key = "recompute", .path = "train.recompute", .kind = SET_OTHER, .read = read_recompute},
    WANTED(model),
    WANTED(auxiliary),
    WANTED(entry),
    WANTED(data),
    {.key = NULL}};

static void note_recipe(Sema *sema, const MlaRecipe *r) {
  static const char *const schedules[] = {"constant", "cosine", "step"};
  Span s = NO_SPAN;
  parameter_note(sema, "train.epochs", value_number(r->epochs, s), s);
  parameter_note(sema, "train.batch", value_number((double)r->batch, s), s);
  parameter_note(sema, "train.seed", value_number((double)r->seed, s), s);
  parameter_note(sema, "train.precision", value_string(mla_precision_name(r->precision), s), s);
  parameter_note(sema, "train.lr", value_number(r->lr, s), s);
  if (r->optimizer == MLA_SGD) {
    parameter_note(sema, "train.momentum", value_number(r->momentum, s), s);
    parameter_note(sema, "train.nesterov", value_truth(r->nesterov, s), s);
  } else {
    parameter_note(sema, "train.beta1", value_number(r->beta1, s), s);
    parameter_note(sema, "train.beta2", value_number(r->beta2, s), s);
    parameter_note(sema, "train.eps", value_number(r->eps, s), s);
  }
  parameter_note(sema, "train.weight_decay", value_number(r->weight_decay, s), s);
  parameter_note(sema, "train.optimizer", value_string(optimizer_names[r->optimizer], s), s);
  parameter_note(sema, "train.schedule", value_string(schedules[r->schedule], s), s);
}

// The last epoch of a cosine counted from 1 has learning rate 0; the only epoch had better not be the last.
static void warn_of_standstill(Sema *sema, const MlaRecipe *recipe, Span span) {
  bool stands_still =
      recipe->schedule == MLA_SCHEDULE_COSINE && recipe->epochs == 1 && recipe->start == 1 && !recipe->warmup;
  if (!stands_still) return;
  diag_warning(sema->diag, span,
               "one epoch of a cosine schedule trains nothing: its last epoch has learning rate 0");
  sema_note(sema, NO_SPAN, "train.epochs=2, train.schedule=constant or cosine(start: 0) train");
}

// Items of imported files come first, so that the importing file's settings replace them.
bool settings_train(Sema *sema) {
  TrainSettings train = {
      .recipe = {.start = 1, .factor = 0.1, .warmup_start = 0.001, .epochs = 1, .batch = 128}};
  bool ok = true;
  Span last = NO_SPAN;
  set_optimizer(&train.recipe, MLA_SGD);
  for (Item *item = sema->items; item; item = item->next)
    if (item->kind == AST_TRAIN) {
      last = item->ast->span;
      ok &= settings_read(sema, train_settings, "train", item->ast->kids[0], &train);
    }
  ok &= settings_override(sema, train_settings, &train) &&
        settings_override(sema, optimizer_settings[train.recipe.optimizer], &train);
  sema->recipe = train.recipe;
  sema->precision_span = train.precision_span;
  sema->recompute = train.recompute;
  sema->wanted_model = train.model;
  sema->wanted_auxiliary = train.auxiliary;
  sema->wanted_entry = train.entry;
  sema->wanted_data = train.data;
  note_recipe(sema, &train.recipe);
  parameter_note(sema, "train.recompute", value_string(train.recompute ? "on" : "off", NO_SPAN), NO_SPAN);
  if (ok) warn_of_standstill(sema, &train.recipe, last);
  return ok;
}
