// Views are mappings of whole pages, so a buffer begins at the same place in its page as in the plan.
#include "runtime/device/emulation/views.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { GAP_BYTES = 64 << 20 }; // between two views; a multiple of every page size

static size_t pages(size_t n_bytes) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  return (n_bytes + page - 1) / page * page;
}

static bool fail_system(const MlaLoaded *loaded, MlaError *error) {
  return mla_fail(error, MLA_ERROR_SYSTEM, "cannot allocate the plan's %.1f MiB: %s",
                  (double)loaded->n_bytes / (1 << 20), strerror(errno));
}

static size_t begin_in_file(const MlaLoaded *loaded, int buffer) {
  return (size_t)(mla_buffer(loaded, buffer).address - loaded->base.address);
}

// Bytes of the pages that hold the buffer.
static size_t view_bytes(const MlaLoaded *loaded, int buffer) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), n_bytes = (size_t)loaded->program->buffers[buffer].n_bytes;
  return pages(begin_in_file(loaded, buffer) % page + n_bytes);
}

static bool map_views(const MlaLoaded *loaded, MlaViews *views, int file) {
  const MlaProgram *program = loaded->program;
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  unsigned char *next = views->space + GAP_BYTES;
  for (int i = 0; i < program->n_buffers; i++) {
    size_t begin = begin_in_file(loaded, i), n_bytes = view_bytes(loaded, i), first = begin / page * page;
    if (n_bytes &&
        mmap(next, n_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, (off_t)first) == MAP_FAILED)
      return false;
    views->views[i] = next + (begin - first);
    next += n_bytes + GAP_BYTES;
  }
  return true;
}

static bool map_all(MlaLoaded *loaded, MlaViews *views, int file) {
  const MlaProgram *program = loaded->program;
  void *base = mmap(NULL, pages((size_t)loaded->n_bytes), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (base == MAP_FAILED) return false;
  loaded->base.address = base;
  views->n_bytes = GAP_BYTES;
  for (int i = 0; i < program->n_buffers; i++) views->n_bytes += view_bytes(loaded, i) + GAP_BYTES;
  void *space = mmap(NULL, views->n_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (space == MAP_FAILED) return false;
  views->space = space;
  return map_views(loaded, views, file);
}

bool mla_views_alloc(MlaLoaded *loaded, MlaViews *views, MlaError *error) {
  loaded->n_bytes = mla_layout_regions(loaded->program, loaded->region_start);
  if (!loaded->n_bytes) return mla_fail(error, MLA_ERROR_INPUT, "the program has no memory at all");
  views->views = calloc((size_t)loaded->program->n_buffers + 1, sizeof *views->views);
  if (!views->views) return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  int file = memfd_create("mlaanc", MFD_CLOEXEC);
  if (file < 0) return fail_system(loaded, error);
  bool good = ftruncate(file, (off_t)pages((size_t)loaded->n_bytes)) == 0 && map_all(loaded, views, file);
  if (!good) fail_system(loaded, error);
  close(file);
  return good;
}

void mla_views_free(MlaLoaded *loaded, MlaViews *views) {
  if (views->space) munmap(views->space, views->n_bytes);
  if (loaded->base.address) munmap(loaded->base.address, pages((size_t)loaded->n_bytes));
  free(views->views);
  loaded->base.address = NULL;
  *views = (MlaViews){0};
}

bool mla_views_bind(const MlaLoaded *loaded, const MlaViews *views, const MlaStep *step, MlaBinding *binding,
                    MlaError *error) {
  if (!mla_bind(loaded, step, binding, error)) return false;
  void **next = binding->pointers;
  for (int i = 0; i < step->n_launches; i++)
    for (int k = 0; k < step->launches[i].n_buffers; k++, next++) {
      int buffer = step->launches[i].buffers[k];
      *next = buffer < 0 ? NULL : views->views[buffer];
    }
  return true;
}
