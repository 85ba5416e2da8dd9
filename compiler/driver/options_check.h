// Options as the compiler's parts read them. What is wrong with them is said, as a usage error.
#pragma once
#include "compiler/driver/options.h"
#include "compiler/emit/emit.h"
#include "compiler/sema/sema.h"
#include "runtime/device/device.h"

// Everything that can be wrong before a file is opened.
bool options_check(const Options *options);
// The --set list, then the options that are short for one. False: a value is not NAME=VALUE.
bool options_settings(Arena *arena, const Options *options, SemaOptions *sema);
// Bytes of --memory.
bool options_memory(const Options *options, int64_t *limit);

bool options_are_reference(const Options *options);
const MlaDeviceOps *options_device(const Options *options); // NULL: there is none of that name
EmitTarget options_target(const Options *options);
