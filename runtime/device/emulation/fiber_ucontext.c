// Fibers for other processors, by the C library: each switch costs two system calls.
#if !defined(__x86_64__) && !defined(__aarch64__)
#include "runtime/device/emulation/fiber.h"

#include <stdint.h>
#include <string.h>
#include <ucontext.h>

// A prepared fiber's context stands at the low end of its stack; one that was never prepared (a worker's own) lies
// on the stack that it leaves, for as long as it is away.
typedef struct Context {
  ucontext_t machine;
  void (*entry)(void *);
  void *argument;
} Context;

// makecontext hands over ints: the pointer comes in two halves.
static void begin(unsigned high, unsigned low) {
  Context *context = (Context *)(uintptr_t)((uint64_t)high << 32 | low);
  context->entry(context->argument);
}

void mla_fiber_prepare(MlaFiber *fiber, unsigned char *low, size_t n_bytes, void (*entry)(void *),
                       void *argument) {
  Context *context = (Context *)(((uintptr_t)low + 15) & ~(uintptr_t)15);
  size_t used = (size_t)((unsigned char *)(context + 1) - low);
  uint64_t bits = (uint64_t)(uintptr_t)context;
  getcontext(&context->machine);
  context->machine.uc_stack.ss_sp = low + used;
  context->machine.uc_stack.ss_size = n_bytes - used;
  context->machine.uc_link = NULL;
  context->entry = entry;
  context->argument = argument;
  makecontext(&context->machine, (void (*)(void))begin, 2, (unsigned)(bits >> 32), (unsigned)bits);
  fiber->stack_pointer = context;
}

void mla_fiber_switch(MlaFiber *from, MlaFiber *to) {
  Context here;
  from->stack_pointer = &here;
  swapcontext(&here.machine, &((Context *)to->stack_pointer)->machine);
}
#else
typedef int mla_fiber_is_elsewhere;
#endif
