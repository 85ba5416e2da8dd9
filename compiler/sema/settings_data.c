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

static bool read_on_bad(Sema *sema, const Setting *s, const Ast *atom, void *target) {
  static const char *const names[] = {"stop", "skip"};
  static const MlaOnBad values[] = {MLA_BAD_STOP, MLA_BAD_SKIP};
  int i = settings_choice(sema, s->key, atom, names, 2);
  if (i >= 0) ((MlaData *)target)->on_bad = values[i];
  return i >= 0;
}

// The data set with what only the compiler asks for.
typedef struct DataSettings {
  MlaData data; // first: the tables' offsets are the data's
  Shape stored;
} DataSettings;

static bool read_image(Sema *sema, const Setting *s, const Ast *atom, void *target) {
  DataSettings *settings = target;
  Value list = eval(sema, NULL, atom);
  if (list.kind == VAL_ERROR) return false;
  if (list.kind != VAL_LIST || list.list->n != 3) {
    sema_error(sema, list.span, "%s is written [height, width, channels], this is %s", s->key,
               value_describe(sema, list));
    return false;
  }
  settings->stored.rank = 3;
  for (int i = 0; i < 3; i++)
    if (!expect_whole(sema, list.list->items[i], "an extent of `image`", 1, 65536, &settings->stored.dim[i]))
      return false;
  return true;
}

#define DATA_AT(field) offsetof(MlaData, field)
static const Setting augment_settings[] = {
    {.key = "pad", .path = "data.pad", .kind = SET_INT, .offset = DATA_AT(pad), .most = 1024},
    {.key = "reflect", .kind = SET_WORD, .offset = DATA_AT(pad_mode), .least = MLA_PAD_REFLECT},
    {.key = "zero", .kind = SET_WORD, .offset = DATA_AT(pad_mode), .least = MLA_PAD_ZERO},
    {.key = "crop", .path = "data.crop", .kind = SET_INT, .offset = DATA_AT(crop), .least = 1, .most = 65536},
    {.key = "center",
     .path = "data.center",
     .kind = SET_INT,
     .offset = DATA_AT(center),
     .least = 1,
     .most = 16384},
    {.key = "resize",
     .path = "data.resize",
     .kind = SET_INT,
     .offset = DATA_AT(resize),
     .least = 1,
     .most = 16384},
    {.key = "random_resized_crop",
     .path = "data.random_resized_crop",
     .kind = SET_INT,
     .offset = DATA_AT(random_resized_crop),
     .least = 1,
     .most = 16384},
    {.key = "flip", .kind = SET_FLAG, .offset = DATA_AT(flip)},
    {.key = NULL}};
static const Setting normalize_settings[] = {
    {.key = "mean", .path = "data.mean", .kind = SET_OTHER, .read = read_mean},
    {.key = "std", .path = "data.std", .kind = SET_OTHER, .read = read_std},
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
    {.key = "image", .path = "data.image", .kind = SET_OTHER, .read = read_image},
    {.key = "augment", .kind = SET_GROUP, .group = augment_settings},
    {.key = "normalize", .kind = SET_GROUP, .group = normalize_settings},
    {.key = "workers", .path = "data.workers", .kind = SET_INT, .offset = DATA_AT(workers), .most = 64},
    {.key = "on_bad", .path = "data.on_bad", .kind = SET_OTHER, .read = read_on_bad},
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

static bool channels_agree(Sema *sema, const Item *item) {
  const MlaData *data = &sema->data;
  if (!sema->stored.rank || !data->n_mean || sema->stored.dim[2] == data->n_mean) return true;
  sema_error(sema, item->ast->kids[0]->span, "data %s has images of %lld channels, but normalises %d",
             item->name, (long long)sema->stored.dim[2], data->n_mean);
  return false;
}

// Two roads to the model's size that exclude each other.
static bool augment_is_sound(Sema *sema, const Item *item) {
  const MlaData *data = &sema->data;
  const char *resizing = data->random_resized_crop ? "random_resized_crop" : data->resize ? "resize" : NULL;
  const char *other = data->pad ? "pad" : data->crop && data->random_resized_crop ? "crop" : NULL;
  if (!resizing || !other) return true;
  sema_error(sema, item->ast->kids[0]->span,
             "data %s has both %s and %s: one of them decides the size of the images", item->name, other,
             resizing);
  return false;
}

static void note_data(Sema *sema, Span span) {
  const MlaData *data = &sema->data;
  const struct {
    const char *name;
    int number;
  } numbers[] = {{"data.classes", data->classes}, {"data.pad", data->pad},
                 {"data.crop", data->crop},       {"data.center", data->center},
                 {"data.resize", data->resize},   {"data.random_resized_crop", data->random_resized_crop},
                 {"data.workers", data->workers}};
  parameter_note(sema, "data.root", value_string(data->root, span), span);
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
    parameter_note(sema, numbers[i].name, value_number(numbers[i].number, span), span);
  const char *on_bad = data->on_bad == MLA_BAD_SKIP ? "skip" : "stop";
  parameter_note(sema, "data.on_bad", value_string(on_bad, span), span);
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
  const char *where = arena_printf(sema->arena, "data %s", item->name);
  DataSettings settings = {.data = {.name = item->name}};
  if (!settings_read(sema, data_settings, where, item->ast->kids[1], &settings) ||
      !settings_override(sema, data_settings, &settings))
    return false;
  sema->data = settings.data;
  sema->stored = settings.stored;
  if (!data_is_complete(sema, item) || !augment_is_sound(sema, item) || !channels_agree(sema, item))
    return false;
  note_data(sema, item->ast->kids[0]->span);
  return sema->has_data = true;
}

bool data_input_shape(Sema *sema, Shape *shape, Span span) {
  const MlaData *data = &sema->data;
  const Shape *stored = &sema->stored;
  int side = data->crop ? data->crop : data->random_resized_crop ? data->random_resized_crop : data->center;
  bool has_size = side || (stored->rank && !data->resize);
  int64_t channels = stored->rank ? stored->dim[2] : data->n_mean;
  if (has_size && channels) {
    *shape = (Shape){4, {DIM_BATCH, side ? side : stored->dim[0], side ? side : stored->dim[1], channels}};
    return true;
  }
  sema_error(sema, span, "data %s does not say how %s its images are", data->name,
             has_size ? "many channels" : "large");
  sema_note(sema, item_find(sema, AST_DATA, data->name)->ast->kids[0]->span,
            has_size ? "`image [height, width, channels]` here would"
                     : "`crop N`, or `image [height, width, channels]`, here would");
  return false;
}

static bool stored_fits(Sema *sema, Shape image, Span span) {
  const MlaData *data = &sema->data;
  const Shape *stored = &sema->stored;
  bool is_cut = data->crop || data->random_resized_crop || data->center || data->resize;
  if (!stored->rank || is_cut || (stored->dim[0] == image.dim[1] && stored->dim[1] == image.dim[2]))
    return true;
  sema_error(sema, span, "the input is %lld x %lld, the images of data %s are %lld x %lld",
             (long long)image.dim[1], (long long)image.dim[2], data->name, (long long)stored->dim[0],
             (long long)stored->dim[1]);
  return false;
}

static bool side_fits(Sema *sema, Shape image, Span span, const char *setting, int side) {
  if (!side || (side == image.dim[1] && side == image.dim[2])) return true;
  sema_error(sema, span, "the input is %lld x %lld, data %s makes images of %d x %d by %s",
             (long long)image.dim[1], (long long)image.dim[2], sema->data.name, side, side, setting);
  return false;
}

bool data_fits_input(Sema *sema, Shape image, Span span) {
  MlaData *data = &sema->data;
  if (!side_fits(sema, image, span, "crop", data->crop) ||
      !side_fits(sema, image, span, "center", data->center) ||
      !side_fits(sema, image, span, "random_resized_crop", data->random_resized_crop) ||
      !stored_fits(sema, image, span))
    return false;
  if (sema->stored.rank && sema->stored.dim[2] != image.dim[3]) {
    sema_error(sema, span, "the input has %lld channels, the images of data %s have %lld",
               (long long)image.dim[3], data->name, (long long)sema->stored.dim[2]);
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
