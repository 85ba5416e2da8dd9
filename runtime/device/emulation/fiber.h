// A second stack to run on. Private to runtime/device/emulation.
#pragma once
#include <stddef.h>

typedef struct MlaFiber {
  void *stack_pointer; // while it does not run; what stands there is the switch's affair
} MlaFiber;

// Makes `fiber` begin with entry(argument) on the stack [low, low + n_bytes). The entry never returns.
void mla_fiber_prepare(MlaFiber *fiber, unsigned char *low, size_t n_bytes, void (*entry)(void *),
                       void *argument);
// Leaves `from`, which a later switch continues after this call, and continues `to`.
void mla_fiber_switch(MlaFiber *from, MlaFiber *to);
