// `data` and `train`: words and values read against tables of what there is to set. A word of the table is
// followed by the value its row asks for; --set replaces such values by the same road.
#include "compiler/sema/internal.h"

#include <stddef.h>
#include <string.h>

typedef enum SettingKind {
  SET_FLAG, // a word alone
  SET_INT,  // a whole number, into an int
  SET_INT64,
  SET_REAL, // a number, into a double
  SET_TRUTH,
  SET_STRING,
  SET_GROUP, // settings in braces
  SET_OTHER, // `read` knows
} SettingKind;

typedef struct Setting Setting;
struct Setting {
  const char *key;
  const char *path; // for --set; NULL: not that way
  SettingKind kind;
  size_t offset;
  double least, most; // FLAG: `least` is what it stores
  const Setting *group;
  bool (*read)(Sema *sema, const Setting *setting, const Ast *atom, void *target);
};

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

static bool read_group(Sema *sema, const Setting *settings, const char *where, const Ast *atoms,
                       void *target);

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

static bool read_atom(Sema *sema, const Setting *s, const Ast *atom, void *target) {
  char *place = (char *)target + s->offset;
  double number = 0;
  bool truth;
  switch (s->kind) {
  case SET_FLAG: *(int *)place = (int)s->least; return true;
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
  case SET_TRUTH:
    if (!expect_truth(sema, eval(sema, NULL, atom), s->key, &truth)) return false;
    *(bool *)place = truth;
    return true;
  case SET_STRING: return expect_string(sema, eval(sema, NULL, atom), s->key, (const char **)place);
  case SET_GROUP:
    if (atom->kind == AST_SETTINGS) return read_group(sema, s->group, s->key, atom, target);
    sema_error(sema, atom->span, "%s is followed by settings in braces", s->key);
    return false;
  case SET_OTHER: return s->read(sema, s, atom, target);
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

static bool read_group(Sema *sema, const Setting *settings, const char *where, const Ast *atoms,
                       void *target) {
  const Ast **seen = ARENA_ARRAY(sema->arena, const Ast *, count(settings) + 1);
  bool ok = true;
  for (int i = 0; i < atoms->n_kids; i++) {
    const Ast *atom = atoms->kids[i];
    if (atom->kind == AST_MISTAKE) return false;
    if (!is_word(atom) || atom->kind == AST_CALL) {
      sema_error(sema, atom->span, "a setting of %s begins with its name", where);
      return false;
    }
    const Setting *setting = find(sema, settings, where, atom);
    if (!setting) return false;
    ok &= !report_twice(sema, atom, seen[setting - settings]);
    seen[setting - settings] = atom;
    if (setting->kind == SET_FLAG) {
      ok &= read_atom(sema, setting, atom, target);
      continue;
    }
    if (i + 1 == atoms->n_kids) {
      sema_error(sema, atom->span, "%s needs a value", setting->key);
      return false;
    }
    bool is_read = read_atom(sema, setting, atoms->kids[++i], target);
    if (!is_read && setting->kind == SET_GROUP) return false;
    ok &= is_read;
  }
  return ok;
}

// Replaces what --set names.
static bool read_overrides(Sema *sema, const Setting *settings, void *target) {
  bool ok = true;
  for (const Setting *s = settings; s->key; s++) {
    if (s->kind == SET_GROUP) ok &= read_overrides(sema, s->group, target);
    if (!s->path) continue;
    const Ast *override = override_take(sema, s->path);
    if (override) ok &= read_atom(sema, s, override, target);
  }
  return ok;
}

// ---- lists and choices
// ----------------------------------------------------------------------------------------------

static bool read_list(Sema *sema, const char *what, const Ast *atom, int capacity, double *out, int *n) {
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

// The word of a choice among names; -1 after an error.
static int read_choice(Sema *sema, const char *what, const Ast *atom, const char *const *names, int n) {
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

// The named arguments of a choice, `sgd(lr: 0.1)`, read as settings; positions follow the table.
static bool read_arguments(Sema *sema, const Setting *settings, const Ast *call, void *target) {
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

// ---- data
// ---------------------------------------------------------------------------------------------------------

static bool read_format(Sema *sema, const Setting *s, const Ast *atom, void *target) {
#define FORMAT(name, doc) #name,
  static const char *const formats[] = {
#include "runtime/data/formats.def"
  };
#undef FORMAT
  MlaData *data = target;
  int i = read_choice(sema, s->key, atom, formats, sizeof formats / sizeof *formats);
  if (i >= 0) data->format = formats[i];
  return i >= 0;
}

static bool read_mean(Sema *sema, const Setting *s, const Ast *atom, void *target) {
  MlaData *data = target;
  return read_list(sema, s->key, atom, MLA_MAX_CHANNELS, data->mean, &data->n_mean);
}

static bool read_std(Sema *sema, const Setting *s, const Ast *atom, void *target) {
  MlaData *data = target;
  int n;
  if (!read_list(sema, s->key, atom, MLA_MAX_CHANNELS, data->std, &n)) return false;
  if (n != data->n_mean) {
    sema_error(sema, atom->span, "mean has %d numbers and std %d: both have one for each channel, mean first",
               data->n_mean, n);
    return false;
  }
  for (int i = 0; i < n; i++)
    if (data->std[i] <= 0) {
      sema_error(sema, atom->span, "a standard deviation must be above 0, this is %g", data->std[i]);
      return false;
    }
  return true;
}

#define DATA_AT(field) offsetof(MlaData, field)
static const Setting augment_settings[] = {
    {.key = "pad", .path = "data.pad", .kind = SET_INT, .offset = DATA_AT(pad), .most = 1024},
    {.key = "reflect", .kind = SET_FLAG, .offset = DATA_AT(pad_mode), .least = MLA_PAD_REFLECT},
    {.key = "zero", .kind = SET_FLAG, .offset = DATA_AT(pad_mode), .least = MLA_PAD_ZERO},
    {.key = "crop", .path = "data.crop", .kind = SET_INT, .offset = DATA_AT(crop), .least = 1, .most = 65536},
    {.key = "flip", .kind = SET_FLAG, .offset = offsetof(MlaData, flip), .least = 1},
    {.key = NULL}};
static const Setting normalize_settings[] = {{.key = "mean", .kind = SET_OTHER, .read = read_mean},
                                             {.key = "std", .kind = SET_OTHER, .read = read_std},
                                             {.key = NULL}};
static const Setting data_settings[] = {
    {.key = "format", .kind = SET_OTHER, .read = read_format},
    {.key = "root", .path = "data.root", .kind = SET_STRING, .offset = DATA_AT(root)},
    {.key = "classes",
     .path = "data.classes",
     .kind = SET_INT,
     .offset = DATA_AT(classes),
     .least = 2,
     .most = 1000000},
    {.key = "augment", .kind = SET_GROUP, .group = augment_settings},
    {.key = "normalize", .kind = SET_GROUP, .group = normalize_settings},
    {.key = NULL}};

static bool data_is_complete(Sema *sema, const Item *item) {
  const MlaData *data = &sema->data;
  const char *missing = !data->format        ? "format"
                        : !data->root        ? "root"
                        : data->classes == 0 ? "classes"
                                             : NULL;
  bool has_std = data->n_mean == 0 || data->std[0] > 0;
  if (!missing && has_std) return true;
  sema_error(sema, item->ast->kids[0]->span, "data %s needs %s", item->name,
             missing ? missing : "std beside mean");
  return false;
}

bool settings_data(Sema *sema) {
  bool is_failed = false;
  const Reference *wanted = reference_choose(
      sema, AST_DATA, sema->wanted_data, "name the one to train on with `train { data NAME }`", &is_failed);
  if (!wanted) {
    if (!is_failed) sema_error(sema, (Span){1, 0, 0}, "there is no `data` to train on");
    return false;
  }
  const Item *item = wanted->item;
  sema->data.name = item->name;
  if (!read_group(sema, data_settings, arena_printf(sema->arena, "data %s", item->name), item->ast->kids[1],
                  &sema->data) ||
      !read_overrides(sema, data_settings, &sema->data) || !data_is_complete(sema, item))
    return false;
  Span span = item->ast->kids[0]->span;
  parameter_note(sema, "data.root", value_string(sema->data.root, span), span);
  parameter_note(sema, "data.classes", value_number(sema->data.classes, span), span);
  parameter_note(sema, "data.pad", value_number(sema->data.pad, span), span);
  parameter_note(sema, "data.crop", value_number(sema->data.crop, span), span);
  return sema->has_data = true;
}

bool data_fits_input(Sema *sema, Shape image, Span span) {
  MlaData *data = &sema->data;
  if (data->crop && (data->crop != image.dim[1] || data->crop != image.dim[2])) {
    sema_error(sema, span, "the input is %lld x %lld, data %s crops to %d x %d", (long long)image.dim[1],
               (long long)image.dim[2], data->name, data->crop, data->crop);
    return false;
  }
  if (data->n_mean && data->n_mean != image.dim[3]) {
    sema_error(sema, span, "the input has %lld channels, data %s normalises %d", (long long)image.dim[3],
               data->name, data->n_mean);
    return false;
  }
  data->height = (int)image.dim[1];
  data->width = (int)image.dim[2];
  data->channels = (int)image.dim[3];
  return true;
}

// ---- train
// --------------------------------------------------------------------------------------------------------

#define RECIPE_AT(field) offsetof(MlaRecipe, field)
static const Setting sgd_settings[] = {
    {.key = "lr", .path = "train.lr", .kind = SET_REAL, .offset = RECIPE_AT(lr), .most = 1e6},
    {.key = "momentum", .path = "train.momentum", .kind = SET_REAL, .offset = RECIPE_AT(momentum), .most = 1},
    {.key = "nesterov", .path = "train.nesterov", .kind = SET_TRUTH, .offset = RECIPE_AT(nesterov)},
    {.key = "weight_decay",
     .path = "train.weight_decay",
     .kind = SET_REAL,
     .offset = RECIPE_AT(weight_decay),
     .most = 1e6},
    {.key = NULL}};

static bool read_optimizer(Sema *sema, const Setting *s, const Ast *atom, void *target) {
  static const char *const names[] = {"sgd"};
  return read_choice(sema, s->key, atom, names, 1) >= 0 && read_arguments(sema, sgd_settings, atom, target);
}

static bool read_milestones(Sema *sema, const Setting *s, const Ast *atom, void *target) {
  MlaRecipe *recipe = target;
  double epochs[MLA_MAX_MILESTONES];
  (void)s;
  if (!read_list(sema, "the epochs of a step schedule", atom, MLA_MAX_MILESTONES, epochs,
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
    {.key = "warmup", .kind = SET_INT, .offset = RECIPE_AT(warmup), .most = 100000},
    {.key = "warmup_start", .kind = SET_REAL, .offset = RECIPE_AT(warmup_start), .most = 1e6},
    {.key = NULL}};
static const Setting step_settings[] = {
    {.key = "at", .kind = SET_OTHER, .read = read_milestones},
    {.key = "factor", .kind = SET_REAL, .offset = RECIPE_AT(factor), .most = 1},
    {.key = NULL}};
static const Setting constant_settings[] = {{.key = NULL}};

static bool read_schedule(Sema *sema, const Setting *s, const Ast *atom, void *target) {
  static const char *const names[] = {"constant", "cosine", "step"};
  static const Setting *const settings[] = {constant_settings, cosine_settings, step_settings};
  static const MlaScheduleKind kinds[] = {MLA_SCHEDULE_CONSTANT, MLA_SCHEDULE_COSINE, MLA_SCHEDULE_STEP};
  MlaRecipe *recipe = target;
  int i = read_choice(sema, s->key, atom, names, 3);
  if (i < 0) return false;
  recipe->schedule = kinds[i];
  recipe->warmup = 0;
  recipe->n_milestones = 0;
  if (!read_arguments(sema, settings[i], atom, target)) return false;
  if (recipe->schedule != MLA_SCHEDULE_STEP || recipe->n_milestones) return true;
  sema_error(sema, atom->span, "a step schedule needs its epochs: step(at: [80, 120], factor: 0.1)");
  return false;
}

// The recipe with the names that a `train` can choose.
typedef struct TrainSettings {
  MlaRecipe recipe; // first: the tables' offsets are the recipe's
  const Ast *model, *auxiliary, *data;
} TrainSettings;

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
    {.key = "optimizer", .kind = SET_OTHER, .read = read_optimizer},
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
    WANTED(model),
    WANTED(auxiliary),
    WANTED(data),
    {.key = NULL}};

static void note_recipe(Sema *sema, const MlaRecipe *r) {
  static const char *const schedules[] = {"constant", "cosine", "step"};
  Span s = NO_SPAN;
  parameter_note(sema, "train.epochs", value_number(r->epochs, s), s);
  parameter_note(sema, "train.batch", value_number((double)r->batch, s), s);
  parameter_note(sema, "train.seed", value_number((double)r->seed, s), s);
  parameter_note(sema, "train.lr", value_number(r->lr, s), s);
  parameter_note(sema, "train.momentum", value_number(r->momentum, s), s);
  parameter_note(sema, "train.nesterov", value_truth(r->nesterov, s), s);
  parameter_note(sema, "train.weight_decay", value_number(r->weight_decay, s), s);
  parameter_note(sema, "train.schedule", value_string(schedules[r->schedule], s), s);
}

// The settings of imports first, so that the main file's replace them.
bool settings_train(Sema *sema) {
  TrainSettings train = {
      .recipe = {
          .lr = 0.1, .momentum = 0.9, .factor = 0.1, .warmup_start = 0.001, .epochs = 1, .batch = 128}};
  bool ok = true;
  for (int main_file = 0; main_file < 2; main_file++)
    for (Item *item = sema->items; item; item = item->next)
      if (item->kind == AST_TRAIN && (item->depth == 0) == main_file)
        ok &= read_group(sema, train_settings, "train", item->ast->kids[0], &train);
  ok &= read_overrides(sema, train_settings, &train) && read_overrides(sema, sgd_settings, &train);
  sema->recipe = train.recipe;
  sema->wanted_model = train.model;
  sema->wanted_auxiliary = train.auxiliary;
  sema->wanted_data = train.data;
  note_recipe(sema, &train.recipe);
  return ok;
}
