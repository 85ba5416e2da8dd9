// See atomic_file.h. Every step that can fail on a full disk is checked: write, flush, sync, close, rename.
#include "runtime/files/atomic_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool mla_atomic_open(MlaAtomicFile *file, const char *path, MlaError *error) {
  *file = (MlaAtomicFile){.path = strdup(path)};
  if (asprintf(&file->temp, "%s.tmp", path) < 0) file->temp = NULL;
  if (!file->path || !file->temp) {
    mla_atomic_abort(file);
    return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  }
  file->stream = fopen(file->temp, "wb");
  if (file->stream) return true;
  mla_fail(error, MLA_ERROR_SYSTEM, "cannot write %s: %s", path, strerror(errno));
  mla_atomic_abort(file);
  return false;
}

static bool fail_write(MlaAtomicFile *file, MlaError *error) {
  mla_fail(error, MLA_ERROR_SYSTEM, "cannot write %s: %s", file->path, strerror(errno));
  mla_atomic_abort(file);
  return false;
}

bool mla_atomic_write(MlaAtomicFile *file, const void *bytes, size_t n_bytes, MlaError *error) {
  return fwrite(bytes, 1, n_bytes, file->stream) == n_bytes || fail_write(file, error);
}

bool mla_atomic_commit(MlaAtomicFile *file, MlaError *error) {
  if (fflush(file->stream) != 0 || fsync(fileno(file->stream)) != 0) return fail_write(file, error);
  FILE *stream = file->stream;
  file->stream = NULL; // fclose releases it even when it fails
  if (fclose(stream) != 0 || rename(file->temp, file->path) != 0) return fail_write(file, error);
  bool good = mla_sync_parent(file->path, error);
  free(file->path);
  free(file->temp);
  *file = (MlaAtomicFile){0};
  return good;
}

void mla_atomic_abort(MlaAtomicFile *file) {
  if (file->stream) fclose(file->stream);
  if (file->temp) unlink(file->temp);
  free(file->path);
  free(file->temp);
  *file = (MlaAtomicFile){0};
}

bool mla_atomic_text(const char *path, const char *text, MlaError *error) {
  MlaAtomicFile file;
  return mla_atomic_open(&file, path, error) && mla_atomic_write(&file, text, strlen(text), error) &&
         mla_atomic_commit(&file, error);
}

bool mla_sync_parent(const char *path, MlaError *error) {
  const char *slash = strrchr(path, '/');
  char *parent = slash == path ? strdup("/") : slash ? strndup(path, (size_t)(slash - path)) : strdup(".");
  if (!parent) return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  // Some file systems cannot sync a directory (EINVAL); their renames are as durable as they get.
  bool good = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL);
  if (!good) mla_fail(error, MLA_ERROR_SYSTEM, "cannot sync %s: %s", parent, strerror(errno));
  if (fd >= 0) close(fd);
  free(parent);
  return good;
}
