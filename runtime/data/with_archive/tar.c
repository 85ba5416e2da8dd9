// Tar shards, ROOT/train-*.tar and ROOT/val-*.tar, plain or .tar.gz, with entries CLASS/NAME.jpg, or NAME.jpg and
// NAME.cls with the number of the class. An index of all records is made when the split is opened (tar_index.c).
//
// Shuffling within memory bounds: in uncompressed shards a record is one read at its place, so that the whole split is
// shuffled. A compressed shard cannot be entered in the middle: it is unpacked as a whole when the first of its records
// is wanted; if a split has such shards, the order of the shards is shuffled and that of the records within each, and
// so no more than two shards are in memory at a time.
#include "runtime/data/with_archive/tar.h"
#include "runtime/data/format.h"
#include "runtime/data/jpeg.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_LOADED = 2 };

typedef struct Bytes {
  uint8_t *at;
  size_t n, capacity;
} Bytes;

typedef struct Reader {
  const MlaDataset *set;
  MlaJpeg *jpeg;
  Bytes entry, image; // header and content; content
} Reader;

static void name(const MlaDataset *set, int64_t record, char *text, size_t size) {
  const Tar *tar = set->state;
  const TarRecord *r = &tar->records[record];
  snprintf(text, size, "%s/%s: %s (record %" PRId64 ")", tar->root, tar->shards[r->shard].name, r->name,
           record);
}

static bool fail_record(const Reader *reader, int64_t record, const char *text, MlaError *error) {
  char what[600];
  name(reader->set, record, what, sizeof what);
  return mla_fail(error, MLA_ERROR_INPUT, "%s cannot be read: %s", what, text ? text : "unknown error");
}

static bool make_room(Bytes *bytes, size_t wanted, MlaError *error) {
  bytes->n = wanted;
  if (wanted <= bytes->capacity) return true;
  free(bytes->at);
  bytes->at = malloc(wanted);
  bytes->capacity = bytes->at ? wanted : 0;
  return bytes->at || mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
}

// ---- uncompressed shards ----

static bool read_place(Reader *reader, int64_t record, int file, MlaError *error) {
  const TarRecord *r = &((const Tar *)reader->set->state)->records[record];
  for (size_t done = 0; done < reader->entry.n;) {
    ssize_t n = pread(file, reader->entry.at + done, reader->entry.n - done, r->offset + (int64_t)done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_record(reader, record, strerror(errno), error);
    if (n == 0) return fail_record(reader, record, "the shard has become shorter", error);
    done += (size_t)n;
  }
  return true;
}

static bool read_plain(Reader *reader, int64_t record, MlaError *error) {
  const Tar *tar = reader->set->state;
  char *path;
  if (asprintf(&path, "%s/%s", tar->root, tar->shards[tar->records[record].shard].name) < 0)
    return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  int file = open(path, O_RDONLY | O_CLOEXEC);
  free(path);
  if (file < 0) return fail_record(reader, record, strerror(errno), error);
  bool good = read_place(reader, record, file, error);
  close(file);
  return good;
}

// ---- compressed shards ----

// Under the lock: drops the shards used longest ago until there is room for another.
static void drop_shards(Tar *tar) {
  for (;;) {
    TarShard *oldest = NULL;
    int n_loaded = 0;
    for (int i = 0; i < tar->n_shards; i++) {
      TarShard *shard = &tar->shards[i];
      if (!shard->bytes) continue;
      n_loaded++;
      if (shard->n_users == 0 && (!oldest || shard->last_use < oldest->last_use)) oldest = shard;
    }
    if (n_loaded < MAX_LOADED || !oldest) return;
    free(oldest->bytes);
    oldest->bytes = NULL;
  }
}

// Under the lock, which is left while the shard is unpacked.
static bool load_shard(Tar *tar, TarShard *shard, MlaError *error) {
  MlaDataFile file;
  drop_shards(tar);
  shard->is_loading = true;
  pthread_mutex_unlock(&tar->lock);
  bool good = mla_data_file_read(&file, tar->root, shard->name, error);
  if (good && file.ends_early) good = mla_fail(error, MLA_ERROR_INPUT, "%s is truncated", file.path);
  pthread_mutex_lock(&tar->lock);
  if (good) {
    shard->bytes = file.bytes;
    shard->n_bytes = file.n_bytes;
    file.bytes = NULL;
  }
  mla_data_file_close(&file);
  shard->is_loading = false;
  pthread_cond_broadcast(&tar->loaded);
  return good;
}

static bool hold_shard(Tar *tar, TarShard *shard, MlaError *error) {
  pthread_mutex_lock(&tar->lock);
  while (shard->is_loading) pthread_cond_wait(&tar->loaded, &tar->lock);
  bool good = shard->bytes || load_shard(tar, shard, error);
  if (good) {
    shard->n_users++;
    shard->last_use = tar->clock++;
  }
  pthread_mutex_unlock(&tar->lock);
  return good;
}

static bool read_compressed(Reader *reader, int64_t record, MlaError *error) {
  Tar *tar = reader->set->state;
  const TarRecord *r = &tar->records[record];
  TarShard *shard = &tar->shards[r->shard];
  if (!hold_shard(tar, shard, error)) return false;
  bool good = r->offset + r->n_bytes <= shard->n_bytes;
  if (good) memcpy(reader->entry.at, shard->bytes + r->offset, reader->entry.n);
  pthread_mutex_lock(&tar->lock);
  shard->n_users--;
  pthread_mutex_unlock(&tar->lock);
  return good || fail_record(reader, record, "the shard has become shorter", error);
}

// ---- records ----

// `entry` is a tar of one file.
static bool unpack(Reader *reader, struct archive *archive, int64_t record, MlaError *error) {
  struct archive_entry *entry;
  archive_read_support_format_tar(archive);
  if (archive_read_open_memory(archive, reader->entry.at, reader->entry.n) != ARCHIVE_OK ||
      archive_read_next_header(archive, &entry) < ARCHIVE_WARN)
    return fail_record(reader, record, archive_error_string(archive), error);
  int64_t n_bytes = archive_entry_size(entry);
  if (n_bytes < 0 || (size_t)n_bytes > reader->entry.n)
    return fail_record(reader, record, "its header has changed", error);
  if (!make_room(&reader->image, (size_t)n_bytes + 1, error)) return false;
  la_ssize_t n = archive_read_data(archive, reader->image.at, (size_t)n_bytes);
  if (n != n_bytes) return fail_record(reader, record, archive_error_string(archive), error);
  reader->image.n = (size_t)n_bytes;
  return true;
}

static bool begin(void *state, int64_t record, int *height, int *width, MlaError *error) {
  Reader *reader = state;
  const Tar *tar = reader->set->state;
  const TarRecord *r = &tar->records[record];
  if (!make_room(&reader->entry, (size_t)r->n_bytes, error)) return false;
  bool is_compressed = tar->shards[r->shard].is_compressed;
  if (!(is_compressed ? read_compressed : read_plain)(reader, record, error)) return false;
  struct archive *archive = archive_read_new();
  if (!archive) return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  bool good = unpack(reader, archive, record, error);
  archive_read_free(archive);
  return good &&
         mla_jpeg_begin(reader->jpeg, record, reader->image.at, reader->image.n, height, width, error);
}

static bool read_window(void *state, const MlaWindow *window, MlaView *view, MlaError *error) {
  return mla_jpeg_read(((Reader *)state)->jpeg, window, view, error);
}

static void close_reader(void *state) {
  Reader *reader = state;
  if (reader->jpeg) mla_jpeg_close(reader->jpeg);
  free(reader->entry.at);
  free(reader->image.at);
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

// ---- the split ----

static void release(MlaDataset *set) {
  Tar *tar = set->state;
  for (int64_t i = 0; i < set->n; i++) free(tar->records[i].name);
  for (int i = 0; i < tar->n_shards; i++) {
    free(tar->shards[i].name);
    free(tar->shards[i].bytes);
  }
  pthread_mutex_destroy(&tar->lock);
  pthread_cond_destroy(&tar->loaded);
  free(tar->records);
  free(tar->shards);
  free(tar->root);
  free(tar);
}

static int64_t shard_of(const MlaDataset *set, int64_t record) {
  return ((const Tar *)set->state)->records[record].shard;
}

static const MlaSource anywhere = {.open = open_reader,
                                   .close = close_reader,
                                   .begin = begin,
                                   .read = read_window,
                                   .name = name,
                                   .release = release,
                                   .is_slow = true};
static const MlaSource by_shards = {.open = open_reader,
                                    .close = close_reader,
                                    .begin = begin,
                                    .read = read_window,
                                    .name = name,
                                    .release = release,
                                    .block = shard_of,
                                    .is_slow = true};

bool mla_format_tar(MlaDataset *set, const MlaData *data, const char *root, bool train, MlaError *error) {
  if (!mla_jpeg_set(set, data, error)) return false;
  Tar *tar = calloc(1, sizeof *tar);
  if (!tar) return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  pthread_mutex_init(&tar->lock, NULL);
  pthread_cond_init(&tar->loaded, NULL);
  set->state = tar;
  set->source = &anywhere;
  tar->root = strdup(root);
  if (!tar->root) return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  if (!tar_index(set, data, train, error)) return false;
  for (int i = 0; i < tar->n_shards; i++)
    if (tar->shards[i].is_compressed) set->source = &by_shards;
  return true;
}
