// Tickets: of the blocks that share a sum, the last one to take the ticket may read what the others stored before they
// took it. A block's pass holds the ticket, when it was taken and by which thread; what the block did before the barrier
// in front of that lies before everything that the last block's threads do behind the barrier that follows.
#include "runtime/device/emulation/emulation.h"

#include <stdlib.h>

// launch: 16 bits, ticket: 24, thread: 10, barriers passed: 14, as in the stamps of memory.c.
enum { MOST_EPOCHS = 0x3FFF };

static uint64_t pass_of(const Emulated *emulated, uint32_t ticket, uint32_t thread, uint32_t epoch) {
  return (uint64_t)emulated->number << 48 | (uint64_t)(ticket & 0xFFFFFF) << 24 | (uint64_t)thread << 14 |
         (epoch < MOST_EPOCHS ? epoch : MOST_EPOCHS);
}

static bool is_ticket_buffer(const Emulated *emulated, const Extent *extent) {
  return emulated->program->buffers[extent->buffer].region == MLA_TICKETS;
}

// The ticket counts up to n_blocks and is then 0 again. Returns what it was.
static unsigned count_up(unsigned *ticket, unsigned n_blocks) {
  unsigned old = __atomic_load_n(ticket, __ATOMIC_SEQ_CST), next;
  do {
    next = old >= n_blocks - 1 ? 0 : old + 1;
  } while (!__atomic_compare_exchange_n(ticket, &old, next, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
  return old;
}

unsigned mla_take_ticket(MlaThread *thread, unsigned *ticket, unsigned n_blocks, const void *caller) {
  Lane *lane = (Lane *)thread;
  Worker *worker = lane->worker;
  Emulated *emulated = worker->emulated;
  const unsigned char *at = (const unsigned char *)ticket;
  const Extent *extent = mla_find_extent(worker, at, sizeof *ticket);
  if (!extent || !is_ticket_buffer(emulated, extent))
    mla_fault_from(lane, caller, "takes a ticket that is not one of the launch's");
  uint32_t number = (uint32_t)((at - extent->begin) / 4), me = thread->thread.x;
  atomic_store(&emulated->passes[worker->block], pass_of(emulated, number, me, worker->epoch));
  unsigned taken = count_up(ticket, n_blocks);
  if (taken >= n_blocks)
    mla_fault_from(lane, caller, "takes a ticket for %u blocks that %u have taken", n_blocks, taken);
  if (taken != n_blocks - 1) return taken;
  worker->has_last_ticket = true;
  worker->last_ticket = number;
  worker->last_ticket_epoch = worker->epoch;
  worker->last_ticket_thread = me;
  return taken;
}

// Whether something done between two barriers (`epoch`) lies before what comes behind `barrier` of them, or is the same
// thread's.
static bool is_ordered(uint32_t epoch, uint32_t barrier, bool is_same_thread) {
  return epoch < barrier || barrier >= MOST_EPOCHS || (epoch == barrier && is_same_thread);
}

bool mla_is_behind_ticket(const Lane *lane, uint64_t stamp) {
  const Worker *worker = lane->worker;
  const Emulated *emulated = worker->emulated;
  if (!worker->has_last_ticket) return false;
  if (!is_ordered(worker->last_ticket_epoch, worker->epoch,
                  lane->self.thread.x == worker->last_ticket_thread))
    return false;
  uint64_t pass = atomic_load(&emulated->passes[stamp >> 24 & 0xFFFFFF]);
  if (pass >> 48 != emulated->number || (pass >> 24 & 0xFFFFFF) != worker->last_ticket) return false;
  return is_ordered((uint32_t)(stamp & MOST_EPOCHS), (uint32_t)(pass & MOST_EPOCHS),
                    (stamp >> 14 & 1023) == (pass >> 14 & 1023));
}

bool mla_prepare_tickets(Emulated *emulated) {
  bool is_first_number = emulated->number == 1; // passes of launches long ago have such numbers, too
  for (int i = 0; is_first_number && i < emulated->pass_capacity; i++) emulated->passes[i] = 0;
  if (emulated->n_blocks <= emulated->pass_capacity) return true;
  free(emulated->passes);
  emulated->passes = calloc((size_t)emulated->n_blocks, sizeof *emulated->passes);
  emulated->pass_capacity = emulated->passes ? emulated->n_blocks : 0;
  return emulated->passes != NULL;
}

int mla_find_open_ticket(const Emulated *emulated, unsigned *stands_at) {
  for (int i = 0; i < emulated->n_extents; i++) {
    const Extent *extent = &emulated->extents[i];
    if (!is_ticket_buffer(emulated, extent)) continue;
    const unsigned *tickets = (const unsigned *)(const void *)extent->begin;
    for (int k = 0; k < (int)((extent->end - extent->begin) / 4); k++)
      if ((*stands_at = tickets[k])) return k;
  }
  return -1;
}
