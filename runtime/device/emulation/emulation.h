// Blocks of CUDA threads on the CPU: every thread a fiber of one worker, which runs it until it waits, so that order
// is fixed and two runs are equal. Private to runtime/device.
//
// What is wrong with a kernel is found where it happens and not by its results: the compiled text asks before every
// access (touch), and shadow memory knows who touched an address before, since which barrier.
#pragma once
#include "runtime/device/emulation/fiber.h"
#include "runtime/device/emulation/interface.h"
#include "runtime/program.h"
#include <pthread.h>
#include <stdatomic.h>

enum { MLA_WARP = 32, MLA_MOST_THREADS = 1024, MLA_STACK_BYTES = 128 << 10 };

// ---- a launch -------------------------------------------------------------------------------------------------
// Who wrote and who read first, per four bytes of the device's allocation; a stamp holds launch, block, thread and
// barriers passed. Marks of earlier launches mean nothing, so that nothing has to be cleared.
typedef struct Stamps {
  _Atomic uint64_t writer, reader;
} Stamps;

typedef struct Extent { // bytes that the launch may touch
  const unsigned char *begin, *end;
  int buffer;      // of the program
  Stamps *stamps;  // of its first word
  bool is_written; // else it may only be read
  uint32_t oldest; // launch that may have written what is read here; 0: any, at any time
} Extent;

typedef struct Emulated {
  const MlaProgram *program;
  Stamps *stamps;
  const MlaLaunch *launch;
  const MlaEntry *entry;
  void *const *pointers;
  int batch;
  uint32_t number; // of the launch, or of an upload: 1 .. 65535
  uint32_t first;  // of the step, its uploads included; 0: not known
  Extent *extents; // of the launch, by address
  int n_extents;
  pthread_mutex_t mutex;
  int n_blocks;
  _Atomic uint64_t *passes; // [n_blocks] the ticket that a block took last, see ticket.c
  int pass_capacity;
  _Atomic int first_fault; // block with a fault; INT_MAX: none. Later blocks are not begun
  char message[1024];
} Emulated;

// ---- a worker and its block --------------------------------------------------------------------------------------
typedef enum Waiting { MLA_RUNS, MLA_AT_BARRIER, MLA_IN_WARP, MLA_RETURNED } Waiting;

typedef struct Access {
  uint32_t epoch, clock; // barriers of the block, of the warp
  uint32_t thread;       // + 1; 0: none
  uint32_t caller;       // from the unit's image
} Access;

// Four bytes of shared memory, one cache line. Once less than four were touched, the first half word is this cell's and
// the other one has a cell of its own. Of the readers two that differ are enough: one is not the next writer.
typedef struct Cell {
  _Alignas(64) uint32_t block; // the worker's count of blocks when this was last touched; other: untouched
  bool is_guard, is_split;
  uint32_t
      wide_epoch; // + 1: readers of two warps are known since that barrier; one of them is not of a writer's warp
  Access writer, reader[2];
} Cell;

typedef struct SharedRange {
  const unsigned char *begin, *end;
  Cell *cells; // mapped: of the words, then of their second halves
  size_t n_words;
  size_t n_bytes;
} SharedRange;

typedef struct Worker Worker;

typedef struct Lane {
  MlaThread self; // first: what the text sees
  Worker *worker;
  MlaFiber fiber;
  Waiting waiting;
  const MlaSite *site;
  // In a collective:
  unsigned mask;
  bool is_barrier;
  const void *brought;
  int n_bytes;
} Lane;

typedef struct Warp {
  uint32_t clock[MLA_WARP]
                [MLA_WARP]; // [lane][other]: what the lane knows to lie before it, by the other's own clock
  _Alignas(16) unsigned char slot[MLA_WARP][32]; // what the last collective's lanes brought
} Warp;

// Padded to whole cache lines, as an element of the pool's scratch.
struct Worker {
  _Alignas(64) Emulated *emulated;
  const MlaUnit *unit;
  const unsigned char *image, *image_end; // of the loaded unit
  SharedRange fixed, dynamic;             // static arrays; dynamic shared memory
  unsigned char *dynamic_memory;
  size_t dynamic_bytes;
  uint32_t block_count; // run by this worker
  int block, n_threads, n_waiting, n_returned;
  uint32_t epoch;
  const MlaSite *barrier;
  int barrier_thread;
  bool has_fault;
  const Extent *recent; // the buffer last touched
  bool has_last_ticket; // it took this one as the last block
  uint32_t last_ticket, last_ticket_epoch, last_ticket_thread;
  MlaFiber home;
  Lane *lanes;
  Warp *warps;
  unsigned char *stacks;
};

bool mla_worker_init(Worker *worker);
void mla_worker_release(Worker *worker);
bool mla_is_stack(const Worker *worker, const unsigned char *at); // of any of its threads
// The pool's kernel: buf[0] is the Emulated, scratch the worker, part the block.
void mla_emulate_block(void *const *buf, long batch, void *scratch, int part, int parts);

// ---- warp.c, memory.c, fault.c
extern const MlaServices mla_emulation_services;
void mla_lane_wait(Lane *lane, Waiting how, const MlaSite *site);
void mla_collective(MlaThread *thread, const MlaSite *site, unsigned mask, int is_barrier, const void *mine,
                    int n_bytes, void *all);
void mla_touch(MlaThread *thread, const void *address, long n_bytes, int is_write, const void *caller);
void mla_guard(MlaThread *thread, const void *address, long n_bytes);
const Extent *mla_find_extent(Worker *worker, const unsigned char *at, long n_bytes);
bool mla_shared_ranges(Worker *worker, int64_t dynamic_bytes);
void mla_release_ranges(Worker *worker);

// ---- ticket.c
unsigned mla_take_ticket(MlaThread *thread, unsigned *ticket, unsigned n_blocks, const void *caller);
// Whether what another block did, as of this stamp of the present launch, lies before what this lane does.
bool mla_is_behind_ticket(const Lane *lane, uint64_t stamp);
bool mla_prepare_tickets(Emulated *emulated);
// A ticket of the launch that its blocks left standing, or -1.
int mla_find_open_ticket(const Emulated *emulated, unsigned *stands_at);

// Ends the block: notes what is wrong and leaves the fiber for good. lane NULL: said by the scheduler.
void mla_fault_at(Lane *lane, const MlaSite *site, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void mla_fault_from(Lane *lane, const void *caller, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// Notes it only; for the scheduler.
void mla_note_fault(Worker *worker, int thread, const MlaSite *site, const char *text);
// "line 12 of the kernel" or "line 3 of the prelude", into `text`.
bool mla_is_prelude(const char *file);
void mla_describe_site(const MlaSite *site, char *text, size_t capacity);
void mla_describe_caller(const Worker *worker, const void *caller, char *text, size_t capacity);
