// What a thread may touch: its stack (asked for in the text already), the block's shared memory, the launch's buffers,
// and for reading the constants of its unit. And when: two threads that touch the same place, one of them writing,
// need a barrier between them; what is read from shared memory has been written.
#include "runtime/device/emulation/emulation.h"

#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { SHARED_MARGIN = 4096 }; // bytes around dynamic shared memory, for the wording of a message

// ---- where a unit and its shared arrays lie -------------------------------------------------------------------
typedef struct Image {
  const unsigned char *wanted, *begin, *end, *locals, *locals_end;
} Image;

static int take_image(struct dl_phdr_info *info, size_t size, void *context) {
  (void)size;
  Image *image = context;
  uintptr_t low = UINTPTR_MAX, high = 0;
  size_t n_local_bytes = 0;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *part = &info->dlpi_phdr[i];
    uintptr_t begin = info->dlpi_addr + part->p_vaddr, end = begin + part->p_memsz;
    if (part->p_type == PT_TLS) n_local_bytes = part->p_memsz;
    if (part->p_type != PT_LOAD) continue;
    if (begin < low) low = begin;
    if (end > high) high = end;
  }
  if ((uintptr_t)image->wanted < low || (uintptr_t)image->wanted >= high) return 0;
  image->begin = (const unsigned char *)low;
  image->end = (const unsigned char *)high;
  image->locals = info->dlpi_tls_data;
  image->locals_end = image->locals + n_local_bytes;
  return 1;
}

static void unmap_range(SharedRange *range) {
  if (range->cells) munmap(range->cells, range->n_bytes);
  *range = (SharedRange){0};
}

static bool map_range(SharedRange *range, const unsigned char *begin, const unsigned char *end) {
  unmap_range(range);
  range->n_words = (size_t)(end - begin) / 4 + 2;
  range->n_bytes = 2 * range->n_words * sizeof(Cell);
  void *cells =
      mmap(NULL, range->n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (cells == MAP_FAILED) return false;
  range->cells = cells;
  range->begin = begin;
  range->end = end;
  return true;
}

bool mla_shared_ranges(Worker *worker, int64_t dynamic_bytes) {
  const MlaUnit *unit = worker->emulated->entry->unit;
  if (worker->unit != unit) {
    unit->locals(); // makes this worker's copy
    Image image = {.wanted = (const unsigned char *)unit};
    dl_iterate_phdr(take_image, &image);
    if (!image.begin || !map_range(&worker->fixed, image.locals, image.locals_end)) return false;
    worker->image = image.begin;
    worker->image_end = image.end;
    worker->unit = unit;
  }
  size_t n_bytes = (size_t)dynamic_bytes;
  if (n_bytes == worker->dynamic_bytes) return true;
  unmap_range(&worker->dynamic);
  free(worker->dynamic_memory);
  worker->dynamic_bytes = 0;
  worker->dynamic_memory = n_bytes ? aligned_alloc(128, (n_bytes + 127) / 128 * 128) : NULL;
  if (!n_bytes) return true;
  if (!worker->dynamic_memory ||
      !map_range(&worker->dynamic, worker->dynamic_memory, worker->dynamic_memory + n_bytes))
    return false;
  worker->dynamic_bytes = n_bytes;
  return true;
}

void mla_release_ranges(Worker *worker) {
  unmap_range(&worker->fixed);
  unmap_range(&worker->dynamic);
  free(worker->dynamic_memory);
  worker->dynamic_memory = NULL;
}

// ---- shared memory --------------------------------------------------------------------------------------------
// The cell of the word that holds this address.
static Cell *cell_at(const Worker *worker, const SharedRange *range, const unsigned char *address) {
  Cell *cell = &range->cells[(address - range->begin) / 4];
  if (cell->block != worker->block_count) *cell = (Cell){.block = worker->block_count};
  return cell;
}

void mla_guard(MlaThread *thread, const void *address, long n_bytes) {
  Worker *worker = ((Lane *)thread)->worker;
  const unsigned char *at = address;
  for (long i = 0; i < n_bytes; i += 4) cell_at(worker, &worker->fixed, at + i)->is_guard = true;
}

// Whether the earlier access surely lies before what this lane does now.
static bool is_before(const Lane *lane, const Access *earlier) {
  const Worker *worker = lane->worker;
  uint32_t me = lane->self.thread.x, other = earlier->thread - 1;
  if (!earlier->thread || other == me || earlier->epoch != worker->epoch) return true;
  return other / MLA_WARP == me / MLA_WARP &&
         worker->warps[me / MLA_WARP].clock[me % MLA_WARP][other % MLA_WARP] >= earlier->clock;
}

static void fault_race(Lane *lane, const Access *earlier, const char *did, int is_write, const void *caller) {
  char place[128];
  mla_describe_caller(lane->worker, lane->worker->image + earlier->caller, place, sizeof place);
  mla_fault_from(lane, caller, "%s shared memory that thread %u %s at %s, with no barrier between",
                 is_write ? "writes" : "reads", earlier->thread - 1, did, place);
}

static void note_read(const Lane *lane, Cell *cell, const Access *now) {
  Access *first = &cell->reader[0];
  bool is_free = first->thread == now->thread || is_before(lane, first);
  *(is_free ? first : &cell->reader[1]) = *now;
  if (!is_free && (first->thread - 1) / MLA_WARP != (now->thread - 1) / MLA_WARP)
    cell->wide_epoch = now->epoch + 1;
}

static void touch_cell(Lane *lane, Cell *cell, int is_write, const void *caller) {
  const Worker *worker = lane->worker;
  uint32_t me = lane->self.thread.x;
  if (cell->is_guard)
    mla_fault_from(lane, caller, "%s shared memory outside of its array", is_write ? "writes" : "reads");
  if (!is_write && !cell->writer.thread)
    mla_fault_from(lane, caller, "reads shared memory that nobody has written in this block");
  if (!is_before(lane, &cell->writer)) fault_race(lane, &cell->writer, "wrote", is_write, caller);
  Access now = {worker->epoch, worker->warps[me / MLA_WARP].clock[me % MLA_WARP][me % MLA_WARP], me + 1,
                (uint32_t)((const unsigned char *)caller - worker->image)};
  if (!is_write) {
    note_read(lane, cell, &now);
    return;
  }
  for (int i = 0; i < 2; i++)
    if (!is_before(lane, &cell->reader[i])) fault_race(lane, &cell->reader[i], "read", is_write, caller);
  cell->writer = now;
}

// From here on the halves of the word have histories of their own; until now theirs was the same.
static void split(Cell *first, Cell *second) {
  *second = *first;
  first->is_split = true;
}

// Reads of whole words written before the last barrier, of which enough readers are known: nearly all of a tile's.
static inline bool is_plain_read(const Worker *worker, const SharedRange *range, const unsigned char *at,
                                 long n_bytes) {
  size_t place = (size_t)(at - range->begin);
  if (at < range->begin || at + n_bytes > range->end || (place | (size_t)n_bytes) % 4) return false;
  for (const Cell *cell = &range->cells[place / 4], *end = cell + n_bytes / 4; cell < end; cell++)
    if (cell->wide_epoch != worker->epoch + 1 || cell->block != worker->block_count || cell->is_guard ||
        cell->is_split || cell->writer.epoch == worker->epoch)
      return false;
  return true;
}

static bool touch_shared(Lane *lane, const SharedRange *range, const unsigned char *at, long n_bytes,
                         int is_write, const void *caller) {
  if (at < range->begin || at >= range->end) return false;
  const unsigned char *end = at + n_bytes;
  if (end > range->end)
    mla_fault_from(lane, caller, "%s past the end of shared memory", is_write ? "writes" : "reads");
  for (const unsigned char *word = at - (at - range->begin) % 4; word < end; word += 4) {
    Cell *cell = cell_at(lane->worker, range, word);
    Cell *second = cell + range->n_words;
    if (!cell->is_split && (word < at || word + 4 > end)) split(cell, second);
    if (!cell->is_split || at < word + 2) touch_cell(lane, cell, is_write, caller);
    if (cell->is_split && end > word + 2) touch_cell(lane, second, is_write, caller);
  }
  return true;
}

// ---- the launch's buffers -------------------------------------------------------------------------------------
// launch: 16 bits, block: 24, thread: 10, barriers passed: 14. The last number stays and is then taken as ordered.
static uint64_t stamp_of(const Lane *lane) {
  const Worker *worker = lane->worker;
  uint64_t epoch = worker->epoch < 0x3FFF ? worker->epoch : 0x3FFF;
  return (uint64_t)worker->emulated->number << 48 | (uint64_t)((uint32_t)worker->block & 0xFFFFFF) << 24 |
         (uint64_t)lane->self.thread.x << 14 | epoch;
}

// Of one block, a barrier orders; within a warp the order of global accesses is not followed. Of two blocks, a ticket.
static bool is_stamp_before(const Lane *lane, uint64_t earlier, uint64_t now) {
  if (earlier >> 48 != now >> 48) return true;
  if (earlier >> 24 != now >> 24) return mla_is_behind_ticket(lane, earlier);
  if ((earlier & 0x3FFF) != (now & 0x3FFF) || (now & 0x3FFF) == 0x3FFF) return true;
  return (earlier >> 14 & 1023) / MLA_WARP == (now >> 14 & 1023) / MLA_WARP;
}

static void fault_global_race(Lane *lane, const Extent *extent, uint64_t earlier, const char *did,
                              int is_write, const void *caller) {
  mla_fault_from(lane, caller, "%s what block %u, thread %u %s in the same launch, in buffer `%s`",
                 is_write ? "writes" : "reads", (unsigned)(earlier >> 24 & 0xFFFFFF),
                 (unsigned)(earlier >> 14 & 1023), did,
                 lane->worker->emulated->program->buffers[extent->buffer].name);
}

// Bytes of the work region are used again and again: what stands there before a step, or in a launch's own output, is
// nobody's result.
static void check_written(Lane *lane, const Extent *extent, uint64_t writer, const void *caller) {
  if (writer >> 48 >= extent->oldest) return;
  mla_fault_from(lane, caller, "reads what nobody has written in this %s, in buffer `%s`",
                 extent->is_written ? "launch" : "step",
                 lane->worker->emulated->program->buffers[extent->buffer].name);
}

// A writer leaves its stamp and then looks for readers, a reader the other way round: of two workers one sees the
// other.
static void touch_stamps(Lane *lane, const Extent *extent, Stamps *stamps, int is_write, const void *caller) {
  uint64_t now = stamp_of(lane);
  if (is_write) {
    uint64_t writer = atomic_exchange(&stamps->writer, now), reader = atomic_load(&stamps->reader);
    if (!is_stamp_before(lane, writer, now))
      fault_global_race(lane, extent, writer, "wrote", is_write, caller);
    if (!is_stamp_before(lane, reader, now))
      fault_global_race(lane, extent, reader, "read", is_write, caller);
    return;
  }
  uint64_t reader = atomic_load(&stamps->reader);
  if (is_stamp_before(lane, reader, now)) atomic_store(&stamps->reader, now);
  uint64_t writer = atomic_load(&stamps->writer);
  if (!is_stamp_before(lane, writer, now)) fault_global_race(lane, extent, writer, "wrote", is_write, caller);
  check_written(lane, extent, writer, caller);
}

static bool is_inside(const Extent *extent, const unsigned char *at, long n_bytes) {
  return at >= extent->begin && at + n_bytes <= extent->end;
}

// Where bytes lie in several buffers (one is a part of the other), one that may be written comes first.
const Extent *mla_find_extent(Worker *worker, const unsigned char *at, long n_bytes) {
  const Emulated *emulated = worker->emulated;
  if (worker->recent && is_inside(worker->recent, at, n_bytes)) return worker->recent;
  for (int i = 0; i < emulated->n_extents; i++)
    if (is_inside(&emulated->extents[i], at, n_bytes)) return worker->recent = &emulated->extents[i];
  return NULL;
}

static void fault_address(Lane *lane, const unsigned char *at, long n_bytes, int is_write,
                          const void *caller) {
  const Worker *worker = lane->worker;
  const Emulated *emulated = worker->emulated;
  const char *does = is_write ? "writes" : "reads";
  long nearest = 1 << 20;
  char place[192] = "at an address that is in none of its buffers";
  for (int i = 0; i < emulated->n_extents; i++) {
    const Extent *extent = &emulated->extents[i];
    const char *name = emulated->program->buffers[extent->buffer].name;
    long past = (long)(at + n_bytes - extent->end), below = (long)(extent->begin - at);
    if (past > 0 && past < nearest)
      nearest = past,
      snprintf(place, sizeof place, "up to %ld bytes past the end of buffer `%s` of %ld bytes", past, name,
               (long)(extent->end - extent->begin));
    if (below > 0 && below < nearest)
      nearest = below, snprintf(place, sizeof place, "%ld bytes before buffer `%s`", below, name);
  }
  if (mla_is_stack(worker, at))
    snprintf(place, sizeof place,
             "outside of its stack: its local arrays are too large, or an index leaves one");
  const SharedRange *dynamic = &worker->dynamic;
  if (dynamic->cells && at + SHARED_MARGIN > dynamic->begin && at < dynamic->end + SHARED_MARGIN)
    snprintf(place, sizeof place, "outside of the %ld bytes of dynamic shared memory",
             (long)(dynamic->end - dynamic->begin));
  mla_fault_from(lane, caller, "%s %ld bytes %s", does, n_bytes, place);
}

// The unit's constants; the table of the launch's buffers.
static bool is_constant(const Worker *worker, const unsigned char *at, long n_bytes) {
  const Emulated *emulated = worker->emulated;
  const unsigned char *table = (const unsigned char *)emulated->pointers;
  return (at >= worker->image && at + n_bytes <= worker->image_end) ||
         (at >= table && at + n_bytes <= table + (size_t)emulated->launch->n_buffers * sizeof(void *));
}

static __attribute__((noinline)) void touch_any(Lane *lane, const unsigned char *at, long n_bytes,
                                                int is_write, const void *caller) {
  Worker *worker = lane->worker;
  if (touch_shared(lane, &worker->fixed, at, n_bytes, is_write, caller) ||
      touch_shared(lane, &worker->dynamic, at, n_bytes, is_write, caller))
    return;
  const Extent *extent = mla_find_extent(worker, at, n_bytes);
  if (extent) {
    if (is_write && !extent->is_written)
      mla_fault_from(lane, caller, "writes buffer `%s`, of which the launch says that it only reads it",
                     worker->emulated->program->buffers[extent->buffer].name);
    for (const unsigned char *next = at; next < at + n_bytes; next += 4)
      touch_stamps(lane, extent, &extent->stamps[(next - extent->begin) / 4], is_write, caller);
    return;
  }
  if (!is_write && is_constant(worker, at, n_bytes)) return;
  fault_address(lane, at, n_bytes, is_write, caller);
}

void mla_touch(MlaThread *thread, const void *address, long n_bytes, int is_write, const void *caller) {
  Lane *lane = (Lane *)thread;
  const Worker *worker = lane->worker;
  if (!is_write && (is_plain_read(worker, &worker->fixed, address, n_bytes) ||
                    is_plain_read(worker, &worker->dynamic, address, n_bytes)))
    return;
  touch_any(lane, address, n_bytes, is_write, caller);
}
