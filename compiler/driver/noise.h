// Made-up images, to measure steps with.
#pragma once
#include "runtime/device/device.h"

// All that step `index` reads is on the device, which has nothing else to do.
bool noise_prepare(MlaLoaded *loaded, int64_t index, MlaError *error);
// Until everything that was asked of the device has been done.
bool noise_wait(MlaLoaded *loaded, MlaError *error);
