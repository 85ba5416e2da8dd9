// Fibers for aarch64: the switch saves what the calling convention promises to keep (x19 to x30, d8 to d15), on the
// stack that it leaves.
#if defined(__aarch64__)
#include "runtime/device/emulation/fiber.h"

#include <stdint.h>
#include <string.h>

enum { SAVED = 20 }; // words: x19 .. x30, d8 .. d15

void mla_fiber_swap(void **save, void *load) __asm__("mla_fiber_swap");
void mla_fiber_begin(void) __asm__("mla_fiber_begin");

// A new fiber's first return goes to mla_fiber_begin, with its argument in x19 and its entry in x20.
__asm__(".text\n"
        ".p2align 4\n"
        ".type mla_fiber_swap, %function\n"
        "mla_fiber_swap:\n"
        "  sub sp, sp, #160\n"
        "  stp x19, x20, [sp, #0]\n"
        "  stp x21, x22, [sp, #16]\n"
        "  stp x23, x24, [sp, #32]\n"
        "  stp x25, x26, [sp, #48]\n"
        "  stp x27, x28, [sp, #64]\n"
        "  stp x29, x30, [sp, #80]\n"
        "  stp d8, d9, [sp, #96]\n"
        "  stp d10, d11, [sp, #112]\n"
        "  stp d12, d13, [sp, #128]\n"
        "  stp d14, d15, [sp, #144]\n"
        "  mov x9, sp\n"
        "  str x9, [x0]\n"
        "  mov sp, x1\n"
        "  ldp x19, x20, [sp, #0]\n"
        "  ldp x21, x22, [sp, #16]\n"
        "  ldp x23, x24, [sp, #32]\n"
        "  ldp x25, x26, [sp, #48]\n"
        "  ldp x27, x28, [sp, #64]\n"
        "  ldp x29, x30, [sp, #80]\n"
        "  ldp d8, d9, [sp, #96]\n"
        "  ldp d10, d11, [sp, #112]\n"
        "  ldp d12, d13, [sp, #128]\n"
        "  ldp d14, d15, [sp, #144]\n"
        "  add sp, sp, #160\n"
        "  ret\n"
        ".size mla_fiber_swap, .-mla_fiber_swap\n"
        ".type mla_fiber_begin, %function\n"
        "mla_fiber_begin:\n"
        "  mov x0, x19\n"
        "  blr x20\n"
        "  brk #1\n"
        ".size mla_fiber_begin, .-mla_fiber_begin\n");

void mla_fiber_prepare(MlaFiber *fiber, unsigned char *low, size_t n_bytes, void (*entry)(void *),
                       void *argument) {
  uint64_t *top = (uint64_t *)(((uintptr_t)low + n_bytes) & ~(uintptr_t)15), *frame = top - SAVED;
  memset(frame, 0, SAVED * sizeof *frame);
  frame[0] = (uint64_t)(uintptr_t)argument;
  frame[1] = (uint64_t)(uintptr_t)entry;
  frame[11] = (uint64_t)(uintptr_t)mla_fiber_begin; // x30
  fiber->stack_pointer = frame;
}

void mla_fiber_switch(MlaFiber *from, MlaFiber *to) {
  mla_fiber_swap(&from->stack_pointer, to->stack_pointer);
}
#else
typedef int mla_fiber_is_elsewhere;
#endif
