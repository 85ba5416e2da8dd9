// Images in folders, as ImageNet is unpacked: ROOT/train/CLASS/NAME.JPEG and ROOT/val/CLASS/NAME.JPEG. The classes are
// the folders in the order of their names' bytes, the records the images in the order of theirs. What is kept in memory
// is the names; images are read when their turn comes.
#include "runtime/data/format.h"
#include "runtime/data/jpeg.h"
#include "runtime/data/names.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct Folder {
  char *path;   // ROOT/train
  char **names; // [set->n] the file's name within its class
} Folder;

// ---- the index ----

static bool is_folder(const char *path, const struct dirent *entry, const void *what) {
  (void)what;
  if (entry->d_type != DT_UNKNOWN && entry->d_type != DT_LNK) return entry->d_type == DT_DIR;
  char *whole;
  struct stat status;
  if (asprintf(&whole, "%s/%s", path, entry->d_name) < 0) return false;
  bool is = stat(whole, &status) == 0 && S_ISDIR(status.st_mode);
  free(whole);
  return is;
}

static bool is_image(const char *path, const struct dirent *entry, const void *what) {
  (void)path, (void)what;
  return mla_is_jpeg_name(entry->d_name);
}

static bool add_images(MlaDataset *set, Folder *folder, MlaNames *images, int label, MlaError *error) {
  size_t n = (size_t)(set->n + images->n);
  char **names = realloc(folder->names, n * sizeof *names);
  if (names) folder->names = names;
  int32_t *labels = realloc(set->labels, n * sizeof *labels);
  if (labels) set->labels = labels;
  if (!names || !labels) return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  for (int64_t i = 0; i < images->n; i++) {
    folder->names[set->n] = images->items[i];
    set->labels[set->n++] = label;
  }
  images->n = 0; // they are the folder's now
  return true;
}

static bool add_class(MlaDataset *set, Folder *folder, int label, MlaError *error) {
  char *path;
  MlaNames images = {0};
  if (asprintf(&path, "%s/%s", folder->path, set->classes[label]) < 0)
    return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  bool good = mla_names_list(&images, path, is_image, NULL, error);
  if (good && images.n == 0)
    good = mla_fail(error, MLA_ERROR_INPUT,
                    "the class folder %s holds no .jpeg or .jpg image (%" PRId64 " other files)", path,
                    images.n_others);
  good = good && add_images(set, folder, &images, label, error);
  mla_names_free(&images);
  free(path);
  return good;
}

static bool add_classes(MlaDataset *set, const MlaData *data, Folder *folder, MlaError *error) {
  MlaNames classes = {0};
  bool good = mla_names_list(&classes, folder->path, is_folder, NULL, error);
  if (!good) return mla_names_free(&classes), false;
  set->classes = classes.items;
  set->n_classes = (int)classes.n;
  if (set->n_classes != data->classes)
    return mla_fail(error, MLA_ERROR_INPUT, "%s has %d class folders, data %s has classes %d", folder->path,
                    set->n_classes, data->name, data->classes);
  for (int i = 0; i < set->n_classes; i++)
    if (!add_class(set, folder, i, error)) return false;
  return true;
}

// ---- reading ----

typedef struct Reader {
  const MlaDataset *set;
  MlaJpeg *jpeg;
  uint8_t *bytes;
  size_t n_bytes, capacity;
} Reader;

static void close_reader(void *state) {
  Reader *reader = state;
  if (reader->jpeg) mla_jpeg_close(reader->jpeg);
  free(reader->bytes);
  free(reader);
}

static void *open_reader(const MlaDataset *set, MlaError *error) {
  Reader *reader = calloc(1, sizeof *reader);
  if (!reader) return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory"), NULL;
  reader->set = set;
  reader->jpeg = mla_jpeg_open(set, error);
  if (reader->jpeg) return reader;
  close_reader(reader);
  return NULL;
}

static char *path_of(const MlaDataset *set, int64_t record) {
  const Folder *folder = set->state;
  char *path;
  int n = asprintf(&path, "%s/%s/%s", folder->path, set->classes[set->labels[record]], folder->names[record]);
  return n < 0 ? NULL : path;
}

static void name(const MlaDataset *set, int64_t record, char *text, size_t size) {
  char *path = path_of(set, record);
  snprintf(text, size, "%s (record %" PRId64 ")", path ? path : "?", record);
  free(path);
}

static bool fail_file(const Reader *reader, int64_t record, MlaError *error) {
  int code = errno;
  char text[600];
  name(reader->set, record, text, sizeof text);
  bool is_system = code == ENOMEM || code == EMFILE || code == ENFILE;
  return mla_fail(error, is_system ? MLA_ERROR_SYSTEM : MLA_ERROR_INPUT, "%s cannot be read: %s", text,
                  strerror(code));
}

// A file that grew meanwhile is read to its old end, and then is truncated for the decoder.
static bool read_all(Reader *reader, int file) {
  struct stat status;
  if (fstat(file, &status) != 0) return false;
  if (S_ISDIR(status.st_mode)) return errno = EISDIR, false;
  size_t wanted = (size_t)status.st_size + 1;
  if (wanted > reader->capacity) {
    free(reader->bytes);
    reader->bytes = malloc(wanted);
    reader->capacity = reader->bytes ? wanted : 0;
    if (!reader->bytes) return errno = ENOMEM, false;
  }
  for (reader->n_bytes = 0; reader->n_bytes < (size_t)status.st_size;) {
    ssize_t n = read(file, reader->bytes + reader->n_bytes, (size_t)status.st_size - reader->n_bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    if (n == 0) break;
    reader->n_bytes += (size_t)n;
  }
  return true;
}

static bool begin(void *state, int64_t record, int *height, int *width, MlaError *error) {
  Reader *reader = state;
  char *path = path_of(reader->set, record);
  if (!path) return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  int file = open(path, O_RDONLY | O_CLOEXEC);
  free(path);
  if (file < 0) return fail_file(reader, record, error);
  bool good = read_all(reader, file) || fail_file(reader, record, error);
  close(file);
  return good && mla_jpeg_begin(reader->jpeg, record, reader->bytes, reader->n_bytes, height, width, error);
}

static bool read_window(void *state, const MlaWindow *window, MlaView *view, MlaError *error) {
  return mla_jpeg_read(((Reader *)state)->jpeg, window, view, error);
}

static void release(MlaDataset *set) {
  Folder *folder = set->state;
  for (int64_t i = 0; folder->names && i < set->n; i++) free(folder->names[i]);
  free(folder->names);
  free(folder->path);
  free(folder);
}

static const MlaSource source = {.open = open_reader,
                                 .close = close_reader,
                                 .begin = begin,
                                 .read = read_window,
                                 .name = name,
                                 .release = release,
                                 .is_slow = true};

bool mla_format_folder(MlaDataset *set, const MlaData *data, const char *root, bool train, MlaError *error) {
  if (!mla_jpeg_set(set, data, error)) return false;
  Folder *folder = calloc(1, sizeof *folder);
  if (!folder) return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  set->state = folder;
  set->source = &source;
  if (asprintf(&folder->path, "%s/%s", root, train ? "train" : "val") < 0) {
    folder->path = NULL;
    return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  }
  return add_classes(set, data, folder, error);
}
