// The disk cache of compiled kernels, seen from outside: what lies there, and how it is kept small.
#pragma once
#include "runtime/error.h"
#include <stdint.h>

// Bytes of compiled kernels that are kept. Beyond them those go that were used longest ago, whenever new ones are
// compiled.
static const int64_t mla_cache_limit = INT64_C(1) << 30;

// A file of the cache: what one run of a compiler made.
typedef struct MlaCacheUnit {
  char name[96]; // "unit-<hash>.so", "unit-<hash>.cubin"; "tiles-<hash>.txt"
  int64_t n_bytes;
  double age;    // seconds since it was last used
  int n_kernels; // that it is known to hold
} MlaCacheUnit;

typedef struct MlaCacheUnits {
  char *dir;
  MlaCacheUnit *units; // the one used last first
  int n;
} MlaCacheUnits;

// Of the directory that the devices use (`chosen`, or NULL: $MLAANC_CACHE and the usual places). One that does not exist
// is empty. Release it with mla_cache_units_free in any case.
bool mla_cache_list(const char *chosen, MlaCacheUnits *list, MlaError *error);
void mla_cache_units_free(MlaCacheUnits *list);
// Removes units used longest ago until at most `limit` bytes are left (0: everything), the links of kernels that are gone
// and what processes that died left of their compiling. Counts what went.
void mla_cache_trim(MlaCacheUnits *list, int64_t limit, int *n_removed, int64_t *bytes_removed);
