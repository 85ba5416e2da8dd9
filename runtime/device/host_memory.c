// A program's memory on the host: one mapping for all regions, and the launches' pointers into it.
#include "runtime/device/backend.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { HUGE_PAGE = 2 << 20 };

static size_t mapping_bytes(const MlaLoaded *loaded) {
  // Whole huge pages only pay where there are some.
  size_t unit = loaded->n_bytes >= 4 * HUGE_PAGE ? HUGE_PAGE : 4096;
  return ((size_t)loaded->n_bytes + MLA_READ_BEHIND + unit - 1) / unit * unit;
}

// Maps n_bytes at a multiple of a huge page: maps more and gives the ends back.
static unsigned char *map_aligned(size_t n_bytes, int protection, int flags) {
  size_t all = n_bytes + HUGE_PAGE;
  unsigned char *start = mmap(NULL, all, protection, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
  if (start == MAP_FAILED) return NULL;
  size_t head = (HUGE_PAGE - (uintptr_t)start % HUGE_PAGE) % HUGE_PAGE;
  if (head) munmap(start, head);
  if (all - head > n_bytes) munmap(start + head + n_bytes, all - head - n_bytes);
  return start + head;
}

bool mla_host_alloc(MlaLoaded *loaded, bool is_backed, MlaError *error) {
  loaded->n_bytes = mla_layout_regions(loaded->program, loaded->region_start);
  if (!loaded->n_bytes) return mla_fail(error, MLA_ERROR_INPUT, "the program has no memory at all");
  size_t n_bytes = mapping_bytes(loaded);
  loaded->base.address = is_backed ? map_aligned(n_bytes, PROT_READ | PROT_WRITE, 0)
                                   : map_aligned(n_bytes, PROT_NONE, MAP_NORESERVE);
  if (!loaded->base.address)
    return mla_fail(error, MLA_ERROR_SYSTEM, "cannot allocate the plan's %.1f MiB: %s",
                    (double)loaded->n_bytes / (1 << 20), strerror(errno));
  if (is_backed && n_bytes % HUGE_PAGE == 0) madvise(loaded->base.address, n_bytes, MADV_HUGEPAGE);
  return true;
}

void mla_host_free(MlaLoaded *loaded) {
  if (loaded->base.address) munmap(loaded->base.address, mapping_bytes(loaded));
  loaded->base.address = NULL;
}

bool mla_bind(const MlaLoaded *loaded, const MlaStep *step, MlaBinding *binding, MlaError *error) {
  size_t n = 0;
  for (int i = 0; i < step->n_launches; i++) n += (size_t)step->launches[i].n_buffers;
  binding->pointers = calloc(n + 1, sizeof *binding->pointers);
  binding->of_launch = calloc((size_t)step->n_launches + 1, sizeof *binding->of_launch);
  if (!binding->pointers || !binding->of_launch) return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  void **next = binding->pointers;
  for (int i = 0; i < step->n_launches; i++) {
    const MlaLaunch *launch = &step->launches[i];
    binding->of_launch[i] = next;
    for (int k = 0; k < launch->n_buffers; k++)
      *next++ = launch->buffers[k] < 0 ? NULL : mla_buffer(loaded, launch->buffers[k]).address;
  }
  return true;
}

void mla_unbind(MlaBinding *binding) {
  free(binding->pointers);
  free(binding->of_launch);
  *binding = (MlaBinding){0};
}
