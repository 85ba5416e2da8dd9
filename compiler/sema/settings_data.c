// The settings of `data`, and what they say about the model's input.
#include "compiler/sema/settings.h"

#include <string.h>

static bool read_format(Sema *sema, const Setting *s, const Ast *atom, void *target) {
#define FORMAT(name, doc) #name,
  static const char *const formats[] = {
#include "runtime/data/formats.def"
  };
#undef FORMAT
  MlaData *data = target;
  int i = settings_choice(sema, s->key, atom, formats, sizeof formats / sizeof *formats);
  if (i >= 0) data->format = formats[i];
  return i >= 0;
}

static bool read_mean(Sema *sema, const Setting *s, const Ast *atom, void *target) {
  MlaData *data = target;
  return settings_list(sema, s->key, atom, MLA_MAX_CHANNELS, data->mean, &data->n_mean);
}

static bool read_std(Sema *sema, const Setting *s, const Ast *atom, void *target) {
  MlaData *data = target;
  int n;
  if (!settings_list(sema, s->key, atom, MLA_MAX_CHANNELS, data->std, &n)) return false;
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
    {.key = "reflect", .kind = SET_WORD, .offset = DATA_AT(pad_mode), .least = MLA_PAD_REFLECT},
    {.key = "zero", .kind = SET_WORD, .offset = DATA_AT(pad_mode), .least = MLA_PAD_ZERO},
    {.key = "crop", .path = "data.crop", .kind = SET_INT, .offset = DATA_AT(crop), .least = 1, .most = 65536},
    {.key = "flip", .kind = SET_FLAG, .offset = DATA_AT(flip)},
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
  if (!settings_read(sema, data_settings, arena_printf(sema->arena, "data %s", item->name),
                     item->ast->kids[1], &sema->data) ||
      !settings_override(sema, data_settings, &sema->data) || !data_is_complete(sema, item))
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
