// See run_dir.h. `latest` moves only after its checkpoint is on the disk, and old ones go only after that.
#include "runtime/train/run_dir.h"
#include "runtime/files/atomic_file.h"
#include "runtime/files/json_text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static char *join(const char *dir, const char *name) {
  char *path;
  return asprintf(&path, "%s/%s", dir, name) < 0 ? NULL : path;
}

static bool fail_memory(MlaError *error) {
  return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
}

// mkdir -p
static bool make_directories(const char *dir, MlaError *error) {
  char *path = strdup(dir);
  if (!path) return fail_memory(error);
  bool good = true;
  for (char *p = path + 1; good; p++) {
    if (*p != '/' && *p != 0) continue;
    char kept = *p;
    *p = 0;
    good = mkdir(path, 0777) == 0 || errno == EEXIST;
    *p = kept;
    if (kept == 0) break;
  }
  struct stat status;
  if (good && stat(dir, &status) == 0 && !S_ISDIR(status.st_mode)) errno = ENOTDIR, good = false;
  if (!good) mla_fail(error, MLA_ERROR_SYSTEM, "cannot make the run directory %s: %s", dir, strerror(errno));
  free(path);
  return good;
}

// Who holds it is written there, for the message.
static bool refuse_locked(const char *dir, int lock, MlaError *error) {
  char holder[32] = "";
  ssize_t n = pread(lock, holder, sizeof holder - 1, 0);
  close(lock);
  if (n > 0) holder[strspn(holder, "0123456789")] = 0;
  return mla_fail(
      error, MLA_ERROR_INPUT,
      "another process (number %s) is writing to the run directory %s: wait until it has ended, or take "
      "another directory with --run-dir",
      *holder ? holder : "unknown", dir);
}

bool mla_run_lock(const char *dir, bool is_made, int *lock, MlaError *error) {
  *lock = -1;
  if (is_made && !make_directories(dir, error)) return false;
  char *path = join(dir, "lock");
  if (!path) return fail_memory(error);
  int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  free(path);
  if (file < 0) return true; // whoever writes there says why it cannot
  if (flock(file, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) return refuse_locked(dir, file, error);
  if (ftruncate(file, 0) == 0) dprintf(file, "%d\n", (int)getpid());
  *lock = file;
  return true;
}

// The file stays: removing it could take it from under a process that waits for it.
void mla_run_unlock(int lock) {
  if (lock >= 0) close(lock);
}

static bool refuse_existing(const char *dir, MlaError *error) {
  static const char *const signs[] = {"latest", "metrics.jsonl"};
  for (int i = 0; i < 2; i++) {
    char *path = join(dir, signs[i]);
    if (!path) return fail_memory(error);
    struct stat status;
    bool exists = lstat(path, &status) == 0;
    free(path);
    if (exists)
      return mla_fail(error, MLA_ERROR_INPUT,
                      "%s already holds a run (%s): continue it with --resume, or take another directory",
                      dir, signs[i]);
  }
  return true;
}

static bool write_text(const char *dir, const char *name, const char *text, MlaError *error) {
  char *path = join(dir, name);
  bool good = path ? mla_atomic_text(path, text, error) : fail_memory(error);
  free(path);
  return good;
}

static bool write_description(const char *dir, const MlaProgram *program, MlaError *error) {
  char *text = NULL;
  size_t n_bytes = 0;
  FILE *out = open_memstream(&text, &n_bytes);
  if (!out) return fail_memory(error);
  fputs("{\n  \"model\": ", out);
  mla_json_text(out, program->model);
  // The seed as text: JSON readers round integers beyond 2^53.
  fprintf(out,
          ",\n  \"seed\": \"%" PRIu64 "\",\n  \"element\": \"%s\",\n  \"batch\": %" PRId64
          ",\n  \"epochs\": %d,\n  \"modules\": %d\n}",
          program->recipe.seed, program->elem == MLA_F64 ? "float64" : "float32", program->recipe.batch,
          program->recipe.epochs, program->n_modules);
  bool good = fclose(out) == 0 ? write_text(dir, "run.json", text, error) : fail_memory(error);
  free(text);
  return good;
}

bool mla_run_dir_create(const char *dir, MlaError *error) {
  return make_directories(dir, error) && refuse_existing(dir, error);
}

bool mla_run_dir_describe(const char *dir, const MlaProgram *program, const char *model_text,
                          MlaError *error) {
  return (!model_text || write_text(dir, "model.mlaan", model_text, error)) &&
         write_description(dir, program, error);
}

char *mla_run_dir_latest(const char *dir, MlaError *error) {
  char *link = join(dir, "latest"), target[NAME_MAX + 1];
  ssize_t length = link ? readlink(link, target, sizeof target - 1) : -1;
  free(link);
  if (length < 0) {
    mla_fail(error, MLA_ERROR_INPUT, "nothing to resume: %s holds no `latest` checkpoint (%s)", dir,
             strerror(errno));
    return NULL;
  }
  target[length] = 0;
  char *path = join(dir, target);
  if (!path) fail_memory(error);
  return path;
}

static void checkpoint_name(char name[64], int epoch, int64_t batch) {
  snprintf(name, 64, "ckpt-%04d-%06" PRId64 ".safetensors", epoch, batch);
}

char *mla_run_dir_checkpoint(const char *dir, const MlaProgress *progress) {
  char name[64];
  checkpoint_name(name, progress->epoch, progress->batch);
  return join(dir, name);
}

// A link beside it is made and renamed over the old one, so that `latest` never misses.
static bool point_latest(const char *dir, const MlaProgress *progress, MlaError *error) {
  char name[64];
  checkpoint_name(name, progress->epoch, progress->batch);
  char *latest = join(dir, "latest"), *temp = join(dir, "latest.tmp");
  bool good = latest && temp;
  if (!good) fail_memory(error);
  if (good) {
    unlink(temp); // a killed run's
    good = symlink(name, temp) == 0 && rename(temp, latest) == 0;
    if (!good) mla_fail(error, MLA_ERROR_SYSTEM, "cannot write %s: %s", latest, strerror(errno));
    good = good && mla_sync_parent(latest, error);
  }
  free(latest);
  free(temp);
  return good;
}

typedef struct Place {
  int epoch;
  int64_t batch;
} Place;

static bool parse_place(const char *name, Place *place) {
  int end = 0;
  return sscanf(name, "ckpt-%d-%" SCNd64 ".safetensors%n", &place->epoch, &place->batch, &end) == 2 &&
         end > 0 && name[end] == 0;
}

static int newest_first(const void *a, const void *b) {
  const Place *first = a, *second = b;
  if (first->epoch != second->epoch) return first->epoch > second->epoch ? -1 : 1;
  return first->batch > second->batch ? -1 : first->batch < second->batch;
}

// The places of checkpoints up to `progress`, to be freed; -1: the directory cannot be read.
static int list_places(const char *dir, const MlaProgress *progress, Place **places) {
  DIR *stream = opendir(dir);
  if (!stream) return -1;
  int n = 0, capacity = 0;
  struct dirent *entry;
  while ((entry = readdir(stream))) {
    Place place;
    if (!parse_place(entry->d_name, &place)) continue;
    if (place.epoch > progress->epoch || (place.epoch == progress->epoch && place.batch > progress->batch))
      continue;
    if (n == capacity) {
      capacity = capacity ? 2 * capacity : 16;
      Place *more = realloc(*places, (size_t)capacity * sizeof *more);
      if (!more) break;
      *places = more;
    }
    (*places)[n++] = place;
  }
  closedir(stream);
  return n;
}

int mla_run_dir_list(const char *dir, char (*names)[64], int most) {
  const MlaProgress all = {.epoch = INT_MAX, .batch = INT64_MAX};
  Place *places = NULL;
  int n = list_places(dir, &all, &places);
  if (n > 1) qsort(places, (size_t)n, sizeof *places, newest_first);
  for (int i = 0; i < n && i < most; i++) checkpoint_name(names[i], places[i].epoch, places[i].batch);
  free(places);
  return n < 0 ? 0 : n < most ? n : most;
}

// Old checkpoints that cannot be removed do no harm: no error.
static void remove_old(const char *dir, const MlaProgress *progress, int keep) {
  Place *places = NULL;
  int n = list_places(dir, progress, &places);
  if (n > 1) qsort(places, (size_t)n, sizeof *places, newest_first);
  for (int i = keep > 1 ? keep : 1; i < n; i++) {
    char name[64];
    checkpoint_name(name, places[i].epoch, places[i].batch);
    char *path = join(dir, name);
    if (path) unlink(path);
    free(path);
  }
  free(places);
}

bool mla_run_dir_save(const char *dir, MlaLoaded *loaded, const MlaProgress *progress, int keep,
                      MlaError *error) {
  char *path = mla_run_dir_checkpoint(dir, progress);
  bool good = path ? mla_checkpoint_save(loaded, path, progress, error) : fail_memory(error);
  free(path);
  if (!good || !point_latest(dir, progress, error)) return false;
  remove_old(dir, progress, keep);
  return true;
}
