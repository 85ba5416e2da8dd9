// Opens a split: finds the format in the table, lets it read, and checks what it read against the model.
#include "runtime/data/augment.h"
#include "runtime/data/format.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
  const char *name;
  MlaFormatRead *read;
} formats[] = {
#define FORMAT(name, doc) {#name, mla_format_##name},
#include "runtime/data/formats.def"
#undef FORMAT
};
enum { N_FORMATS = sizeof formats / sizeof *formats };

bool mla_fail_without(const MlaData *data, const char *library, MlaError *error) {
  static const struct {
    const char *name, *package;
  } libraries[] = {
#define LIBRARY(name, version, package, formats) {#name, package},
#include "data_libraries.def"
#undef LIBRARY
  };
  const char *package = "";
  for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++)
    if (strcmp(libraries[i].name, library) == 0) package = libraries[i].package;
  return mla_fail(
      error, MLA_ERROR_INPUT,
      "data set %s: format %s needs lib%s, which this mlaanc was built without; install %s and build again",
      data->name, data->format, library, package);
}

static bool fail_unknown(const MlaData *data, MlaError *error) {
  char known[256] = "";
  for (int i = 0; i < N_FORMATS; i++) {
    size_t used = strlen(known);
    snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", formats[i].name);
  }
  return mla_fail(error, MLA_ERROR_INPUT, "data set %s: unknown format `%s`; there are %s", data->name,
                  data->format, known);
}

static bool read_format(MlaDataset *set, const MlaData *data, const char *root, bool train, MlaError *error) {
  for (int i = 0; i < N_FORMATS; i++)
    if (strcmp(formats[i].name, data->format) == 0) return formats[i].read(set, data, root, train, error);
  return fail_unknown(data, error);
}

static bool check_set(const MlaDataset *set, const MlaData *data, const char *root, bool train,
                      MlaError *error) {
  const char *split = train ? "training" : "test";
  if (set->n == 0) return mla_fail(error, MLA_ERROR_INPUT, "%s: no %s images", root, split);
  char what[512];
  snprintf(what, sizeof what, "the %s images in %.400s", split, root);
  return mla_augment_check(set, data, train, what, error);
}

static bool check_root(const MlaData *data, const char *root, MlaError *error) {
  if (!root) return mla_fail(error, MLA_ERROR_INPUT, "data set %s has no root", data->name);
  if (access(root, F_OK) == 0) return true;
  return mla_fail(
      error, MLA_ERROR_INPUT,
      "data set %s: its root %s: %s\n`--data DIR` says where else it is; its files are those of format `%s` "
      "(mlaanc --list-formats)",
      data->name, root, strerror(errno), data->format);
}

bool mla_dataset_open(MlaDataset *set, const MlaData *data, const char *root, bool train, MlaError *error) {
  *set = (MlaDataset){0};
  if (!root) root = data->root;
  if (!check_root(data, root, error)) return false;
  if (read_format(set, data, root, train, error) && check_set(set, data, root, train, error)) return true;
  mla_dataset_close(set);
  return false;
}

void mla_dataset_close(MlaDataset *set) {
  if (set->source && set->source->release) set->source->release(set);
  for (int i = 0; i < set->n_classes; i++) free(set->classes[i]);
  free(set->classes);
  free(set->images);
  free(set->numbers);
  free(set->labels);
  free(set->is_bad);
  free(set->notes);
  *set = (MlaDataset){0};
}

bool mla_dataset_agree(const MlaDataset *train, const MlaDataset *test, MlaError *error) {
  if (!train->classes || !test->classes) return true;
  for (int i = 0; i < train->n_classes || i < test->n_classes; i++) {
    const char *left = i < train->n_classes ? train->classes[i] : "missing";
    const char *right = i < test->n_classes ? test->classes[i] : "missing";
    if (strcmp(left, right) != 0)
      return mla_fail(
          error, MLA_ERROR_INPUT,
          "the classes of training and test images differ: class %d is %s in training, %s in the test", i,
          left, right);
  }
  return true;
}

// ---- records left out ----

enum { MAX_NOTES = 1 << 16 }; // bytes

static bool add_note(MlaDataset *set, const char *text, MlaError *error) {
  size_t used = set->notes ? strlen(set->notes) : 0;
  if (used > MAX_NOTES) return true; // who has not asked for so long only hears the count
  char *notes;
  if (asprintf(&notes, "%s%sleft out: %s", used ? set->notes : "", used ? "\n" : "", text) < 0)
    return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  free(set->notes);
  set->notes = notes;
  return true;
}

// A record is noted once, however many epochs meet it.
bool mla_dataset_note_bad(MlaDataset *set, int64_t record, const char *text, MlaError *error) {
  if (!set->is_bad) set->is_bad = calloc((size_t)set->n, 1);
  if (!set->is_bad) return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  if (set->is_bad[record]) return true;
  set->is_bad[record] = 1;
  set->n_bad++;
  return add_note(set, text, error);
}

char *mla_dataset_take_notes(MlaDataset *set) {
  char *notes = set->notes;
  set->notes = NULL;
  return notes;
}
