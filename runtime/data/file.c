// Data files read whole: zlib reads plain and gzip files alike. Nothing here trusts a size before having seen
// as many bytes, so that a damaged header cannot ask for memory.
#include "runtime/data/format.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

bool mla_file_exists(const char *root, const char *name) {
  char *path;
  if (asprintf(&path, "%s/%s", root, name) < 0) return false;
  bool exists = access(path, F_OK) == 0;
  free(path);
  return exists;
}

static bool find_path(MlaDataFile *file, const char *root, const char *name, MlaError *error) {
  static const char *const endings[] = {"", ".gz"};
  for (int i = 0; i < 2; i++) {
    if (asprintf(&file->path, "%s/%s%s", root, name, endings[i]) < 0) {
      file->path = NULL;
      return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
    }
    if (access(file->path, F_OK) == 0) return true;
    free(file->path);
    file->path = NULL;
  }
  return mla_fail(error, MLA_ERROR_INPUT,
                  "%s holds neither %s nor %s.gz\n`--data DIR` says where else they are", root, name, name);
}

static bool grow(MlaDataFile *file, int64_t *capacity, MlaError *error) {
  *capacity = *capacity ? *capacity * 2 : 1 << 20;
  unsigned char *bytes = realloc(file->bytes, (size_t)*capacity);
  if (!bytes)
    return mla_fail(error, MLA_ERROR_SYSTEM, "%s: out of memory (%" PRId64 " bytes)", file->path, *capacity);
  file->bytes = bytes;
  return true;
}

static bool check_stream(MlaDataFile *file, gzFile stream, MlaError *error) {
  int code;
  const char *text = gzerror(stream, &code);
  file->ends_early = code == Z_BUF_ERROR;
  if (code == Z_OK || code == Z_STREAM_END || file->ends_early) return true;
  if (code == Z_ERRNO)
    return mla_fail(error, MLA_ERROR_INPUT, "%s cannot be read: %s", file->path, strerror(errno));
  size_t prefix = strlen(file->path); // zlib says "PATH: text"
  if (strncmp(text, file->path, prefix) == 0 && strncmp(text + prefix, ": ", 2) == 0) text += prefix + 2;
  return mla_fail(error, MLA_ERROR_INPUT, "%s is damaged: %s", file->path, text);
}

static bool read_stream(MlaDataFile *file, gzFile stream, MlaError *error) {
  int64_t capacity = 0;
  for (;;) {
    if (file->n_bytes == capacity && !grow(file, &capacity, error)) return false;
    int64_t room = capacity - file->n_bytes;
    int n = gzread(stream, file->bytes + file->n_bytes, (unsigned)(room < (1 << 30) ? room : 1 << 30));
    if (n > 0) file->n_bytes += n;
    if (n <= 0) break;
  }
  return check_stream(file, stream, error);
}

bool mla_data_file_read(MlaDataFile *file, const char *root, const char *name, MlaError *error) {
  *file = (MlaDataFile){0};
  if (!find_path(file, root, name, error)) return false;
  gzFile stream = gzopen(file->path, "rb");
  if (!stream) mla_fail(error, MLA_ERROR_INPUT, "%s: %s", file->path, strerror(errno));
  bool done = stream && read_stream(file, stream, error);
  if (stream) gzclose_r(stream);
  if (!done) mla_data_file_close(file);
  return done;
}

void mla_data_file_close(MlaDataFile *file) {
  free(file->path);
  free(file->bytes);
  *file = (MlaDataFile){0};
}

bool mla_data_file_check(const MlaDataFile *file, int64_t header_bytes, int64_t n_records,
                         int64_t record_bytes, MlaError *error) {
  int64_t expected = header_bytes + n_records * record_bytes;
  if (file->n_bytes > expected)
    return mla_fail(error, MLA_ERROR_INPUT,
                    "%s: %" PRId64 " records of %" PRId64 " bytes make %" PRId64
                    " bytes, but the file holds %" PRId64,
                    file->path, n_records, record_bytes, expected, file->n_bytes);
  if (file->n_bytes < expected)
    return mla_fail(error, MLA_ERROR_INPUT,
                    "%s is truncated: expected %" PRId64 " bytes, found %" PRId64
                    "; it ends in record %" PRId64 " of %" PRId64,
                    file->path, expected, file->n_bytes,
                    file->n_bytes < header_bytes ? 0 : (file->n_bytes - header_bytes) / record_bytes,
                    n_records);
  if (file->ends_early)
    return mla_fail(error, MLA_ERROR_INPUT, "%s is truncated: its compressed data lack their end (checksum)",
                    file->path);
  return true;
}

bool mla_check_label(const char *path, int label, int first, int classes, int64_t record, MlaError *error) {
  if (label >= first && label < first + classes) return true;
  return mla_fail(error, MLA_ERROR_INPUT,
                  "%s: record %" PRId64 " has label %d, but the model has classes %d..%d", path, record,
                  label, first, first + classes - 1);
}
