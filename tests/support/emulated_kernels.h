// Kernels that the host's C++ compiler made of emitted CUDA, behind the emulation's prelude, for the stand-in for
// libcudart: what a launch of a stand-alone trainer runs on a machine without a GPU. Part of fake_cudart.h; compiled with
// -I of the source tree, linked with runtime/device/emulation. KERNEL_TABLE is a file of rows KERNEL(symbol, buffers).
#include "runtime/device/emulation/emulation.h"

#include <limits.h>

#define KERNEL(symbol, n)                                                                                    \
  void symbol(void);                                                                                         \
  extern const MlaEntry mla_kernel_##symbol;
#include KERNEL_TABLE
#undef KERNEL

static const struct {
  const char *name;
  void (*stub)(void);
  const MlaEntry *entry;
  int n_buffers;
} emulated[] = {
#define KERNEL(symbol, n) {#symbol, symbol, &mla_kernel_##symbol, n},
#include KERNEL_TABLE
#undef KERNEL
};

static int index_of(const void *function) {
  for (size_t i = 0; i < sizeof emulated / sizeof *emulated; i++)
    if (!memcmp(&emulated[i].stub, &function, sizeof function)) return (int)i;
  printf("fake: a launch of something that is no kernel\n");
  exit(1);
}

static const char *name_of(const void *function) {
  return emulated[index_of(function)].name;
}

static int buffers_of(const void *function) {
  return emulated[index_of(function)].n_buffers;
}

// Blocks run one after the other, so a ticket is a count. The device's own would ask which buffer is a ticket's.
static unsigned take_ticket(MlaThread *thread, unsigned *ticket, unsigned n_blocks, const void *caller) {
  unsigned taken = *ticket;
  (void)thread, (void)caller;
  *ticket = taken + 1 == n_blocks ? 0 : taken + 1;
  return taken;
}

// Block by block, on one worker. The compiled text was not told to ask before accesses: only what it computes counts here.
static void run_kernel(const Launch *l) {
  static Worker worker;
  static MlaServices services;
  int index = index_of(l->function);
  const MlaEntry *entry = emulated[index].entry;
  MlaKernel kernel = {
      .symbol = emulated[index].name, .threads = (int)l->threads, .shared_bytes = (int64_t)l->shared};
  MlaProgram program = {.kernels = &kernel, .n_kernels = 1};
  MlaLaunch launch = {.name = kernel.symbol};
  Emulated all = {.program = &program,
                  .launch = &launch,
                  .entry = entry,
                  .pointers = l->at,
                  .batch = l->batch,
                  .mutex = PTHREAD_MUTEX_INITIALIZER,
                  .n_blocks = (int)l->blocks,
                  .first_fault = INT_MAX};
  void *const buf[] = {&all};
  if (!worker.lanes && !mla_worker_init(&worker)) exit(1);
  services = mla_emulation_services;
  services.take_ticket = take_ticket;
  entry->unit->bind(&services);
  for (unsigned block = 0; block < l->blocks; block++)
    mla_emulate_block(buf, l->batch, &worker, (int)block, (int)l->blocks);
  if (all.first_fault == INT_MAX) return;
  printf("fake: %s\n", all.message);
  exit(1);
}
