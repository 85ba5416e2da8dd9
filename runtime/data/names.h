// The names in a folder, sorted. Private to this folder of sources.
#pragma once
#include "runtime/error.h"

#include <dirent.h>
#include <stdint.h>

typedef struct MlaNames {
  char **items;
  int64_t n, capacity;
  int64_t n_others; // entries that were not wanted
} MlaNames;

typedef bool MlaKeep(const char *folder, const struct dirent *entry, const void *what);

// The entries that `keep` wants, in the order of their bytes; hidden ones are not there. On failure too, free them.
bool mla_names_list(MlaNames *names, const char *folder, MlaKeep *keep, const void *what, MlaError *error);
void mla_names_free(MlaNames *names);
