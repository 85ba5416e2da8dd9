// --tune: how products are cut, by measuring; and what was measured before.
#pragma once
#include "compiler/driver/compile.h"

// Emits the model with the first, second, ... way to cut each product, times a few steps of each on a device like `device`
// and keeps the fastest way of every product. Says what is gained. Returns a STATUS_.
int tune_measure(Compilation *c, const MlaDevice *device, const Options *options);
// Emits the model again with what is kept for this kind of device; *n_tuned products are cut otherwise than without it.
bool tune_apply(Compilation *c, const MlaDevice *device, const Options *options, int *n_tuned,
                MlaError *error);
