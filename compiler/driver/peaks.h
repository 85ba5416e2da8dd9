// What the machine can do at most: the measure of --profile.
#pragma once
#include "compiler/support/arena.h"
#include "runtime/device/device.h"

// Fills in the device's flop_rate and bandwidth where it does not know them and its kernels are C: measured in less than a
// tenth of a second; the most that was ever measured is kept beside the compiled kernels, by processor, threads and
// precision. They stay 0 if that fails.
void peaks_find(Arena *arena, MlaDevice *device, const MlaProgram *program);
