// The index of a split: every shard is walked once, header by header (an uncompressed one by seeking over the images),
// and of each image is kept where it lies, its name and its label: some 60 bytes. A label is the number in NAME.cls
// beside NAME.jpg, or else follows from the folder that the entry is in.
#include "runtime/data/format.h"
#include "runtime/data/jpeg.h"
#include "runtime/data/names.h"
#include "runtime/data/with_archive/tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { READ_BYTES = 1 << 16, MAX_NUMBER = 32 };
static const int64_t max_shard_bytes = INT64_C(1) << 31; // of a compressed one, which is held in memory

typedef struct Class {
  char *name;
  int id; // in the order of appearance
} Class;

typedef struct Indexer {
  MlaDataset *set;
  const MlaData *data;
  Tar *tar;
  MlaError *error;
  Class *classes; // sorted by name
  int n_classes;
  // The shard being walked.
  const char *path;
  int shard;
  struct archive *archive;
  int64_t n_before;     // records of the shards before
  char *number_stem;    // NAME of the newest NAME.cls
  int number;           // and what it holds
  bool has_open_record; // its end is where the next entry begins
  int64_t n_named, n_numbered;
} Indexer;

static bool fail_memory(Indexer *x) {
  return mla_fail(x->error, MLA_ERROR_SYSTEM, "out of memory");
}

// ---- labels ----

static int find_class(const Indexer *x, const char *name, size_t n, bool *is_there) {
  int low = 0, high = x->n_classes;
  *is_there = false;
  while (low < high && !*is_there) {
    int middle = (low + high) / 2;
    const char *other = x->classes[middle].name;
    int order = strncmp(name, other, n);
    if (order == 0 && other[n]) order = -1;
    if (order == 0) *is_there = true, low = middle;
    if (order < 0) high = middle;
    if (order > 0) low = middle + 1;
  }
  return low;
}

static bool class_id(Indexer *x, const char *name, size_t n, int *id) {
  bool is_there;
  int at = find_class(x, name, n, &is_there);
  if (!is_there) {
    Class *classes = realloc(x->classes, ((size_t)x->n_classes + 1) * sizeof *classes);
    if (classes) x->classes = classes;
    char *copy = strndup(name, n);
    if (!classes || !copy) return free(copy), fail_memory(x);
    memmove(classes + at + 1, classes + at, (size_t)(x->n_classes - at) * sizeof *classes);
    classes[at] = (Class){copy, x->n_classes++};
  }
  *id = x->classes[at].id;
  return true;
}

static bool has_stem(const char *name, const char *stem) {
  size_t n = strlen(stem);
  return strncmp(name, stem, n) == 0 && name[n] == '.' && !strchr(name + n + 1, '/');
}

static char *stem_of(const char *name) {
  const char *dot = strrchr(name, '.');
  return strndup(name, dot ? (size_t)(dot - name) : strlen(name));
}

// The number until the folders' order is known: classes by name are counted down from -2, -1 is none yet.
enum { NO_LABEL = -1 };

static bool folder_label(Indexer *x, const char *name, int32_t *label) {
  const char *end = strrchr(name, '/'), *begin = end;
  *label = NO_LABEL;
  if (!end || end == name) return true;
  while (begin > name && begin[-1] != '/') begin--;
  int id = 0;
  if (end - begin == 1 && *begin == '.') return true; // "./NAME.jpg"
  if (!class_id(x, begin, (size_t)(end - begin), &id)) return false;
  *label = -2 - id;
  return true;
}

static bool add_record(Indexer *x, const char *name) {
  MlaDataset *set = x->set;
  Tar *tar = x->tar;
  if (set->n == tar->capacity) {
    int64_t capacity = tar->capacity ? 2 * tar->capacity : 1024;
    TarRecord *records = realloc(tar->records, (size_t)capacity * sizeof *records);
    if (records) tar->records = records;
    int32_t *labels = realloc(set->labels, (size_t)capacity * sizeof *labels);
    if (labels) set->labels = labels;
    if (!records || !labels) return fail_memory(x);
    tar->capacity = capacity;
  }
  int32_t *label = &set->labels[set->n];
  if (x->number_stem && has_stem(name, x->number_stem))
    *label = x->number;
  else if (!folder_label(x, name, label))
    return false;
  char *copy = strdup(name);
  if (!copy) return fail_memory(x);
  tar->records[set->n++] = (TarRecord){archive_read_header_position(x->archive), 0, x->shard, copy};
  return x->has_open_record = true;
}

static bool fail_entry(Indexer *x, const char *name, const char *text) {
  return mla_fail(x->error, MLA_ERROR_INPUT, "%s: %s (record %" PRId64 ") %s", x->path, name, x->set->n,
                  text);
}

// NAME.cls: for the image just before, or the one to come.
static bool add_number(Indexer *x, const char *name) {
  char digits[MAX_NUMBER + 1], *end, text[128];
  la_ssize_t n = archive_read_data(x->archive, digits, MAX_NUMBER);
  if (n < 0) return fail_entry(x, name, archive_error_string(x->archive));
  digits[n] = 0;
  long number = strtol(digits, &end, 10);
  while (*end == ' ' || *end == '\n' || *end == '\r') end++;
  if (end == digits || *end || number < 0 || number >= x->data->classes) {
    snprintf(text, sizeof text, "holds no class number of 0..%d", x->data->classes - 1);
    return fail_entry(x, name, text);
  }
  free(x->number_stem);
  x->number = (int)number;
  x->number_stem = stem_of(name);
  if (!x->number_stem) return fail_memory(x);
  int64_t last = x->set->n - 1;
  if (last >= x->n_before && has_stem(x->tar->records[last].name, x->number_stem))
    x->set->labels[last] = x->number;
  return true;
}

// ---- one shard ----

static bool is_ending(const char *name, const char *ending) {
  size_t n = strlen(name), m = strlen(ending);
  return n > m && strcasecmp(name + n - m, ending) == 0;
}

static void close_record(Indexer *x) {
  if (!x->has_open_record) return;
  TarRecord *last = &x->tar->records[x->set->n - 1];
  int64_t n = archive_read_header_position(x->archive) - last->offset;
  last->n_bytes = n > INT32_MAX ? INT32_MAX : (int32_t)n;
  x->has_open_record = false;
}

static bool add_entry(Indexer *x, struct archive_entry *entry) {
  const char *name = archive_entry_pathname(entry), *base;
  close_record(x);
  if (!name || archive_entry_filetype(entry) != AE_IFREG) return true;
  base = strrchr(name, '/');
  base = base ? base + 1 : name;
  if (base[0] == '.') return true;
  if (is_ending(base, ".cls")) return add_number(x, name);
  return !mla_is_jpeg_name(base) || add_record(x, name);
}

// Tar ends in blocks of zeros; libarchive is content with less, and jumps over what is missing.
static bool check_end(Indexer *x) {
  struct stat status;
  int64_t end = archive_read_header_position(x->archive);
  bool is_short = archive_filter_bytes(x->archive, 0) <= end;
  bool is_compressed = archive_filter_count(x->archive) > 1;
  if (!is_compressed && stat(x->path, &status) == 0) is_short |= status.st_size < end + 512;
  if (is_short)
    return mla_fail(x->error, MLA_ERROR_INPUT, "%s is truncated: the tar's end is missing", x->path);
  if (is_compressed && end > max_shard_bytes)
    return mla_fail(x->error, MLA_ERROR_INPUT,
                    "%s holds %" PRId64
                    " bytes: a compressed shard may hold 2 GiB; make more shards, or leave them "
                    "uncompressed",
                    x->path, end);
  x->tar->shards[x->shard].is_compressed = is_compressed;
  return true;
}

static bool walk(Indexer *x) {
  struct archive_entry *entry;
  for (;;) {
    int code = archive_read_next_header(x->archive, &entry);
    if (code == ARCHIVE_EOF) return close_record(x), check_end(x);
    if (code != ARCHIVE_OK && code != ARCHIVE_WARN)
      return mla_fail(x->error, MLA_ERROR_INPUT, "%s is damaged behind record %" PRId64 ": %s", x->path,
                      x->set->n - 1, archive_error_string(x->archive));
    if (!add_entry(x, entry)) return false;
  }
}

static bool check_labels(Indexer *x) {
  for (int64_t i = x->n_before; i < x->set->n; i++) {
    int label = x->set->labels[i];
    x->n_named += label < NO_LABEL;
    x->n_numbered += label >= 0;
    if (label == NO_LABEL || (x->n_named && x->n_numbered))
      return mla_fail(
          x->error, MLA_ERROR_INPUT, "%s: %s (record %" PRId64 ") %s", x->path, x->tar->records[i].name, i,
          label == NO_LABEL ? "is in no class folder and has no .cls beside it"
                            : "has its class otherwise than the records before: by folder or by .cls");
  }
  return true;
}

static bool walk_shard(Indexer *x, int shard) {
  char *path;
  if (asprintf(&path, "%s/%s", x->tar->root, x->tar->shards[shard].name) < 0) return fail_memory(x);
  x->path = path;
  x->shard = shard;
  x->n_before = x->set->n;
  x->archive = archive_read_new();
  bool good = x->archive || fail_memory(x);
  if (good) {
    archive_read_support_filter_gzip(x->archive);
    archive_read_support_format_tar(x->archive);
    good = archive_read_open_filename(x->archive, path, READ_BYTES) == ARCHIVE_OK ||
           mla_fail(x->error, MLA_ERROR_INPUT, "%s: %s", path, archive_error_string(x->archive));
  }
  good = good && walk(x) && check_labels(x);
  archive_read_free(x->archive);
  free(x->number_stem);
  x->number_stem = NULL;
  free(path);
  return good;
}

// ---- the whole split ----

// Classes in the order of their names; the records' labels follow.
static bool number_classes(Indexer *x) {
  MlaDataset *set = x->set;
  int *labels = malloc(((size_t)x->n_classes + 1) * sizeof *labels);
  set->classes = calloc((size_t)x->n_classes + 1, sizeof *set->classes);
  if (!labels || !set->classes) return free(labels), fail_memory(x);
  for (int i = 0; i < x->n_classes; i++) {
    labels[x->classes[i].id] = i;
    set->classes[i] = x->classes[i].name;
    x->classes[i].name = NULL;
  }
  set->n_classes = x->n_classes;
  for (int64_t i = 0; i < set->n; i++) set->labels[i] = labels[-2 - set->labels[i]];
  free(labels);
  return set->n_classes == x->data->classes ||
         mla_fail(x->error, MLA_ERROR_INPUT, "%s: the shards have %d class folders, data %s has classes %d",
                  x->tar->root, set->n_classes, x->data->name, x->data->classes);
}

static bool is_shard(const char *folder, const struct dirent *entry, const void *prefix) {
  (void)folder;
  return strncmp(entry->d_name, prefix, strlen(prefix)) == 0 &&
         (is_ending(entry->d_name, ".tar") || is_ending(entry->d_name, ".tar.gz"));
}

static bool list_shards(Indexer *x, const char *prefix) {
  MlaNames names;
  Tar *tar = x->tar;
  bool good = mla_names_list(&names, tar->root, is_shard, prefix, x->error);
  if (good && names.n == 0)
    good =
        mla_fail(x->error, MLA_ERROR_INPUT, "%s holds no %s*.tar or %s*.tar.gz", tar->root, prefix, prefix);
  if (good) tar->shards = calloc((size_t)names.n, sizeof *tar->shards);
  if (good && !tar->shards) good = fail_memory(x);
  for (int64_t i = 0; good && i < names.n; i++) {
    tar->shards[tar->n_shards++].name = names.items[i];
    names.items[i] = NULL;
  }
  mla_names_free(&names);
  return good;
}

bool tar_index(MlaDataset *set, const MlaData *data, bool train, MlaError *error) {
  Indexer x = {.set = set, .data = data, .tar = set->state, .error = error};
  bool good = list_shards(&x, train ? "train-" : "val-");
  for (int i = 0; good && i < x.tar->n_shards; i++) good = walk_shard(&x, i);
  if (good && set->n == 0)
    good = mla_fail(error, MLA_ERROR_INPUT, "%s: the shards hold no .jpg or .jpeg image", x.tar->root);
  good = good && (x.n_named == 0 || number_classes(&x));
  for (int i = 0; i < x.n_classes; i++) free(x.classes[i].name);
  free(x.classes);
  return good;
}
