// Fibers for x86-64: the switch saves what the calling convention promises to keep, on the stack that it leaves.
#if defined(__x86_64__)
#include "runtime/device/emulation/fiber.h"

#include <stdint.h>
#include <string.h>

void mla_fiber_swap(void **save, void *load) __asm__("mla_fiber_swap");
void mla_fiber_begin(void) __asm__("mla_fiber_begin");

// A new fiber's first return goes to mla_fiber_begin, with its argument in r12 and its entry in r13.
__asm__(".text\n"
        ".p2align 4\n"
        ".type mla_fiber_swap, @function\n"
        "mla_fiber_swap:\n"
        "  pushq %rbp\n"
        "  pushq %rbx\n"
        "  pushq %r12\n"
        "  pushq %r13\n"
        "  pushq %r14\n"
        "  pushq %r15\n"
        "  movq %rsp, (%rdi)\n"
        "  movq %rsi, %rsp\n"
        "  popq %r15\n"
        "  popq %r14\n"
        "  popq %r13\n"
        "  popq %r12\n"
        "  popq %rbx\n"
        "  popq %rbp\n"
        "  ret\n"
        ".size mla_fiber_swap, .-mla_fiber_swap\n"
        ".type mla_fiber_begin, @function\n"
        "mla_fiber_begin:\n"
        "  movq %r12, %rdi\n"
        "  callq *%r13\n"
        "  ud2\n"
        ".size mla_fiber_begin, .-mla_fiber_begin\n");

void mla_fiber_prepare(MlaFiber *fiber, unsigned char *low, size_t n_bytes, void (*entry)(void *),
                       void *argument) {
  uint64_t *top = (uint64_t *)(((uintptr_t)low + n_bytes) & ~(uintptr_t)15);
  uint64_t frame[8] = {0, 0, (uint64_t)(uintptr_t)entry,           (uint64_t)(uintptr_t)argument,
                       0, 0, (uint64_t)(uintptr_t)mla_fiber_begin, 0}; // r15 r14 r13 r12 rbx rbp, return
  // The return leaves the stack pointer at a multiple of 16, as before every call.
  fiber->stack_pointer = top - 9;
  memcpy(top - 9, frame, 7 * sizeof *frame);
  memset(top - 2, 0, 2 * sizeof *top);
}

void mla_fiber_switch(MlaFiber *from, MlaFiber *to) {
  mla_fiber_swap(&from->stack_pointer, to->stack_pointer);
}
#else
typedef int mla_fiber_is_elsewhere;
#endif
