// What was measured on a device about how its kernels are best cut, kept beside the compiled kernels: a text file a kind of
// device, DIR/tiles-<sha256 of its first line>.txt, that appears whole or not at all.
//
//   mlaanc tiles 1: NVIDIA H100 80GB HBM3, sm_90, ABI 1
//   131072x16x144*1,exact32,left4t,right4 <tab> 128x16x16/8x2 <tab> 31.4 <tab> 27.9
#pragma once
#include "runtime/error.h"

typedef struct MlaChoice {
  char *key, *value;
  double usual, chosen; // microseconds of a step: of what would be taken unmeasured, of this
} MlaChoice;

typedef struct MlaChoices {
  MlaChoice *items;
  int n;
} MlaChoices;

// Those of this kind of device; none if nothing was measured there. `cache_dir` as in MlaDeviceOptions. Release them with
// mla_choices_free in any case.
bool mla_choices_read(const char *cache_dir, const char *device, MlaChoices *choices, MlaError *error);
// Adds these to what is kept, in place of those of the same keys.
bool mla_choices_keep(const char *cache_dir, const char *device, const MlaChoices *choices, MlaError *error);
// The texts are copied.
bool mla_choices_add(MlaChoices *choices, const MlaChoice *choice);
void mla_choices_free(MlaChoices *choices);
