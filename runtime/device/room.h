// Memory told beforehand: what a program takes, what the device has, and what to do if it is too little. Private to
// runtime/device.
#pragma once
#include "runtime/device/device.h"

// Of host memory only what is certain: the machine's own, or the limit of the process's control group; what others use
// may be given back. Sets free_bytes, total_bytes and place.
void mla_host_room(MlaRoom *room);
// True if the program fits, or if that cannot be known.
bool mla_check_room(const MlaDevice *device, const MlaProgram *program, MlaError *error);
